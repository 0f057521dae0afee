"""What commands do that look after the log and what is derived from it; see `commands` for what they mean."""

import sqlite3
from collections.abc import Callable
from typing import Any, Final

import msgspec

from storage import commands as given
from storage.errors import StorageError
from storage.sqlite import entries
from storage.sqlite.files import database_file
from storage.sqlite.rows import rebuilding
from storage.sqlite.search import writing
from storage.sqlite.statements import named
from storage.sqlite.writing import access_rules, peers
from storage.sqlite.writing.operator_removal import close_address
from storage.sqlite.writing.transaction import Transaction


def carry_out(connection: sqlite3.Connection, wanted: Any, transaction: Transaction, now: int) -> Any:
    """Do what a command says; what it gives. Raises StorageError."""
    return _WORK[type(wanted)](connection, wanted, transaction, now)


def compact(connection: sqlite3.Connection) -> None:
    """VACUUM and truncate the write-ahead log: outside any transaction. Raises StorageError while a long read holds old pages."""
    try:
        connection.execute(named("search")["merge_words"])  # words of removed texts stay until then
        connection.execute("VACUUM")
        busy = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        raise database_file.failure(error) or StorageError(str(error)) from error
    if busy:
        raise StorageError("a reader still holds the write-ahead log; try again when it has finished")


def _sweep(connection: sqlite3.Connection, command: given.Sweep, transaction: Transaction, now: int) -> int:
    """An address that expires stays closed to older versions."""
    joined = connection.execute(named("write")["expired"], (now, command.limit)).fetchone()[0]
    seqs = [int(seq) for seq in joined.split(",")] if joined else []
    removed = 0
    for event in transaction.take_seqs(seqs):
        removed += 1
        close_address(transaction, event)
    return removed


def _drop_foreign(
    connection: sqlite3.Connection, command: given.DropForeign, transaction: Transaction, _now: int
) -> int:
    if connection.execute(named("write")["mark_foreign_dropped"]).rowcount == 0:
        return 0
    sql, own = named("write")["foreign_of_kind"], bytes.fromhex(command.pubkey)
    found = [connection.execute(sql, (entries.ALL, kind, own)).fetchone()[0] for kind in command.kinds]
    seqs = [int(seq) for joined in found if joined for seq in joined.split(",")]
    return sum(1 for _ in transaction.take_seqs(sorted(seqs)))


def _keep_preview(connection: sqlite3.Connection, command: given.KeepLinkPreview, *_: Any) -> None:
    connection.execute(named("feed")["keep_link_preview"], msgspec.structs.asdict(command))


def _keep_room(connection: sqlite3.Connection, command: given.TryRoom, *_: Any) -> None:
    connection.execute(named("write")["keep_room"], (command.size,))


_WORK: Final[dict[type, Callable[[sqlite3.Connection, Any, Transaction, int], Any]]] = {
    given.Sweep: _sweep,
    given.DropForeign: _drop_foreign,
    given.Rebuild: lambda connection, command, transaction, _now: rebuilding.part(
        connection, transaction.projections, command, transaction.owners, transaction.groups
    ),
    given.CountRows: lambda connection, _command, transaction, _now: rebuilding.number(
        connection, transaction.projections
    ),
    given.StoreVectors: lambda connection, command, *_: writing.store(connection, command.model, command.rows),
    given.BeginModel: lambda connection, command, *_: writing.begin(connection, command.model),
    given.AdoptModel: lambda connection, command, *_: writing.adopt(connection, command.model),
    given.ForgetVectors: lambda connection, command, *_: writing.forget(connection, command.number),
    given.ForgetRemoved: lambda connection, command, *_: writing.forget_removed(connection, command.number),
    given.KeepLinkPreview: _keep_preview,
    given.TryRoom: _keep_room,
    **peers.WORK,
    **access_rules.WORK,
}
COMMANDS: Final = frozenset(_WORK)
