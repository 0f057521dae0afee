"""A connection for what takes a moment, used on the thread of whoever asks: the event loop's.

Most questions are answered in less time than it takes to hand them to another thread and back. So each is tried here first,
within bounds: a question that is large by its looks is not tried, one that takes longer is broken off, and after one that
did there is a pause in proportion. What is not answered here is answered by the reading threads.
"""

import sqlite3
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Final, TypeVar

from relay.protocol.filter import Filter

_MOMENT: Final = 0.001  # seconds
_STEPS_A_CALL: Final = 500  # instructions between two looks at the clock: a dozen rows, and large ones take their time
_PAUSE: Final = 20  # times what a question took that was broken off: the loop loses at most a twentieth of its time
_FEW: Final = 200  # values of all filters of a question together

T = TypeVar("T")


class Quick:
    """Answers or gives None, in a moment either way. Not thread-safe."""

    def __init__(self, connection: sqlite3.Connection, clock: Callable[[], float] = monotonic) -> None:
        connection.execute("PRAGMA busy_timeout = 0")
        connection.set_progress_handler(self._is_over, _STEPS_A_CALL)
        self._connection = connection
        self._clock = clock
        self._end = 0.0
        self._resting_until = 0.0

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `work` gives; None where that is not to be had in a moment, for whatever reason."""
        begun = self._clock()
        if begun < self._resting_until:
            return None
        self._end = begun + _MOMENT
        try:
            return work(self._connection)
        except sqlite3.Error:
            now = self._clock()
            self._resting_until = now + _PAUSE * (now - begun)
            return None

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        self._connection.close()

    def _is_over(self) -> bool:
        return self._clock() > self._end


def is_small(filters: Sequence[Filter]) -> bool:
    """Whether the question may take a moment only, by its looks: planning is work too, and is not broken off."""
    values = 0
    for wanted in filters:
        for chosen in (wanted.ids, wanted.authors, wanted.kinds, *wanted.tags.values()):
            values += 0 if chosen is None else len(chosen)
    return values <= _FEW
