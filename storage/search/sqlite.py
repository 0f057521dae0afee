"""Search over SQLite: words from FTS5, meaning from the vector index, conditions and texts from the tables.

Rule: the database decides. What the index names is asked of the tables, with every condition of the question, before it
counts; so what left, may not be read or does not match is never found, however far behind the index is.
"""

import asyncio
import logging
import math
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import msgspec
import numpy as np

from storage.base import Readers
from storage.search import fts, hybrid, sent, writing
from storage.search.embedders import Embedder, EmbeddingError, Vectors
from storage.search.engine import MAX_HITS, MAX_TEXT, Chunk, Hit, Progress, SearchHealth, SearchQuery
from storage.search.fts import Conditions, Term
from storage.search.vectors import VectorIndex, top
from storage.search.writing import Model, SearchWriter
from storage.statements import named, padded

BATCH: Final = 256  # passages embedded at once
DEFAULT_HITS: Final = 25
DEPTH: Final = 50  # passages that each way gives at least
MOST_DEEP: Final = 2000
FIRST_LOOK: Final = 128  # of the nearest that are asked of the tables first
MOST_LOOKED_AT: Final = 2048  # above, it is cheaper to compare all that match
MOST_COMPARED: Final = 20_000
_PAGE: Final = 1000
_UNKNOWN: Final = 10**6  # a frequency that nobody looks for

T = TypeVar("T")
_log: Final = logging.getLogger("tidings.search")


class Run(Protocol):
    """Whatever runs a function on a reading connection."""

    def __call__(self, work: Callable[[sqlite3.Connection], T]) -> Awaitable[T]:
        """What `work` gives. Raises StorageError."""


class Write(Protocol):
    """Whatever runs a function on the writer."""

    def __call__(self, work: Callable[[SearchWriter], T]) -> Awaitable[T]:
        """What `work` gives. Raises StorageError."""


