"""A log with identities in it, and what its tables hold: for tests of the feed."""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from handlers import table
from relay.protocol import event as events
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.groups import belonging
from storage.base import Incoming, Outcome
from storage.commands import CountRows, Rebuild
from storage.sqlite import backend
from storage.sqlite.files.database_file import FILE
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import NOW
from tests.storage.feed_model import Live, World, first
from tests.stores import with_schema

TABLES = ("posts", "comments", "post_upvotes", "post_downvotes", "comment_upvotes", "comment_downvotes", "post_topics")
MEANING = table.meaning("ws://relay.test")


def identity(n: int) -> str:
    """The id of the n-th test identity."""
    return f"{n:032x}"


def open_log(directory: Path, local: Sequence[int] = (1, 2, 3), foreign: Sequence[int] = ()) -> SqliteWriter:
    """A new log that knows these identities, none of them with a key."""
    with_schema(directory)
    add_identities(directory, local, foreign)
    return backend.open_writer(directory, MEANING, synchronous="normal", cache_mib=1)


def add_identities(directory: Path, local: Sequence[int], foreign: Sequence[int] = ()) -> None:
    """Put identities into a new database, none of them with a key."""
    backend.open_writer(directory, MEANING).close()
    plain = sqlite3.connect(directory / FILE)
    with plain:
        for n in (*local, *foreign):
            values = (identity(n), f"name{n}", f"name{n}", "wss://peer.example" if n in foreign else None, NOW)
            plain.execute(
                "INSERT INTO posting_identities (id, name, name_key, origin, created_at) VALUES (?, ?, ?, ?, ?)", values
            )
    plain.close()


def write(writer: SqliteWriter, some: Iterable[Event], door: Door = Door.CLIENT, at: int = NOW) -> list[Outcome]:
    """Write one batch."""
    return writer.write([Incoming(event, events.wire(event), door, at) for event in some], at)


def tables(directory: Path) -> dict[str, list[dict[str, object]]]:
    """Every row of the feed's tables."""
    plain = sqlite3.connect(directory / FILE)
    plain.row_factory = sqlite3.Row
    found = {name: [dict(row) for row in plain.execute(f"SELECT * FROM {name}")] for name in TABLES}
    plain.close()
    return found


def world(directory: Path, count_all: bool = False) -> World:
    """What the rows may depend on: the events in the log and the primary tables."""
    plain = sqlite3.connect(directory / FILE)
    live = [
        Live(seq, events.parse(wire), received_at, expires_at, audience is None, group)
        for seq, wire, received_at, expires_at, audience, group in plain.execute(
            "SELECT seq, wire, received_at, expires_at, audience, g.id FROM events "
            "LEFT JOIN groups AS g ON g.number = group_number"
        )
    ]
    if not plain.execute("SELECT 1 FROM groups").fetchone():
        check_kept(live)
    owners = dict(plain.execute("SELECT pubkey, posting_identity_id FROM identity_keys"))
    foreign = plain.execute("SELECT id FROM posting_identities WHERE origin IS NOT NULL").fetchall()
    numbers = dict(plain.execute("SELECT id, number FROM posting_identities"))
    plain.close()
    return World(live, owners, frozenset() if count_all else frozenset(one for (one,) in foreign), numbers)


def check_kept(live: list[Live]) -> None:
    """Nobody's is what names a group (that of an import is, for none is known) and what answers such a thing, there or gone."""
    public = {one.event.id for one in live if one.public}
    kept = {one.event.id for one in live} - public
    for one in live:
        if first(one.event, "h") is None:
            answered = set(belonging.answered(one.event))
            assert one.public or answered - public, one.event
            assert not one.public or answered.isdisjoint(kept), one.event


def ordered(found: dict[str, list[dict[str, object]]]) -> dict[str, list[list[tuple[str, object]]]]:
    """The same rows in an order of their own, to be compared; floats without the digits in which two logarithms differ."""
    return {name: sorted((sorted(map(_rounded, row.items())) for row in rows), key=str) for name, rows in found.items()}


def _rounded(item: tuple[str, object]) -> tuple[str, object]:
    name, value = item
    return (name, round(value, 9)) if isinstance(value, float) else item


def rebuild(writer: SqliteWriter) -> int:
    """Make all derived rows again, part after part; how many there are then."""
    part: Rebuild | None = Rebuild()
    while part is not None:
        part = writer.execute(part, NOW).following
    return writer.execute(CountRows(), NOW)
