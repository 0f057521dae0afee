"""What changes of groups left to do, done by the writer between other work, a part at a time (storage.commands.ContinueGroups)."""

import logging
import time
from collections.abc import Callable
from typing import Final

from storage.base import TransactionWriter
from storage.commands import ContinueGroups
from storage.errors import StorageError

SHARE: Final = 3  # times as long as a part took, others go first
LONG: Final = 1.0  # seconds after which it is told that something goes on
_PAUSE: Final = 1.0  # seconds after a part that failed

log = logging.getLogger("tidings.writer")


class LaterWork:
    """Knows when the next part is due; also what a former start left. What takes longer than LONG is told: begun and done.

    `parts` is how many of that have been done so far, 0 while nothing of the kind goes on.
    """

    def __init__(self, store: TransactionWriter, report: Callable[[str, BaseException], None]) -> None:
        self._store = store
        self._report = report
        self._due = 0.0
        self._begun = 0.0
        self._done = 0
        self.parts = 0

    @property
    def due(self) -> float:
        """When to go on, in seconds of the monotonic clock; infinite where nothing is left."""
        return self._due if self._store.unfinished else float("inf")

    def go_on(self, now: int, *, others_wait: bool) -> bool:
        """Do a part if one is due; whether one was done. `others_wait`: they get most of the time."""
        begun = time.monotonic()
        if begun < self.due:
            return False
        rest, is_done = _PAUSE, False
        try:
            found = self._store.execute(ContinueGroups(), now)
            rest, is_done = found or 0.0, True
        except StorageError as error:
            log.error("%s", error)
        except Exception as error:
            self._report("what changes of groups left to do", error)
        ended = time.monotonic()
        if is_done:
            self._count(begun, ended, more=found == 0.0)
        self._due = ended + max(rest, SHARE * (ended - begun) if others_wait else 0.0)
        return True

    def _count(self, begun: float, ended: float, *, more: bool) -> None:
        """A part is done, which took from then to then; with `more`, another follows at once."""
        self._begun = self._begun if self._done else begun
        self._done += 1
        took = ended - self._begun
        if more and took > LONG and not self.parts:
            log.info("what groups, rows and vanished keys left to do takes longer: it goes on between other work")
        if more:
            self.parts = self._done if took > LONG else 0
            return
        if self.parts:
            log.info(
                "what groups, rows and vanished keys left to do is done: %d parts in %.1f s",
                self._done,
                took,
            )
        self._done = self.parts = 0