class SqliteSearch:
    """storage.search.engine.SearchEngine. `trusted` are keys whose vectors are taken from their events."""

    def __init__(
        self,
        directory: Path,
        run: Run,
        write: Write,
        embedder: Embedder,
        *,
        capacity: int = 16_384,
        trusted: frozenset[str] = frozenset(),
    ) -> None:
        self._run = run
        self._write = write
        self._embedder = embedder
        self._model = Model(embedder.name, embedder.dimension)
        self._index = VectorIndex(directory, embedder.name, embedder.dimension, capacity)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="search")
        self._trusted = trusted
        self._frequencies: dict[Term, int] = {}
        self._health = SearchHealth(0, 0, embedder.name, embedder.dimension)
        self._round = asyncio.Lock()
        self._loaded = False
        self._closed = False

    async def open(self, take_over: bool = False) -> None:
        """Load the index and catch up. Raises ModelMismatch where vectors of another model are here, unless `take_over`."""
        locked = await self._run(writing.model)
        if locked is not None and locked != self._model:
            if not take_over:
                raise writing.mismatch(locked, self._model)
            await self._write(lambda writer: writer.adopt_model(self._model))
        await self._load()
        await self.tally()

    async def _load(self) -> None:
        """Have the index in memory: before anything is put into it, or its files would be written over."""
        if not self._loaded:
            await self._in_thread(self._index.load)
            await self.catch_up()
            self._loaded = True

    # questions

    async def search(self, query: SearchQuery) -> list[Hit]:
        """The hits, most relevant first."""
        terms = fts.terms(query.text)
        limit = min(DEFAULT_HITS if query.wanted.limit is None else query.wanted.limit, MAX_HITS)
        if limit == 0 or query.wanted.is_empty() or not query.text.strip():
            return []
        vector = None if query.mode == "words" else await self._embed_question(query.text)
        if vector is None and not terms:
            return []
        return await self._run(partial(self._answer, query=query, terms=terms, vector=vector, limit=limit))

    async def count(self, query: SearchQuery) -> int:
        """How many events the words find."""
        terms = fts.terms(query.text)
        if not terms or query.wanted.is_empty():
            return 0
        return await self._run(partial(_count, terms=terms, conditions=fts.conditions(query)))

    async def chunks(self, event_id: str, readers: Readers, now: int) -> list[Chunk]:
        """The passages of one event."""
        conditions = fts.conditions(SearchQuery("", readers=readers, now=now))
        return await self._run(partial(_chunks, event_id=event_id, conditions=conditions))

    def health(self) -> SearchHealth:
        """How it stands, as last counted."""
        return self._health

    async def _embed_question(self, text: str) -> Vectors | None:
        """None where the model fails or the text says nothing to it: words answer alone then."""
        try:
            vector = (await self._embedder.embed([text[:MAX_TEXT].replace('"', " ").replace("*", " ")]))[0]
        except EmbeddingError as error:
            self._note(str(error))
            return None
        return vector if vector.any() else None

    def _answer(
        self, connection: sqlite3.Connection, query: SearchQuery, terms: list[Term], vector: Vectors | None, limit: int
    ) -> list[Hit]:
        conditions = fts.conditions(query)
        depth = max(DEPTH, 2 * limit)
        while True:
            near = {} if vector is None else self._nearest(connection, query, conditions, vector, depth)
            said: dict[int, float] = {}
            if vector is None:
                said = _said(connection, terms, conditions, depth)
            elif query.mode == "hybrid":
                said = self._said_also(connection, terms, conditions, depth)
                near |= _cosines(connection, [one for one in said if one not in near], vector, self._model.name)
            scores = hybrid.fuse(said, near) if near and said else near or said
            hits = _hits(connection, scores, terms, limit)
            if len(hits) == limit or max(len(near), len(said)) < depth or depth >= MOST_DEEP:
                return hits
            depth *= 4

    def _said_also(
        self, connection: sqlite3.Connection, terms: list[Term], conditions: Conditions, depth: int
    ) -> dict[int, float]:
        """What holds any of the words that tell something."""
        chosen = fts.telling(terms, partial(self._frequency, connection))
        if not chosen or (len(chosen) == 1 and self._frequency(connection, chosen[0]) > 3 * fts.MOST_READ):
            return {}  # it stands everywhere and tells nothing
        return _matching(connection, fts.any_of(chosen), conditions, depth)

    def _frequency(self, connection: sqlite3.Connection, term: Term) -> int:
        known = self._frequencies.get(term)
        if known is None:
            if len(self._frequencies) > 10_000:
                self._frequencies.clear()
            known = self._frequencies[term] = _frequency(connection, term)
        return known

    def _nearest(
        self, connection: sqlite3.Connection, query: SearchQuery, conditions: Conditions, vector: Vectors, wanted: int
    ) -> dict[int, float]:
        """The nearest passages that meet the conditions, with their cosines, at most `wanted`.

        First the nearest of all are asked of the tables. Where few of them match, all that match are compared; where too
        many match for that, more of the nearest are looked at.
        """
        number = max(FIRST_LOOK, 2 * wanted)
        while True:
            near = dict(self._index.nearest(vector, number))
            matching = _among(connection, list(near), conditions)
            kept = {passage: cosine for passage, cosine in near.items() if passage in matching}
            if len(kept) >= wanted or len(near) < number:
                return dict(list(kept.items())[:wanted])
            needed = math.ceil(1.5 * wanted * len(near) / max(len(kept), 1))
            if number >= MOST_LOOKED_AT or needed > MOST_LOOKED_AT:
                found = _all_matching(connection, query, conditions)
                if len(found) <= MOST_COMPARED:
                    return _compared(connection, found, vector, wanted, self._model.name)
                needed = max(needed, 4 * number)
            number = max(needed, 2 * number)

    # keeping up

    async def catch_up(self) -> None:
        """Make the index hold what the tables hold: forget what is gone, take in what is missing."""
        live = np.array(await self._run(partial(_embedded, model=self._model.name)), dtype=np.int64)
        here = await self._in_thread(self._index.ids)
        await self._in_thread(partial(self._index.discard, np.setdiff1d(here, live).tolist()))
        await self._take_in(np.setdiff1d(live, here).tolist())
        await self._take_in(await self._in_thread(self._index.stale))
        await self._forget_removed()

    async def purge(self) -> None:
        """Take every removed vector out of the files beside the database."""
        async with self._round:
            await self._load()
            await self._forget_removed()
            await self._take_in(await self._in_thread(partial(self._index.stale, 0.0)))

    async def embed_some(self) -> int:
        """Make the vectors of some passages that have none of the model; how many. Raises EmbeddingError, StorageError."""
        async with self._round:
            await self._load()
            return await self._embed_round()

    async def reembed(self, progress: Progress | None = None) -> int:
        """Make the vectors of the configured model wherever they are missing."""
        await self._write(lambda writer: writer.adopt_model(self._model))
        await self.tally()
        total, made = self._health.pending, 0
        while some := await self.embed_some():
            made += some
            if progress is not None:
                progress(made, max(total, made))
        await self.tally()
        return made

    async def tally(self) -> SearchHealth:
        """Count passages and those that wait."""
        chunks, done = await self._run(lambda c: c.execute(named("search")["numbers"], (self._model.name,)).fetchone())
        if chunks != self._health.chunks:
            self._frequencies.clear()
        self._health = msgspec.structs.replace(self._health, chunks=chunks, pending=chunks - done)
        return self._health

    def _note(self, problem: str | None) -> None:
        if problem != self._health.problem:
            self._health = msgspec.structs.replace(self._health, problem=problem)
            _log.warning("%s", problem) if problem else _log.info("vectors are made again")

    async def _embed_round(self) -> int:
        waiting = await self._run(partial(_pending, model=self._model.name, limit=BATCH))
        if waiting:
            try:
                vectors = await self._vectors(waiting)
            except EmbeddingError as error:
                self._note(str(error))
                raise
            self._note(None)
            rows = [(vector.tobytes(), one.id) for vector, one in zip(vectors, waiting, strict=True)]
            kept = set(await self._write(lambda writer: writer.store_embeddings(self._model, rows)))
            places = [place for place, one in enumerate(waiting) if one.id in kept]
            ids = [waiting[place].id for place in places]
            await self._in_thread(partial(self._index.discard, ids))  # a text that is embedded again
            await self._in_thread(partial(self._index.add, ids, vectors[places]))
        await self._forget_removed()
        await self._take_in(await self._in_thread(self._index.stale))
        return len(waiting)

    async def _vectors(self, waiting: Sequence["_Waiting"]) -> Vectors:
        """Vectors that came with the event where its author may send them, else the model's."""
        found = np.zeros((len(waiting), self._model.dimension), np.float32)
        theirs = [one for one in waiting if one.pubkey in self._trusted]
        wires = await self._run(partial(_wires, seqs=[one.seq for one in theirs])) if theirs else {}
        places = []
        for place, one in enumerate(waiting):
            vector = sent.vector(wires.get(one.seq), one.chunk, self._model) if one.pubkey in self._trusted else None
            if vector is None:
                places.append(place)
            else:
                found[place] = vector
        if places:
            texts = [f"{waiting[place].title}\n{waiting[place].content}".strip() for place in places]
            found[places] = await self._embedder.embed(texts)
        return found

    async def _take_in(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), _PAGE):
            part = ids[start : start + _PAGE]
            found = await self._run(partial(_embeddings, ids=part, model=self._model.name))
            if found:
                vectors = _rows([vector for _, vector in found])
                await self._in_thread(partial(self._index.add, [one for one, _ in found], vectors))

    async def _forget_removed(self) -> None:
        removed = await self._run(lambda connection: connection.execute(named("search")["removed"], (0,)).fetchall())
        if removed:
            await self._in_thread(partial(self._index.discard, [passage for _, passage in removed]))
            await self._write(lambda writer: writer.forget_removed(removed[-1][0]))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def close(self) -> None:
        """Finish what is under way. Idempotent."""
        if not self._closed:
            self._closed = True
            await self._in_thread(lambda: None)
            self._thread.shutdown()
            await self._embedder.close()


