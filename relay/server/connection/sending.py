"""What goes out to one client: messages, control frames, the end.

What is sent is queued as ready frames and written once per turn of the event loop, by whoever flushes. A client that leaves
too much unread is disconnected.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from typing import Final, cast

from websockets.protocol import State
from websockets.server import ServerProtocol

from relay.server import frames
from relay.server.connection.compression import DEFLATE
from relay.server.connection.peer_progress import PeerProgress
from relay.server.connection.shared import Shared

log = logging.getLogger("tidings.websocket")
# websockets logs every frame at DEBUG through its logger; a shared silent one keeps that off the hot path.
_silent = logging.getLogger("tidings.websocket.frames")
_silent.setLevel(logging.CRITICAL)
_EXTENSIONS: Final = (DEFLATE,)
_LARGE: Final = 65536  # bytes that a socket may not take at once, though all before was taken


class SendingConnection(asyncio.Protocol, ABC):
    """The sending side of a connection; `Connection` in `websocket` adds what reads. The transport is set when there is one."""

    __slots__ = (
        "closing_at",
        "connected",
        "deflate",
        "out",
        "paused",
        "pinged_at",
        "progress",
        "protocol",
        "shared",
        "transport",
    )

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        settings = shared.settings.config
        self.protocol = ServerProtocol(
            extensions=_EXTENSIONS if settings.server.compression else None,
            max_size=max(settings.limits.max_message_bytes, settings.limits.max_comparison_bytes),  # see `inbound`
            logger=_silent,
        )
        self.deflate = False
        self.connected = False  # the handshake is done and no close was sent or received
        self.out: list[bytes] = []  # frames
        self.progress = PeerProgress()
        self.pinged_at = 0.0
        self.closing_at = 0.0
        self.paused = False  # not read from, since too much of what came in is unfinished

    def frame(self, payload: bytes) -> bytes:
        """One message as a frame, compressed if this connection agreed to it."""
        return frames.deflated(payload) if self.deflate else frames.text(payload)

    def send(self, payload: bytes) -> None:
        """Queue one message."""
        self.queue(self.frame(payload))

    def queue(self, frame: bytes) -> None:
        """Queue ready frames; they are written when somebody flushes, once per turn."""
        if self.connected:
            if not self.out:
                self.shared.connections.dirty.add(self)
            self.out.append(frame)

    def flush(self) -> None:
        """Write what is queued in one go; disconnect a client that leaves too much unread."""
        if self.out:
            data = b"".join(self.out) if len(self.out) > 1 else self.out[0]
            self.out.clear()
            self.shared.connections.dirty.discard(self)
            untaken = self.untaken()
            if untaken > self.shared.settings.config.server.send_buffer:
                log.info(
                    "a client left more than %d bytes unread: disconnected",
                    self.shared.settings.config.server.send_buffer,
                )
                self.abort()
            elif not self.transport.is_closing():
                self.progress.given += len(data)
                self.transport.write(data)
                if untaken or len(data) > _LARGE:
                    self.shared.connections.untaken.note(len(data))
        if self.paused:
            self.consider_reading()

    @abstractmethod
    def consider_reading(self) -> None:
        """Read on, or stop reading, by how much of what this client sent is unfinished."""

    def ping(self, now: float) -> None:
        """Ask a silent client whether it is there; any answer counts (`heard_at`)."""
        if self.protocol.state is State.OPEN:
            self.pinged_at = now
            self.protocol.send_ping(b"")
            self.pump()

    def untaken(self) -> int:
        """Bytes that were written and that the peer has not taken yet."""
        return self.transport.get_write_buffer_size()

    def is_stuck(self, now: float, patience: float) -> bool:
        """Whether a peer that leaves data unread has taken none of it for `patience` seconds."""
        return self.progress.is_stuck(self.untaken(), now, patience)

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; the hub cuts the connection if the peer does not answer in time."""
        if self.protocol.state is State.OPEN:
            self.flush()
            self.protocol.send_close(code, reason)
            self.pump()
        elif not self.closing_at:
            self.abort()

    def say_goodbye(self, code: int, reason: str) -> None:
        """Close, and read on for the peer's close frame; messages are not acted on any more."""
        self.close(code, reason)
        self.transport.resume_reading()
        self.paused = False
        self.consider_reading()  # what came before is to be gone through first

    def abort(self) -> None:
        """Cut the connection now."""
        self.connected = False
        self.transport.abort()

    def pump(self) -> None:
        """Write what the protocol itself has to say: handshake, pongs, close frames."""
        protocol = self.protocol
        pending = protocol.data_to_send()
        if pending and not self.transport.is_closing():
            if self.out:  # answers to what came before a close frame go before the close frame
                self.transport.write(b"".join(self.out))
                self.out.clear()
            for data in pending:
                if data:
                    self.transport.write(data)
                elif protocol.parser_exc is not None and self.transport.can_write_eof():
                    self.transport.write_eof()  # a reset, for what it still sends, would keep our last words from it
                else:
                    self.transport.close()
        if self.connected and protocol.state is not State.OPEN:
            self.connected = False
            self.closing_at = self.shared.clock()
