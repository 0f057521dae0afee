"""Addressable events (NIP-01): only the newest version of an author's kind and first `d` tag is kept.

They differ from replaceable ones in their address alone, and `event.address_of` knows that.
"""

from handlers.replaceable import admit

__all__ = ["admit"]
