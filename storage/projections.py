"""Derived rows: which projections there are, and how their rows are made again from live events.

A projection is a row here, a table in a migration and a file in `sql/` with three blocks: `keys` fills `touched` with every
key there could be, `rows` selects the rows of the keys in `touched`, `forget` deletes them. Rows depend on which events are
live, never on the order in which they came, so the same statements serve one event and a rebuild.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from storage.statements import named, write_rows


class Projection(msgspec.Struct, frozen=True):
    """A table of derived rows and its columns, the key first."""

    table: str
    columns: tuple[str, ...]


PROJECTIONS: Final = (
    Projection("profiles", ("pubkey", "name", "display_name", "about", "picture", "nip05", "created_at")),
)
_BY_NAME: Final = {projection.table: projection for projection in PROJECTIONS}


def prepare(connection: sqlite3.Connection) -> None:
    """Make the table of touched keys that the statements read; it belongs to the connection alone."""
    connection.execute(named("projections")["touched"])


def refresh(connection: sqlite3.Connection, touched: Mapping[str, Iterable[str]]) -> None:
    """Make the touched rows of each projection again; inside the transaction that touched them."""
    for name, keys in touched.items():
        connection.execute(named("projections")["untouch"])
        write_rows(connection, named("projections")["touch"], [(key, _blob(key)) for key in keys])
        _make(connection, _BY_NAME[name])


def rebuild(connection: sqlite3.Connection) -> int:
    """Empty every projection and make all its rows from the log; how many there are then."""
    total = 0
    for projection in PROJECTIONS:
        connection.execute(named("projections")["empty"].format(table=projection.table))
        touch_all(connection, projection)
        _make(connection, projection)
        total += connection.execute(named("projections")["number"].format(table=projection.table)).fetchone()[0]
    return total


def touch_all(connection: sqlite3.Connection, projection: Projection) -> None:
    """Fill the table of touched keys with all that the log has for this projection."""
    connection.execute(named("projections")["untouch"])
    connection.execute(named(projection.table)["keys"])


def differences(connection: sqlite3.Connection, projection: Projection) -> list[str]:
    """Keys (at most 100) whose rows are not what the log makes of them; nothing is changed."""
    touch_all(connection, projection)
    sql = named("projections")["differences"].format(
        table=projection.table, columns=", ".join(projection.columns), rows=named(projection.table)["rows"]
    )
    return [str(key) for (key,) in connection.execute(sql)]


def _make(connection: sqlite3.Connection, projection: Projection) -> None:
    connection.execute(named(projection.table)["forget"])
    insert = named("projections")["insert"].format(
        table=projection.table, columns=", ".join(projection.columns), rows=named(projection.table)["rows"]
    )
    connection.execute(insert)


def _blob(key: str) -> bytes | None:
    try:
        return bytes.fromhex(key)
    except ValueError:
        return None
