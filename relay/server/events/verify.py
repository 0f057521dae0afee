"""Verification: ids and signatures are checked on the event loop, of each client in turn, in slices of a millisecond.

A signature takes longer than everything else that a front does with an event, so here is where a flood would keep others waiting.
`FairQueue` serves clients round-robin, and after a slice the loop goes on with whatever else there is: sockets, queries, answers.
A thread of its own would hand every event over twice, and take its turn at the interpreter all the same.

What a slice has checked is handed on at its end, but for the first few where nobody works on any: whoever takes them then begins
with these while the others are checked, on another core.
"""

import asyncio
from collections.abc import Callable, Hashable
from time import thread_time
from typing import Final, Generic, TypeVar

from relay.roles.fair_queue import FairQueue

SLICE: Final = 0.001  # seconds of CPU time in a turn of the loop
BATCH: Final = 8  # checked between two looks at the clock

T = TypeVar("T")


class Verifier(Generic[T]):
    """Calls `check` with each item, and `done` after each slice; also within one, where who takes what was checked `could_begin`.

    Used on the loop.
    """

    def __init__(self, check: Callable[[T], None], done: Callable[[], None], could_begin: Callable[[], bool]) -> None:
        self._check = check
        self._done = done
        self._could_begin = could_begin
        self._queue: FairQueue[T] = FairQueue()
        self._scheduled = False

    def put(self, client: Hashable, item: T) -> None:
        """Check the item when it is its client's turn."""
        self._queue.put(client, item)
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._slice)

    def _slice(self) -> None:
        self._scheduled = False
        end = thread_time() + SLICE
        while self._queue and thread_time() < end:
            for item in self._queue.take(BATCH):
                self._check(item)
            if self._queue and self._could_begin():
                self._done()
        self._done()
        if self._queue and not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._slice)
