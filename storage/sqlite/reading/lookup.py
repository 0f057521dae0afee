"""Answers filters on one connection.

Every step of a statement hands the interpreter's lock over and takes it back, and on a machine with a core to spare that costs
more than the step. So a statement gives its rows as one: their numbers as a JSON list, their bodies joined.

The index read backwards is NIP-01's order (newest first, of one second the lowest id), so a page is a prefix of a merge and
nothing is sorted afterwards. A filter with ids is answered from the events themselves: there are as many as it names.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any, Final

import msgspec

from relay.protocol import event as events
from relay.protocol.filter import Filter, matches
from relay.protocol.item_set import ID_BYTES, Item
from storage.base import SMALLEST_PAGE
from storage.errors import TooCostly
from storage.sqlite import entries
from storage.sqlite.reading import query
from storage.sqlite.reading.query import FOR_EVER, Arm, Give, QueryPlan
from storage.sqlite.reading.scope import Scope
from storage.sqlite.statements import listed, named, padded, padded_parts

FIRST_EVENTS: Final = 500
FIRST_BYTES: Final = 2**20
MOST_COUNTED: Final = 500_000  # distinct events where filters or values overlap and seqs must be compared

_BODIES: Final = 100  # fetched at once
_KINDS: Final = 200  # of one key; more are not enumerated, see lookup.sql
_ENUMERATE: Final = 512  # arms above which it may pay to look which exist
# Kinds up to which it never pays: enumerating those of a key costs as much as three arms that find nothing.
_FEW: Final = 8
_FEW_ARMS: Final = 3  # of a prefix, up to which the same holds
_ENOUGH: Final = 1024  # rows at which an estimate stops

Row = tuple[int, int, int, bytes | None]  # created_at, rank, seq and the event's JSON, None where it is fetched later


def plan_in(connection: sqlite3.Connection, wanted: Filter, scope: Scope) -> QueryPlan:
    """As `plan`, for what a scope shows."""
    return plan(connection, wanted, scope.prefixes_for(wanted), scope.groups_for(wanted))


def plan(
    connection: sqlite3.Connection,
    wanted: Filter,
    prefixes: Sequence[bytes],
    groups: Mapping[bytes, bytes] = query.NO_GROUPS,
) -> QueryPlan:
    """How to answer a filter without ids that is not empty. Raises TooCostly when it would take too many look-ups.

    `groups`: those of the prefixes that are groups', see `query.under`.
    """
    conditions = query.dimensions(wanted)
    private = _private_kinds(connection, prefixes, wanted.kinds, min(map(len, conditions), default=1), groups)
    seen = (entries.PUBLIC_PREFIX, *private)
    if not conditions:
        arms = _arms(connection, [entries.ALL], wanted.kinds, private)
        return QueryPlan(wanted, arms=query.bounded(arms), overlapping=len(private) > 1)
    driver = conditions[0]
    if len(conditions) > 1:
        driver = min(
            conditions,
            key=lambda chosen: (_estimate(connection, wanted, query.under(seen, chosen, groups)), -len(chosen)),
        )
    arms = _arms(connection, driver, wanted.kinds, private, groups)
    also = [query.under(seen, chosen, groups) for chosen in conditions if chosen is not driver]
    overlapping = len(private) > 1 or (len(driver) > 1 and driver[0][:1] == b"T")
    return QueryPlan(wanted, arms=query.bounded(arms), also=also, overlapping=overlapping)


def _private_kinds(
    connection: sqlite3.Connection,
    prefixes: Sequence[bytes],
    wanted: frozenset[int] | None,
    each: int,
    groups: Mapping[bytes, bytes],
) -> dict[bytes, set[int]]:
    """The kinds of private events under each prefix but the public one; prefixes without any are left out.

    With `each` keys of a prefix (one of a group that is named) and few wanted kinds it is cheaper to look for those, as long as
    all together are not too many arms.
    """
    found: dict[bytes, set[int]] = {}
    keys: list[bytes] = []
    few = _FEW_ARMS if len(prefixes) <= _ENUMERATE else 0
    for prefix in filter(None, prefixes):
        if wanted is not None and (1 if prefix in groups else each) * len(wanted) <= few:
            found[prefix] = set(wanted)
        else:
            keys.append(prefix + entries.ALL)
    return found | {key[: -len(entries.ALL)]: present for key, present in _kinds(connection, keys).items()}


def _arms(
    connection: sqlite3.Connection,
    chosen: list[bytes],
    wanted: frozenset[int] | None,
    private: dict[bytes, set[int]],
    groups: Mapping[bytes, bytes] = query.NO_GROUPS,
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
        arms += _expand(connection, query.under([prefix], chosen, groups), kinds)
    return arms


def _expand(connection: sqlite3.Connection, keys: list[bytes], wanted: frozenset[int] | None) -> list[Arm]:
    """Every key with every wanted kind; where there are many, or none is named, with the kinds that it has."""
    bound = query.MAX_ARMS if wanted is not None and len(wanted) <= _FEW else _ENUMERATE
    if wanted is not None and len(keys) * len(wanted) <= bound:
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
    for part in padded_parts(list(dict.fromkeys(keys))):
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


def _fetch(connection: sqlite3.Connection, found: QueryPlan, give: Give, scope: Scope, limit: int) -> list[list[Any]]:
    """The rows of each statement that the plan takes."""
    expired = len(found.arms) <= query.INLINE_EXPIRY or any_expired(connection, scope.now)
    return [
        connection.execute(sql, values).fetchall()
        for sql, values in query.statements(
            found,
            give,
            limit,
            upto=scope.upto,
            now=scope.now,
            expired=expired,
            after=scope.after,
            excluded=scope.excluded,
        )
    ]


def any_expired(connection: sqlite3.Connection, now: int) -> bool:
    """Whether events are stored that have expired by `now`."""
    return connection.execute(named("lookup")["expired"], (now,)).fetchone() is not None


def rows(connection: sqlite3.Connection, found: QueryPlan, give: Give, scope: Scope, limit: int) -> list[Row]:
    """The first rows of a plan in NIP-01's order, at most `limit`; `give` is pages or heads."""
    parts = [_unpacked(*part[0]) for part in _fetch(connection, found, give, scope, limit)]
    if len(parts) == 1:
        return parts[0]
    return union(parts)[:limit]


