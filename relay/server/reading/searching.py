"""NIP-50 at the relay's own door: filters that search are answered by the search engine, the others by the log, as one answer.

What is found by searching comes best first, filter by filter; what other filters of the same REQ match stands before it.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from relay.protocol import search
from relay.protocol.filter import Filter
from storage.base import Limits, Log, Readers
from storage.search.engine import Hit, SearchEngine, SearchQuery

FIRST_BYTES: Final = 1024 * 1024  # of the first part of an answer; what is beyond is fetched when it is its turn


class SearchedHistory(msgspec.Struct, frozen=True, gc=False):
    """As storage.base.Found, without a hint: nobody can say that nothing else has to do with a question."""

    wires: list[bytes]
    rest: tuple[int, ...]


def searches(filters: Sequence[Filter]) -> bool:
    """Whether the search engine has a part in the answer."""
    for wanted in filters:  # a loop, since every REQ is asked  # noqa: SIM110
        if wanted.search is not None:
            return True
    return False


class SearchScope(msgspec.Struct, frozen=True, gc=False):
    """Whose private events are read, when it is, up to which `seq`, and what the relay gives at most."""

    readers: Readers
    now: int
    upto: int | None = None
    limits: Limits = Limits()


def query_of(wanted: Filter, scope: SearchScope) -> SearchQuery:
    """What a filter with `search` asks of the engine; its extensions are taken out of the text."""
    asked = search.parse(wanted.search or "")
    limit = scope.limits.default if wanted.limit is None else min(wanted.limit, scope.limits.maximum)
    return SearchQuery(
        text=asked.text,
        mode=asked.mode,
        wanted=msgspec.structs.replace(wanted, search=None, limit=limit),
        readers=scope.readers,
        now=scope.now,
        upto=scope.upto,
        language=asked.language,
    )


async def history(engine: SearchEngine, reader: Log, filters: Sequence[Filter], scope: SearchScope) -> SearchedHistory:
    """What the filters find, each event once. Raises TooCostly and StorageError."""
    hits: dict[int, Hit] = {}
    for wanted in filters:
        if wanted.search is not None and wanted.limit != 0 and not wanted.is_empty():
            for hit in await engine.search(query_of(wanted, scope)):
                hits.setdefault(hit.seq, hit)
    others = [wanted for wanted in filters if wanted.search is None]
    if not others:
        kept = _within(list(hits.values()), FIRST_BYTES)
        return SearchedHistory([hit.wire for hit in kept], tuple(hits)[len(kept) :])
    found = await reader.query(others, scope.readers, scope.now, scope.upto, scope.limits)
    known, later = frozenset(found.wires), frozenset(found.rest)
    also = (seq for seq, hit in hits.items() if seq not in later and hit.wire not in known)
    return SearchedHistory(found.wires, (*found.rest, *also))


async def count(engine: SearchEngine, wanted: Filter, scope: SearchScope) -> int:
    """How many events a filter with `search` finds. Raises TooCostly and StorageError."""
    return 0 if wanted.is_empty() else await engine.count(query_of(wanted, scope))


def _within(hits: Sequence[Hit], most: int) -> Sequence[Hit]:
    """The first hits that have at most so many bytes, the very first in any case."""
    total = 0
    for number, hit in enumerate(hits):
        total += len(hit.wire)
        if total > most and number:
            return hits[:number]
    return hits
