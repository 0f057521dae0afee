"""In which groups each author has said something that is for their members alone.

Such an event is entered by its author for the members and not for the operator too (entries.members_prefix); whoever reads
everything finds an author's by these pairs. One is there as long as such an event of the author is.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

from relay.protocol.event import Event
from storage.sqlite import entries
from storage.sqlite.groups.reads import sql
from storage.sqlite.log_rows import Audience
from storage.sqlite.statements import write_rows

Pair = tuple[bytes, bytes]  # an author's pubkey, and a group's prefix in `entries`

MOST: Final = 50_000  # pairs remembered


def pair_of(event: Event, audience: Audience) -> Pair | None:
    """The pair by which the event is found, None for one that has no need of it."""
    prefix = entries.members_prefix(event, audience)
    return None if prefix is None else (bytes.fromhex(event.pubkey), prefix)


class GroupAuthors:
    """The pairs on one connection, and those that are known to be there."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._known: set[Pair] = set()

    def note(self, some: Iterable[Pair | None]) -> None:
        """From now on these are there."""
        new = {pair for pair in some if pair is not None}.difference(self._known)
        if new:
            write_rows(self._connection, sql("put_authors"), sorted(new))
            if len(self._known) + len(new) > MOST:
                self._known.clear()
            self._known |= new

    def drop(self, some: Iterable[Pair | None]) -> None:
        """Let go of those of these under which nothing stands any more; what was changed of `entries` is written."""
        old = {pair for pair in some if pair is not None}
        if old:
            write_rows(self._connection, sql("drop_authors"), sorted(old))
            self._known -= old

    def clear(self) -> None:
        """A change was rolled back."""
        self._known.clear()