class _Waiting(msgspec.Struct, frozen=True):
    """A passage without a vector of the model."""

    id: int
    seq: int
    chunk: int
    pubkey: str
    title: str
    content: str


def _json(values: Sequence[int]) -> str:
    return msgspec.json.encode(values).decode()


def _rows(blobs: Sequence[bytes]) -> Vectors:
    return np.frombuffer(b"".join(blobs), dtype="<f4").reshape(len(blobs), -1).astype(np.float32, copy=False)


def _matching(connection: sqlite3.Connection, expression: str, conditions: Conditions, limit: int) -> dict[int, float]:
    """The passages that an FTS5 expression finds, with BM25, best first."""
    sql = named("search")["words"].format(conditions=conditions.text)
    return dict(connection.execute(sql, (expression, *conditions.values, limit)).fetchall())


def _said(connection: sqlite3.Connection, terms: list[Term], conditions: Conditions, limit: int) -> dict[int, float]:
    """What holds all the words; what holds any where nothing holds all."""
    found = _matching(connection, fts.all_of(terms), conditions, limit)
    return found or (_matching(connection, fts.any_of(terms), conditions, limit) if len(terms) > 1 else {})


def _count(connection: sqlite3.Connection, terms: list[Term], conditions: Conditions) -> int:
    sql = named("search")["word_number"].format(conditions=conditions.text)
    for expression in (fts.all_of(terms), fts.any_of(terms)):
        number = int(connection.execute(sql, (expression, *conditions.values)).fetchone()[0])
        if number:
            return number
    return 0


