"""The WebSocket to a peer: websockets' connection with a short path for whole text messages, either way.

Nearly all that a peer sends are unfragmented, uncompressed text frames, and so is all that is sent to it. Such a frame needs its
header read or written and its mask put on, and nothing else; the general path makes a Frame, a generator step and a task's turn of
each, which costs more than checking what is in it but for the signature. So those frames are taken here, and everything else is
given to the protocol, in order: the handshake, control frames, fragments, and whatever is wrong.

The invariant: the protocol is given whole frames, so that it is between two whenever a short one begins. Only when it has begun to
close, or is to refuse what comes (a frame that is masked, too long or of no known kind), is it given all there is.
"""

import asyncio
import os
import re
from collections import deque
from collections.abc import Callable
from http import HTTPStatus
from itertools import islice
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.datastructures import Headers
from websockets.exceptions import InvalidMessage, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.protocol import State
from websockets.speedups import apply_mask

BUFFERED: Final = 256 * 1024  # bytes of messages that nobody has taken yet, beyond which the peer is not read from
GATHERED: Final = 64 * 1024  # bytes of messages to it that are handed to the system at once
LEAST_PART: Final = 256  # bytes that a part of a message has, unless it is the last one, where it was cut for a reason
_BESIDE: Final = 64  # what a message takes beside its bytes, so that empty ones count too
_TEXT: Final = 0x81  # FIN, no reserved bits, opcode 1
_MASKED: Final = 0x80
_OPCODE: Final = 0x0F
_OPCODES: Final = frozenset(map(int, Opcode))
_END_OF_HEAD: Final = b"\r\n\r\n"
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})\b")
_MOST_STATUS: Final = 64  # bytes of the first line that are looked at
DROPPED: Final = 1024 * 1024  # bytes that may come after the end of what is read


