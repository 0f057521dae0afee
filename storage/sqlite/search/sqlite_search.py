"""Search over SQLite: questions answered beside the writer, vectors kept up with what is stored, one model after another."""

import asyncio
import logging
import shutil
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from relay.protocol import search
from storage.base import Readers
from storage.commands import AdoptModel, BeginModel, ForgetRemoved, ForgetVectors, Model
from storage.errors import StorageError
from storage.search import reranking
from storage.search.embedders import Embedder, EmbeddingError, Reranker, Vectors
from storage.search.engine import MAX_HITS, MAX_TEXT, Hit, Progress, SearchedPassage, SearchHealth, SearchQuery
from storage.search.vectors import STALE
from storage.sqlite.search import answering, fts, writing
from storage.sqlite.search.model_vectors import BATCH, ModelVectors, VectorSettings
from storage.sqlite.statements import named

DEFAULT_HITS: Final = 25
_PAUSE: Final = 0.002  # seconds between rounds of the next model, so that others have their turn
_FORGOTTEN_AT_ONCE: Final = 1000  # vectors of a former model, in one transaction

_log: Final = logging.getLogger("tidings.search")


class SqliteSearch:
    """storage.search.engine.SearchEngine."""

    def __init__(self, settings: VectorSettings, embedder: Embedder, reranker: Reranker | None = None) -> None:
        self._vector_settings = settings
        self._run = settings.reader.run
        self._write = settings.write
        self._current = ModelVectors(settings, embedder)
        self._next: ModelVectors | None = None
        self._reranker = reranker
        self._changing: asyncio.Task[None] | None = None
        self._frequencies = answering.TermFrequencies()
        self._has_former = True  # vectors of models that another took the place of, perhaps
        self._health = SearchHealth(0, 0, embedder.name, embedder.dimension)

    async def open(self, checked: Callable[[], None] = lambda: None) -> None:
        """Load the index and catch up. Raises ModelMismatch where vectors of another model serve, else calls `checked`.

        What is loaded is as much as there are vectors. Raises StorageError.
        """
        locked = await self._run(writing.model)
        if locked is not None and locked != self._current.model:
            raise writing.mismatch(locked, self._current.model)
        checked()
        try:
            await self._delete_unused()
            await self._current.load()
        except OSError as error:
            raise StorageError(
                f"the index of vectors in {self._vector_settings.directory} cannot be used ({error.strerror}); look at its "
                "permissions, or move it elsewhere: it is made again from the database"
            ) from None
        await self.tally()

    # questions

    async def search(self, query: SearchQuery) -> list[Hit]:
        """The hits, most relevant first."""
        terms = search.terms_of(query.text[:MAX_TEXT])
        limit = min(DEFAULT_HITS if query.wanted.limit is None else query.wanted.limit, MAX_HITS)
        if limit == 0 or query.wanted.is_empty() or not (query.text.strip() or query.near):
            return []
        if query.near:
            return await self._near(query, limit)
        vectors = self._current  # those of another model may take their place meanwhile
        vector = None if query.mode == "words" else await self._embed_question(vectors, query.text)
        if vector is None and not terms:
            return []
        reranker = self._reranker if query.mode == "hybrid" else None
        most = limit if reranker is None else max(limit, reranking.LOOKED_AT)
        asked = answering.Question(query, terms, vector, vectors, most, self._frequencies.of)
        found = await self._run(partial(answering.answer, asked=asked))
        hits = [hit for hit, _ in found]
        if reranker is not None:
            try:
                hits = await reranking.reranked(reranker, query.text[:MAX_TEXT], found)
            except EmbeddingError as error:
                self._set_problem(str(error))
        return hits[:limit]

    async def _near(self, query: SearchQuery, limit: int) -> list[Hit]:
        """What is nearest to an event, by the vectors that are there: no model is asked."""
        vectors = self._current
        vector = await self._run(partial(answering.vector_of, query=query, model=vectors.model))
        if vector is None:
            return []
        alike = msgspec.structs.replace(query, mode="meaning")
        asked = answering.Question(alike, (), vector, vectors, limit + 1, self._frequencies.of)
        found = await self._run(partial(answering.answer, asked=asked))
        return [hit for hit, _ in found if hit.event_id != query.near][:limit]

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

    async def _embed_question(self, vectors: ModelVectors, text: str) -> Vectors | None:
        """None where the model fails or the text says nothing to it: words answer alone then."""
        try:
            vector = (await vectors.embedder.embed([text[:MAX_TEXT].replace('"', " ").replace("*", " ")]))[0]
        except EmbeddingError as error:
            if vectors is self._current:
                self._set_problem(str(error))
            return None
        return vector if vector.any() else None

    # following the tables

    async def embed_some(self) -> bool:
        """Make the vectors of some passages that have none; whether more wait. Raises EmbeddingError, StorageError."""
        vectors = self._current
        try:
            made = await vectors.embed_round()
        except StorageError as error:
            if vectors is not self._current:
                return True  # another model took its place meanwhile: on with that
            if isinstance(error, EmbeddingError):
                self._set_problem(str(error))
            raise
        if made:
            self._set_problem(None)
        await self._forget_removed()
        if made < BATCH and self._has_former:
            await self._forget_former()
        return made == BATCH

    async def purge(self) -> None:
        """Take every removed vector out of the files beside the database."""
        await self._current.load()
        await self._forget_former()
        await self._forget_removed(stale=0.0)
        await self._delete_unused(keep_begun=False)

    async def tally(self) -> SearchHealth:
        """Count passages and those that wait."""
        chunks, done = await self._current.numbers()
        if chunks != self._health.chunks:
            self._frequencies.clear()
        self._health = msgspec.structs.replace(self._health, chunks=chunks, pending=chunks - done)
        return self._health

    def _set_problem(self, problem: str | None) -> None:
        if problem != self._health.problem:
            self._health = msgspec.structs.replace(self._health, problem=problem)
            _log.warning("%s", problem) if problem else _log.info("vectors are made again")

    async def _forget_removed(self, stale: float = STALE) -> None:
        """Have every index forget the passages that are gone."""
        removed = await self._run(lambda connection: connection.execute(named("search")["removed"], (0,)).fetchall())
        if removed or stale < STALE:
            for vectors in self._all():
                await vectors.discard([passage for _, passage in removed], stale)
        if removed:
            await self._write(ForgetRemoved(removed[-1][0]))

    async def _forget_former(self) -> None:
        """Forget the vectors of models that others took the place of."""
        self._has_former = True
        while self._has_former:
            self._has_former = await self._write(ForgetVectors(_FORGOTTEN_AT_ONCE))
            await asyncio.sleep(_PAUSE)

    def _all(self) -> list[ModelVectors]:
        return [vectors for vectors in (self._current, self._next) if vectors is not None]

    async def _delete_unused(self, keep_begun: bool = True) -> None:
        """Delete what is in the directory beside the indexes of models that serve or were begun."""
        begun = await self._run(writing.begun) if keep_begun else []
        models = [*(vectors.model for vectors in self._all()), *begun]
        kept = {self._vector_settings.directory_of(model) for model in models}
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
        if self._next is not None:
            raise StorageError("the vectors are being made again already; wait until that is done")
        vectors = self._current
        if embedder is not None and Model(embedder.name, embedder.dimension) != vectors.model:
            vectors = self._next = ModelVectors(self._vector_settings, embedder)
        try:
            made = await self._make_all(vectors, progress)
        except BaseException:
            self._next = None
            if vectors is not self._current:
                await vectors.close()
            raise
        # Both, even if the caller is cancelled: the database must not name another model than the one that answers.
        self._changing = asyncio.create_task(self._switch_to(vectors))
        await asyncio.shield(self._changing)
        await self._forget_former()
        return made

    async def _make_all(self, vectors: ModelVectors, progress: Progress | None) -> int:
        """Make the vectors of a model beside those that serve, until none is missing; how many."""
        locked = await self._run(writing.model)
        if locked not in (None, vectors.model):
            await self._write(BeginModel(vectors.model))
        total, done = await vectors.numbers()
        before = done
        while some := await vectors.embed_round():
            done += some
            await self._forget_removed()
            if progress is not None:
                progress(done, max(total, done))
            await asyncio.sleep(_PAUSE)
        return done - before

    async def _switch_to(self, vectors: ModelVectors) -> None:
        """From now on these vectors answer. What came in at the last moment is made as usual."""
        await self._write(AdoptModel(vectors.model))
        former, self._current, self._next = self._current, vectors, None
        self._health = SearchHealth(0, 0, vectors.model.name, vectors.model.dimension)
        if former is not vectors:
            await former.close(delete_files=True)
        await self.tally()

    async def close(self) -> None:
        """Finish what is under way. Idempotent."""
        if self._changing is not None:
            await asyncio.gather(self._changing, return_exceptions=True)
        for vectors in self._all():
            await vectors.close()
        if self._reranker is not None:
            await self._reranker.close()
