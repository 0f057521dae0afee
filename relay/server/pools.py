"""Threads for work that would hold up the event loop: few, and with a bounded number of jobs that wait for them.

Each kind of work has a pool of its own, so that one kind cannot starve another: whoever has many pages rendered delays pages.
"""

import asyncio
import contextvars
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")


WITHOUT_REST: Final = 0.001  # seconds that a long calculation on a thread works at a stretch
REST: Final = 0.00005  # seconds, to which the system adds about as many


class Rests:
    """Called again and again by a long calculation on a thread, it lets others have the core and the interpreter now and then.

    Linux leaves a process that waited for the disk for a moment on the core where it was, even if somebody calculates there and
    another core is idle, and takes the core from whoever calculates at the next tick only, up to 4 ms later. That process may
    be the writer, for whose commit a client waits.
    """

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._due = clock() + WITHOUT_REST

    def __call__(self) -> None:
        """Rest, if it is time to."""
        if self._clock() >= self._due:
            self._sleep(REST)
            self._due = self._clock() + WITHOUT_REST


class PoolFull(Exception):
    """So many jobs wait that another is not taken."""


class Pool:
    """`threads` of them, made when first needed; `waiting` jobs at most wait beside those that run. Used on the loop."""

    def __init__(self, name: str, threads: int, waiting: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._most = threads + waiting
        self._taken = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What `work` gives, made on one of the threads in the caller's context. Raises PoolFull."""
        if self._taken >= self._most:
            raise PoolFull
        job = self._executor.submit(contextvars.copy_context().run, work)
        self._taken += 1
        loop = asyncio.get_running_loop()
        # By the job, not by whoever waits for it: a client that leaves does not stop a job that has begun.
        job.add_done_callback(lambda _job: loop.call_soon_threadsafe(self._leave))
        return await asyncio.wrap_future(job)

    def close(self) -> None:
        """Take nothing more. What runs ends in its own time. Idempotent."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _leave(self) -> None:
        self._taken -= 1
