"""A front's connection to a role that it asks, over a Unix stream.

States: away (no connection, or a connection that nobody has spoken on yet: the listening socket outlives the role), here (the role
has spoken). While it is away, whoever asks is told at once; the connection is made again and again without anybody's doing. A role
that says nothing for a while is taken to stand still, and is left for a new connection, on which it will speak when it goes on.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Final, Generic, TypeVar, cast

from relay.roles.channel import FrameReader, frame
from relay.server.supervision import Faults, Tasks

SILENCE: Final = 4.0  # seconds without a sign of life after which the role is taken to stand still
AGAIN: Final = 0.05  # seconds between two attempts to reach a role that is being started again

M = TypeVar("M")  # what the role says

log = logging.getLogger("tidings.roles")


class RoleConnection(Generic[M]):
    """To the role whose socket is at `path`. Made on the running loop, all methods are called there.

    It begins to connect at once. `take` gets every message; `lost` is called when the connection is gone. `name` is the role's.
    """

    def __init__(
        self,
        path: str,
        name: str,
        faults: Faults,
        *,
        decode: Callable[[bytes], M],
        take: Callable[[M], None],
        lost: Callable[[], None],
        silence: float = SILENCE,
    ) -> None:
        self._path = path
        self._name = name
        self._decode = decode
        self._take = take
        self._lost = lost
        self._faults = faults
        self._silence = silence
        self._stream: _RoleStream | None = None  # one that was spoken on
        self._present = asyncio.Event()
        self._tasks = Tasks(faults)
        self._tasks.repeat(self._stay_connected, f"the link to {name}")
        self._tasks.repeat(self._watch, f"the watch over {name}")

    @property
    def is_here(self) -> bool:
        """Whether the role can be asked."""
        return self._stream is not None

    @property
    def is_writable(self) -> bool:
        """Whether the role takes what is sent."""
        return self._stream is not None and self._stream.writable

    async def present(self) -> None:
        """Returns when the role is here."""
        await self._present.wait()

    def send(self, body: bytes) -> None:
        """Send a message; where the role is away, nothing happens."""
        if self._stream is not None:
            self._stream.send(body)

    async def close(self) -> None:
        """Hang up. Idempotent."""
        await self._tasks.close()

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            stream = _RoleStream(self._hear, self._failed)
            try:
                await loop.create_unix_connection(lambda stream=stream: stream, self._path)  # type: ignore[misc]
                await stream.ended.wait()
                log.warning("%s is away; it is asked again as soon as it is here", self._name)
            except OSError:
                pass
            finally:
                stream.abort()
                self._stream = None
                self._present.clear()
                self._lost()
            await asyncio.sleep(AGAIN)

    async def _watch(self) -> None:
        """Leave a role that stands still."""
        loop, look = asyncio.get_running_loop(), self._silence / 4
        while True:
            before = loop.time()
            await asyncio.sleep(look)
            now = loop.time()
            if now - before > 2 * look:
                continue  # it is we who stood still: what was said meanwhile is not read yet
            if self._stream is not None and now - self._stream.heard > self._silence:
                self._stream.abort()

    def _hear(self, stream: "_RoleStream", body: bytes) -> None:
        self._take(self._decode(body))
        if self._stream is None:
            self._stream = stream
            self._present.set()

    def _failed(self, error: Exception) -> None:
        self._faults.report(f"the link to {self._name}", error)


class _RoleStream(asyncio.Protocol):
    """One connection. `hear` gets every message, `failed` what it raises, which ends the connection."""

    def __init__(self, hear: Callable[["_RoleStream", bytes], None], failed: Callable[[Exception], None]) -> None:
        self._hear = hear
        self._failed = failed
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self.writable = True
        self.heard = 0.0  # when, by the loop's clock
        self.ended = asyncio.Event()

    def send(self, body: bytes) -> None:
        if self._transport is not None:
            self._transport.write(frame(body))

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self.ended.set()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True

    def data_received(self, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        try:
            for body in self._reader.feed(data):
                self._hear(self, body)
        except Exception as error:
            self._failed(error)
            self.abort()
