"""The usual questions with short answers, each by one statement that is planned and executed in one step.

Nearly all REQs ask for a few ids, or for one kind or a few by an author, with a tag, or of all events, and get at most 500
events. For these the general way (`query`, `lookup`) spends more on planning than SQLite on finding. So their statements are
made once for each number of arms, nothing is looked up beforehand, and a row is the wire form and nothing else.

An answer is exactly what the general way gives. Where that is not sure (a page that ends within a second, a large body, a private
event by its id) there is none, and the general way is taken.
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from relay.protocol.filter import Filter
from storage.base import Found, Limits
from storage.sqlite import entries
from storage.sqlite.reading import lookup
from storage.sqlite.reading.query import FOR_EVER
from storage.sqlite.reading.scope import Scope
from storage.sqlite.statements import blob, named, padded

MOST: Final = lookup.FIRST_EVENTS
MOST_IDS: Final = 100
MOST_SHORT: Final = 100  # events whose bytes need not be counted: each has 8 KiB at most
MOST_ARMS: Final = 8  # keys times kinds

_SHARED: Final = 5  # parameters before the keys and kinds, see short.sql
_EXACTLY: Final = 20  # ids up to which each number of them has a statement of its own


def answer(connection: sqlite3.Connection, wanted: Filter, scope: Scope, limits: Limits) -> Found | None:
    """What the filter finds; None where it takes the general way. `scope` is after no place."""
    limit = wanted.limit
    if limit is None:
        own, most = False, min(limits.default, limits.maximum)
    else:
        own, most = limit <= limits.maximum, min(limit, limits.maximum)
    if most > MOST or wanted.search is not None or scope.excluded:
        return None
    since, until = wanted.since, wanted.until
    shared = (0 if since is None or since < 0 else since, FOR_EVER if until is None else until, scope.upto, scope.now)
    if wanted.ids is None:
        wires = _by_arms(connection, wanted, scope, shared, most + 1)
    else:
        wires = _by_ids(connection, wanted, len(scope.prefixes) > 1, shared)
    if wires is None or None in wires:
        return None
    found: list[bytes] = wires  # type: ignore[assignment]
    if len(found) > MOST_SHORT and sum(map(len, found)) > lookup.FIRST_BYTES:
        return None
    if len(found) <= most:
        return Found(found, (), True)
    if most and not _ends_plainly(found, wanted.until, most, own):
        return None
    return Found(found[:most], (), False, not own)


def _by_ids(
    connection: sqlite3.Connection, wanted: Filter, with_keys: bool, shared: Sequence[object]
) -> list[bytes | None] | None:
    """All events of the ids in NIP-01's order; None as an event where it takes the general way."""
    ids = wanted.ids
    assert ids is not None
    if wanted.kinds is not None or wanted.authors is not None or wanted.tags or len(ids) > MOST_IDS:
        return None
    values = [blob.fromhex(one) for one in ids]
    if len(values) > _EXACTLY:
        values = padded(values)
    rows = connection.execute(_text_of_ids(len(values)), (*shared, with_keys, *values)).fetchall()
    wires = [wire for _, wire in rows]
    if len(rows) > 1 and None not in wires:
        rows.sort()  # newest first; a wire form begins with the id
        wires = [wire for _, wire in rows]
    return wires


def _by_arms(
    connection: sqlite3.Connection, wanted: Filter, scope: Scope, shared: Sequence[object], limit: int
) -> list[bytes | None] | None:
    """The first `limit` events under the keys and kinds of the filter; None as an event where it takes the general way."""
    kinds, authors, tags = wanted.kinds, wanted.authors, wanted.tags
    prefixes = scope.prefixes_for(wanted)
    if kinds is None:
        if authors is not None or tags or len(prefixes) > 1:
            return None
        rows = connection.execute(text(1, False), (*shared, limit, entries.ANY, entries.ANY_KIND)).fetchall()
        return [wire for (wire,) in rows]
    arms = len(prefixes) * len(kinds)
    overlapping = len(prefixes) > 1 and not scope.is_shared(wanted)
    if authors is not None:
        arms *= len(authors)
        if tags or arms > MOST_ARMS:
            return None
        chosen = [entries.author(author) for author in authors]
    elif tags:
        ((name, values), *others) = tags.items()
        arms *= len(values)
        if others or arms > MOST_ARMS:
            return None
        chosen = [entries.tag(name, value) for value in values]
        overlapping = overlapping or len(chosen) > 1
    else:
        chosen = [entries.ALL]
    if not arms:
        return []
    if arms > MOST_ARMS:
        return None
    found = [part for prefix in prefixes for one in chosen for kind in kinds for part in (blob(prefix + one), kind)]
    rows = connection.execute(text(arms, overlapping), (*shared, limit, *found)).fetchall()
    return [wire for (wire,) in rows]


@lru_cache
def text(arms: int, overlapping: bool) -> str:
    """The statement for so many pairs of a key and a kind; `overlapping`: an event may be found by two of them."""
    sql = named("short")
    if arms == 1:
        return sql["one"]
    texts = [sql["arm"].format(key=n, kind=n + 1) for n in range(_SHARED + 1, _SHARED + 1 + 2 * arms, 2)]
    return sql["several"].format(arms=("\nUNION\n" if overlapping else "\nUNION ALL\n").join(texts))


@lru_cache
def _text_of_ids(count: int) -> str:
    first = _SHARED + 1
    return named("short")["ids"].format(ids=", ".join(f"?{n}" for n in range(first, first + count)))


class _Dated(msgspec.Struct, gc=False):
    created_at: int


_decode_dated = msgspec.json.Decoder(_Dated).decode


def _ends_plainly(wires: Sequence[bytes], until: int | None, limit: int, own: bool) -> bool:
    """Whether the first `limit` are what is given, no more: see `lookup.page`."""
    if own and until is None:
        return True
    last = _decode_dated(wires[limit - 1]).created_at
    if lookup.stands_still(last, until, limit, finish=not own):
        return False
    return own or _decode_dated(wires[limit]).created_at != last
