"""One question answered on a reading connection: what the words find, what is near, both weighed, and the best shown.

Rule: the database decides. What the index names is asked of the tables, with every condition of the question, before it
counts; so what left, may not be read or does not match is never found, however far behind the index is.
"""

import math
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
import numpy as np

from relay.protocol import kinds, topics
from relay.protocol.search import Term
from storage.commands import Model
from storage.search import hybrid
from storage.search.embedders import Vectors
from storage.search.engine import Hit, SearchedPassage, SearchQuery
from storage.search.vectors import top
from storage.sqlite import entries
from storage.sqlite.reading.query import under
from storage.sqlite.rows.cutting import stored_cutting
from storage.sqlite.search import fts, snippets
from storage.sqlite.search.fts import Conditions
from storage.sqlite.search.model_vectors import ModelVectors, as_json, embeddings, wires_of
from storage.sqlite.statements import SIZES, named, padded

DEPTH: Final = 50  # passages that each way gives at least
MAX_DEPTH: Final = 2000
FIRST_LOOK: Final = 128  # of the nearest that are asked of the tables first
MOST_LOOKED_AT: Final = 2048  # above, it is cheaper to compare all that match
MOST_COMPARED: Final = 20_000
MOST_TERMS: Final = 10_000  # whose frequency is remembered
# Times as many by words are looked at as are wanted, so that a filter that half of all meet needs no more.
_FIRST: Final = 4
_PAGE: Final = 4000  # vectors compared at once
_UNKNOWN: Final = 10**6  # a frequency that nobody looks for


class Question(msgspec.Struct, frozen=True):
    """What is asked, and of which vectors; `vector` is None where words alone answer. `frequency`: see `fts.rarest`."""

    query: SearchQuery
    terms: Sequence[Term]
    vector: Vectors | None
    vectors: ModelVectors
    limit: int
    frequency: Callable[[sqlite3.Connection, Term], int]


class NearestPassages(msgspec.Struct, frozen=True):
    """Passages that meet the conditions, with their cosines. `matching`: all that meet them, where those had to be listed."""

    cosines: dict[int, float]
    matching: set[int] | None = None


def answer(connection: sqlite3.Connection, asked: Question) -> list[tuple[Hit, str]]:
    """The hits, most relevant first, each with the text of its passage."""
    conditions = fts.conditions(asked.query)
    depth = max(DEPTH, 2 * asked.limit)
    while True:
        near = NearestPassages({})
        if asked.vector is not None:
            near = _nearest(connection, asked, conditions, asked.vector, depth)
        cosines, by_words = near.cosines, dict[int, float]()
        if asked.vector is None:
            by_words = _by_words(connection, asked.terms, conditions, depth)
        elif asked.query.mode == "hybrid":
            by_words = _by_rare_words(connection, asked, conditions, depth, near.matching)
            further = [one for one in by_words if one not in cosines]
            cosines = cosines | _cosines(connection, further, asked.vector, asked.vectors.model)
        floor = asked.vectors.embedder.floor
        scores = {one: cosine for one, cosine in cosines.items() if one in by_words or cosine >= floor}
        more = len(by_words) >= depth or (len(near.cosines) >= depth and min(near.cosines.values()) >= floor)
        scores = hybrid.fuse(by_words, scores) if scores and by_words else scores or by_words
        hits = _hits(connection, scores, asked.terms, asked.limit)
        if len(hits) == asked.limit or not more or depth >= MAX_DEPTH:
            return hits
        depth *= 4


# Words


def _by_words(
    connection: sqlite3.Connection, terms: Sequence[Term], conditions: Conditions, limit: int
) -> dict[int, float]:
    """What holds all the words; what holds any where nothing holds all."""
    found = _matching(connection, fts.all_of(terms), conditions, limit)
    loose = fts.split_runs(terms)
    return found or (_matching(connection, fts.any_of(loose), conditions, limit) if len(loose) > 1 else {})


def _by_rare_words(
    connection: sqlite3.Connection, asked: Question, conditions: Conditions, depth: int, matching: set[int] | None
) -> dict[int, float]:
    """What holds any of the words that tell something."""
    chosen = fts.rarest(fts.split_runs(asked.terms), lambda term: asked.frequency(connection, term))
    if not chosen or (len(chosen) == 1 and asked.frequency(connection, chosen[0]) > 3 * fts.MOST_READ):
        return {}  # it stands everywhere and tells nothing
    return _matching(connection, fts.any_of(chosen), conditions, depth, matching)


