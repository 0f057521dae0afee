"""All derived rows, in parts: made again (a rebuild) or compared (a check), by what makes them when an event comes.

A rebuild goes through the events of a table's kinds and makes the rows of their keys; then through the rows, and forgets those
that no event there is makes; then it counts again. Each part is one transaction and leaves rows that are right, so that
writing goes on between the parts, and rows that are right already are only read. Tables go in their order, so nothing has to
follow from a row: what depends on it is gone through later. What a start or a setting left undone stands in `meta`.
"""

import shutil
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from relay.protocol.chunks import Cutting
from relay.protocol.rows import Place, Projection
from storage import entries
from storage.base import StorageError
from storage.projections import Difference, Refresh, key_getter
from storage.row_statements import COUNTERS, adding, statements_of
from storage.search import writing as search
from storage.sources import lives_of
from storage.statements import named, write_rows

AT_ONCE: Final = 256  # events or rows of a part

Votes = Literal["local", "all"]  # of identities registered here, or also of those that peers brought

_LOG_BYTES: Final = 64 * 2**20  # that the write-ahead log takes
_TEXTS: Final = frozenset({"posts", "comments", "passages"})  # tables that hold most of what rows take
_COUNTED: Final = ("posts", "comments")
_ARMS: Final = (entries.ALL, entries.OPERATOR_PREFIX + entries.ALL)  # public events by kind, and private ones
_FIRST: Final = (-1, 0, 0)

_pages: Final = msgspec.json.Decoder(list[tuple[int, int, int, int, int | None, str]])
_counters: Final = msgspec.json.Decoder(list[tuple[int, str, int, int, int, int, int, int, int, int]])


def parts(connection: sqlite3.Connection, projections: Sequence[Projection], tables: Iterable[str]) -> Iterator[int]:
    """Make all rows of these tables again, a part at each step, each to be a transaction; how many were looked at so far."""
    looked = 0
    wanted = set(tables)
    for projection in projections:
        if projection.table in wanted:
            for refresh, found, number in _differences(connection, projections, projection):
                refresh.apply(projection, found)
                looked += number
                yield looked
    for table in _COUNTED:
        for rows in _wrong_counters(connection, table):
            write_rows(connection, adding(table), [(seq, *by) for seq, _, by in rows])
            yield looked


def problems(connection: sqlite3.Connection, projections: Sequence[Projection]) -> Iterator[tuple[str, str]]:
    """(table, what it is about) of every row and counter that is not what the log makes of it; nothing is changed."""
    for projection in projections:
        for _, found, _ in _differences(connection, projections, projection):
            for name in dict.fromkeys(map(_name, found.wrong())):
                yield projection.table, name
    for table in _COUNTED:
        for rows in _wrong_counters(connection, table):
            for _, name, _ in rows:
                yield table, name


def number(connection: sqlite3.Connection, projections: Iterable[Projection]) -> int:
    """How many derived rows there are."""
    texts = (named("projections")["number"].format(table=projection.table) for projection in projections)
    return sum(connection.execute(text).fetchone()[0] for text in texts)


def pending(connection: sqlite3.Connection) -> list[str]:
    """The tables that are to be made again before anything else."""
    row = connection.execute(named("rebuilding")["pending"]).fetchone()
    return [] if row is None else msgspec.json.decode(row[0], type=list[str])


def set_pending(connection: sqlite3.Connection, tables: Iterable[str]) -> None:
    """From now on these are; none where it is done."""
    connection.execute(named("rebuilding")["set_pending"], (msgspec.json.encode(list(tables)).decode(),))


