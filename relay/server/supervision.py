"""What nobody foresaw: an exception in a thread, a task or a callback.

Rule: it fails the item at hand and nothing else. It is logged and told by `/health` for a while, since whoever runs the relay
is to know; what has to go on for ever begins again. What was foreseen (a full disk, a wrong event) never comes here.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final

from relay.roles.page import FAULTY

TOLD: Final = 300.0  # seconds that `/health` tells of a fault after the last one
QUIET: Final = 10.0  # seconds between two tracebacks from one place: a fault of every event must not fill the disk
FIRST_PAUSE: Final = 0.1  # seconds before what failed begins again, twice as many each time
LAST_PAUSE: Final = 30.0
AGAIN: Final = 0.1  # seconds until a task that goes on is cancelled once more
_PLACES: Final = 100  # remembered, each by its name; there are a few dozen

log = logging.getLogger("tidings.faults")


class Faults:
    """What went wrong lately. `report` may be called on any thread; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._logged: dict[str, float] = {}
        self._last: tuple[float, str] | None = None
        self.count = 0

    def report(self, place: str, error: BaseException) -> None:
        """Something in `place`, a name from the code, raised an `error` that nobody expects there."""
        now = self._clock()
        self.note(place, error)
        with self._lock:
            due = now - self._logged.get(place, -QUIET) >= QUIET
            if due and (place in self._logged or len(self._logged) < _PLACES):
                self._logged[place] = now
        if due:
            log.error("%s failed", place, exc_info=error)

    def note(self, place: str, error: BaseException) -> None:
        """As `report`, where the log has the whole story already."""
        with self._lock:
            self.count += 1
            self._last = self._clock(), f"{place} failed ({type(error).__name__}); the log says more"

    def problem(self) -> str | None:
        """The last of what went wrong, None when that is long enough ago."""
        last = self._last
        return None if last is None or self._clock() - last[0] > TOLD else last[1]

    def figures(self) -> dict[str, int]:
        """What the shared page tells of them (`relay.roles.page.COUNTERS`)."""
        return {"faults": self.count, "degraded": FAULTY if self.problem() else 0}

    def handle(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """The event loop's exception handler: callbacks, timers, protocols, and tasks that nobody awaits."""
        error = context.get("exception")
        if error is None:
            loop.default_exception_handler(context)
        else:
            self.report("a callback of the event loop", error)


class Tasks:
    """The tasks of one owner, who would not notice how they end. Used on the loop."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run `work` once; what it raises is reported."""
        task = self._keep(self._once(work, name), name)
        task.add_done_callback(lambda _: work.close())  # where it was ended before it began
        return task

    def repeat(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> asyncio.Task[None]:
        """Run `work`, which has no end, for as long as the relay serves; when it fails, it begins again after a pause."""
        return self._keep(self._for_ever(work, name), name)

    async def settle(self) -> None:
        """Returns when what is running now has ended."""
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    async def close(self) -> None:
        """End everything at once."""
        while self._tasks:
            await ended(tuple(self._tasks))
            await asyncio.sleep(0)  # for those that came meanwhile

    def _keep(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _once(self, work: Coroutine[Any, Any, None], name: str) -> None:
        try:
            await work
        except Exception as error:
            self._faults.report(name, error)

    async def _for_ever(self, work: Callable[[], Coroutine[Any, Any, None]], name: str) -> None:
        pause = FIRST_PAUSE
        while True:
            begun = asyncio.get_running_loop().time()
            try:
                await work()
            except Exception as error:
                self._faults.report(name, error)
            if asyncio.get_running_loop().time() - begun > LAST_PAUSE:
                pause = FIRST_PAUSE
            await asyncio.sleep(pause)
            pause = min(2 * pause, LAST_PAUSE)


async def ended(tasks: Sequence[asyncio.Task[Any]]) -> None:
    """Cancel these until all have ended.

    Once is not always enough: what a library waits for by `asyncio.wait_for`, which in Python 3.11 forgets that it was cancelled
    where the answer is there at that moment, goes on.
    """
    while waiting := [task for task in tasks if not task.done()]:
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting, timeout=AGAIN)


def plain(error: BaseException) -> Exception:
    """The error as one that a future can carry and a task may raise: anything else would end the loop, or hang whoever waits."""
    if isinstance(error, Exception) and not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")
