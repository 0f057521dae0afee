"""Tidings: a Nostr relay that is also a hub of signed events. Holds the version and imports nothing."""

__version__ = "0.1.0"
