"""A question for SQLite: its words as an FTS5 expression, and what else it asks as conditions on a passage.

Rule: what is looked for are the terms of `relay.protocol.search`, whose words are folded as those of the index are. They reach
FTS5 quoted, so that they hold no operator that their writer did not mean.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from relay.protocol import topics
from relay.protocol.filter import Filter
from relay.protocol.groups import state
from relay.protocol.search import Term
from storage.search.engine import SearchQuery
from storage.sqlite import entries
from storage.sqlite.log_rows import pack_audience
from storage.sqlite.reading import query
from storage.sqlite.reading.scope import of_readers
from storage.sqlite.statements import listed, named, padded

MAX_SPLIT: Final = 48  # terms of a question whose runs were taken apart
MOST_READ: Final = 2500  # passages that the words of a hybrid question are looked for in, about

_NO_KEY: Final = b""  # no entry stands under it
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]")  # kana, Han, Hangul


def quoted(term: Term) -> str:
    """The term as FTS5 is given it."""
    return f'"{" ".join(term.words)}"' + ("*" if term.prefix else "")


def all_of(some: Sequence[Term]) -> str:
    """What holds every term."""
    return " AND ".join(quoted(term) for term in some)


def any_of(some: Sequence[Term]) -> str:
    """What holds any of the terms."""
    return " OR ".join(quoted(term) for term in some)


def split_runs(some: Sequence[Term]) -> list[Term]:
    """The terms, long runs of Chinese, Japanese and Korean as pairs of characters: these a text has in common with a question."""
    found: dict[Term, None] = {}
    for term in some:
        if term.quoted or len(term.words) < 3 or not any(map(_UNSPACED.match, term.words)):
            found[term] = None
            continue
        found.update({Term(pair): None for pair in pairwise(term.words)})
    return list(found)[:MAX_SPLIT]


def rarest(some: Sequence[Term], frequency: Callable[[Term], int]) -> list[Term]:
    """The rarest terms, as many as are read in bounded time; one at least. Frequent words tell little and cost most."""
    ranked = sorted((frequency(term), place) for place, term in enumerate(some))
    chosen: list[int] = []
    read = 0
    for number, place in ranked:
        read += number
        if chosen and read > MOST_READ:
            break
        chosen.append(place)
    return [some[place] for place in sorted(chosen)]


# What else a question asks


class Conditions(msgspec.Struct, frozen=True):
    """SQL about a passage p, with its values in order."""

    text: str
    values: tuple[object, ...]


def conditions(asked: SearchQuery) -> Conditions:
    """What the passages of a hit must be beside relevant: readable, alive and what the filter wants."""
    sql = named("search")
    wanted = asked.wanted
    parts: list[tuple[str, Sequence[object]]] = [(sql["unexpired"], [asked.now]), *_readable(asked)]
    parts += [(sql[name], [value]) for name, value in _plain(asked, wanted) if value is not None]
    parts += [(sql[name], [_json(value)]) for name, value in _sets(asked, wanted) if value is not None]
    if wanted.ids is not None:
        parts.append(_among("ids", [bytes.fromhex(one) for one in sorted(wanted.ids)]))
    parts += [_tagged(asked, name, values) for name, values in sorted(wanted.tags.items())]
    parts += [_tagged(asked, "t", topics.spellings(value)) for value in sorted(asked.tags)]
    return Conditions("\n".join(text for text, _ in parts), tuple(value for _, values in parts for value in values))


def _plain(asked: SearchQuery, wanted: Filter) -> list[tuple[str, object]]:
    return [
        ("upto", asked.upto),
        ("since", wanted.since),
        ("until", wanted.until),
        ("language", asked.language),
        ("user", asked.user),
        ("organization", asked.organization),
        ("project", asked.project),
    ]


def _sets(asked: SearchQuery, wanted: Filter) -> list[tuple[str, frozenset[str] | frozenset[int] | None]]:
    types = None if asked.types is None else frozenset[str](asked.types)
    return [("authors", wanted.authors), ("kinds", wanted.kinds), ("types", types)]


def _readable(asked: SearchQuery) -> list[tuple[str, Sequence[object]]]:
    """What is public, what is for the members of groups alone, by its audience, and what is for the asker, by the index."""
    sql, members = named("search"), entries.group_ids(asked.readers)
    kept: tuple[str, Sequence[object]] = (sql["not_kept"], [msgspec.json.encode(members).decode()])
    if not asked.readers:
        return [(sql["public"], []), kept]
    packed = [pack_audience((state.members(group_id),)) or b"" for group_id in members]
    others = sorted(asked.readers.difference(map(state.members, members)))
    keys = padded([entries.reader_prefix(reader) + entries.ALL for reader in others] or [_NO_KEY])
    values = [msgspec.json.encode([one.hex().upper() for one in packed]).decode(), *keys]
    return [(listed(sql["readable"], ("keys", len(keys))), values), kept]


def tag_keys(asked: SearchQuery, name: str, values: frozenset[str]) -> list[bytes]:
    """The keys of `entries` under which the asker sees events with one of these tags."""
    scope = of_readers(asked.readers, asked.now)
    dimensions = [entries.tag(name, value) for value in sorted(values)]
    return query.under(scope.prefixes_for(asked.wanted), dimensions, scope.groups_for(asked.wanted))


def prefixes(asked: SearchQuery) -> tuple[bytes, ...]:
    """The prefixes of `entries` under which the asker may find something."""
    return of_readers(asked.readers, asked.now).prefixes_for(asked.wanted)


def _tagged(asked: SearchQuery, name: str, values: frozenset[str]) -> tuple[str, list[object]]:
    return _among("tagged", tag_keys(asked, name, values))


def _among(name: str, keys: list[bytes]) -> tuple[str, list[object]]:
    some = padded(keys)
    return listed(named("search")[name], ("keys", len(some))), list(some)


def _json(values: frozenset[str] | frozenset[int]) -> str:
    return msgspec.json.encode(list(values)).decode()