def _matching(
    connection: sqlite3.Connection,
    expression: str,
    conditions: Conditions,
    limit: int,
    matching: set[int] | None = None,
) -> dict[int, float]:
    """The passages that an FTS5 expression finds, with BM25, best first. `matching`: those that meet the conditions, if known."""
    sql = named("search")
    if matching is not None:
        found = connection.execute(sql["all_words"], (expression,)).fetchall()
        kept = [row for row in found if row[0] in matching]
        return dict(sorted(kept, key=lambda row: (-row[1], -row[0]))[:limit])
    # Most questions have conditions that nearly everything meets: those are asked of the best alone, which saves most of it.
    first = connection.execute(sql["best_words"], (expression, _FIRST * limit)).fetchall()
    allowed = among(connection, [passage for passage, _ in first], conditions)
    kept = [row for row in first if row[0] in allowed]
    if len(kept) >= limit or len(first) < _FIRST * limit:
        return dict(kept[:limit])
    text = sql["words"].format(conditions=conditions.text)
    return dict(connection.execute(text, (expression, *conditions.values, limit)).fetchall())


def count(connection: sqlite3.Connection, terms: Sequence[Term], conditions: Conditions) -> int:
    """In how many events the words stand: all of them, or any where nothing holds all."""
    sql = named("search")["word_number"].format(conditions=conditions.text)
    for expression in (fts.all_of(terms), fts.any_of(fts.split_runs(terms))):
        number = int(connection.execute(sql, (expression, *conditions.values)).fetchone()[0])
        if number:
            return number
    return 0


class TermFrequencies:
    """In about how many passages each term stands: where its rarest word does. Remembered until `clear`; for any thread."""

    def __init__(self) -> None:
        self._known: dict[Term, int] = {}

    def of(self, connection: sqlite3.Connection, term: Term) -> int:
        """In about how many passages this one stands."""
        known = self._known.get(term)
        if known is None:
            if len(self._known) > MOST_TERMS:
                self._known.clear()
            known = self._known[term] = _frequency(connection, term)
        return known

    def clear(self) -> None:
        """The passages have changed."""
        self._known.clear()


def _frequency(connection: sqlite3.Connection, term: Term) -> int:
    sql = named("search")
    numbers = [int(connection.execute(sql["frequency"], (word,)).fetchone()[0]) for word in term.words[:-1]]
    last = term.words[-1]
    if term.prefix:
        numbers.append(int(connection.execute(sql["prefix_frequency"], (last, f"{last}\U0010ffff")).fetchone()[0]))
    else:
        numbers.append(int(connection.execute(sql["frequency"], (last,)).fetchone()[0]))
    return min(numbers, default=_UNKNOWN)


# Meaning


def _nearest(
    connection: sqlite3.Connection, asked: Question, conditions: Conditions, vector: Vectors, wanted: int
) -> NearestPassages:
    """The nearest passages that meet the conditions, at most `wanted`.

    First the nearest of all are asked of the tables. Where few of them match, all that match are compared; where too
    many match for that, more of the nearest are looked at.
    """
    number = max(FIRST_LOOK, 2 * wanted)
    while True:
        near = dict(asked.vectors.index.nearest(vector, number))
        matching = among(connection, list(near), conditions)
        kept = {passage: cosine for passage, cosine in near.items() if passage in matching}
        if len(kept) >= wanted or len(near) < number:
            return NearestPassages(dict(list(kept.items())[:wanted]))
        needed = math.ceil(1.5 * wanted * len(near) / max(len(kept), 1))
        if number >= MOST_LOOKED_AT or needed > MOST_LOOKED_AT:
            found = _all_matching(connection, asked.query)
            if len(found) <= MOST_COMPARED:
                return NearestPassages(_compared(connection, found, vector, wanted, asked.vectors.model), set(found))
            needed = max(needed, 4 * number)
        number = max(needed, 2 * number)


def among(connection: sqlite3.Connection, ids: list[int], conditions: Conditions) -> set[int]:
    """Those of these passages that meet the conditions."""
    sql = named("search")["among"].format(conditions=conditions.text)
    return {passage for (passage,) in connection.execute(sql, (as_json(ids), *conditions.values))}


def _all_matching(connection: sqlite3.Connection, query: SearchQuery) -> list[int]:
    """The passages that meet the conditions, at most MOST_COMPARED + 1; those of a tag or of authors where it names such."""
    keys, rest = _index_keys(query)
    conditions = fts.conditions(rest)
    if keys:
        kinds = stored_cutting(connection).searched if query.wanted.kinds is None else query.wanted.kinds
        sql = named("search")["matching_entries"].format(keys=", ".join("?" * len(keys)), conditions=conditions.text)
        found = connection.execute(sql, (*keys, as_json(sorted(kinds)), *conditions.values, MOST_COMPARED + 1))
    else:
        sql = named("search")["matching"].format(conditions=conditions.text)
        found = connection.execute(sql, (*conditions.values, MOST_COMPARED + 1))
    return list(dict.fromkeys(passage for (passage,) in found))


