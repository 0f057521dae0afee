"""What the relay logs, and how much: what anybody can cause again and again must not fill the disk."""

import logging
import time
from collections.abc import Callable
from typing import Final

FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
MOST: Final = 20  # lines of one kind, in a process, within
PERIOD: Final = 60.0  # seconds
_KINDS: Final = 200  # told apart; there are a few dozen, unless a library puts what it was given into its message


class LogLimit(logging.Filter):
    """Lets MOST lines of a kind pass in each PERIOD, and the next one says how many were left out.

    A kind is a logger and a message without what is put into it. `clock` gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._kinds: dict[tuple[str, str], tuple[float, int]] = {}  # since when, and how many since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written. Two threads at once may miscount by one."""
        kind = (record.name, str(record.msg))
        if kind not in self._kinds and len(self._kinds) >= _KINDS:
            kind = (record.name, "")
        now = self._clock()
        since, count = self._kinds.get(kind, (now, 0))
        if now - since >= PERIOD:
            if count > MOST:
                record.msg = f"{record.msg} ({count - MOST} more like it were left out)"
            since, count = now, 0
        self._kinds[kind] = (since, count + 1)
        return count < MOST


def begin() -> None:
    """Log to stderr, limited: warnings of all, and what the relay itself tells."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.addFilter(LogLimit())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    logging.getLogger("tidings").setLevel(logging.INFO)
