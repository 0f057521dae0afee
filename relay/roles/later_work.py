"""What changes of groups left to do, done by the writer between other work, a part at a time (storage.commands.ContinueGroups)."""

import logging
import time
from collections.abc import Callable
from typing import Final

from storage.base import StorageError, TransactionWriter
from storage.commands import ContinueGroups

SHARE: Final = 3  # times as long as a part took, others go first
_PAUSE: Final = 1.0  # seconds after a part that failed

log = logging.getLogger("tidings.writer")


class LaterWork:
    """Knows when the next part is due; also what a former start left."""

    def __init__(self, store: TransactionWriter, report: Callable[[str, BaseException], None]) -> None:
        self._store = store
        self._report = report
        self._due = 0.0

    @property
    def due(self) -> float:
        """When to go on, in seconds of the monotonic clock; infinite where nothing is left."""
        return self._due if self._store.unfinished else float("inf")

    def go_on(self, now: int, *, others_wait: bool) -> bool:
        """Do a part if one is due; whether one was done. `others_wait`: they get most of the time."""
        begun = time.monotonic()
        if begun < self.due:
            return False
        rest = _PAUSE
        try:
            rest = self._store.execute(ContinueGroups(), now) or 0.0
        except StorageError as error:
            log.error("%s", error)
        except Exception as error:
            self._report("what changes of groups left to do", error)
        ended = time.monotonic()
        self._due = ended + max(rest, SHARE * (ended - begun) if others_wait else 0.0)
        return True
