"""Vectors made off the path of events: a worker that follows what was stored and asks for what has no vector yet.

A round costs hops between threads and a transaction of its own, so what goes on coming is made twice a second.

Rule: an event is acknowledged before anybody thinks of its vector. Where the model fails, the worker waits longer each time,
up to MOST_PAUSE, and words find what it has not done.
"""

import asyncio
import logging
from collections.abc import Callable
from time import monotonic
from typing import Final, Protocol

from relay.server.events.follow import Applied
from storage.errors import StorageError
from storage.search.engine import SearchHealth

SETTLE: Final = 0.05  # seconds that more may come before a round begins, so that a round is worth its hops
APART: Final = 0.5  # seconds from one look at what is missing to the next, where it goes on coming
MOST_PAUSE: Final = 60.0
REST: Final = 0.002  # seconds between rounds, for whoever waits

log = logging.getLogger("tidings.embedding")


class VectorMaker(Protocol):
    """What has passages without vectors: the search engine."""

    async def embed_some(self) -> bool:
        """Make some vectors; whether more are missing. Raises an error that says what is wrong."""

    async def tally(self) -> SearchHealth:
        """Count what there is and what waits."""


class Worker:
    """Makes vectors for as long as the relay serves. `notice` follows the log, in which events of the kinds `concerned` may change
    what is searched; `looked` is called after each round.
    """

    def __init__(
        self,
        source: VectorMaker,
        concerned: frozenset[int],
        pause: float = 1.0,
        looked: Callable[[], None] = lambda: None,
    ) -> None:
        self._source = source
        self._concerned = concerned
        self._looked = looked
        self._pause = pause
        self._work = asyncio.Event()
        self._work.set()
        self._task = asyncio.create_task(self._run(), name="embedding")

    def notice(self, applied: Applied) -> None:
        """Something was stored that may be searched, or what is searched has left or changed."""
        if (
            applied.anew
            or applied.removed != []
            or applied.changes
            or any(live.event.kind in self._concerned for live in applied.events)
        ):
            self._work.set()

    def wake(self) -> None:
        """Look again: something changed that no event tells of."""
        self._work.set()

    async def _run(self) -> None:
        failures, looked = 0, -APART
        while True:
            await self._work.wait()
            await asyncio.sleep(max(SETTLE, looked + APART - monotonic()))
            self._work.clear()
            looked = monotonic()
            try:
                more = True
                while more:
                    more = await self._source.embed_some()
                    failures = 0
                    await asyncio.sleep(REST)
                await self._source.tally()
                self._looked()
            except Exception as error:  # of whatever model there is: the worker outlives it
                failures += 1
                pause = min(self._pause * 2 ** min(failures - 1, 10), MOST_PAUSE)
                log.warning("no vectors for now, again in %.1f s: %s", pause, _said(error))
                self._looked()
                await asyncio.sleep(pause)
                self._work.set()

    async def close(self) -> None:
        """Stop; what is missing is made after the next start. Idempotent."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, StorageError) else f"{type(error).__name__}: {error}"
