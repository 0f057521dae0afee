"""All derived rows, and the state of groups, in parts: made again (a rebuild) or compared (a check), by what makes them when an
event comes.

A rebuild goes through the events of a table's kinds and makes the rows of their keys; then through the rows, and forgets those
that no event there is makes; then it counts again. Each part is one transaction and leaves rows that are right, so that
writing goes on between the parts, and rows that are right already are only read. Tables go in their order, so nothing has to
follow from a row: what depends on it is gone through later. What a start or a setting left undone stands in `meta`.
"""

import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from relay.protocol.chunks import Cutting
from relay.protocol.rows import Owner, Place, Projection
from storage.commands import Rebuild, Rebuilt
from storage.errors import StorageError
from storage.sqlite import entries
from storage.sqlite.groups.changes import GroupChanges
from storage.sqlite.groups.folding import FoldedGroups, FoldHolder
from storage.sqlite.groups.known import KnownGroups
from storage.sqlite.live_events import lives_of
from storage.sqlite.rows import later_rows
from storage.sqlite.rows.cutting import store_cutting, stored_cutting
from storage.sqlite.rows.projections import Difference, Refresh, key_getter
from storage.sqlite.rows.row_statements import COUNTERS, adding, statements_of
from storage.sqlite.statements import named, write_rows

AT_ONCE: Final = 128  # events or rows of a part

Votes = Literal["local", "all"]  # of identities registered here, or also of those that peers brought

_LOG_BYTES: Final = 64 * 2**20  # that the write-ahead log takes
_TEXTS: Final = frozenset({"posts", "comments", "message_rows", "passages"})  # tables that hold most of what rows take
_COUNTERS: Final = "counters"
_GROUPS: Final = "groups"
_COUNTED: Final = ("posts", "comments")
_ARMS: Final = (entries.ALL, entries.OPERATOR_PREFIX + entries.ALL)  # public events by kind, and private ones
_FIRST: Final = (-1, 0, 0)

_pages: Final = msgspec.json.Decoder(list[tuple[int, int, int, int, int | None, str, str | None]])
_counters: Final = msgspec.json.Decoder(list[tuple[int, str, int, int, int, int, int, int, int, int]])


class _Part(msgspec.Struct, frozen=True):
    """What a stage found about so many keys or rows, and where it goes on; None where it is over."""

    write: Callable[[], None]
    wrong: Callable[[], Iterable[str]]  # what is not as it should be, for a person
    looked: int
    after: Sequence[int | str] | None


class _Stage(msgspec.Struct, frozen=True):
    """All events of a kind, all rows or all counters of a table, in an order. `part` gives what comes after a place in it."""

    table: str
    part: Callable[[Sequence[int | str]], _Part]


def part(
    connection: sqlite3.Connection,
    projections: Sequence[Projection],
    asked: Rebuild,
    owners: dict[str, Owner | None],
    groups: GroupChanges,
) -> Rebuilt:
    """Carry out a part of a rebuild; see commands.Rebuild. `owners` as for projections.refresh."""
    tables = asked.tables or [_GROUPS, *(projection.table for projection in projections)]
    stages = [
        _Stage(_GROUPS, partial(_groups_part, connection, groups.known, groups)),
        *_stages(connection, projections, owners),
    ]
    stages = [stage for stage in stages if stage.table in tables or stage.table == _COUNTERS]
    done = stages[asked.stage].part(asked.after)
    done.write()
    stage, after = (asked.stage + 1, []) if done.after is None else (asked.stage, list(done.after))
    return Rebuilt(done.looked, Rebuild(asked.tables, stage, after) if stage < len(stages) else None)


def problems(connection: sqlite3.Connection, projections: Sequence[Projection]) -> Iterator[tuple[str, str]]:
    """(table, what it is about) of every row and counter that is not what the log makes of it; nothing is changed.

    Tables of which rows are still to be made after a change are left out.
    """
    unfinished = later_rows.waiting(connection)
    groups = _Stage(_GROUPS, partial(_groups_part, connection, FoldHolder(), None))
    for stage in (groups, *_stages(connection, projections, {})):
        if stage.table in unfinished:
            continue
        after: Sequence[int | str] | None = ()
        while after is not None:
            found = stage.part(after)
            yield from ((stage.table, name) for name in dict.fromkeys(found.wrong()))
            after = found.after


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


def operators(connection: sqlite3.Connection) -> list[str]:
    """Who defines agents for everybody."""
    return msgspec.json.decode(connection.execute(named("sources")["operators"]).fetchone()[0], type=list[str])


def set_operators(connection: sqlite3.Connection, pubkeys: Iterable[str]) -> None:
    """These define agents for everybody from now on; the agents are to be made again."""
    connection.execute(named("rebuilding")["set_operators"], (msgspec.json.encode(list(pubkeys)).decode(),))
    set_pending(connection, [*pending(connection), "agents"])


def set_cutting(connection: sqlite3.Connection, cutting: Cutting) -> None:
    """Search this from now on; the passages are to be made again."""
    store_cutting(connection, cutting)
    set_pending(connection, [*pending(connection), "passages"])


