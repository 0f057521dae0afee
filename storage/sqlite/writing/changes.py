"""What a transaction has changed in the log and not written yet, and how it is written: a few statements for many events."""

import sqlite3
from operator import itemgetter
from typing import Any, Final

from relay.protocol import kinds
from relay.protocol.facts import Version
from storage.base import Incoming
from storage.sqlite import entries
from storage.sqlite.groups.authors import GroupAuthors, pair_of
from storage.sqlite.log_rows import LogRow, pack_audience
from storage.sqlite.statements import named, write_rows

_KEY: Final = itemgetter(0)


class Changes:
    """Events that come and leave, and marks that refuse others; by id, address (`a` tag) or pubkey."""

    def __init__(self) -> None:
        self.coming: dict[str, LogRow] = {}
        self.leaving: dict[str, LogRow] = {}
        self.deleters: dict[str, set[str]] = {}
        self.closed: dict[str, Version] = {}
        self.vanished: dict[str, int] = {}
        self._values: dict[str, tuple[Any, ...]] = {}

    def put(self, incoming: Incoming, row: LogRow, expires_at: int | None) -> None:
        """Store an event that is not here."""
        event = incoming.event
        self.coming[event.id] = row
        self._values[event.id] = (
            row.seq,
            bytes.fromhex(event.id),
            bytes.fromhex(event.pubkey),
            event.kind,
            event.created_at,
            expires_at,
            pack_audience(row.audience),
            int(incoming.door),
            incoming.received_at,
            incoming.wire,
            row.group or None,
        )

    def take(self, row: LogRow) -> None:
        """Remove an event that is here."""
        event_id = row.event.id
        if self.coming.pop(event_id, None) is None:
            self.leaving[event_id] = row
        else:
            del self._values[event_id]

    def write(self, connection: sqlite3.Connection, authors: GroupAuthors) -> None:
        """Write it all, and what is kept of authors in groups; then nothing is changed any more."""
        write = named("write")
        if self.leaving:
            leaving = self.leaving.values()
            gone = [key for row in leaving for key in entries.rows(row.event, row.audience, row.seq)]
            write_rows(connection, write["delete_entries"], gone)
            write_rows(connection, write["delete_events"], [(row.seq,) for row in leaving])
        if self.coming:
            write_rows(connection, write["insert_events"], list(self._values.values()), blobs=(1, 2, 9))
            new = [key for row in self.coming.values() for key in entries.rows(row.event, row.audience, row.seq)]
            new.sort(key=_KEY)  # where they go; several of one key come in the order of their numbers
            write_rows(connection, write["insert_entries"], new, blobs=(0,))
        authors.note([pair_of(row.event, row.audience) for row in self.coming.values() if row.audience])
        authors.drop([pair_of(row.event, row.audience) for row in self.leaving.values() if row.audience])
        if self.deleters or self.closed or self.vanished:
            for name, marks in self._marks().items():
                write_rows(connection, write[name], marks)
        for changed in (self.coming, self._values, self.leaving, self.deleters, self.closed, self.vanished):
            changed.clear()

    def _marks(self) -> dict[str, list[tuple[Any, ...]]]:
        """The rows of each statement that marks."""
        return {
            "mark_ids": [(bytes.fromhex(one), deleter(by)) for one, some in self.deleters.items() for by in some],
            "mark_addresses": [
                (entries.address_key(address), until.created_at, bytes.fromhex(until.id))
                for address, until in self.closed.items()
            ],
            "mark_vanished": [(bytes.fromhex(pubkey), until) for pubkey, until in self.vanished.items()],
        }


def deleter(by: str) -> bytes:
    """A pubkey, or OPERATOR, as it is stored with a mark."""
    return bytes.fromhex(by) if kinds.is_hex(by, 64) else by.encode()


def deleter_name(stored: str) -> str:
    """What `deleter` made, read as hex."""
    return stored if len(stored) == 64 else bytes.fromhex(stored).decode()