class PeerSocket(ClientConnection):
    """Made by websockets' `connect`; messages come by `messages` instead of `recv`, and `write` sends one without waiting."""

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._messages: deque[bytes] = deque()
        self._size = 0  # bytes that they take
        self._awaited: asyncio.Future[None] | None = None
        self._held = bytearray()  # the beginning of a frame, or what came after so many that the peer is not read from
        self._needed = 0  # bytes of it that must be there before more can be said
        self._first = b""  # of the answer to the handshake
        self._tail = b""  # the last bytes of a head that has not ended
        self._dropped = 0  # bytes that came after the end of what is read
        self._parts: bytearray | None = None  # of a fragmented message; the protocol bounds their sum
        self._reading = True
        self._unsent: list[bytes] = []  # messages of this turn of the event loop
        self._unsent_size = 0  # bytes of them
        self._is_cut = False
        self.empty: Callable[[str], None] = lambda _what: None  # told of a frame that costs work and says nothing

    # out

    def write(self, message: bytes) -> bool:
        """Send a text message in UTF-8; False where the connection takes none any more, and nothing was sent.

        Whoever sends much waits for `drain` where it `is_full`.
        """
        if self.protocol.state is not State.OPEN:
            return False
        if not self._unsent:
            self.loop.call_soon(self._send_gathered)
        self._unsent.append(message)
        self._unsent_size += len(message)
        if self._unsent_size >= GATHERED:
            self._send_gathered()
        return True

    def _send_gathered(self) -> None:
        """Hand over the messages of this turn in one piece: a piece for each costs more than making the frames does."""
        messages, self._unsent, self._unsent_size = self._unsent, [], 0
        if not messages or self.transport.is_closing():
            return
        masks = os.urandom(4 * len(messages))
        frames: list[bytes] = []
        for at, message in enumerate(messages):
            mask = masks[4 * at : 4 * at + 4]
            frames += (_header(len(message)), mask, apply_mask(message, mask))
        self.transport.write(b"".join(frames))

    def send_data(self) -> None:
        """What the protocol has to say comes after the messages that were written before."""
        self._send_gathered()
        super().send_data()

    @property
    def is_full(self) -> bool:
        """Whether more than the transport's limit waits to be sent."""
        return self.paused

    # in

    async def messages(self, most: int) -> list[bytes]:
        """Up to so many messages that have come, at least one. Raises websockets' ConnectionClosed; for one task."""
        while not self._messages:
            if self.connection_lost_waiter.done():
                raise self.close_exc
            self._awaited = self.loop.create_future()
            try:
                await self._awaited
            finally:
                self._awaited = None
        found = list(islice(self._messages, most))
        if len(found) == len(self._messages):
            self._messages.clear()
        else:
            for _ in found:
                self._messages.popleft()
        self._size -= sum(map(len, found)) + _BESIDE * len(found)
        self._read_on()
        return found

    async def close(self, *given: Any, **more: Any) -> None:
        """As ClientConnection.close; what has come and is not taken is dropped, so that the peer's goodbye is read."""
        self._messages.clear()
        self._size = 0
        self._read_on()
        await super().close(*given, **more)

    def cut(self) -> None:
        """End it at once; what has come already is not looked at any more."""
        self._is_cut = True
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if not self._first and isinstance(self.protocol.handshake_exc, InvalidMessage):
            self.protocol.handshake_exc = ConnectionResetError()  # there was no answer that could be wrong
        self._wake()

    def data_received(self, data: bytes) -> None:
        if self._is_cut:
            return
        if self.protocol.state is State.CONNECTING:
            data = self._head(data)
            if self.protocol.handshake_exc is not None:  # whatever else there is, nobody looks at
                self._refuse()
                return
        elif self.protocol.state is not State.OPEN:
            self._dropped += len(data)
            if self._dropped > DROPPED:
                self.cut()
                return
        if self._held:
            self._held += data
            if len(self._held) < self._needed and self.protocol.state is State.OPEN:
                return
            data = bytes(self._held)
            self._held.clear()
        rest = self._frames(data)
        if rest and not self._is_cut:
            super().data_received(rest)
        if self._messages:
            self._wake()
            if self._size > BUFFERED and self._reading:
                self._reading = False
                self.transport.pause_reading()

    def _refuse(self) -> None:
        """The handshake has failed: end it, with the status where there is one, however long what follows it may be."""
        found = _STATUS.match(self._first)
        status = 0 if found is None else int(found[1])
        if isinstance(self.protocol.handshake_exc, InvalidMessage) and status not in (
            0,
            HTTPStatus.SWITCHING_PROTOCOLS,
        ):
            self.protocol.handshake_exc = InvalidStatus(Response(status, "", Headers()))
        self.cut()

    def process_event(self, event: Any) -> None:
        """Messages that came by the protocol wait with the others."""
        if isinstance(event, Response) or event.opcode is Opcode.PONG:
            super().process_event(event)
            if isinstance(event, Frame):
                self.empty("sent a pong")
        elif event.opcode is Opcode.PING:
            self.empty("sent a ping")
        elif event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            self._take_part(event)

    def _take_part(self, frame: Frame) -> None:
        if not frame.fin and len(frame.data) < LEAST_PART:
            self.empty("sent a small part of a message")
        parts = bytearray() if self._parts is None else self._parts
        parts += frame.data
        self._parts = None if frame.fin else parts
        if frame.fin:
            self._put(bytes(parts))

    def _put(self, message: bytes) -> None:
        self._messages.append(message)
        self._size += len(message) + _BESIDE

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)

    def _read_on(self) -> None:
        if not self._reading and self._size <= BUFFERED:
            self._reading = True
            self.data_received(b"")  # what is held
            if self._reading and not self.transport.is_closing():
                self.transport.resume_reading()

    def _head(self, data: bytes) -> bytes:
        """Give the protocol what is there of the answer's head; what is left."""
        self._first += data[: _MOST_STATUS - len(self._first)]
        seen = self._tail + data
        end = seen.find(_END_OF_HEAD)
        taken = len(data) if end < 0 else end + len(_END_OF_HEAD) - len(self._tail)
        self._tail = seen[1 - len(_END_OF_HEAD) :]
        super().data_received(data[:taken])
        return data[taken:]

    def _frames(self, data: bytes) -> bytes:
        """Take whole frames; what is left is for the protocol. The beginning of a frame is held until the rest of it is there.

        So is what comes after as many as are kept: a quarter of a megabyte may be a hundred thousand frames.
        """
        protocol, at, size = self.protocol, 0, len(data)
        while at < size and protocol.state is State.OPEN and not self._is_cut:
            head = data[at]
            most = (protocol.max_message_size or 0) - (protocol.current_size or 0)
            self._needed = 2
            if size - at < 2:
                return self._hold(data[at:])
            length, body = data[at + 1], at + 2
            if length in (126, 127):
                width = 2 if length == 126 else 8
                self._needed += width
                if size - at < self._needed:
                    return self._hold(data[at:])
                length, body = int.from_bytes(data[body : body + width]), body + width
            if length > most or data[at + 1] & _MASKED or head & _OPCODE not in _OPCODES:
                return data[at:]
            end = body + length
            self._needed = end - at
            if end > size:
                return self._hold(data[at:])
            if self._size > BUFFERED:
                return self._hold(data[at:])
            if head == _TEXT and protocol.current_size is None:
                self._put(data[body:end])
            else:
                super().data_received(data[at:end])
            at = end
        return data[at:]

    def _hold(self, beginning: bytes) -> bytes:
        self._held += beginning
        return b""


def _header(length: int) -> bytes:
    """The header of a client's text frame, without its mask."""
    if length <= 125:
        return bytes((_TEXT, _MASKED | length))
    if length < 65_536:
        return bytes((_TEXT, _MASKED | 126)) + length.to_bytes(2)
    return bytes((_TEXT, _MASKED | 127)) + length.to_bytes(8)
