"""Answers filters on one connection, in as few steps as can be.

Every step of a statement hands the interpreter lock over and has to win it back from a busy event loop, which can take
milliseconds. So each statement gives a single row that holds the whole result, joined with commas or newlines (an event's
JSON holds no raw newline, and begins with its id).
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from relay.protocol.filter import Filter
from storage import entries, query
from storage.base import TooCostly
from storage.query import FOR_EVER, Arm, Give, Plan
from storage.statements import SIZES, listed, named, padded

HEAD: Final = len('{"id":"') + 64  # bytes of an event's JSON that hold its id; a body left out is given as these only
SECOND: Final = 10_000  # events of one second that are put in order by id; beyond, the cut is by seq
FIRST_EVENTS: Final = 500
FIRST_BYTES: Final = 2**20
MOST_COUNTED: Final = 500_000  # distinct events where filters or values overlap and seqs must be compared

_BODIES: Final = 100  # fetched at once
_KINDS: Final = 200  # of one key; more are not enumerated, see lookup.sql
_ENUMERATE: Final = 512  # arms above which it pays to look which exist
_ENOUGH: Final = 1024  # rows at which an estimate stops

Row = tuple[bytes, bytes, bytes]  # created_at, seq, wire or its head


class Scope(msgspec.Struct, frozen=True):
    """What a query may see: rows under `prefixes`, with `seq` up to `upto`, not expired by `now`."""

    prefixes: tuple[bytes, ...]
    now: int
    upto: int = FOR_EVER


def plan(connection: sqlite3.Connection, wanted: Filter, prefixes: Sequence[bytes]) -> Plan:
    """How to answer a filter that is not empty. Raises TooCostly when it would take too many look-ups."""
    conditions = query.dimensions(wanted)
    if wanted.ids is not None:
        visible = query.under(prefixes, [entries.ALL])
        also = [visible, *(query.under(prefixes, chosen) for chosen in conditions)]
        return Plan(wanted, ids=[bytes.fromhex(one) for one in sorted(wanted.ids)], also=also, overlapping=False)
    private = _private_kinds(connection, prefixes)
    seen = (entries.PUBLIC_PREFIX, *private)
    if not conditions:
        arms = _arms(connection, [entries.ALL], wanted.kinds, private)
        return Plan(wanted, arms=query.bounded(arms), overlapping=len(private) > 1)
    driver = conditions[0]
    if len(conditions) > 1:
        driver = min(
            conditions, key=lambda chosen: (_estimate(connection, wanted, query.under(seen, chosen)), -len(chosen))
        )
    arms = _arms(connection, driver, wanted.kinds, private)
    also = [query.under(seen, chosen) for chosen in conditions if chosen is not driver]
    overlapping = len(private) > 1 or (len(driver) > 1 and driver[0][:1] == b"T")
    return Plan(wanted, arms=query.bounded(arms), also=also, overlapping=overlapping)


def _private_kinds(connection: sqlite3.Connection, prefixes: Sequence[bytes]) -> dict[bytes, set[int]]:
    """The kinds of private events under each prefix but the public one; prefixes without any are left out."""
    keys = [prefix + entries.ALL for prefix in prefixes if prefix]
    return {key[: -len(entries.ALL)]: found for key, found in _kinds(connection, keys).items()}


def _arms(
    connection: sqlite3.Connection, chosen: list[bytes], wanted: frozenset[int] | None, private: dict[bytes, set[int]]
) -> list[Arm]:
    """The look-ups for these dimensions and kinds under the public prefix and the private ones."""
    arms: list[Arm] = []
    if wanted is None and chosen == [entries.ALL]:
        arms.append((entries.ANY, entries.ANY_KIND))
    else:
        arms += _expand(connection, chosen, wanted)
    for prefix, present in private.items():
        kinds = wanted
        if len(present) <= _KINDS:
            kinds = frozenset(present) if wanted is None else wanted & present
        arms += _expand(connection, query.under([prefix], chosen), kinds)
    return arms


def _expand(connection: sqlite3.Connection, keys: list[bytes], wanted: frozenset[int] | None) -> list[Arm]:
    """Every key with every wanted kind; where there are many, or none is named, with the kinds that it has."""
    if wanted is not None and len(keys) * len(wanted) <= _ENUMERATE:
        return [(key, kind) for key in keys for kind in sorted(wanted)]
    arms: list[Arm] = []
    for key, present in _kinds(connection, keys).items():
        if len(present) > _KINDS:
            arms += [(key, None)] if wanted is None else [(key, kind) for kind in sorted(wanted)]
        else:
            arms += [(key, kind) for kind in sorted(present if wanted is None else present & wanted)]
    return arms


def _kinds(connection: sqlite3.Connection, keys: list[bytes]) -> dict[bytes, set[int]]:
    found: dict[bytes, set[int]] = {}
    for start in range(0, len(keys), SIZES[-1]):
        part = padded(list(dict.fromkeys(keys[start : start + SIZES[-1]])))
        sql = listed(named("lookup")["kinds"], ("keys", len(part)), group="(?)")
        names, kinds = connection.execute(sql, part).fetchone()
        if names is not None:
            for name, kind in zip(names.split(","), kinds.split(","), strict=True):
                found.setdefault(bytes.fromhex(name), set()).add(int(kind))
    return found


def _estimate(connection: sqlite3.Connection, wanted: Filter, keys: list[bytes]) -> int:
    """How many rows these keys have for the filter's kinds and times, counted up to a bound."""
    if len(keys) > 256:
        return _ENOUGH
    some = padded(keys)
    if wanted.kinds is None or len(wanted.kinds) > 64:
        sql = listed(named("lookup")["estimate_any_kind"], ("keys", len(some)))
        return int(connection.execute(sql, [*some, _ENOUGH]).fetchone()[0])
    kinds = padded(sorted(wanted.kinds))
    until = FOR_EVER if wanted.until is None else wanted.until
    sql = listed(named("lookup")["estimate"], ("keys", len(some)), ("kinds", len(kinds)))
    return int(connection.execute(sql, [*some, *kinds, wanted.since or 0, until, _ENOUGH]).fetchone()[0])