def _stages(
    connection: sqlite3.Connection, projections: Sequence[Projection], owners: dict[str, Owner | None]
) -> list[_Stage]:
    """Everything there is to go through, in order."""
    searched = stored_cutting(connection).searched
    stages = []
    for projection in projections:
        table = _Table(connection, projections, projection, owners)
        for kind in sorted(searched if projection.kinds is None else projection.kinds):
            stages += [_Stage(projection.table, partial(table.events_part, key, kind)) for key in _ARMS]
        stages.append(_Stage(projection.table, table.rows_part))
    return [*stages, *(_Stage(_COUNTERS, partial(_counters_part, connection, counted)) for counted in _COUNTED)]


class _Table:
    """One derived table, gone through."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        projections: Sequence[Projection],
        projection: Projection,
        owners: dict[str, Owner | None],
    ) -> None:
        self._connection = connection
        self._projections = projections
        self._projection = projection
        self._owners = owners

    def events_part(self, key: bytes, kind: int, after: Sequence[int | str]) -> _Part:
        """The rows of the keys of the next events under a key of `entries`."""
        sql = named("rebuilding")["events_of_kind"]
        columns, wires = self._connection.execute(sql, (key, kind, *(after or _FIRST), AT_ONCE)).fetchone()
        places = _pages.decode(columns)
        refresh = self._refresh()
        lives = lives_of([place[2:] for place in places], wires)
        refresh.sources.give(lives)
        keys = dict.fromkeys(one for live in lives for one in self._projection.keys(live.event))
        found = refresh.difference(self._projection, list(keys))
        return self._part(refresh, found, len(keys), places[-1][:3] if places else None)

    def rows_part(self, after: Sequence[int | str]) -> _Part:
        """The next rows, as far as no live event makes them; where a row tells its key, those of its key."""
        sql, key_of = statements_of(self._projection), key_getter(self._projection.primary)
        text = sql.page if after else sql.first_page
        rows = msgspec.json.decode(self._connection.execute(text, (*after, AT_ONCE)).fetchone()[0])
        refresh, following = self._refresh(), rows[-1][:-1] if len(rows) == AT_ONCE else None
        if self._projection.key_of is not None:
            there = refresh.sources.stored(self._projection, [tuple(key) for *key, _ in rows])
            keys = list(dict.fromkeys(self._projection.key_of(row) for row in there))
            return self._part(refresh, refresh.difference(self._projection, keys), len(rows), following)
        stale = _stale(refresh, self._projection, [(tuple(key), seq) for *key, seq in rows])
        stored = {key_of(row): row for row in refresh.sources.stored(self._projection, stale)}
        return self._part(refresh, Difference(stored), len(rows), following)

    def _refresh(self) -> Refresh:
        return Refresh(self._connection, self._projections, owners=self._owners, followed=False)

    def _part(self, refresh: Refresh, found: Difference, looked: int, after: Sequence[int | str] | None) -> _Part:
        wrong = partial(_names, found)
        return _Part(partial(refresh.apply, self._projection, found), wrong, looked, after)


def _groups_part(
    connection: sqlite3.Connection,
    holder: KnownGroups | FoldHolder,
    changes: GroupChanges | None,
    after: Sequence[int | str],
) -> _Part:
    """The next moderation events; with the last of them, what groups, members and invites are."""
    folded = holder.folded
    if folded is None or not after or folded.position != after[0]:
        folded = holder.folded = FoldedGroups(connection)
    looked = folded.advance()
    if looked:
        return _Part(lambda: None, lambda: (), looked, [folded.position])
    holder.folded = None
    mend = partial(folded.mend, changes) if changes is not None else lambda: None
    return _Part(mend, lambda: [name for name, _ in folded.wrong()], 0, None)


def _counters_part(connection: sqlite3.Connection, table: str, after: Sequence[int | str]) -> _Part:
    """The counters of the next rows."""
    sql = named("rebuilding")[f"counters_of_{table}"]
    rows = _counters.decode(connection.execute(sql, (*(after or (0,)), AT_ONCE)).fetchone()[0])
    values, names = [], []
    for seq, event_id, *counters in rows:
        standing, counted = counters[: len(COUNTERS)], counters[len(COUNTERS) :]
        if standing != counted:
            values.append((seq, *(right - wrong for right, wrong in zip(counted, standing, strict=True))))
            names.append(event_id)
    write = partial(write_rows, connection, adding(table), values)
    return _Part(write, lambda: names, 0, rows[-1][:1] if len(rows) == AT_ONCE else None)


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


def _names(found: Difference) -> list[str]:
    """What the rows that differ are about."""
    return [_name(row) for row in found.wrong()]


def _name(row: Any) -> str:
    """What a row is about, for a person."""
    for column in ("id", "event_id", "chat_id", "repo_id", "issue_id", "slug", "pubkey", "topic"):
        if hasattr(row, column):
            return str(getattr(row, column))
    return f"{row.voter} on {row.target}"
