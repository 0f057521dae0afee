"""Threads for work that would hold up the event loop: few, and with a bounded number of jobs that wait for them.

Each kind of work has a pool of its own, so that one kind cannot starve another: whoever has many pages rendered delays pages.
"""

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


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
