"""Stored events that were read lately, remembered from one transaction to the next: people answer and react to the same ones.

Bounded in number and size, the one that was read first goes first. Whoever takes an event out of the log, or changes whose it is or
who may read it, says so (`forget`).
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from storage.sqlite import log_rows
from storage.sqlite.log_rows import LogRow

MOST: Final = 2048
MOST_BYTES: Final = 2048  # of one


class RecentEvents:
    """Those of the writer."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rows: dict[str, LogRow] = {}

    def read(self, ids: Sequence[str]) -> list[LogRow]:
        """Those of these events (at most log_rows.AT_ONCE) that are stored, in any order."""
        known = self._rows
        found = [known[one] for one in ids if one in known]
        for row in log_rows.of_ids(self._connection, [one for one in ids if one not in known]):
            found.append(row)
            if row.size <= MOST_BYTES:
                if len(known) >= MOST:
                    del known[next(iter(known))]
                known[row.event.id] = row
        return found

    def forget(self, event_id: str) -> None:
        """The event is gone, or its row is another."""
        self._rows.pop(event_id, None)

    def clear(self) -> None:
        """A change was rolled back."""
        self._rows.clear()