_integers = msgspec.json.Decoder(list[int]).decode


def _unpacked(numbers: bytes | None, joined: bytes | None) -> list[Row]:
    """The rows in what one statement gives: created_at, rank (or another number) and seq of each, and the bodies if any."""
    if numbers is None:
        return []
    flat = _integers(numbers)
    return list(zip(flat[0::3], flat[1::3], flat[2::3], _bodies_of(joined), strict=False))


def _bodies_of(joined: bytes | None) -> Iterable[bytes | None]:
    return repeat(None) if joined is None else [body or None for body in joined.split(b"\n")]


def page(
    connection: sqlite3.Connection, wanted: Filter, scope: Scope, limit: int, *, finish: bool, most: int
) -> tuple[list[Row], bool]:
    """The first `limit` events of a filter in NIP-01's order, and whether those are all.

    `finish`: where the limit falls within a second, give all of it if that makes no more than twice the limit (NIP-67).
    A page that `stands_still` has the whole second, up to `most` events, and the next event.
    """
    if wanted.is_empty():
        return [], True
    until = wanted.until if scope.after is None else None  # who goes on after an event gets no further than its limit
    if wanted.ids is not None:
        return _cut(among(connection, wanted, scope), until, limit, finish=finish, most=most)
    found = plan_in(connection, wanted, scope)
    once = limit <= FIRST_EVENTS and len(found.arms) <= query.ARMS_A_STATEMENT
    some = rows(connection, found, "pages" if once else "heads", scope, limit + 1)
    if len(some) <= limit:
        return some, True
    if limit == 0:
        return [], False
    second = some[limit - 1][0]
    still = stands_still(second, until, limit, finish=finish)
    if not still and not (finish and some[limit][0] == second):
        return some[:limit], False
    newer = [row for row in some if row[0] > second]
    room = max(most, 2 * limit) if still else 2 * limit - len(newer)
    tied = rows(connection, _within(found, second, second), "heads", scope, room + 1)
    if len(tied) > room:
        return (tied[:room] if still else some[:limit]), False
    older = rows(connection, _within(found, wanted.since or 0, second - 1), "heads", scope, 2)
    extra = older[:1] if still else []
    return newer + tied + extra, len(older) == len(extra)


def stands_still(last: int, until: int | None, limit: int, *, finish: bool) -> bool:
    """Whether a page that is cut lies within the one second that its `until` names, `last` being the time of its last event.

    Clients page on by the time of their oldest event: this one would ask the same again and get nothing new (NIP-67). With
    a limit of its own that is no page's, it gets what it asked for all the same (NIP-01).
    """
    return last == until and (finish or limit >= SMALLEST_PAGE)


def _cut(everything: list[Row], until: int | None, limit: int, *, finish: bool, most: int) -> tuple[list[Row], bool]:
    """As `page`, from all that there is."""
    if not 0 < limit < len(everything):
        return everything[:limit], limit >= len(everything)
    second = everything[limit - 1][0]
    whole = sum(1 for row in everything if row[0] >= second)
    if stands_still(second, until, limit, finish=finish):
        room = max(most, 2 * limit)
        end = whole + 1 if whole <= room else room
    else:
        end = whole if finish and whole <= 2 * limit else limit
    return everything[:end], end >= len(everything)


