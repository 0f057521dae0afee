"""The usual questions with short answers, each by one statement that is planned and executed in one step.

Nearly all REQs ask for a few ids, or for one kind or a few by an author, with a tag, or of all events, and get at most a hundred
events. For these the general way (`query`, `lookup`) spends more on planning than SQLite on finding. So their statements are
made once for each number of arms, nothing is looked up beforehand, and a row is the wire form and nothing else.

An answer is exactly what the general way gives. Where that is not sure (more events than are asked for here, a page that lies
within one second, a large body, a private event by its id) there is none, and the general way is taken.
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from relay.protocol.filter import Filter
from storage.base import Found, Limits
from storage.sqlite import entries, lookup
from storage.sqlite.query import FOR_EVER
from storage.sqlite.statements import named, padded

MOST: Final = 100  # events, and ids of a filter
MOST_ARMS: Final = 8  # keys times kinds

_SHARED: Final = 5  # parameters before the keys and kinds, see short.sql
_NOTHING: Final = Found([], (), True)


def answer(connection: sqlite3.Connection, wanted: Filter, scope: lookup.Scope, limits: Limits) -> Found | None:
    """What the filter finds; None where it takes the general way. `scope` is after no place."""
    limit = wanted.limit
    if limit is None:
        own, most = False, min(limits.default, limits.maximum, MOST)
    elif limit <= min(limits.maximum, MOST):
        own, most = True, limit
    else:
        return None
    if wanted.search is not None:
        return None
    since, until = wanted.since, wanted.until
    shared = (
        0 if since is None or since < 0 else since,
        FOR_EVER if until is None else until,
        scope.upto,
        scope.now,
        most + 1,
    )
    asked = _among(wanted, scope) if wanted.ids is not None else _arms(wanted, scope.prefixes)
    if asked is None:
        return None
    sql, values = asked
    if not sql:
        return _NOTHING
    wires: list[bytes | None] = [wire for (wire,) in connection.execute(sql, (*shared, *values)).fetchall()]
    if None in wires:
        return None
    complete = len(wires) <= most
    if not complete and (not own or _stands_still(wires, until, most)):
        return None
    return Found(wires[:most], (), complete)  # type: ignore[arg-type]


def _among(wanted: Filter, scope: lookup.Scope) -> tuple[str, Sequence[object]] | None:
    """The statement for ids, and its own parameters."""
    ids = wanted.ids
    assert ids is not None
    if wanted.kinds is not None or wanted.authors is not None or wanted.tags or len(ids) > MOST:
        return None
    if not ids:
        return "", ()
    values = padded([bytes.fromhex(one) for one in ids])
    return _text_of_ids(len(values)), (len(scope.prefixes) > 1, *values)


def _arms(wanted: Filter, prefixes: Sequence[bytes]) -> tuple[str, Sequence[object]] | None:
    """The statement for keys and kinds, and its own parameters."""
    kinds, authors, tags = wanted.kinds, wanted.authors, wanted.tags
    several_tags = False
    if authors is not None:
        if tags or kinds is None or len(prefixes) * len(authors) * len(kinds) > MOST_ARMS:
            return None
        chosen = [entries.author(author) for author in authors]
    elif tags:
        ((name, values), *others) = tags.items()
        if others or kinds is None or len(prefixes) * len(values) * len(kinds) > MOST_ARMS:
            return None
        chosen = [entries.tag(name, value) for value in values]
        several_tags = len(chosen) > 1
    elif kinds is None:
        if len(prefixes) > 1:
            return None
        return text(1, False), (entries.ANY, entries.ANY_KIND)
    else:
        if len(prefixes) * len(kinds) > MOST_ARMS:
            return None
        chosen = [entries.ALL]
    found = [part for prefix in prefixes for one in chosen for kind in kinds for part in (prefix + one, kind)]
    if not found:
        return "", ()
    return text(len(found) // 2, several_tags or len(prefixes) > 1), found


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
    first = _SHARED + 2
    return named("short")["ids"].format(ids=", ".join(f"?{n}" for n in range(first, first + count)))


class _Dated(msgspec.Struct, gc=False):
    created_at: int


_decode_dated = msgspec.json.Decoder(_Dated).decode


def _stands_still(wires: Sequence[bytes | None], until: int | None, limit: int) -> bool:
    if until is None or not limit:
        return False
    last = wires[limit - 1]
    assert last is not None
    return lookup.stands_still(_decode_dated(last).created_at, until, limit, finish=False)
