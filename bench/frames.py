"""RFC 6455 for a client that counts: frames made before the clock starts, frames read by their header. No sockets.

The mask is constant. Masking protects proxies from a browser's page; a load generator needs none of it, and the server
does the same work for any mask.
"""

from collections.abc import Callable
from typing import Final

_MASK: Final = b"\x5a\xa5\x3c\xc3"
_TEXT, _CLOSE, _PING, _PONG = 0x81, 0x88, 0x89, 0x8A
_EVENT: Final = ord("V")  # of all a relay's messages only ["EVENT" has a V there


def masked(payload: bytes, head: int = _TEXT) -> bytes:
    """A whole client frame."""
    size = len(payload)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 65536:
        length = b"\xfe" + size.to_bytes(2)
    else:
        length = b"\xff" + size.to_bytes(8)
    key = int.from_bytes((_MASK * (size // 4 + 1))[:size])
    return bytes((head,)) + length + _MASK + (int.from_bytes(payload) ^ key).to_bytes(size)


def farewell() -> bytes:
    """The close frame of a client that is done (1000)."""
    return masked((1000).to_bytes(2), _CLOSE)


def published(wire: bytes) -> bytes:
    """The frame of `["EVENT", event]`."""
    return masked(b'["EVENT",' + wire + b"]")


class Counter:
    """Reads a server's frames: counts EVENT messages without looking into them, hands over every other message.

    `answer` gets the text of an OK, EOSE, CLOSED, NOTICE, AUTH or COUNT; `reply` gets frames to send (pongs); `closed`
    is set to the reason when the server closes. A fragmented message counts as its first frame.
    """

    def __init__(self, answer: Callable[[bytes], None], reply: Callable[[bytes], None]) -> None:
        self.events = 0
        self.closed: str | None = None
        self.answer = answer
        self._reply = reply
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        if self._rest:
            data = self._rest + data
        at, size, events = 0, len(data), 0
        while size - at >= 2:
            start = at + 2
            length = data[at + 1]
            if length == 126:
                if size < at + 4:
                    break
                length = data[start] << 8 | data[start + 1]
                start += 2
            elif length == 127:
                if size < at + 10:
                    break
                length = int.from_bytes(data[start : start + 8])
                start += 8
            end = start + length
            if end > size:
                break
            if data[at] & 0x0F != 1 or length < 4:
                self._other(data[at], data[start:end])
            elif data[start + 3] == _EVENT:
                events += 1
            else:
                self.answer(data[start:end])
            at = end
        self._rest = data[at:]
        self.events += events

    def _other(self, head: int, payload: bytes) -> None:
        if head == _PING:
            self._reply(masked(payload, _PONG))
        elif head == _CLOSE:
            self.closed = payload[2:].decode("utf-8", "replace") or f"code {int.from_bytes(payload[:2])}"
