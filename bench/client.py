"""A WebSocket client that costs next to nothing: pre-built frames out, counts in. One instance a connection."""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast
from urllib.parse import SplitResult, urlsplit

from bench.frames import Counter, farewell


class Trouble(Exception):
    """The relay did not do what the workload needs; the message says what it did instead."""


class BenchConnection(asyncio.Protocol):
    """One client.

    `answer` is called with each message that is not an EVENT; `arrived` after each read that held events; `lost` once when
    the connection ends; `idle` after each read, when all its messages were handed over. `events` counts EVENT messages since
    the start.
    """

    def __init__(self, where: SplitResult) -> None:
        self._where = where
        self._head = b""
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.arrived: Callable[[], None] | None = None
        self.idle: Callable[[], None] | None = None
        self.lost: Callable[[str], None] | None = None
        self.is_lost = False
        self._counter = Counter(_ignore, self.write)

    @property
    def events(self) -> int:
        """How many EVENT messages have come."""
        return self._counter.events

    def listen(self, answer: Callable[[bytes], None]) -> None:
        """Hand every message that is not an EVENT to `answer`."""
        self._counter.answer = answer

    def write(self, frames: bytes) -> None:
        """Send whole frames."""
        self._transport.write(frames)

    def close(self) -> None:
        """Say goodbye and close, without waiting for the relay's answer."""
        self.lost = None
        self.write(farewell())
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one in all but inheritance
        path = (self._where.path or "/") + (f"?{self._where.query}" if self._where.query else "")
        request = (
            f"GET {path} HTTP/1.1\r\nHost: {self._where.netloc.rpartition('@')[2]}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        self.write(request.encode())

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            data = self._shake_hands(data)
        before = self._counter.events
        self._counter.feed(data)
        if self.arrived is not None and self._counter.events > before:
            self.arrived()
        if self.idle is not None:
            self.idle()

    def _shake_hands(self, data: bytes) -> bytes:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if not end:
            return b""
        status = head.partition(b"\r\n")[0].decode("latin-1")
        if " 101 " not in f"{status} ":
            self.opened.set_exception(Trouble(f"no WebSocket there: the server answered {status!r}"))
            return b""
        self.opened.set_result(None)
        return rest

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True
        reason = self._counter.closed or str(exc or "the relay closed the connection")
        if not self.opened.done():
            self.opened.set_exception(Trouble(reason))
        if self.lost is not None:
            self.lost(reason)


def _ignore(_message: bytes) -> None:
    """What a workload does not ask for: AUTH challenges, notices."""


async def connect(url: str) -> BenchConnection:
    """An open connection to a ws:// or wss:// URL. Raises Trouble or OSError."""
    where = urlsplit(url)
    secure = where.scheme == "wss"
    if where.scheme not in ("ws", "wss") or where.hostname is None:
        raise Trouble(f"{url!r} is no ws:// or wss:// URL")
    _, connection = await asyncio.get_running_loop().create_connection(
        lambda: BenchConnection(where),
        where.hostname,
        where.port or (443 if secure else 80),
        ssl=ssl.create_default_context() if secure else None,
    )
    async with asyncio.timeout(20):
        await connection.opened
    return connection


async def connect_many(url: str, number: int) -> list[BenchConnection]:
    """Open `number` connections, a few at a time so that no backlog overflows."""
    connections: list[BenchConnection] = []
    while len(connections) < number:
        some = min(50, number - len(connections))
        connections += await asyncio.gather(*(connect(url) for _ in range(some)))
    return connections


class Barrier:
    """Something that is done when it has happened `number` times, or broken by trouble."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def arrive(self, number: int = 1) -> None:
        """It has happened."""
        self._left -= number
        if self._left <= 0 and not self._future.done():
            self._future.set_result(None)

    def fail(self, reason: str) -> None:
        """It cannot happen any more; `wait` raises Trouble."""
        if not self._future.done():
            self._future.set_exception(Trouble(reason))

    async def wait(self, seconds: float = 300.0) -> None:
        """Until it is done. Raises Trouble when it fails or takes longer."""
        try:
            async with asyncio.timeout(seconds):
                await self._future
        except TimeoutError:
            raise Trouble(f"{self._left} answers were still missing after {seconds:.0f} s") from None