def _fetch(
    connection: sqlite3.Connection, found: Plan, give: Give, scope: Scope, limit: int
) -> list[tuple[bytes | int | None, ...]]:
    expired = len(found.arms) <= query.INLINE_EXPIRY or any_expired(connection, scope.now)
    return [
        connection.execute(sql, values).fetchone()
        for sql, values in query.statements(found, give, limit, upto=scope.upto, now=scope.now, expired=expired)
    ]


def any_expired(connection: sqlite3.Connection, now: int) -> bool:
    """Whether events are stored that have expired by `now`."""
    return connection.execute(named("lookup")["expired"], (now,)).fetchone() is not None


def rows(connection: sqlite3.Connection, found: Plan, give: Give, scope: Scope, limit: int) -> list[Row]:
    """The newest rows of a plan, at most `limit`; `give` is pages or heads. Of one second, the highest seq first."""
    parts: list[list[Row]] = []
    for times, seqs, items in _fetch(connection, found, give, scope, limit):
        if seqs is not None:
            parts.append(list(zip(times.split(b","), seqs.split(b","), items.split(b"\n"), strict=True)))  # type: ignore[union-attr]
    if len(parts) <= 1:
        return parts[0] if parts else []
    merged = {row[1]: row for part in parts for row in part}
    return sorted(merged.values(), key=lambda row: (int(row[0]), int(row[1])), reverse=True)[:limit]


def page(
    connection: sqlite3.Connection, wanted: Filter, scope: Scope, limit: int, finish: bool
) -> tuple[list[Row], bool]:
    """The newest `limit` events of a filter in NIP-01's order, and whether those are all.

    `finish`: where the limit falls within a second, give all of it if that makes no more than twice the limit (NIP-67).
    Otherwise the cut is by id, unless more than SECOND events share that second: then by arrival.
    """
    if wanted.is_empty():
        return [], True
    found = plan(connection, wanted, scope.prefixes)
    some = rows(connection, found, "pages" if limit <= FIRST_EVENTS else "heads", scope, limit + 1)
    if len(some) <= limit:
        return ordered(some), True
    if limit == 0 or some[limit][0] != some[limit - 1][0]:
        return ordered(some[:limit]), False
    second = int(some[limit][0])
    tied = rows(connection, _within(found, second, second), "heads", scope, SECOND + 1)
    if len(tied) > SECOND:
        return ordered(some[:limit]), False
    newer = [row for row in some if int(row[0]) > second]
    bodies = {row[1]: row for row in some}
    tied = [bodies.get(row[1], row) for row in ordered(tied)]
    if finish and len(newer) + len(tied) <= 2 * limit:
        older = rows(connection, _within(found, wanted.since or 0, second - 1), "heads", scope, 1)
        return ordered(newer) + tied, not older
    return ordered(newer) + tied[: limit - len(newer)], False


