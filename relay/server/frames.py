"""Outgoing WebSocket frames (RFC 6455, RFC 7692), made as bytes so that one payload serves every subscriber.

websockets' `ServerProtocol` does the handshake, the control frames and everything incoming; text going out is too frequent
for a Frame object each. Servers do not mask, so a frame is a header and the payload. Compression is without context takeover:
each message stands alone, which is what lets subscribers share a compressed one.
"""

import zlib
from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from typing import Final

TEXT: Final = 0x81  # FIN, opcode 1
COMPRESSED: Final = 0xC1  # FIN, RSV1, opcode 1
WINDOW_BITS: Final = 15  # of what we compress
COMPRESS_FROM: Final = 256  # bytes; shorter messages gain nothing
_LEVEL: Final = 3
_TAIL: Final = b"\x00\x00\xff\xff"
_SHORT: Final = tuple(bytes((TEXT, length)) for length in range(126))
_KEPT: Final = 16384  # bytes; the headers of messages shorter than this are made once


def header(length: int, first: int = TEXT) -> bytes:
    """The header of an unmasked frame with a payload of `length` bytes."""
    if length < 126:
        return _SHORT[length] if first == TEXT else bytes((first, length))
    if length < 65536:
        return (b"\x81\x7e" if first == TEXT else bytes((first, 126))) + length.to_bytes(2)
    return bytes((first, 127)) + length.to_bytes(8)


def text(payload: bytes) -> bytes:
    """One text message as a frame."""
    return header(len(payload)) + payload


def deflated(payload: bytes) -> bytes:
    """One text message as a frame, compressed where that pays (RFC 7692, no context takeover)."""
    if len(payload) < COMPRESS_FROM:
        return text(payload)
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, -WINDOW_BITS)
    data = compressor.compress(payload) + compressor.flush(zlib.Z_SYNC_FLUSH)
    data = data.removesuffix(_TAIL)
    return header(len(data), COMPRESSED) + data


class _Headers(dict[int, bytes]):
    """The header of each length of message."""

    def __missing__(self, length: int) -> bytes:
        made = header(length)
        if length < _KEPT:
            self[length] = made
        return made


_headers: Final = _Headers()


def events(prefix: bytes, wires: Sequence[bytes]) -> bytes:
    """EVENT messages of one subscription as one run of frames; `prefix` is `messages.event_prefix`."""
    extra = len(prefix) + 1
    if len(wires) == 1:  # what follows takes as long to begin as for ten events
        return b"".join((_headers[extra + len(wires[0])], prefix, wires[0], b"]"))
    # No bytecode runs for each event: this is a third of what a page costs otherwise.
    headers = map(_headers.__getitem__, map(extra.__add__, map(len, wires)))
    return b"".join(chain.from_iterable(zip(headers, repeat(prefix), wires, repeat(b"]"), strict=False)))


def deflated_events(prefix: bytes, wires: Iterable[bytes]) -> bytes:
    """As `events`, compressed; it takes about 15 µs a message, so not on the event loop."""
    return b"".join([deflated(b"%b%b]" % (prefix, wire)) for wire in wires])


def is_utf8(data: bytes) -> bool:
    """Whether a text message is one (RFC 6455)."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