def _within(found: QueryPlan, since: int, until: int) -> QueryPlan:
    return msgspec.structs.replace(found, wanted=msgspec.structs.replace(found.wanted, since=since, until=until))


def union(pages: Iterable[list[Row]]) -> list[Row]:
    """Each event of several pages once, in NIP-01's order."""
    merged = {row[2]: row for some in pages for row in some}
    return sorted(merged.values(), key=lambda row: row[:3], reverse=True)


def among(connection: sqlite3.Connection, wanted: Filter, scope: Scope) -> list[Row]:
    """All events that a filter with ids matches and the scope shows, in NIP-01's order."""
    found = [row for row, _ in _among(connection, wanted, scope)]
    return found if scope.after is None else [row for row in found if row[:2] < scope.after]


def _among(connection: sqlite3.Connection, wanted: Filter, scope: Scope) -> list[tuple[Row, str]]:
    """As `among`, each with its author."""
    found: list[tuple[Row, str]] = []
    for part, bounds in _by_ids(wanted, scope):
        sql = listed(named("lookup")["among"], ("ids", len(part)))
        for created_at, seq, wire, event_id, kind, pubkey, audience, group in connection.execute(sql, (*part, *bounds)):
            author = pubkey.hex()
            if (
                (wanted.kinds is None or kind in wanted.kinds)
                and (wanted.authors is None or author in wanted.authors)
                and is_shown(seq, audience, group, scope)
                and (not wanted.tags or _has_tags(connection, wanted, seq, wire))
            ):
                found.append(((created_at, events.rank(event_id.hex()), seq, wire), author))
    return sorted(found, key=lambda item: item[0][:3], reverse=True)


def _by_ids(wanted: Filter, scope: Scope) -> Iterator[tuple[list[bytes], tuple[int, int, int, int]]]:
    """The ids, in parts, and the bounds that the statement `among` takes after them."""
    until = FOR_EVER if wanted.until is None else wanted.until
    bounds = (max(wanted.since or 0, 0), until, scope.upto, scope.now)
    ids = [bytes.fromhex(one) for one in wanted.ids or ()]
    for part in padded_parts(ids):
        yield part, bounds


def _shown(audience: bytes, scope: Scope) -> bool:
    readers: list[str] = msgspec.msgpack.decode(audience)
    return not set(entries.private_prefixes(readers)).isdisjoint(scope.prefixes)


def is_shown(seq: int, audience: bytes | None, group: int | None, scope: Scope) -> bool:
    """Whether the scope shows an event, by what is stored of it."""
    return (audience is None or _shown(audience, scope)) and not _is_excluded(seq, group, scope)


def _is_excluded(seq: int, group: int | None, scope: Scope) -> bool:
    return any(group == number and seq <= upto for number, upto in scope.excluded)


def _has_tags(connection: sqlite3.Connection, wanted: Filter, seq: int, wire: bytes | None) -> bool:
    if wire is None:
        wire = bodies(connection, [seq], now=-1).get(seq)
    return wire is not None and matches(Filter(tags=wanted.tags), events.parse_known(wire))


def first_part(connection: sqlite3.Connection, some: list[Row], now: int) -> tuple[list[bytes], int]:
    """The wire forms of the first rows, about FIRST_BYTES of them, and how many rows that covers."""
    if len(some) <= _BODIES and all(row[3] is not None for row in some):
        return [row[3] for row in some if row[3] is not None], len(some)  # the usual page: at most 100 times 8 KiB
    wires: list[bytes] = []
    size = 0
    for start in range(0, min(len(some), FIRST_EVENTS), _BODIES):
        part = some[start : min(start + _BODIES, FIRST_EVENTS)]
        absent = [row[2] for row in part if row[3] is None]
        got = bodies(connection, absent, now) if absent else {}
        for offset, (_, _, seq, wire) in enumerate(part):
            if size >= FIRST_BYTES:
                return wires, start + offset
            body = got.get(seq) if wire is None else wire
            if body is not None:
                wires.append(body)
                size += len(body)
    return wires, min(len(some), FIRST_EVENTS)


def bodies(connection: sqlite3.Connection, seqs: Sequence[int], now: int) -> dict[int, bytes]:
    """The wire form of each of these events that is here and has not expired by `now`."""
    found: dict[int, bytes] = {}
    for part in padded_parts(seqs):
        sql = listed(named("lookup")["bodies"], ("seqs", len(part)))
        numbers, joined = connection.execute(sql, (*part, now)).fetchone()
        if numbers is not None:
            found.update(zip(_integers(numbers), joined.split(b"\n"), strict=True))
    return found


