"""A relay that follows a script, one for each connection in turn, and a clock that does not make anybody wait."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from relay.client import Clock
from relay.protocol import event as events
from relay.protocol.event import Event
from tests.factories import NOW


class Peer:
    """The relay's end of one connection."""

    def __init__(self, socket: ServerConnection, url: str) -> None:
        self._socket = socket
        self.url = url

    async def hear(self, verb: str) -> list[Any]:
        """What follows the verb in the client's next message, which must be of that verb."""
        message: list[Any] = json.loads(await self._socket.recv())
        assert message[0] == verb, f"heard {message[0]}, not {verb}"
        return message[1:]

    async def say(self, *message: Any) -> None:
        """Send a message; an event as its JSON object."""
        await self.shout(json.dumps([json.loads(events.wire(m)) if isinstance(m, Event) else m for m in message]))

    async def shout(self, data: str | bytes) -> None:
        """Send what may be no message."""
        await self._socket.send(data)

    async def stay(self) -> None:
        """Keep the connection until the client leaves, whatever it says."""
        async for _ in self._socket:
            pass

    def drop(self) -> None:
        """Cut the line without a goodbye."""
        self._socket.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


@asynccontextmanager
async def relay(*scripts: Script) -> AsyncIterator[str]:
    """The URL of a relay that plays one script a connection; when a script ends, the connection is closed.

    A failed assertion in a script fails the test, and so does a connection too many or too few.
    """
    waiting = list(scripts)
    faults: list[BaseException] = []

    async def handle(socket: ServerConnection) -> None:
        host, port = socket.local_address[:2]
        try:
            assert waiting, "a connection more than expected"
            await waiting.pop(0)(Peer(socket, f"ws://{host}:{port}"))
        except ConnectionClosed:
            pass
        except BaseException as fault:
            faults.append(fault)

    async with serve(handle, "127.0.0.1", 0) as server:
        host, port = next(iter(server.sockets)).getsockname()[:2]
        yield f"ws://{host}:{port}"
    if faults:
        raise faults[0]
    assert not waiting, f"{len(waiting)} connections fewer than expected"


class Watch:
    """A clock that stands still, and remembers how long it was asked to sleep instead of doing so."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now
        self.slept: list[float] = []

    @property
    def clock(self) -> Clock:
        """The clock to give to a client; chance is always 1, so that nothing is cut from a delay."""
        return Clock(lambda: self.now, self._sleep, lambda: 1.0)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        assert len(self.slept) < 20, "it tries again and again"
