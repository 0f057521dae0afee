"""What is searched, and how its texts are cut into passages: a setting that the rows of `passages` depend on."""

import sqlite3

import msgspec

from relay.protocol.chunks import Cutting
from storage.sqlite.statements import named


def stored_cutting(connection: sqlite3.Connection) -> Cutting:
    """As the passages are now; nothing where the database is older than search."""
    try:
        row = connection.execute(named("search")["settings"]).fetchone()
    except sqlite3.OperationalError:
        return Cutting()
    return msgspec.json.decode(row[0], type=Cutting) if row else Cutting()


def store_cutting(connection: sqlite3.Connection, cutting: Cutting) -> None:
    """From now on texts are cut so."""
    connection.execute(named("search")["set_settings"], (msgspec.json.encode(cutting).decode(),))
