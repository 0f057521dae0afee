"""Filter -> SQL and parameters.

A filter becomes arms: index-ordered look-ups `key = ? AND kind = ?` of the `entries` table, which SQLite merges newest
first as it goes, so that work grows with what is returned. What the arms are not driven by is a probe of the same table's
primary key for each row. Texts have few shapes (lists are padded), so that prepared statements are used again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final, Literal

import msgspec

from relay.protocol.filter import Filter
from storage.errors import TooCostly
from storage.sqlite import entries
from storage.sqlite.statements import named, padded

MAX_ARMS: Final = 5000  # of one filter
ARMS_A_STATEMENT: Final = 480  # SQLite merges at most 500
INLINE_EXPIRY: Final = 32  # up to so many arms each looks for expired events itself, which spares a statement
FOR_EVER: Final = 2**63 - 1

NO_GROUPS: Final[Mapping[bytes, bytes]] = {}
_OF_GROUPS: Final = entries.tag("h", "")[:2]  # how the dimensions of `#h` begin
_ARM_STEPS: Final = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, ARMS_A_STATEMENT)
_SHARED: Final = 7  # parameters that every arm shares, see query.sql
_NOWHERE: Final = (b"", 0)  # an arm that finds nothing

Place = tuple[int, int]  # created_at and rank: where a list goes on after an event
Arm = tuple[bytes, int | None]  # key and kind; None: all kinds of the key, which sorts them
Give = Literal["pages", "heads", "seqs", "items", "pubkeys", "total"]


class QueryPlan(msgspec.Struct, frozen=True):
    """What answers one filter without ids; `also` are lists of keys of which each must hold one."""

    wanted: Filter
    arms: list[Arm] = []
    also: list[list[bytes]] = []
    overlapping: bool = True  # whether an event may be found by two arms


class Shape(msgspec.Struct, frozen=True):
    """All that the text of a statement depends on."""

    give: Give
    arms: int = 0
    scans: int = 0
    also: tuple[int, ...] = ()
    unexpired: bool = False
    after: bool = False
    excluded: int = 0


Statement = tuple[str, list[object]]


def dimensions(wanted: Filter) -> list[list[bytes]]:
    """For each condition that the index knows (authors, each tag) the dimensions of its values, in a fixed order."""
    found = []
    if wanted.authors is not None:
        found.append([entries.author(pubkey) for pubkey in sorted(wanted.authors)])
    for name, values in sorted(wanted.tags.items()):
        found.append([entries.tag(name, value) for value in sorted(values)])
    return found


def under(prefixes: Iterable[bytes], chosen: Sequence[bytes], groups: Mapping[bytes, bytes] = NO_GROUPS) -> list[bytes]:
    """Every dimension under every prefix; of those of `#h`, a prefix that is a group's needs its own only (`Scope.groups_for`)."""
    if not groups or not chosen or not chosen[0].startswith(_OF_GROUPS):
        return [prefix + dimension for prefix in prefixes for dimension in chosen]
    return [
        prefix + dimension for prefix in prefixes for dimension in ((groups[prefix],) if prefix in groups else chosen)
    ]


def statements(
    plan: QueryPlan,
    give: Give,
    limit: int,
    *,
    upto: int,
    now: int,
    expired: bool,
    after: Place | None = None,
    excluded: Sequence[tuple[int, int]] = (),
) -> Iterator[Statement]:
    """The statements whose results together, merged, answer the plan; each gives at most `limit` rows.

    `expired` tells whether any event is past its time at `now` and still stored; `excluded` are groups (see scope.Scope).
    """
    wanted = plan.wanted
    since, until = max(wanted.since or 0, 0), FOR_EVER if wanted.until is None else wanted.until
    if after is not None:
        until = min(until, after[0])
    shared: list[object] = [since, until, upto, limit, now, *(after or (None, None))]
    also = [padded(keys) for keys in plan.also]
    probes = [key for keys in also for key in keys]
    left_out = padded(list(excluded))
    shared += [value for group in left_out for value in group]
    shape = Shape(
        give,
        also=tuple(len(keys) for keys in also),
        unexpired=expired,
        after=after is not None,
        excluded=len(left_out),
    )
    arms = [arm for arm in plan.arms if arm[1] is not None]
    scans = [key for key, kind in plan.arms if kind is None]
    for part_of_arms in _chunks(arms, ARMS_A_STATEMENT):
        filled = part_of_arms + [_NOWHERE] * (_arm_step(len(part_of_arms)) - len(part_of_arms))
        full = msgspec.structs.replace(shape, arms=len(filled))
        yield text(full), [*shared, *probes, *(value for arm in filled for value in arm)]
    for part_of_scans in _chunks(scans, 256):
        some = padded(part_of_scans)
        yield text(msgspec.structs.replace(shape, scans=len(some))), [*shared, *probes, *some]


def _chunks(values: list, size: int) -> Iterator[list]:  # type: ignore[type-arg]
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _arm_step(count: int) -> int:
    return next(step for step in _ARM_STEPS if step >= count)


@lru_cache(maxsize=512)
def text(shape: Shape) -> str:
    """The statement of a shape; its parameters are the shared ones, the probes' keys, then the arms."""
    sql = named("query")
    place = _SHARED
    conditions = [sql[name] for name, asked in (("unexpired", shape.unexpired), ("after", shape.after)) if asked]
    if shape.excluded:
        rows = [f"(?{place + 2 * n + 1}, ?{place + 2 * n + 2})" for n in range(shape.excluded)]
        conditions.append(sql["excluded"].format(rows=", ".join(rows)))
        place += 2 * shape.excluded
    for size in shape.also:
        conditions.append(sql["also"].format(keys=_numbers(place, size)))
        place += size
    arms = []
    for index in range(shape.arms):
        first = place + 2 * index
        arms.append(sql["arm"].format(key=f"?{first + 1}", kind=f"?{first + 2}"))
    arms.extend(sql["scan"].format(key=f"?{place + index + 1}") for index in range(shape.scans))
    arms = ["\n".join([arm, *conditions]) for arm in arms]
    if shape.give == "total":
        return sql["total"].format(merged="\nUNION ALL\n".join(sql["number"].format(arm=arm) for arm in arms))
    # UNION, not UNION ALL: an event that two arms find counts once, and in a merge that costs a comparison.
    merged = "\nUNION\n".join(arms)
    return sql[shape.give].format(merged=sql["merged"].format(arms=merged))


def _numbers(after: int, count: int) -> str:
    return ", ".join(f"?{number}" for number in range(after + 1, after + count + 1))


def bounded(arms: list[Arm]) -> list[Arm]:
    """The arms. Raises TooCostly when they are too many for one filter."""
    if len(arms) > MAX_ARMS:
        raise TooCostly(
            f"the filter asks for {len(arms)} combinations of values and kinds, at most {MAX_ARMS} are answered;"
            " split it or name fewer"
        )
    return arms