def _index_keys(query: SearchQuery) -> tuple[list[bytes], SearchQuery]:
    """Keys of `entries` under which all that matches stands, and what is left to ask; none where nothing narrows it."""
    wanted = query.wanted
    if wanted.tags:
        name, values = min(wanted.tags.items())
        keys = fts.tag_keys(query, name, values)
        wanted = msgspec.structs.replace(wanted, tags={other: v for other, v in wanted.tags.items() if other != name})
        rest = msgspec.structs.replace(query, wanted=wanted)
    elif query.tags:
        first = min(query.tags)
        keys = fts.tag_keys(query, "t", topics.spellings(first))
        rest = msgspec.structs.replace(query, tags=query.tags - {first})
    elif wanted.authors:
        authors = [entries.author(pubkey) for pubkey in sorted(wanted.authors)]
        keys = under(fts.prefixes(query), authors)
        rest = msgspec.structs.replace(query, wanted=msgspec.structs.replace(wanted, authors=None))
    else:
        return [], query
    return (padded(keys), rest) if len(keys) <= SIZES[-1] else ([], query)


def _cosines(connection: sqlite3.Connection, ids: list[int], vector: Vectors, model: Model) -> dict[int, float]:
    """The cosine of each of these passages that has a vector."""
    found, vectors = embeddings(connection, ids, model)
    return dict(zip(found, (vectors @ vector).tolist(), strict=True))


def vector_of(connection: sqlite3.Connection, query: SearchQuery, model: Model) -> Vectors | None:
    """What an event as a whole means: the mean of the vectors of its first passages; None while it has none.

    Of an event that the asker may not read there is none either.
    """
    readable = fts.conditions(SearchQuery("", readers=query.readers, now=query.now))
    first = [passage.id for passage in chunks(connection, query.near, readable)[:DEPTH]]
    _, vectors = embeddings(connection, first, model)
    total = vectors.sum(axis=0)
    length = float(np.linalg.norm(total))
    return None if length == 0 else (total / length).astype(np.float32)


def _compared(
    connection: sqlite3.Connection, ids: list[int], vector: Vectors, wanted: int, model: Model
) -> dict[int, float]:
    """The nearest of these passages, by comparing all."""
    best: dict[int, float] = {}
    for start in range(0, len(ids), _PAGE):
        best |= _cosines(connection, ids[start : start + _PAGE], vector, model)
    cosines = np.fromiter(best.values(), np.float32, len(best))
    passages = list(best)
    return {passages[place]: float(cosines[place]) for place in top(cosines, wanted).tolist()}


# What is shown


def _hits(
    connection: sqlite3.Connection, scores: dict[int, float], terms: Sequence[Term], limit: int
) -> list[tuple[Hit, str]]:
    """The best events, each shown by its best passage."""
    sql = named("search")
    rows = connection.execute(sql["ranked"], (as_json(list(scores)),)).fetchall()
    rows.sort(key=lambda row: (-scores[row[0]], -row[3], row[2], row[4]))
    best: dict[int, int] = {}
    for passage, seq, *_ in rows:
        best.setdefault(seq, passage)
        if len(best) == limit:
            break
    shown = {row[0]: row for row in connection.execute(sql["shown"], (as_json(list(best.values())),))}
    wires = wires_of(connection, list(best))
    highlighted = snippets.highlighted(fts.split_runs(terms))
    hits = []
    for seq, passage in best.items():
        row: Any = shown.get(passage)
        if row is not None and seq in wires:
            _, event_id, kind_of, title, content, chunk, created_at = row
            text, marks = snippets.snippet(content, highlighted)
            hit = Hit(seq, event_id, wires[seq], scores[passage], kind_of, title, text, marks, chunk, created_at)
            hits.append((hit, f"{title}\n{content}".strip()))
    return hits


def chunks(connection: sqlite3.Connection, event_id: str, conditions: Conditions) -> list[SearchedPassage]:
    """The passages of one event in order."""
    sql = named("search")["chunks"].format(conditions=conditions.text)
    if not kinds.is_hex(event_id, 64):
        return []
    rows: Sequence[Any] = connection.execute(sql, (bytes.fromhex(event_id), *conditions.values)).fetchall()
    return [msgspec.convert((*row[:6], msgspec.json.decode(row[6]), *row[7:]), SearchedPassage) for row in rows]
