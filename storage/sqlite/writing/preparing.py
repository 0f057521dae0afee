"""What a start does before anything is written: settings that derived rows depend on, and rows that were left to be made again."""

import logging
import time
from collections.abc import Iterable
from typing import Final

from relay.protocol.chunks import Cutting
from storage.commands import Rebuild
from storage.sqlite.rows import numbers, rebuilding
from storage.sqlite.rows.cutting import stored_cutting
from storage.sqlite.writing.writer import SqliteWriter

_TOLD: Final = 50_000  # rows between two lines that tell how far a rebuild is

_log: Final = logging.getLogger("tidings.storage")


def count_votes(writer: SqliteWriter, whose: rebuilding.Votes) -> None:
    """Whose votes count; a change makes the votes again."""
    if rebuilding.whose_votes(writer.connection) != whose:
        writer.transact(lambda _: rebuilding.set_whose_votes(writer.connection, whose))
        finish_rebuild(writer)


def set_operators(writer: SqliteWriter, pubkeys: Iterable[str]) -> None:
    """Who runs this relay; a change makes the agents again."""
    some = sorted(set(pubkeys))
    if rebuilding.operators(writer.connection) != some:
        writer.transact(lambda _: rebuilding.set_operators(writer.connection, some))
        finish_rebuild(writer)


def cut_passages(writer: SqliteWriter, cutting: Cutting) -> None:
    """What is searched and how it is cut; a change makes the passages again, those that are the same keep their vectors."""
    if stored_cutting(writer.connection) != cutting:
        writer.transact(lambda _: rebuilding.set_cutting(writer.connection, cutting))
        finish_rebuild(writer)


def finish_rebuild(writer: SqliteWriter) -> None:
    """Make the rows again that a migration or a setting left undone. Raises StorageError where that has no room."""
    tables = rebuilding.pending(writer.connection)
    if not tables:
        return
    if writer.last_seq():
        rebuilding.check_room(writer.connection, writer.directory, tables)
        if "issue_rows" in tables:
            writer.transact(lambda _: numbers.bring_up_to_date(writer.connection))
        _log.info("making derived rows again, once: %s", ", ".join(dict.fromkeys(tables)))
        _rebuild(writer, tables)
    writer.transact(lambda _: rebuilding.set_pending(writer.connection, ()))


def _rebuild(writer: SqliteWriter, tables: list[str]) -> None:
    part: Rebuild | None = Rebuild(tables)
    looked = told = 0
    begun = time.monotonic()
    while part is not None:
        done = writer.execute(part, now=0)
        part, looked = done.following, looked + done.looked
        if looked - told >= _TOLD:
            told = looked
            _log.info("%d rows are done", looked)
    _log.info("derived rows are made again: %d looked at in %.1f s", looked, time.monotonic() - begun)
