"""Words: a question as an FTS5 expression, what of the passages it may find, and where in a text its words stand.

Rule: what is looked for are the terms of `relay.protocol.search`, whose words are folded as those of the index are. They reach
FTS5 quoted, so that they hold no operator that their writer did not mean.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from relay.protocol import tokenizer
from relay.protocol.filter import Filter
from relay.protocol.search import Term
from storage.search.engine import SNIPPET, SearchQuery
from storage.sqlite import entries, query
from storage.sqlite.statements import listed, named, padded

MAX_LOOSE: Final = 48  # terms of a question whose runs were taken apart
MOST_READ: Final = 2500  # passages that the words of a hybrid question are looked for in, about

_COMMON: Final = (
    "a about all also an and any are as at be been but by can could did do does for from had has have "
    "he her his how i if in into is it its may me my no not of on or our she should so some "
    "than that the their them then there these they this to was we were what when where which who why will with would you your"
)
_UNSPACED: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\U00020000-\U0003ffff]")  # kana, Han, Hangul
COMMON: Final = frozenset(_COMMON.split())  # English words that tell nothing about a text


def quoted(term: Term) -> str:
    """The term as FTS5 is given it."""
    return f'"{" ".join(term.words)}"' + ("*" if term.prefix else "")


def all_of(some: Sequence[Term]) -> str:
    """What holds every term."""
    return " AND ".join(quoted(term) for term in some)


def any_of(some: Sequence[Term]) -> str:
    """What holds any of the terms."""
    return " OR ".join(quoted(term) for term in some)


def loosened(some: Sequence[Term]) -> list[Term]:
    """The terms, long runs of Chinese, Japanese and Korean as pairs of characters: these a text has in common with a question."""
    found: dict[Term, None] = {}
    for term in some:
        if term.quoted or len(term.words) < 3 or not any(map(_UNSPACED.match, term.words)):
            found[term] = None
            continue
        found.update({Term(pair): None for pair in pairwise(term.words)})
    return list(found)[:MAX_LOOSE]


def telling(some: Sequence[Term], frequency: Callable[[Term], int]) -> list[Term]:
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
    parts: list[tuple[str, Sequence[object]]] = [(sql["unexpired"], [asked.now]), _readable(asked)]
    parts += [(sql[name], [value]) for name, value in _plain(asked, wanted) if value is not None]
    parts += [(sql[name], [_json(value)]) for name, value in _sets(asked, wanted) if value is not None]
    if wanted.ids is not None:
        parts.append(_among("ids", [bytes.fromhex(one) for one in sorted(wanted.ids)]))
    parts += [_tagged(asked, name, values) for name, values in sorted(wanted.tags.items())]
    parts += [_tagged(asked, "t", frozenset([value])) for value in sorted(asked.tags)]
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


def _readable(asked: SearchQuery) -> tuple[str, list[object]]:
    if not asked.readers:
        return named("search")["public"], []
    return _among("readable", [entries.reader_prefix(reader) + entries.ALL for reader in sorted(asked.readers)])


def tag_keys(asked: SearchQuery, name: str, values: frozenset[str]) -> list[bytes]:
    """The keys of `entries` under which the asker sees events with one of these tags."""
    return query.under(entries.visible_prefixes(asked.readers), [entries.tag(name, value) for value in sorted(values)])


def _tagged(asked: SearchQuery, name: str, values: frozenset[str]) -> tuple[str, list[object]]:
    return _among("tagged", tag_keys(asked, name, values))


def _among(name: str, keys: list[bytes]) -> tuple[str, list[object]]:
    some = padded(keys)
    return listed(named("search")[name], ("keys", len(some))), list(some)


def _json(values: frozenset[str] | frozenset[int]) -> str:
    return msgspec.json.encode(list(values)).decode()


# What is shown


def marked(some: Sequence[Term]) -> list[Term]:
    """The terms that are worth showing: all but the words that stand in every text, where others remain."""
    kept = [term for term in some if term.prefix or len(term.words) > 1 or term.words[0] not in COMMON]
    return kept or list(some)


def snippet(content: str, some: Sequence[Term]) -> tuple[str, list[tuple[int, int]]]:
    """About SNIPPET characters of a text where most of the words stand, on one line, and where in them these stand."""
    line = " ".join(content.split())
    found = places(line, some)
    start = _best_start(found) if len(line) > SNIPPET else 0
    if start > 0:
        early = max(start - SNIPPET // 6, 0)
        start = early if (space := line.find(" ", early, start)) < 0 else space + 1
    end = min(start + SNIPPET, len(line))
    if end < len(line) and (space := line.rfind(" ", start, end)) >= start + SNIPPET // 2:
        end = space
    before, after = "… " if start else "", " …" if end < len(line) else ""
    shift = len(before) - start
    marks = [(first + shift, last + shift) for first, last in found if first >= start and last <= end]
    return before + line[start:end] + after, marks


def places(line: str, some: Sequence[Term]) -> list[tuple[int, int]]:
    """Where the words of the terms stand in a text; those that follow without a gap are one place."""
    begun: dict[str, list[Term]] = {}
    for term in some:
        begun.setdefault(term.words[0], []).append(term)
    beginnings = tuple(term for term in some if term.prefix and len(term.words) == 1)
    found = tokenizer.spans(line)
    marked: set[int] = set()
    for place, (word, _, _) in enumerate(found):
        for term in (*begun.get(word, ()), *beginnings):
            if _stands_at(place, found, term):
                marked.update(range(place, place + len(term.words)))
    return _joined([found[place][1:] for place in sorted(marked)])


def _stands_at(place: int, found: list[tuple[str, int, int]], term: Term) -> bool:
    part = [word for word, _, _ in found[place : place + len(term.words)]]
    if len(part) < len(term.words):
        return False
    last = part[-1].startswith(term.words[-1]) if term.prefix else part[-1] == term.words[-1]
    return last and tuple(part[:-1]) == term.words[:-1]


def _joined(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in places:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _best_start(found: list[tuple[int, int]]) -> int:
    """The first place of the stretch that holds most of them; the first of equals."""
    best, most, last = 0, 0, 0
    for first, (start, _) in enumerate(found):
        while last < len(found) and found[last][1] - start <= SNIPPET * 2 // 3:
            last += 1
        if last - first > most:
            best, most = start, last - first
    return best
