"""Search over SQLite: questions answered beside the writer, vectors kept up with what is stored, one model after another."""

import asyncio
import logging
import shutil
import sqlite3
from functools import partial
from typing import Final

import msgspec

from relay.protocol import search
from relay.protocol.search import Term
from storage.base import Readers, StorageError
from storage.commands import AdoptModel, BeginModel, ForgetRemoved, ForgetVectors
from storage.search.embedders import Embedder, EmbeddingError, Reranker, Vectors
from storage.search.engine import MAX_HITS, MAX_TEXT, Hit, Progress, SearchedPassage, SearchHealth, SearchQuery
from storage.search.vectors import STALE
from storage.sqlite.search import answering, fts, writing
from storage.sqlite.search.model_vectors import BATCH, ModelVectors, VectorSettings
from storage.sqlite.statements import named

DEFAULT_HITS: Final = 25
RERANKED: Final = 20  # of the best events that are looked at again
RERANK_TIME: Final = 1.0  # seconds that this may take
RERANK: Final = 0.5  # what the second look weighs against the first
_REST: Final = 0.002  # seconds between rounds of a coming model, for whoever waits
_FORGOTTEN: Final = 1000  # vectors of a former model, in one transaction

_log: Final = logging.getLogger("tidings.search")


class SqliteSearch:
    """storage.search.engine.SearchEngine."""

    def __init__(self, settings: VectorSettings, embedder: Embedder, reranker: Reranker | None = None) -> None:
        self._vector_settings = settings
        self._run = settings.reader.run
        self._write = settings.write
        self._space = ModelVectors(settings, embedder)
        self._coming: ModelVectors | None = None
        self._reranker = reranker
        self._changing: asyncio.Task[None] | None = None
        self._frequencies: dict[Term, int] = {}
        self._has_former = True  # vectors of models that another took the place of, perhaps
        self._health = SearchHealth(0, 0, embedder.name, embedder.dimension)

    async def open(self) -> None:
        """Load the index and catch up. Raises ModelMismatch where vectors of another model serve."""
        locked = await self._run(writing.model)
        if locked is not None and locked != self._space.model:
            raise writing.mismatch(locked, self._space.model)
        await self._tidy()
        await self._space.load()
        await self.tally()

    # questions

    async def search(self, query: SearchQuery) -> list[Hit]:
        """The hits, most relevant first."""
        terms = search.terms_of(query.text[:MAX_TEXT])
        limit = min(DEFAULT_HITS if query.wanted.limit is None else query.wanted.limit, MAX_HITS)
        if limit == 0 or query.wanted.is_empty() or not query.text.strip():
            return []
        space = self._space  # another may take its place meanwhile
        vector = None if query.mode == "words" else await self._embed_question(space, query.text)
        if vector is None and not terms:
            return []
        again = self._reranker if query.mode == "hybrid" else None
        most = limit if again is None else max(limit, RERANKED)
        asked = answering.Question(query, terms, vector, space, most, self._frequency)
        found = await self._run(partial(answering.answer, asked=asked))
        if again is None:
            return [hit for hit, _ in found]
        return (await self._ranked_again(again, query.text, found))[:limit]

    async def count(self, query: SearchQuery) -> int:
        """How many events the words find."""
        terms = search.terms_of(query.text[:MAX_TEXT])
        if not terms or query.wanted.is_empty():
            return 0
        return await self._run(partial(answering.count, terms=terms, conditions=fts.conditions(query)))

    async def chunks(self, event_id: str, readers: Readers, now: int) -> list[SearchedPassage]:
        """The passages of one event."""
        conditions = fts.conditions(SearchQuery("", readers=readers, now=now))
        return await self._run(partial(answering.chunks, event_id=event_id, conditions=conditions))

    def health(self) -> SearchHealth:
        """How it stands, as last counted."""
        return self._health

    async def _embed_question(self, space: ModelVectors, text: str) -> Vectors | None:
        """None where the model fails or the text says nothing to it: words answer alone then."""
        try:
            vector = (await space.embedder.embed([text[:MAX_TEXT].replace('"', " ").replace("*", " ")]))[0]
        except EmbeddingError as error:
            if space is self._space:
                self._note(str(error))
            return None
        return vector if vector.any() else None

    async def _ranked_again(self, reranker: Reranker, question: str, found: list[tuple[Hit, str]]) -> list[Hit]:
        """The first RERANKED, or those for which time was, in the order of both looks, with the scores that these places had."""
        hits = [hit for hit, _ in found]
        try:
            texts = [text for _, text in found[:RERANKED]]
            second = await reranker.scores(question[:MAX_TEXT], texts, RERANK_TIME) if texts else []
        except EmbeddingError as error:
            self._note(str(error))
            return hits
        first = hits[: len(second)]
        if not first:
            return hits
        best, nearest = max(hit.score for hit in first) or 1.0, max(*second, 1e-6)
        weighed = [
            RERANK * near / nearest + (1 - RERANK) * hit.score / best for hit, near in zip(first, second, strict=True)
        ]
        order = sorted(range(len(first)), key=lambda place: -weighed[place])
        again = [
            msgspec.structs.replace(first[place], score=hit.score) for place, hit in zip(order, first, strict=True)
        ]
        return [*again, *hits[len(first) :]]

    def _frequency(self, connection: sqlite3.Connection, term: Term) -> int:
        known = self._frequencies.get(term)
        if known is None:
            if len(self._frequencies) > 10_000:
                self._frequencies.clear()
            known = self._frequencies[term] = answering.frequency(connection, term)
        return known

    # following the tables

    async def embed_some(self) -> bool:
        """Make the vectors of some passages that have none; whether more wait. Raises EmbeddingError, StorageError."""
        space = self._space
        try:
            made = await space.embed_round()
        except StorageError as error:
            if space is not self._space:
                return True  # another model took its place meanwhile: on with that
            if isinstance(error, EmbeddingError):
                self._note(str(error))
            raise
        if made:
            self._note(None)
        await self._forget_removed()
        if made < BATCH and self._has_former:
            await self._forget_former()
        return made == BATCH

    async def purge(self) -> None:
        """Take every removed vector out of the files beside the database."""
        await self._space.load()
        await self._forget_former()
        await self._forget_removed(stale=0.0)
        await self._tidy(keep_begun=False)

    async def tally(self) -> SearchHealth:
        """Count passages and those that wait."""
        chunks, done = await self._space.numbers()
        if chunks != self._health.chunks:
            self._frequencies.clear()
        self._health = msgspec.structs.replace(self._health, chunks=chunks, pending=chunks - done)
        return self._health

    def _note(self, problem: str | None) -> None:
        if problem != self._health.problem:
            self._health = msgspec.structs.replace(self._health, problem=problem)
            _log.warning("%s", problem) if problem else _log.info("vectors are made again")

    async def _forget_removed(self, stale: float = STALE) -> None:
        """Have every index forget the passages that are gone."""
        removed = await self._run(lambda connection: connection.execute(named("search")["removed"], (0,)).fetchall())
        if removed or stale < STALE:
            for space in self._spaces():
                await space.discard([passage for _, passage in removed], stale)
        if removed:
            await self._write(ForgetRemoved(removed[-1][0]))

    async def _forget_former(self) -> None:
        """Forget the vectors of models that others took the place of."""
        self._has_former = True
        while self._has_former:
            self._has_former = await self._write(ForgetVectors(_FORGOTTEN))
            await asyncio.sleep(_REST)

    def _spaces(self) -> list[ModelVectors]:
        return [space for space in (self._space, self._coming) if space is not None]

    async def _tidy(self, keep_begun: bool = True) -> None:
        """Delete what is in the directory beside the indexes of models that serve or were begun."""
        begun = await self._run(writing.coming) if keep_begun else []
        models = [*(space.model for space in self._spaces()), *begun]
        kept = {self._vector_settings.place(model) for model in models}
        directory = self._vector_settings.directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in directory.iterdir():
            if path not in kept:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    # going over to another model

    async def reembed(self, embedder: Embedder | None = None, progress: Progress | None = None) -> int:
        """Go over to another model, or to the one it was made with; how many vectors were made.

        The vectors there are answer until those of the model are complete; then it becomes the database's. May be stopped and
        called again at any time. Raises StorageError, also while it is under way already.
        """
        if self._coming is not None:
            raise StorageError("the vectors are being made again already; wait until that is done")
        space = self._space
        if embedder is not None and (embedder.name, embedder.dimension) != (space.model.name, space.model.dimension):
            space = self._coming = ModelVectors(self._vector_settings, embedder)
        try:
            made = await self._make_all(space, progress)
        except BaseException:
            self._coming = None
            if space is not self._space:
                await space.close()
            raise
        # Both, whatever becomes of the one who asked: the database must not name another model than answers.
        self._changing = asyncio.create_task(self._change_over(space))
        await asyncio.shield(self._changing)
        await self._forget_former()
        return made

    async def _make_all(self, space: ModelVectors, progress: Progress | None) -> int:
        """Make the vectors of a model beside those that serve, until none is missing; how many."""
        locked = await self._run(writing.model)
        if locked not in (None, space.model):
            await self._write(BeginModel(space.model))
        total, done = await space.numbers()
        before = done
        while some := await space.embed_round():
            done += some
            await self._forget_removed()
            if progress is not None:
                progress(done, max(total, done))
            await asyncio.sleep(_REST)
        return done - before

    async def _change_over(self, space: ModelVectors) -> None:
        """From now on this space answers. What came in at the last moment is made as usual."""
        await self._write(AdoptModel(space.model))
        former, self._space, self._coming = self._space, space, None
        self._health = SearchHealth(0, 0, space.model.name, space.model.dimension)
        if former is not space:
            await former.close(leave=True)
        await self.tally()

    async def close(self) -> None:
        """Finish what is under way. Idempotent."""
        if self._changing is not None:
            await asyncio.gather(self._changing, return_exceptions=True)
        for space in self._spaces():
            await space.close()
        if self._reranker is not None:
            await self._reranker.close()
