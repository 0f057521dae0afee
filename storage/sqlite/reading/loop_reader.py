"""Runs queries on the event loop's own thread and aborts them after a millisecond.

Most questions are answered in less time than it takes to hand them to another thread and back. So each is tried here first,
within bounds: a question that names many values is not tried, one that takes longer is broken off, and after one that did there
is a pause in proportion. What is not answered here is answered by the reading threads.

Time is the thread's own CPU time: on a busy machine the thread also waits for a core, and a clock on the wall would break off
nearly everything. Waiting for a slow disk costs no CPU time, so that there is a bound on the wall as well, far above. Most
questions are answered before the clocks are looked at for the first time, and as long as less than a millisecond has passed on
the wall nobody asks for CPU time, which takes a call of the system.
"""

import math
import sqlite3
from collections.abc import Callable, Sequence
from time import monotonic, thread_time
from typing import Final, TypeVar

from relay.protocol.filter import Filter
from storage.errors import StorageError
from storage.sqlite.files import database_file

_MOST: Final = 0.001  # seconds of the thread's CPU time
_PATIENCE: Final = 0.05  # seconds on the wall
_STEPS_A_CALL: Final = 500  # instructions between two looks at the clocks: a dozen rows, and large ones take their time
_PAUSE: Final = 20  # times what a question took that was broken off: the loop loses at most a twentieth of its time
_SLOW_PAUSE: Final = 4  # the same while the disk is slow
_FEW: Final = 200  # values of all filters of a question together

T = TypeVar("T")
Clock = Callable[[], float]


class LoopReader:
    """Answers, or gives None when that would take more than a millisecond. Not thread-safe."""

    def __init__(self, connection: sqlite3.Connection, cpu: Clock = thread_time, wall: Clock = monotonic) -> None:
        connection.execute("PRAGMA busy_timeout = 0")
        connection.set_progress_handler(self._is_over, _STEPS_A_CALL)
        self._connection = connection
        self._cpu = cpu
        self._wall = wall
        self._end = 0.0  # of a question; 0 until it has taken so long that the clocks are looked at
        self._soonest = 0.0  # before this time on the wall it cannot have come to its end
        self._wall_end = 0.0
        self._resting_until = 0.0  # 0 where there is no pause

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `work` gives; None where that is not to be had in a millisecond, for whatever reason."""
        if self._resting_until:
            if self._wall() < self._resting_until:
                return None
            self._resting_until = 0.0
        self._end = 0.0
        try:
            return work(self._connection)
        except sqlite3.Error:
            if self._end:
                now, spent = self._wall(), self._cpu() - (self._end - _MOST)
                pause = _PAUSE * spent if now < self._wall_end else _SLOW_PAUSE * (now - self._wall_end + _PATIENCE)
                self._resting_until = now + pause
            return None

    def run_to_end(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """What `work` gives, however long it takes; for a few look-ups by key. Raises StorageError where the database fails."""
        self._end = self._soonest = self._wall_end = math.inf
        try:
            return work(self._connection)
        except sqlite3.Error as error:
            raise database_file.failure(error) or StorageError(str(error)) from error

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._connection.close()

    def _is_over(self) -> bool:
        if not self._end:
            begun = self._wall()
            self._end, self._soonest, self._wall_end = self._cpu() + _MOST, begun + _MOST, begun + _PATIENCE
            return False
        now = self._wall()
        return now >= self._soonest and (self._cpu() > self._end or now > self._wall_end)


def is_small(filters: Sequence[Filter]) -> bool:
    """Whether the question looks as if it takes little time: planning is work too, and is not broken off."""
    values = 0
    for wanted in filters:
        for chosen in (wanted.ids, wanted.authors, wanted.kinds, *wanted.tags.values()):
            values += 0 if chosen is None else len(chosen)
    return values <= _FEW
