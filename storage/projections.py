"""Derived rows: which projections there are, and how their rows are made again from live events.

A projection is a row here, its tables in a migration and a file of its name in `sql/`. Rows depend on which events are live
and on the primary tables, never on the order in which events came, so the same statements serve one event and a rebuild:
`keys` fills the table `touched` with the keys there could be, in the order of their bytes; the block called like a table
selects its rows of the keys in `touched`, `forget_…` deletes what is not among them, and `again_…` says what an insert does
where the row is there already. A file may also have `widen`, which adds to `touched` what hangs together with it; `spread`,
which names keys of projections further down that these rows make or unmake; `make`, which prepares what the selections
read; `recount`, which finds rows whose counters are wrong.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, Literal

import msgspec

from storage.search import writing as search
from storage.search.chunks import Cutting
from storage.statements import named, write_rows

AT_ONCE: Final = 20_000  # keys of a rebuild that are held in memory

Votes = Literal["local", "all"]  # of identities registered here, or also of those that peers brought


class Table(msgspec.Struct, frozen=True):
    """A table of derived rows and the columns that are made, counters left out; the key is what a difference is named by."""

    name: str
    columns: tuple[str, ...]
    key: str = "id"


class Projection(msgspec.Struct, frozen=True):
    """What `touches` names, and the tables whose rows it keeps."""

    name: str
    tables: tuple[Table, ...]


_VOTE: Final = ("voter_id", "created_at", "event_id", "counts")
_PASSAGE: Final = (
    "seq",
    "chunk",
    "event_id",
    "pubkey",
    "kind",
    "kind_of",
    "created_at",
    "rank",
    "expires_at",
    "audience",
)
_SIGNED: Final = ("posting_identity_id", "pubkey", "created_at", "first_seen", "expires_at", "content")

# Each may depend on the rows of those above it.
PROJECTIONS: Final = (
    Projection(
        "profiles",
        (Table("profiles", ("pubkey", "name", "display_name", "about", "picture", "nip05", "created_at"), "pubkey"),),
    ),
    Projection("posts", (Table("posts", ("seq", "id", *_SIGNED, "updated_at", "title", "url")),)),
    Projection("comments", (Table("comments", ("seq", "id", "post_id", "parent_id", *_SIGNED)),)),
    Projection(
        "votes",
        (
            Table("post_upvotes", ("post_id", "post_seq", *_VOTE), "event_id"),
            Table("post_downvotes", ("post_id", "post_seq", *_VOTE), "event_id"),
            Table("comment_upvotes", ("comment_id", "comment_seq", *_VOTE), "event_id"),
            Table("comment_downvotes", ("comment_id", "comment_seq", *_VOTE), "event_id"),
        ),
    ),
    Projection(
        "passages",
        (Table("passages", (*_PASSAGE, "language", "tags", "source", "title", "content"), "event_id"),),
    ),
)
_BY_NAME: Final = {projection.name: projection for projection in PROJECTIONS}


def prepare(connection: sqlite3.Connection) -> None:
    """Make what the statements need of the connection alone: tables that they pass keys in, and `sound_text`."""
    connection.create_function("sound_text", 1, _sound_text, deterministic=True)
    connection.execute(named("projections")["touched"])
    search.prepare(connection)
    for projection in PROJECTIONS:
        _run(connection, projection, "ready")


def refresh(connection: sqlite3.Connection, touched: Mapping[str, Iterable[str]]) -> None:
    """Make the touched rows of each projection again; inside the transaction that touched them."""
    pending = {name: set(keys) for name, keys in touched.items()}
    assert _BY_NAME.keys() >= pending.keys()
    for projection in PROJECTIONS:
        keys = pending.pop(projection.name, None)
        if keys:
            connection.execute(named("projections")["untouch"])
            write_rows(connection, named("projections")["touch"], [(key, _bytes(key)) for key in keys])
            _run(connection, projection, "widen")
            for name, further in _spread(connection, projection):
                pending.setdefault(name, set()).update(further)
            _make(connection, projection)


def rebuild(connection: sqlite3.Connection) -> int:
    """Empty every projection and make all its rows from the log; how many there are then."""
    for projection in reversed(PROJECTIONS):
        for table in projection.tables:
            connection.execute(named("projections")["empty"].format(table=table.name))
    for projection in PROJECTIONS:
        _make_all(connection, projection)
    tables = [table.name for projection in PROJECTIONS for table in projection.tables]
    counts = [connection.execute(named("projections")["number"].format(table=table)).fetchone()[0] for table in tables]
    return sum(counts)


def count_votes(connection: sqlite3.Connection, whose: Votes) -> None:
    """Count the votes of these identities from now on; where it was otherwise, everything is made again."""
    if connection.execute(named("votes")["whose"]).fetchone()[0] != whose:
        connection.execute(named("votes")["set_whose"], (whose,))
        rebuild(connection)


def cut_passages(connection: sqlite3.Connection, cutting: Cutting) -> None:
    """Search this from now on; where it was otherwise, what is not as it should be is made again. All else keeps its vectors."""
    if search.settings(connection) == cutting:
        return
    search.set_settings(connection, cutting)
    connection.execute(named("passages")["forget_unsearched"])
    _make_all(connection, _BY_NAME["passages"])


def touch_all(connection: sqlite3.Connection, projection: Projection, after: bytes = b"", most: int = -1) -> None:
    """Fill the table of touched keys with what the log has for this projection: at most `most` keys `after` one, or all."""
    connection.execute(named("projections")["untouch"])
    connection.execute(named(projection.name)["keys"], {"after": after, "most": most})


def differences(connection: sqlite3.Connection, projection: Projection) -> list[str]:
    """Keys (at most 100 a table) whose rows are not what the log makes of them; nothing is changed."""
    touch_all(connection, projection)
    _run(connection, projection, "clear")
    _run(connection, projection, "make")
    found: dict[str, None] = {}
    for table in projection.tables:
        sql = named("projections")["differences"].format(
            table=table.name,
            columns=", ".join(table.columns),
            key=table.key,
            rows=_rows(projection, table),
        )
        found.update(dict.fromkeys(str(key) for (key,) in connection.execute(sql)))
    recount = named(projection.name).get("recount")
    if recount is not None:
        found.update(dict.fromkeys(str(key) for (key,) in connection.execute(recount)))
    return list(found)


def _make_all(connection: sqlite3.Connection, projection: Projection) -> None:
    """Make all rows of a projection, some keys after the other."""
    after, number = b"", AT_ONCE
    while number == AT_ONCE:
        touch_all(connection, projection, after, AT_ONCE)
        _make(connection, projection)
        number, after = connection.execute(named("projections")["last_touched"]).fetchone()


def _make(connection: sqlite3.Connection, projection: Projection) -> None:
    """Make the rows of the keys in `touched` again."""
    for statement in _making(projection.name):
        connection.execute(statement)


@lru_cache
def _making(name: str) -> tuple[str, ...]:
    """The statements of `_make`, put together once: their texts are long."""
    blocks, projection = named(name), _BY_NAME[name]
    made = [blocks[block] for block in ("clear", "make") if block in blocks]
    for table in projection.tables:
        rows = _rows(projection, table)
        again = blocks.get(f"again_{table.name}", "")
        made.append(blocks[f"forget_{table.name}"].format(rows=rows))
        made.append(
            named("projections")["insert"].format(
                table=table.name, columns=", ".join(table.columns), rows=rows, again=again
            )
        )
    return tuple(made)


def _rows(projection: Projection, table: Table) -> str:
    """The selection of a table's rows, its columns by name."""
    return f"SELECT {', '.join(table.columns)} FROM ({named(projection.name)[table.name]}) WHERE true"  # noqa: S608


def _spread(connection: sqlite3.Connection, projection: Projection) -> Iterable[tuple[str, list[str]]]:
    """Keys of projections further down that depend on rows about to come or go, by the columns' names."""
    cursor = _run(connection, projection, "spread")
    if cursor is None:
        return []
    names = [column[0] for column in cursor.description]
    return [(name, keys.split(",")) for name, keys in zip(names, cursor.fetchone(), strict=True) if keys]


def _run(connection: sqlite3.Connection, projection: Projection, block: str) -> sqlite3.Cursor | None:
    sql = named(projection.name).get(block)
    return None if sql is None else connection.execute(sql)


def _bytes(key: str) -> bytes | None:
    try:
        return bytes.fromhex(key)
    except ValueError:
        return None


def _sound_text(data: bytes | None) -> str | None:
    """The text of these bytes. JSON within JSON can escape half a character, which is no text that anybody could read."""
    return None if data is None else data.decode("utf-8", "replace")
