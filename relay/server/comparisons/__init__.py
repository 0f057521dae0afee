"""Comparisons by negentropy (NIP-77), with this relay as the one that answers."""
