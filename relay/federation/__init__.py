"""Relays that stay in step: connections to peers, comparing with them, and what is sent either way."""
