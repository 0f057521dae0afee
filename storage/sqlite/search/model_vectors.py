"""One model, the vectors that it made, and the index over them, kept up with the tables.

Rule: whatever changes them is called by one task at a time; questions read the index meanwhile. Vectors are made in the
order of passages, so that what is missing is what comes after the last.
"""

import asyncio
import hashlib
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final, Protocol, TypeVar

import msgspec
import numpy as np

from storage.commands import Command, Model, StoreVectors
from storage.search import event_vectors
from storage.search.embedders import Embedder, EmbeddingError, Vectors
from storage.search.vectors import STALE, VectorIndex
from storage.sqlite.reading.reader import SqliteReader
from storage.sqlite.statements import named

BATCH: Final = 256  # passages embedded at once
_PAGE: Final = 1000  # vectors read at once

T = TypeVar("T")
_log: Final = logging.getLogger("tidings.search")


class Write(Protocol):
    """Whatever has the writer carry out a command."""

    def __call__(self, command: Command[T]) -> Awaitable[T]:
        """What the command gives. Raises StorageError."""


class VectorSettings(msgspec.Struct, frozen=True):
    """How vectors are kept. `directory` holds one directory a model; `trusted` are keys whose events may bring vectors."""

    directory: Path
    reader: SqliteReader
    write: Write
    capacity: int = 16_384
    trusted: frozenset[str] = frozenset()

    def directory_of(self, model: Model) -> Path:
        """Where the index of a model has its files."""
        name = hashlib.sha256(f"{model.dimension} {model.name}".encode()).hexdigest()[:16]
        return self.directory / name


class PassageWithoutVector(msgspec.Struct, frozen=True):
    """A passage without a vector of the model."""

    id: int
    seq: int
    chunk: int
    pubkey: str
    title: str
    content: str


class ModelVectors:
    """The vectors of one model."""

    def __init__(self, settings: VectorSettings, embedder: Embedder) -> None:
        self.model = Model(embedder.name, embedder.dimension)
        self.embedder = embedder
        self.index = VectorIndex(
            settings.directory_of(self.model), embedder.name, embedder.dimension, settings.capacity
        )
        self._run = settings.reader.run
        self._write = settings.write
        self._trusted = settings.trusted
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="search")
        self._round = asyncio.Lock()
        self._changes = asyncio.Lock()  # of the index: a removal waits until what it removes is in
        self._loaded = False
        self._closed = False

    async def load(self) -> None:
        """Have the index in memory: before anything is put into it, or its files would be written over."""
        async with self._changes:
            if not self._loaded:
                await self._in_thread(self.index.load)
                await self._catch_up()
                self._loaded = True

    async def _catch_up(self) -> None:
        """Make the index hold what the tables hold: forget what is gone, take in what is missing."""
        live = np.array(await self._run(partial(_embedded, model=self.model)), dtype=np.int64)
        here = await self._in_thread(self.index.ids)
        await self._in_thread(partial(self.index.discard, np.setdiff1d(here, live).tolist()))
        await self._add_stored(np.setdiff1d(live, here).tolist())
        await self._add_stored(await self._in_thread(self.index.take_stale))

    async def embed_round(self) -> int:
        """Make the vectors of some passages that have none; how many. Raises EmbeddingError, StorageError."""
        await self.load()
        async with self._round:
            waiting = await self._run(partial(_pending, model=self.model, limit=BATCH))
            if waiting:
                vectors = await self._vectors(waiting)
                rows = [(vector.tobytes(), one.id) for vector, one in zip(vectors, waiting, strict=True)]
                async with self._changes:
                    stored = await self._write(StoreVectors(self.model, rows))
                    kept = set(stored)
                    places = [place for place, one in enumerate(waiting) if one.id in kept]
                    ids = [waiting[place].id for place in places]
                    await self._in_thread(partial(self.index.add, ids, vectors[places]))
            return len(waiting)

    async def numbers(self) -> tuple[int, int]:
        """How many passages there are, and how many of them have a vector."""
        place = (self.model.name, self.model.dimension)
        chunks, missing = await self._run(lambda c: c.execute(named("search")["numbers"], place).fetchone())
        return chunks, chunks - missing

    async def discard(self, passages: Sequence[int], stale: float = STALE) -> None:
        """Have the index forget these, and build the segments again of which more than `stale` was removed."""
        async with self._changes:
            if self._closed:
                return  # another model took its place
            await self._in_thread(partial(self.index.discard, passages))
            await self._add_stored(await self._in_thread(partial(self.index.take_stale, stale)))

    async def close(self, delete_files: bool = False) -> None:
        """Finish what is under way; with `delete_files`, delete the files of the index too. Idempotent."""
        async with self._changes:
            if not self._closed:
                await self._in_thread(self.index.delete_files if delete_files else lambda: None)
                self._closed = True
                self._thread.shutdown()
        await self.embedder.close()

    async def _vectors(self, waiting: Sequence[PassageWithoutVector]) -> Vectors:
        """Vectors that came with the event where its author may send them, else the model's."""
        found = np.zeros((len(waiting), self.model.dimension), np.float32)
        theirs = [one.seq for one in waiting if one.pubkey in self._trusted]
        wires = await self._run(partial(wires_of, seqs=theirs)) if theirs else {}
        places = []
        for place, one in enumerate(waiting):
            vector = (
                event_vectors.vector_of(wires.get(one.seq), one.chunk, self.model)
                if one.pubkey in self._trusted
                else None
            )
            if vector is None:
                places.append(place)
            else:
                found[place] = vector
        if places:
            texts = [f"{waiting[place].title}\n{waiting[place].content}".strip() for place in places]
            found[places] = await self.embedder.embed(texts)
        return found

    async def _add_stored(self, ids: Sequence[int]) -> None:
        for start in range(0, len(ids), _PAGE):
            found, vectors = await self._run(partial(embeddings, ids=ids[start : start + _PAGE], model=self.model))
            await self._in_thread(partial(self.index.add, found, vectors))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        if self._closed:
            raise EmbeddingError(f"{self.model.name} is not used any more")
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def as_json(values: Sequence[int]) -> str:
    """Numbers as a statement takes them."""
    return msgspec.json.encode(values).decode()


def wires_of(connection: sqlite3.Connection, seqs: Sequence[int]) -> dict[int, bytes]:
    """Events by their numbers."""
    return dict(connection.execute(named("search")["wires"], (as_json(seqs),)).fetchall())


def embeddings(connection: sqlite3.Connection, ids: Sequence[int], model: Model) -> tuple[list[int], Vectors]:
    """Those of these passages that have a vector, and their vectors."""
    place = (as_json(ids), model.name, model.dimension)
    rows = connection.execute(named("search")["embeddings"], place).fetchall() if ids else []
    data = b"".join([blob for _, blob in rows])
    vectors = np.frombuffer(data, dtype="<f4").reshape(len(rows), model.dimension).astype(np.float32, copy=False)
    return [passage for passage, _ in rows], vectors


def _pending(connection: sqlite3.Connection, model: Model, limit: int) -> list[PassageWithoutVector]:
    rows = connection.execute(named("search")["pending"], (model.name, model.dimension, limit))
    return [PassageWithoutVector(*row) for row in rows]


def _embedded(connection: sqlite3.Connection, model: Model) -> list[int]:
    rows = connection.execute(named("search")["embedded"], (model.name, model.dimension))
    return [passage for (passage,) in rows]
