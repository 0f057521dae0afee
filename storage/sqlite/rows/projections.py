"""Derived rows: the difference between what `relay.protocol.rows.Projection`s make and what is stored, found and written.

Which rows there are is not decided here. Keys go in, some at a time; a projection makes their rows, what differs is written by
a few statements, counters move by the difference, and keys of later projections follow from the rows that came, went or
changed. A rebuild does the same with all keys, and a check does it without writing: see storage.sqlite.rows.rebuilding.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, TypeVar

import msgspec

from relay.protocol.event import Event
from relay.protocol.rows import Change, Count, Live, Owner, Place, Projection, Sources
from storage.sqlite.rows import later_rows
from storage.sqlite.rows.row_statements import COUNTERS, adding, forgetting, statements_of
from storage.sqlite.rows.sources import SqliteSources
from storage.sqlite.statements import listed, padded_parts, write_rows

_OWN: Final = ("seq",)  # the primary key of rows that are an event's own
LAST: Final = 2**63 - 1  # no event has a higher number
AT_ONCE: Final = 1000  # keys whose rows are made and held at once

T = TypeVar("T")


class Difference(msgspec.Struct, frozen=True):
    """The rows that are stored and those that should be, at the same places, by primary key."""

    stored: dict[Place, Any] = {}
    made: dict[Place, Any] = {}

    def wrong(self) -> list[Any]:
        """The rows, stored or made, that differ."""
        keys = dict.fromkeys([*self.made, *self.stored])
        return [self.made.get(key) or self.stored[key] for key in keys if self.made.get(key) != self.stored.get(key)]

    def changes(self) -> Iterator[tuple[Any, Any]]:
        """Each row as it is stored and as it should be, None where there is none."""
        return ((self.stored.get(key), self.made.get(key)) for key in {**self.stored, **self.made})


class Touched(msgspec.Struct):
    """What a transaction has changed: keys by table, and the events that came and left since rows were made, by id.

    `came` has those that are here, `left` the numbers of those that are not. `before` is the number of the last event before it.
    `decided_by` are events that decisions have read, None for those that are not here.
    """

    keys: dict[str, set[str]] = {}
    came: dict[str, Live] = {}
    left: dict[str, int] = {}
    before: int = LAST
    decided_by: dict[str, Event | None] = {}


def refresh(
    connection: sqlite3.Connection,
    projections: Sequence[Projection],
    touched: Touched,
    owners: dict[str, Owner | None],
    edited: dict[str, bool],
) -> bool:
    """Make the touched rows again, and those that follow from them; inside the transaction that touched them.

    `owners` and `edited` groups are those that are known from one transaction to the next. Whether more rows follow than one
    transaction makes: `later_rows`.
    """
    if not touched.keys:
        return False
    work = Refresh(connection, projections, touched, owners, edited)
    work.run()
    return work.left_some


class Refresh:
    """One refresh. With `followed` False keys of later projections are left alone: for whoever goes through all of them."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        projections: Sequence[Projection],
        touched: Touched | None = None,
        owners: dict[str, Owner | None] | None = None,
        edited: dict[str, bool] | None = None,
        *,
        followed: bool = True,
    ) -> None:
        self._connection = connection
        self._projections = projections
        self._touched = touched or Touched()
        self._followed = followed
        self.left_some = False  # whether rows follow that are made later
        self._pending: dict[str, set[str]] = {}
        self.sources = SqliteSources(connection, projections, owners, edited)
        self.sources.give(self._touched.came.values(), self._touched.decided_by)

    def run(self) -> None:
        """Make the rows of the touched keys, table by table, and of what follows."""
        self._pending = {table: set(keys) for table, keys in self._touched.keys.items()}
        assert {projection.table for projection in self._projections} >= self._pending.keys()
        for projection in self._projections:
            keys = sorted(self._pending.pop(projection.table, ()))
            for start in range(0, len(keys), AT_ONCE):
                if start:
                    self.sources.forget()
                self.apply(projection, self.difference(projection, keys[start : start + AT_ONCE]))

    def difference(self, projection: Projection, keys: Sequence[str]) -> Difference:
        """Compare the rows of these keys, and of those that hang together with them, with what they should be."""
        if projection.kinds is None and not self.sources.cutting.searched:
            return Difference()
        if projection.beside is not None:
            keys = list(dict.fromkeys([*keys, *self.sources.keys(projection.beside, keys)]))
        key_of = key_getter(projection.primary)
        left = self._touched.left
        places: dict[Place, None] = {(left[key],): None for key in keys if key in left}
        made: dict[Place, Any] = {}

        def make(key: str, sources: Sources) -> tuple[Place | None, Sequence[Any]]:
            place = projection.place(key, sources)
            return place, () if place is None else projection.rows(key, sources)

        for _, (place, rows) in self.settle(make, keys):
            if place is not None:
                places[place] = None
                made.update((key_of(row), row) for row in rows)
        looked_at = [place for place in places if not self._is_new(place[0])]
        stored = {key_of(row): row for row in self.sources.stored(projection, looked_at)}
        return Difference(stored, made)

    def _is_new(self, number: int | str) -> bool:
        """Whether this is the number of an event that came in this transaction, so that no row stands there yet."""
        return isinstance(number, int) and number > self._touched.before

    def settle(self, function: Callable[[str, Sources], T], keys: Sequence[str]) -> Iterator[tuple[str, T]]:
        """What a function makes of each key, called again until it misses nothing of the sources."""
        sources, waiting = self.sources, keys
        while waiting:
            again = []
            for key in waiting:
                sources.missed = False
                result = function(key, sources)
                if sources.missed:
                    again.append(key)
                else:
                    yield key, result
            sources.fetch()
            waiting = again

    def apply(self, projection: Projection, found: Difference) -> None:
        """Write a difference, move the counters, and note what follows."""
        sql, key_of = statements_of(projection), key_getter(projection.primary)
        came = [row for key, row in found.made.items() if key not in found.stored]
        went = [row for key, row in found.stored.items() if key not in found.made]
        changed = [row for key, row in found.made.items() if found.stored.get(key, row) != row]
        former = [found.stored[key_of(row)] for row in changed]
        if projection.renewed:
            gone, coming, changing = [*went, *former], [*came, *changed], []
        else:
            gone, coming, changing = went, came, changed
        write_rows(self._connection, sql.delete, [key_of(row) for row in gone])
        coming.sort(key=key_of)
        write_rows(self._connection, sql.insert, [msgspec.structs.astuple(row) for row in coming])
        write_rows(self._connection, sql.replace, [msgspec.structs.astuple(row) for row in changing])
        if projection.counts is not None:
            self._count(projection.counts, [*came, *changed], [*went, *former])
        if "id" not in projection.row.__struct_fields__:  # then nothing follows from it
            return
        if self._followed:
            self.left_some |= later_rows.note(self._connection, self._projections, projection.table, found.changes())
        if projection.primary == _OWN:
            for row in (*came, *changed):
                self.sources.note(projection.table, row.seq, row.id, row)
            for row in went:
                self.sources.note(projection.table, row.seq, row.id, None)
        self._follow(projection.table, "came", [row.id for row in came])
        self._follow(projection.table, "changed", [row.id for row in changed])
        self._follow(projection.table, "went", [row.id for row in went])
        self._forget_under(projection.table, [key_of(row)[0] for row in went])

    def _count(self, counts: Callable[[Any], Iterable[Count]], more: Iterable[Any], fewer: Iterable[Any]) -> None:
        """Add to the counters what came, and take off what went."""
        sums: dict[str, dict[int, list[int]]] = {}
        for rows, amount in ((more, 1), (fewer, -1)):
            for row in rows:
                for table, seq, column in counts(row):
                    counters = sums.setdefault(table, {}).setdefault(seq, [0] * len(COUNTERS))
                    counters[COUNTERS.index(column)] += amount
        for table, found in sums.items():
            values = [(seq, *counters) for seq, counters in sorted(found.items()) if any(counters)]
            write_rows(self._connection, adding(table), values)

    def _forget_under(self, table: str, places: Sequence[int | str]) -> None:
        """Forget what stands under rows that went, and what stands under that."""
        under = [(one, column) for one in self._projections for above, column in one.under if above == table]
        for projection, column in under if places else ():
            with_names = "id" in projection.row.__struct_fields__
            gone: list[tuple[int, str]] = []
            for part in padded_parts(places):
                sql = listed(forgetting(projection.table, column, with_names), ("places", len(part)))
                gone += self._connection.execute(sql, part).fetchall()
            for seq, event_id in gone:
                self.sources.note(projection.table, seq, event_id, None)
            self._follow(projection.table, "went", [event_id for _, event_id in gone])
            self._forget_under(projection.table, [seq for seq, _ in gone])

    def _follow(self, table: str, change: Change, ids: Sequence[str]) -> None:
        """Note the keys of later projections that follow from rows of these events."""
        if not ids or not self._followed:
            return
        for projection in self._projections:
            for follow in projection.follows:
                if follow.table == table and change in follow.when:
                    keys = ids if follow.keys is None else self.sources.keys(follow.keys, ids)
                    self._pending.setdefault(projection.table, set()).update(keys)


@lru_cache
def key_getter(columns: tuple[str, ...]) -> Callable[[Any], Place]:
    """What gives a row's primary key."""
    if len(columns) == 1:
        one = attrgetter(*columns)
        return lambda row: (one(row),)
    return attrgetter(*columns)
