"""Stored events that were read lately, remembered from one transaction to the next: people answer and react to the same ones.

Bounded in number and size, the one that was read first goes first: at most 40 MB (the worst that was made for it took 36, of
many short tags with wide letters; plain text of full size takes 5). Whoever takes an event out of the log, or changes whose it is
or who may read it, says so (`forget`).
"""

import sqlite3
from collections.abc import Sequence
from typing import Final

from storage.sqlite import log_rows
from storage.sqlite.log_rows import LogRow

MOST: Final = 2048
MOST_BYTES: Final = 2048  # of one
MOST_TAGS: Final = 32  # of one
MOST_VALUES: Final = 128  # in the tags of one, with their names: 2 KB of short ones are 45 KB of objects


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
            if _is_small(row):
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


def _is_small(row: LogRow) -> bool:
    tags = row.event.tags
    return row.size <= MOST_BYTES and len(tags) <= MOST_TAGS and sum(map(len, tags)) <= MOST_VALUES
