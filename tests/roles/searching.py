"""The search role's socket with a small engine behind it, for tests of both of its ends."""

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from relay.roles.search import SearchServer
from relay.search_settings import Search
from relay.server.supervision import Faults, Tasks
from storage.base import Readers
from storage.search.engine import Hit, Progress, SearchedPassage, SearchHealth, SearchQuery

PATIENCE = 30.0  # seconds until a test that waits has failed


def hit(number: int, size: int = 10) -> Hit:
    return Hit(number, f"{number:064x}", b"w" * size, 1 / number, "posts", "title", "snippet", [(0, 3)], 0, number)


class Shelf:
    """An engine over a list of hits. `gate` holds answers back; `trouble` is raised in place of them."""

    def __init__(self, hits: Sequence[Hit] = ()) -> None:
        self.hits = list(hits)
        self.gate = asyncio.Event()
        self.gate.set()
        self.trouble: Exception | None = None
        self.begun: asyncio.Queue[object] = asyncio.Queue()
        self.cancelled: asyncio.Queue[object] = asyncio.Queue()
        self.woken: asyncio.Queue[None] = asyncio.Queue()
        self.state = SearchHealth(len(self.hits), 0, "toy", 64)

    async def _answer(self, asked: object) -> None:
        self.begun.put_nowait(asked)
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled.put_nowait(asked)
            raise
        if self.trouble is not None:
            raise self.trouble

    async def search(self, query: SearchQuery) -> list[Hit]:
        await self._answer(query)
        return self.hits[: query.wanted.limit]

    async def count(self, query: SearchQuery) -> int:
        await self._answer(query)
        return len(self.hits)

    async def chunks(self, event_id: str, readers: Readers, now: int) -> list[SearchedPassage]:
        await self._answer((event_id, readers, now))
        return [SearchedPassage(1, event_id, 0, "t", "c", "toy", ["a"], None, None, None, None, now)]

    def health(self) -> SearchHealth:
        return self.state

    async def reembed(self, settings: Any, progress: Progress | None = None) -> int:
        assert progress is not None
        progress(1, 2)
        await self._answer(settings)
        progress(2, 2)
        return 2

    async def purge(self) -> None:
        await self._answer("purge")

    def wake(self) -> None:
        self.woken.put_nowait(None)

    async def close(self) -> None:
        pass


class Door:
    """A listening socket that outlives the server behind it, as the supervisor's does."""

    def __init__(self, directory: Path, service: Any) -> None:
        self.path = str(directory / "search.sock")
        self.service = service
        self.faults = Faults()
        self._peers: list[socket.socket] = []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(16)

    async def start(self, says_alive: bool = True) -> None:
        """The role begins; without `says_alive` it gives no sign of life."""
        self.server = SearchServer(self.service, msgspec.msgpack.Decoder(Search).decode, self.faults.report)
        self.tasks = Tasks(self.faults)
        self.tasks.repeat(lambda: self.server.listen(self.listener), "the socket of search")
        if says_alive:
            self.tasks.repeat(self.server.say_alive, "the signs of life")

    async def stop(self) -> None:
        """The role is gone, its links with it."""
        await self.tasks.close()
        self.server.close()

    def keep(self, peer: socket.socket) -> None:
        """Close this socket at the end, too."""
        self._peers.append(peer)

    async def close(self) -> None:
        await self.stop()
        for peer in self._peers:
            peer.close()
        self.listener.close()
