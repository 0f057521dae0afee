"""Frames of a client: whole text frames by a short path, everything else by websockets' Sans-I/O `ServerProtocol`.

Nearly all that clients send are unfragmented, uncompressed text frames. Such a frame needs its header read, its mask taken off
(websockets' C function does that) and nothing else; the general parser makes a generator step, an enum and a Frame object of
each. So `Inbound` takes those itself, and hands every other byte to the protocol, in order: control frames, fragments, compressed
frames, whatever is wrong, and everything once the closing handshake has begun.

The invariant: what the protocol is given the beginning of, it is given to its end; so it is between two frames whenever a short one
begins, and what both give together is what the protocol alone would have given. A frame that is not complete yet is held back
only as long as the protocol would not have answered either. `tests/server/connection/test_inbound.py` compares the two on any
bytes, cut anywhere.

A connection begins with the head of a request. What follows it is held until the caller has answered: only then is it known what
the bytes are.
"""

from collections.abc import Callable
from typing import Final

from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.speedups import apply_mask

_TEXT: Final = 0x81  # FIN, no reserved bits, opcode 1
_MASKED: Final = 0x80
_CONTROL: Final = 0x08  # the bit of an opcode that control frames have
_MOST_HEADER: Final = 10  # bytes before the mask
_END_OF_HEAD: Final = b"\r\n\r\n"

Received = bytes | Frame | Request  # `bytes` is the payload of a short text frame