def check_room(connection: sqlite3.Connection, directory: Path, tables: Iterable[str]) -> None:
    """Raises StorageError where the disk may have no room for rows that are made again."""
    size, pages, free = (
        connection.execute(named("rebuilding")[name]).fetchone()[0]
        for name in ("page_size", "page_count", "free_pages")
    )
    needed = _LOG_BYTES + (size * pages // 4 if _TEXTS.intersection(tables) else 0)
    room = shutil.disk_usage(directory).free + size * free
    if room < needed:
        raise StorageError(
            f"making the derived rows of this database again takes up to {needed // 2**20} MiB and there are "
            f"{room // 2**20}; free some space and start again: nothing is lost"
        )


def whose_votes(connection: sqlite3.Connection) -> str:
    """Whose votes count."""
    return str(connection.execute(named("rebuilding")["whose_votes"]).fetchone()[0])


def set_whose_votes(connection: sqlite3.Connection, whose: Votes) -> None:
    """Count the votes of these identities from now on; the votes are to be made again."""
    connection.execute(named("rebuilding")["set_whose_votes"], (whose,))
    set_pending(connection, [*pending(connection), "votes"])


def set_cutting(connection: sqlite3.Connection, cutting: Cutting) -> None:
    """Search this from now on; the passages are to be made again."""
    search.set_settings(connection, cutting)
    set_pending(connection, [*pending(connection), "passages"])


def _differences(
    connection: sqlite3.Connection, projections: Sequence[Projection], projection: Projection
) -> Iterator[tuple[Refresh, Difference, int]]:
    """Part by part what is stored and what should be, and how many keys or rows that was about."""
    fresh = partial(Refresh, connection, projections, followed=False)
    searched = fresh().sources.cutting.searched
    for kind in sorted(searched if projection.kinds is None else projection.kinds):
        for key in _ARMS:
            after = _FIRST
            while (page := _page(connection, key, kind, after))[0]:
                lives, after = page
                refresh = fresh()
                refresh.sources.give(lives)
                keys = dict.fromkeys(one for live in lives for one in projection.keys(live.event))
                yield refresh, refresh.difference(projection, list(keys)), len(keys)
    sql, key_of = statements_of(projection), key_getter(projection.primary)
    rows = msgspec.json.decode(connection.execute(sql.first_page, (AT_ONCE,)).fetchone()[0])
    while rows:
        refresh = fresh()
        stale = _stale(refresh, projection, [(tuple(key), seq) for *key, seq in rows])
        stored = list(refresh.sources.stored(projection, stale))
        yield refresh, Difference({key_of(row): row for row in stored}), len(rows)
        rows = msgspec.json.decode(connection.execute(sql.page, (*rows[-1][:-1], AT_ONCE)).fetchone()[0])


def _page(
    connection: sqlite3.Connection, key: bytes, kind: int, after: tuple[int, int, int]
) -> tuple[list[Any], tuple[int, int, int]]:
    """The next events, and where the last one stands."""
    columns, wires = connection.execute(named("rebuilding")["events_of_kind"], (key, kind, *after, AT_ONCE)).fetchone()
    places = _pages.decode(columns)
    if not places:
        return [], after
    created_at, rank, seq, *_ = places[-1]
    return lives_of([place[2:] for place in places], wires), (created_at, rank, seq)


def _stale(refresh: Refresh, projection: Projection, rows: Sequence[tuple[Place, int]]) -> list[Place]:
    """The primary keys of rows that no live event makes, each given with the number of the event it is said to be made of."""
    kinds = refresh.sources.cutting.searched if projection.kinds is None else projection.kinds
    by_seq = {live.seq: live for live in refresh.sources.numbered([seq for _, seq in rows]) if live.event.kind in kinds}
    refresh.sources.give(by_seq.values())
    keys = {seq: projection.keys(live.event) for seq, live in by_seq.items()}
    places = dict(refresh.settle(projection.place, list(dict.fromkeys(one for some in keys.values() for one in some))))
    stale = []
    for place, seq in rows:
        right = [places[one] for one in keys.get(seq, ())]
        if not any(one is not None and place[: len(one)] == one for one in right):
            stale.append(place)
    return stale


def _wrong_counters(connection: sqlite3.Connection, table: str) -> Iterator[list[tuple[int, str, list[int]]]]:
    """Page by page (number, id, what to add to each of COUNTERS) of rows whose counters are wrong."""
    after = 0
    sql = named("rebuilding")[f"counters_of_{table}"]
    while rows := _counters.decode(connection.execute(sql, (after, AT_ONCE)).fetchone()[0]):
        after = rows[-1][0]
        found = []
        for seq, event_id, *counters in rows:
            standing, counted = counters[: len(COUNTERS)], counters[len(COUNTERS) :]
            if standing != counted:
                found.append((seq, event_id, [right - wrong for right, wrong in zip(counted, standing, strict=True)]))
        yield found


def _name(row: Any) -> str:
    """What a row is about, for a person."""
    for column in ("id", "event_id", "pubkey"):
        if hasattr(row, column):
            return str(getattr(row, column))
    return f"{row.voter} on {row.target}"