def _within(found: Plan, since: int, until: int) -> Plan:
    return msgspec.structs.replace(found, wanted=msgspec.structs.replace(found.wanted, since=since, until=until))


def ordered(some: list[Row]) -> list[Row]:
    """The rows, newest first, by id within a second."""
    if len({row[0] for row in some}) == len(some):
        return some
    return sorted(some, key=lambda row: (-int(row[0]), row[2][:HEAD]))


def union(pages: Iterable[list[Row]]) -> list[Row]:
    """Each event of several pages once, newest first, by id within a second."""
    merged = {row[1]: row for some in pages for row in some}
    return sorted(merged.values(), key=lambda row: (-int(row[0]), row[2][:HEAD]))


def first_part(connection: sqlite3.Connection, some: list[Row], now: int) -> tuple[list[bytes], int]:
    """The wire forms of the first rows, about FIRST_BYTES of them, and how many rows that covers."""
    wires: list[bytes] = []
    size = 0
    for start in range(0, min(len(some), FIRST_EVENTS), _BODIES):
        part = some[start : min(start + _BODIES, FIRST_EVENTS)]
        absent = [row[1] for row in part if len(row[2]) == HEAD]
        got = bodies(connection, absent, now) if absent else {}
        for offset, (_, seq, item) in enumerate(part):
            if size >= FIRST_BYTES:
                return wires, start + offset
            body = got.get(seq) if len(item) == HEAD else item
            if body is not None:
                wires.append(body)
                size += len(body)
    return wires, min(len(some), FIRST_EVENTS)


def bodies(connection: sqlite3.Connection, seqs: Sequence[bytes], now: int) -> dict[bytes, bytes]:
    """The wire form of each of these events that is here and has not expired."""
    values = (b"[" + b",".join(seqs) + b"]").decode()
    numbers, wires = connection.execute(named("lookup")["bodies"], (values, now)).fetchone()
    return {} if numbers is None else dict(zip(numbers.split(b","), wires.split(b"\n"), strict=True))


def seqs_of(connection: sqlite3.Connection, wanted: Filter, scope: Scope, limit: int) -> list[int]:
    """The seqs of at most `limit` matching events, ascending."""
    if wanted.is_empty():
        return []
    results = _fetch(connection, plan(connection, wanted, scope.prefixes), "seqs", scope, limit)
    found = {int(seq) for (joined,) in results if joined is not None for seq in joined.split(b",")}  # type: ignore[union-attr]
    return sorted(found)[-limit:]


def count(connection: sqlite3.Connection, filters: Sequence[Filter], scope: Scope) -> int:
    """How many distinct events the filters match. Raises TooCostly when too many would have to be compared."""
    plans = [plan(connection, wanted, scope.prefixes) for wanted in filters if not wanted.is_empty()]
    if len(plans) == 1 and not plans[0].overlapping:
        return sum(int(total or 0) for (total,) in _fetch(connection, plans[0], "total", scope, 0))
    found: set[bytes] = set()
    for one in plans:
        for (joined,) in _fetch(connection, one, "seqs", scope, MOST_COUNTED + 1):
            found.update(joined.split(b",") if joined is not None else ())  # type: ignore[union-attr]
            if len(found) > MOST_COUNTED:
                raise TooCostly(f"more than {MOST_COUNTED} events match filters or values that overlap; ask for fewer")
    return len(found)


def pubkeys(connection: sqlite3.Connection, filters: Sequence[Filter], scope: Scope) -> set[bytes]:
    """The authors of what the filters match."""
    found: set[str] = set()
    for wanted in filters:
        if not wanted.is_empty():
            chosen = plan(connection, wanted, scope.prefixes)
            for (joined,) in _fetch(connection, chosen, "pubkeys", scope, FOR_EVER):
                found.update(joined.decode().split(",") if joined is not None else ())  # type: ignore[union-attr]
    return {bytes.fromhex(pubkey) for pubkey in found}