class Inbound:
    """Owns a protocol's receiving side. A message may have `max_size` bytes; more, up to the protocol's bound, where `may_grow`.

    `may_grow` is asked once such a message begins to come, as far as that is seen here: a compressed one is seen by whoever
    takes it.
    """

    __slots__ = ("_begun", "_held", "_left", "_max_size", "_may_grow", "_needed", "_protocol", "_tail", "touched")

    def __init__(self, protocol: ServerProtocol, max_size: int, may_grow: Callable[[], bool] = lambda: False) -> None:
        self._protocol = protocol
        self._max_size = max_size
        self._may_grow = may_grow
        self._held = bytearray()  # the beginning of a frame
        self._needed = 0  # bytes that must be there before more can be said of it
        self._tail = b""  # the last bytes of a head that has not ended
        self.touched = False  # whether the protocol was given something; for the caller to reset
        self._left = 0  # bytes of a frame that the protocol has the beginning of, and is still to be given
        self._begun = b""  # its header, while its length is not known yet

    def feed(self, data: bytes) -> list[Received]:
        """Take bytes that arrived; what they complete, in order. Afterwards the protocol may have something to send.

        After a Request, call it again (with nothing, if nothing came) once that is answered.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return []
            data = bytes(self._held)
            self._held.clear()
        elif len(data) > 6 and data[0] == _TEXT and self._is_between():
            found, at = self._short(data)
            return found if at == len(data) else found + self._general(data[at:])
        return self._general(data)

    def end(self) -> list[Received]:
        """The client sends no more."""
        found = self._give(bytes(self._held))
        self._held.clear()
        self._protocol.receive_eof()
        return found + self._events()

    @property
    def unfinished(self) -> int:
        """Bytes that are held of a frame that has not come to its end."""
        return len(self._held) + len(self._protocol.reader.buffer)

    def let_go(self) -> None:
        """Nothing more will come: what is held is freed at once, whoever still knows the connection."""
        self._held.clear()
        self._protocol.reader.buffer.clear()

    def _is_between(self) -> bool:
        """Whether a short frame may begin here: the protocol is open, and inside no frame and no fragmented message."""
        protocol = self._protocol
        return protocol.state is State.OPEN and not self._left and not self._begun and protocol.current_size is None

    def _short(self, data: bytes) -> tuple[list[Received], int]:
        """The short frames that data begins with, and where they end: of the usual read, which is a few frames, whole, all."""
        found: list[Received] = []
        at, size = 0, len(data)
        while size - at > 6 and data[at] == _TEXT:
            length = data[at + 1] - _MASKED
            body = at + 6
            if length == 126:
                length, body = data[at + 2] << 8 | data[at + 3], at + 8
            elif length == 127:
                break
            end = body + length
            if not 0 <= length <= self._max_size or end > size:
                break
            found.append(apply_mask(data[body:end], data[body - 4 : body]))
            at = end
        return found, at

    def _general(self, data: bytes) -> list[Received]:
        found: list[Received] = []
        at, size = 0, len(data)
        self._needed = 0
        while at < size:
            if self._protocol.state is State.CONNECTING:
                at += self._head(data[at:], found)
                if found:
                    break
                continue
            if self._protocol.state is not State.OPEN:
                return found + self._give(data[at:])
            if self._left or self._begun:
                at += self._go_on(data[at:], found)
                continue
            if size - at < 2:
                break
            if data[at] != _TEXT or not data[at + 1] & _MASKED or self._protocol.current_size is not None:
                at += self._go_on(data[at:], found)
                continue
            body, length = _extent(data, at)
            if length is None:
                break
            self._needed = body + length - at
            if self._is_too_long(length):
                return found + self._refuse(data[at:], length)
            end = body + length
            if end > size:
                break
            found.append(apply_mask(data[body:end], data[body - 4 : body]))
            at = end
            self._needed = 0
        self._held += data[at:]
        return found

    def _head(self, data: bytes, found: list[Received]) -> int:
        """Give the protocol what is there of the request's head; how many bytes that was."""
        seen = self._tail + data
        end = seen.find(_END_OF_HEAD)
        taken = len(data) if end < 0 else end + len(_END_OF_HEAD) - len(self._tail)
        self._tail = seen[1 - len(_END_OF_HEAD) :]
        found += self._give(data[:taken])
        return taken

    def _go_on(self, data: bytes, found: list[Received]) -> int:
        """Give the protocol what is there of a frame that is not short; how many bytes that was."""
        if self._left:
            taken = min(self._left, len(data))
            self._left -= taken
        else:
            header = self._begun + data[:_MOST_HEADER]
            body, length = _extent(header, 0)
            if length is None:
                taken = len(data)
                self._begun = header
            elif header[0] & _CONTROL == 0 and self._is_too_long(length + (self._protocol.current_size or 0)):
                found += self._refuse(data, length)
                return len(data)
            else:
                whole = body + length - len(self._begun)
                taken = min(whole, len(data))
                self._left = whole - taken
                self._begun = b""
        found += self._give(data[:taken])
        return taken

    def _is_too_long(self, size: int) -> bool:
        """Whether a message of so many bytes, as far as it has come, is not taken."""
        return size > self._max_size and (size > (self._protocol.max_message_size or 0) or not self._may_grow())

    def _refuse(self, data: bytes, size: int) -> list[Received]:
        """End the connection for a message of so many bytes, as the protocol does beyond its own bound."""
        protocol = self._protocol
        if size <= (protocol.max_message_size or 0):
            error = PayloadTooBig(size, self._max_size)
            self.touched = True
            protocol.fail(CloseCode.MESSAGE_TOO_BIG, str(error))
            protocol.parser_exc = error
            return self._events()
        return self._give(data)

    def _give(self, data: bytes) -> list[Received]:
        if data:
            self.touched = True
            self._protocol.receive_data(data)
        return self._events()

    def _events(self) -> list[Received]:
        return list(self._protocol.events_received())  # type: ignore[arg-type]


def _extent(data: bytes, at: int) -> tuple[int, int | None]:
    """Where the payload of the client's frame at `at` begins, and its length; None as long as that is not known."""
    if len(data) - at < 2:
        return at, None
    length = data[at + 1] & 127
    if length < 126:
        return at + 6, length
    width = 2 if length == 126 else 8
    if len(data) - at < 2 + width:
        return at, None
    return at + 6 + width, int.from_bytes(data[at + 2 : at + 2 + width])
