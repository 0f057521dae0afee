"""What the commands of storage.peers do."""

import sqlite3
from collections.abc import Callable
from typing import Any, Final

import msgspec

from storage import peers as given
from storage.sqlite.statements import named, write_rows
from storage.sqlite.writing.transaction import Transaction

CHANGED: Final = "peers"  # the kind of primary row that changed: which peers there are, not how it goes with them

_encode: Final = msgspec.json.Encoder().encode


def _add(connection: sqlite3.Connection, command: given.AddPeer, transaction: Transaction, _now: int) -> None:
    connection.execute(named("peers")["add"], (command.url, command.settings))
    transaction.written.changes.append((CHANGED, command.url))


def _remove(connection: sqlite3.Connection, command: given.RemovePeer, transaction: Transaction, _now: int) -> bool:
    connection.execute(named("peers")["forget_refusals"], (command.url,))
    transaction.written.changes.append((CHANGED, command.url))
    return connection.execute(named("peers")["remove"], (command.url,)).rowcount > 0


def _pause(connection: sqlite3.Connection, command: given.PausePeer, transaction: Transaction, _now: int) -> None:
    connection.execute(named("peers")["pause"], (command.url, int(command.paused)))
    transaction.written.changes.append((CHANGED, command.url))


def _note(connection: sqlite3.Connection, command: given.NotePeers, _transaction: Transaction, _now: int) -> None:
    for one in command.peers:
        values = (_encode(one.place).decode(), _encode(one.status).decode(), one.url)
        connection.execute(named("peers")["note"], values)


def _know(connection: sqlite3.Connection, command: given.KnowPeers, _transaction: Transaction, _now: int) -> None:
    for url in command.urls:
        connection.execute(named("peers")["know"], (url,))


def _remember(
    connection: sqlite3.Connection, command: given.RememberRefused, _transaction: Transaction, now: int
) -> None:
    rows = [(command.url, command.way, one, command.until) for one in dict.fromkeys(command.ids)]
    write_rows(connection, named("peers")["remember"], rows)
    connection.execute(named("peers")["forget_old"], (now,))


WORK: Final[dict[type, Callable[[sqlite3.Connection, Any, Transaction, int], Any]]] = {
    given.AddPeer: _add,
    given.RemovePeer: _remove,
    given.PausePeer: _pause,
    given.KnowPeers: _know,
    given.NotePeers: _note,
    given.RememberRefused: _remember,
}