def readable(connection: sqlite3.Connection, seqs: Sequence[int], scope: Scope) -> list[int]:
    """Those of these events that the scope shows."""
    hidden: set[int] = set()
    for part in padded_parts(seqs):
        sql = listed(named("lookup")["audiences"], ("seqs", len(part)))
        for seq, audience, group in connection.execute(sql, part):
            if not is_shown(seq, audience, group, scope):
                hidden.add(seq)
    return [seq for seq in seqs if seq not in hidden]


def seqs_of(connection: sqlite3.Connection, wanted: Filter, scope: Scope, limit: int) -> list[int]:
    """The seqs of the newest matching events, at most `limit`, in no order."""
    if wanted.is_empty():
        return []
    if wanted.ids is not None:
        return [row[2] for row in among(connection, wanted, scope)[:limit]]
    found = set(_joined(connection, plan_in(connection, wanted, scope), "seqs", scope, limit))
    return sorted(int(seq) for seq in found)[-limit:]


def items(connection: sqlite3.Connection, wanted: Filter, scope: Scope, most: int) -> list[Item]:
    """(created_at, id) of the first `most` events of a filter, in NIP-01's order."""
    if wanted.is_empty() or not most:
        return []
    if wanted.ids is not None:
        return _ids_of(connection, among(connection, wanted, scope)[:most])
    parts = [
        list(zip(_integers(numbers), _split(bytes.fromhex(joined)), strict=True))
        for ((numbers, joined),) in _fetch(connection, plan_in(connection, wanted, scope), "items", scope, most)
        if numbers is not None
    ]
    if len(parts) == 1:
        return parts[0]
    return sorted({one for part in parts for one in part}, key=lambda item: (-item[0], item[1]))[:most]


def _split(data: bytes) -> list[bytes]:
    return [data[at : at + ID_BYTES] for at in range(0, len(data), ID_BYTES)]


def _ids_of(connection: sqlite3.Connection, some: list[Row]) -> list[Item]:
    """The same for rows, without those that left meanwhile."""
    ids: dict[int, bytes] = {}
    seqs = [row[2] for row in some]
    for part in padded_parts(seqs):
        numbers, joined = connection.execute(listed(named("lookup")["ids"], ("seqs", len(part))), part).fetchone()
        if numbers is not None:
            ids.update(zip(_integers(numbers), _split(bytes.fromhex(joined)), strict=True))
    return [(created_at, ids[seq]) for created_at, _, seq, _ in some if seq in ids]


def count(connection: sqlite3.Connection, filters: Sequence[Filter], scope: Scope, most: int | None = None) -> int:
    """How many distinct events the filters match, `most` at most. Raises TooCostly when too many would have to be compared."""
    limit = MOST_COUNTED + 1 if most is None else min(most, MOST_COUNTED)
    chosen = [wanted for wanted in filters if not wanted.is_empty()]
    if len(chosen) == 1 and chosen[0].ids is None:
        single = plan_in(connection, chosen[0], scope)
        if not single.overlapping:
            each = query.FOR_EVER if most is None else most
            total = sum(int(row[0] or 0) for part in _fetch(connection, single, "total", scope, each) for row in part)
            return min(total, each)
    found: set[bytes] = set()
    for wanted in chosen:
        if wanted.ids is not None:
            found.update(b"%d" % row[2] for row in among(connection, wanted, scope))
            continue
        found.update(_joined(connection, plan_in(connection, wanted, scope), "seqs", scope, limit))
        if most is not None and len(found) >= most:
            return most
        if len(found) > MOST_COUNTED:
            raise TooCostly(f"more than {MOST_COUNTED} events match filters or values that overlap; ask for fewer")
    return len(found)


def pubkeys(connection: sqlite3.Connection, filters: Sequence[Filter], scope: Scope) -> set[bytes]:
    """The authors of what the filters match."""
    found: set[bytes] = set()
    for wanted in filters:
        if wanted.is_empty():
            continue
        if wanted.ids is not None:
            found.update(bytes.fromhex(author) for _, author in _among(connection, wanted, scope))
            continue
        chosen = plan_in(connection, wanted, scope)
        joined = _joined(connection, chosen, "pubkeys", scope, FOR_EVER)
        found.update(bytes.fromhex(pubkey.decode()) for pubkey in joined)
    return found


def _joined(connection: sqlite3.Connection, found: QueryPlan, give: Give, scope: Scope, limit: int) -> Iterator[bytes]:
    """What each statement gives in one row, joined with commas: many small values, in a step instead of one each."""
    for part in _fetch(connection, found, give, scope, limit):
        for (joined,) in part:
            if joined is not None:
                yield from joined.split(b",")