def _frequency(connection: sqlite3.Connection, term: Term) -> int:
    """In about how many passages the term stands: where its rarest word does."""
    sql = named("search")
    numbers = [int(connection.execute(sql["frequency"], (word,)).fetchone()[0]) for word in term.words[:-1]]
    last = term.words[-1]
    if term.prefix:
        numbers.append(int(connection.execute(sql["prefix_frequency"], (last, f"{last}\U0010ffff")).fetchone()[0]))
    else:
        numbers.append(int(connection.execute(sql["frequency"], (last,)).fetchone()[0]))
    return min(numbers, default=_UNKNOWN)


def _among(connection: sqlite3.Connection, ids: list[int], conditions: Conditions) -> set[int]:
    sql = named("search")["among"].format(conditions=conditions.text)
    return {passage for (passage,) in connection.execute(sql, (_json(ids), *conditions.values))}


def _all_matching(connection: sqlite3.Connection, query: SearchQuery, conditions: Conditions) -> list[int]:
    """The passages that meet the conditions, at most MOST_COMPARED + 1."""
    sql = named("search")
    tags = query.wanted.tags or ({"t": query.tags} if query.tags else {})
    keys: list[bytes] = []
    text = sql["matching"].format(conditions=conditions.text)
    if tags:
        name, values = next(iter(sorted(tags.items())))
        keys = padded(fts.tag_keys(query, name, values))
        text = sql["matching_entries"].format(keys=", ".join("?" * len(keys)), conditions=conditions.text)
    found = connection.execute(text, (*keys, *conditions.values, MOST_COMPARED + 1))
    return list(dict.fromkeys(passage for (passage,) in found))


def _cosines(connection: sqlite3.Connection, ids: list[int], vector: Vectors, model: str) -> dict[int, float]:
    """The cosine of each of these passages that has a vector."""
    found = _embeddings(connection, ids, model) if ids else []
    if not found:
        return {}
    cosines = _rows([blob for _, blob in found]) @ vector
    return dict(zip([passage for passage, _ in found], cosines.tolist(), strict=True))


def _compared(
    connection: sqlite3.Connection, ids: list[int], vector: Vectors, wanted: int, model: str
) -> dict[int, float]:
    """The nearest of these passages, by comparing all."""
    best: dict[int, float] = {}
    for start in range(0, len(ids), _PAGE * 4):
        best |= _cosines(connection, ids[start : start + _PAGE * 4], vector, model)
    cosines = np.fromiter(best.values(), np.float32, len(best))
    passages = list(best)
    return {passages[place]: float(cosines[place]) for place in top(cosines, wanted).tolist()}


def _hits(connection: sqlite3.Connection, scores: dict[int, float], terms: list[Term], limit: int) -> list[Hit]:
    """The best events, each shown by its best passage."""
    rows = connection.execute(named("search")["shown"], (_json(list(scores)),)).fetchall()
    rows.sort(key=lambda row: (-scores[row[0]], -row[7], row[2], row[6]))
    best: dict[int, Any] = {}
    for row in rows:
        best.setdefault(row[1], row)
        if len(best) == limit:
            break
    wires = _wires(connection, list(best))
    hits = []
    for passage, seq, event_id, kind_of, title, content, chunk, created_at in best.values():
        if seq in wires:
            text, marks = fts.snippet(content, terms)
            wire, score = wires[seq], scores[passage]
            hits.append(Hit(seq, event_id, wire, score, kind_of, title, text, marks, chunk, created_at))
    return hits


def _wires(connection: sqlite3.Connection, seqs: Sequence[int]) -> dict[int, bytes]:
    return dict(connection.execute(named("search")["wires"], (_json(seqs),)).fetchall())


def _chunks(connection: sqlite3.Connection, event_id: str, conditions: Conditions) -> list[Chunk]:
    sql = named("search")["chunks"].format(conditions=conditions.text)
    rows = connection.execute(sql, (event_id, *conditions.values)).fetchall()
    return [msgspec.convert((*row[:6], msgspec.json.decode(row[6]), *row[7:]), Chunk) for row in rows]


def _pending(connection: sqlite3.Connection, model: str, limit: int) -> list[_Waiting]:
    return [_Waiting(*row) for row in connection.execute(named("search")["pending"], (model, limit))]


def _embedded(connection: sqlite3.Connection, model: str) -> list[int]:
    return [passage for (passage,) in connection.execute(named("search")["embedded"], (model,))]


def _embeddings(connection: sqlite3.Connection, ids: Sequence[int], model: str) -> list[tuple[int, bytes]]:
    return connection.execute(named("search")["embeddings"], (_json(ids), model)).fetchall()
