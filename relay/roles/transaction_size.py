"""How many events the writer takes into a transaction.

Events are stored one after another, but the disk is waited for once, and as long for one event as for a thousand. So a
transaction works for TRANSACTION seconds, or, where the disk takes longer than that, for as long as the disk: then half of the
time still goes into events.
"""

from typing import Final

TRANSACTION: Final = 0.02  # seconds of work in one transaction, about, where the disk takes no longer
MOST: Final = 1000  # events of one transaction
LEAST: Final = 16
_NEWEST: Final = 0.2  # the share of the last transaction in what is expected of the next
_SHORTEST: Final = 1e-6  # seconds; no event takes less


class TransactionSize:
    """Learns from each transaction how many events the next may have."""

    def __init__(self) -> None:
        self._work = TRANSACTION / 100  # seconds that an event has taken lately
        self._wait = 0.0  # seconds that the disk has taken lately

    def most(self) -> int:
        """How many events the next may have."""
        return min(MOST, max(LEAST, int(max(TRANSACTION, self._wait) / self._work)))

    def took(self, events: int, seconds: float, disk_wait: float) -> None:
        """A transaction of so many events, at least one, took so long; `disk_wait` seconds of it were waiting for the disk."""
        self._work += _NEWEST * (max(_SHORTEST, (seconds - disk_wait) / events) - self._work)
        self._wait += _NEWEST * (disk_wait - self._wait)
