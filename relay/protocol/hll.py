"""HyperLogLog of NIP-45: 256 registers over the pubkeys of what is counted.

The offset comes from the filter as the client wrote it, since "the first tag attribute" is a matter of order.
"""

import hashlib
from collections.abc import Iterable
from typing import Final

from relay.protocol import kinds

REGISTERS: Final = 256


def offset_of(raw_filter: dict[str, object]) -> int | None:
    """Where in the pubkey the register index stands (8 to 23), or None for a filter without a tag value (NIP-45)."""
    for name, given in raw_filter.items():
        if name.startswith("#") and isinstance(given, list) and given and isinstance(given[0], str):
            return int(_hex_of(given[0])[32], 16) + 8
    return None


def _hex_of(value: str) -> str:
    if kinds.is_hex(value, 64):
        return value
    kind, _, rest = value.partition(":")
    pubkey = rest.partition(":")[0]
    if kind.isascii() and kind.isdigit() and kinds.is_hex(pubkey, 64):
        return pubkey
    return hashlib.sha256(value.encode()).hexdigest()


def registers(pubkeys: Iterable[bytes], offset: int) -> str:
    """The 256 registers as 512 hex digits; `pubkeys` are 32 bytes each, `offset` is 8 to 23."""
    kept = bytearray(REGISTERS)
    for pubkey in pubkeys:
        rest = pubkey[offset + 1 :]
        zeros = 8 * len(rest) - int.from_bytes(rest).bit_length()
        kept[pubkey[offset]] = max(kept[pubkey[offset]], zeros + 1)
    return kept.hex()
