"""The nearest vectors: an index of segments over the embeddings that SQLite holds.

The newest vectors stand in an open segment, which is compared as a whole. A full one is sealed: built as an hnswlib graph of
fixed size, saved once beside the database, never added to. So nothing is resized beside a question, the start loads what was
saved and makes the rest from the database, and what is missing, damaged or of another model is made again. Of a sealed
segment, what was removed is marked; one with many removals is built again, which also takes the vectors out of its file.

One thread changes the index; questions read it from any thread, each from the list of segments as it was when it came.
"""

import logging
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import hnswlib
import msgspec
import numpy as np
import numpy.typing as npt

from storage.search.embedders import Vectors

Ids = npt.NDArray[np.int64]
Near = tuple[Ids, npt.NDArray[np.float32]]  # passages and their cosines, in no order

NEIGHBOURS: Final = 16  # links of a passage (M)
BUILD_CANDIDATES: Final = 120  # candidates looked at where a passage is put (ef_construction)
QUERY_CANDIDATES: Final = 96  # candidates of a question in each segment (ef)
STALE: Final = 0.3  # removed part of a segment at which it is built again

_log: Final = logging.getLogger(__name__)
_MANIFEST: Final = re.compile(r"segment-(\d+)\.json")
_NOTHING: Final[Ids] = np.zeros(0, np.int64)


class Segment(Protocol):
    """Some of the vectors."""

    def ids(self) -> Ids:
        """Those that are live."""

    def nearest(self, vector: Vectors, number: int) -> Near:
        """The nearest live ones, at most `number`."""

    def discard(self, gone: Ids) -> int:
        """Forget these; how many of them were here."""


class OpenSegment:
    """The newest vectors: a block that is compared as a whole."""

    def __init__(self, capacity: int, dimension: int) -> None:
        self._vectors = np.empty((capacity, dimension), np.float32)  # read up to `_length` alone
        self._ids = np.zeros(capacity, np.int64)
        self._live = np.zeros(capacity, np.bool_)
        self._length = 0

    @property
    def room(self) -> int:
        """How many more it takes."""
        return len(self._ids) - self._length

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Take these in; there is room for them."""
        end = self._length + len(ids)
        self._vectors[self._length : end] = vectors
        self._ids[self._length : end] = ids
        self._live[self._length : end] = True
        self._length = end  # last: a question beside this sees whole rows only

    def ids(self) -> Ids:
        """Those that are live."""
        length = self._length
        return self._ids[:length][self._live[:length]]

    def vectors(self) -> Vectors:
        """Those of `ids`, in the same order."""
        length = self._length
        return self._vectors[:length][self._live[:length]]

    def nearest(self, vector: Vectors, number: int) -> Near:
        """The nearest live ones."""
        length = self._length
        cosines = np.where(self._live[:length], self._vectors[:length] @ vector, -2.0).astype(np.float32)
        best = top(cosines, number)
        best = best[cosines[best] > -2]
        return self._ids[best], cosines[best]

    def discard(self, gone: Ids) -> int:
        """Forget these."""
        found = np.isin(self._ids[: self._length], gone) & self._live[: self._length]
        self._live[: self._length][found] = False
        self._vectors[: self._length][found] = 0
        return int(found.sum())


class SealedSegment:
    """A graph of fixed size, saved once."""

    def __init__(self, graph: Any, number: int) -> None:
        self.number = number  # of its file
        self._graph = graph
        self._ids = np.sort(np.asarray(graph.get_ids_list(), dtype=np.int64))
        self._gone: set[int] = set()

    @property
    def removed_share(self) -> float:
        """Which part of it was removed."""
        return len(self._gone) / max(len(self._ids), 1)

    def ids(self) -> Ids:
        """Those that are live."""
        return np.setdiff1d(self._ids, np.fromiter(self._gone, np.int64, len(self._gone)), assume_unique=True)

    def nearest(self, vector: Vectors, number: int) -> Near:
        """The nearest live ones, nearly: the graph may miss one."""
        number = min(number, len(self._ids) - len(self._gone))
        if number < 1:
            return _NOTHING, np.zeros(0, np.float32)
        self._graph.set_ef(max(QUERY_CANDIDATES, number + number // 4))
        try:
            labels, distances = self._graph.knn_query(vector, k=number, num_threads=1)
        except RuntimeError:  # a removal beside this left fewer than were asked for
            return _NOTHING, np.zeros(0, np.float32)
        return labels[0].astype(np.int64), (1 - distances[0]).astype(np.float32)

    def discard(self, gone: Ids) -> int:
        """Mark these."""
        found = [one for one in np.intersect1d(self._ids, gone).tolist() if one not in self._gone]
        for one in found:
            self._graph.mark_deleted(one)
        self._gone.update(found)
        return len(found)


class _Manifest(msgspec.Struct, frozen=True):
    """What is written beside a sealed segment: what it must be to be used."""

    model: str
    dimension: int
    length: int
    last_id: int
    bytes: int
    checksum: int


def top(cosines: npt.NDArray[np.float32], number: int) -> npt.NDArray[np.intp]:
    """The places of the highest values, at most `number`, in no order."""
    if number >= len(cosines):
        return np.arange(len(cosines))
    return np.argpartition(cosines, -number)[-number:] if number > 0 else np.zeros(0, np.intp)


class VectorIndex:
    """All vectors of one model. `directory` holds its files and nothing else."""

    def __init__(self, directory: Path, model: str, dimension: int, capacity: int) -> None:
        self._directory = directory
        self._model = model
        self._dimension = dimension
        self._capacity = capacity
        self._open = OpenSegment(capacity, dimension)
        self._sealed: tuple[SealedSegment, ...] = ()
        self._next = 1

    def __len__(self) -> int:
        return sum(len(segment.ids()) for segment in self._segments())

    def _segments(self) -> Sequence[Segment]:
        return (*self._sealed, self._open)

    def ids(self) -> Ids:
        """Every passage that is in it, sorted."""
        return np.sort(np.concatenate([segment.ids() for segment in self._segments()]))

    def nearest(self, vector: Vectors, number: int) -> list[tuple[int, float]]:
        """The nearest passages with their cosines, nearest first, at most `number`; of equals the newest first."""
        segments = self._segments()
        each = number if number <= 256 else min(number, max(256, 3 * number // len(segments)))
        found = [segment.nearest(vector, each) for segment in segments]
        ids, cosines = np.concatenate([near[0] for near in found]), np.concatenate([near[1] for near in found])
        order = np.lexsort((-ids, -cosines))[:number]
        return list(zip(ids[order].tolist(), cosines[order].tolist(), strict=True))

    # What its one thread does

    def load(self) -> None:
        """Take what was saved and is whole and of this model; the rest of the files is deleted."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = []
        for path in sorted(self._directory.iterdir()):
            match = _MANIFEST.fullmatch(path.name)
            segment = self._read(path, int(match[1])) if match else None
            if segment is not None:
                kept.append(segment)
                self._next = max(self._next, segment.number + 1)
        self._sealed = tuple(kept)
        names = {name for segment in kept for name in self._names(segment.number)}
        for path in self._directory.iterdir():
            if path.name not in names:
                path.unlink()

    def add(self, ids: Sequence[int], vectors: Vectors) -> None:
        """Take these in; a segment that is full is sealed. An id comes once."""
        numbers = np.asarray(ids, dtype=np.int64)
        start = 0
        while start < len(numbers):
            end = start + min(self._open.room, len(numbers) - start)
            self._open.add(numbers[start:end], vectors[start:end])
            start = end
            if self._open.room == 0:
                self._seal()

    def discard(self, ids: Iterable[int]) -> None:
        """Forget these; those that are not here are passed over."""
        gone = np.fromiter(ids, np.int64)
        if len(gone):
            for segment in self._segments():
                segment.discard(gone)

    def take_stale(self, part: float = STALE) -> list[int]:
        """Take out the segments of which more than `part` was removed; the live passages they had, to be added again."""
        old = [segment for segment in self._sealed if segment.removed_share > part]
        self._sealed = tuple(segment for segment in self._sealed if segment not in old)
        for segment in old:
            for name in self._names(segment.number):
                (self._directory / name).unlink(missing_ok=True)
        return [one for segment in old for one in segment.ids().tolist()]

    def delete_files(self) -> None:
        """Delete the files; what is in memory goes on answering."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def _seal(self) -> None:
        ids, vectors = self._open.ids(), self._open.vectors()
        if len(ids):
            graph = hnswlib.Index(space="cosine", dim=self._dimension)
            graph.init_index(max_elements=len(ids), M=NEIGHBOURS, ef_construction=BUILD_CANDIDATES)
            graph.add_items(vectors, ids, num_threads=1)
            self._save(graph, self._next, ids)
            self._sealed = (*self._sealed, SealedSegment(graph, self._next))
            self._next += 1
        self._open = OpenSegment(self._capacity, self._dimension)

    @staticmethod
    def _names(number: int) -> tuple[str, str]:
        return f"segment-{number:06}.hnsw", f"segment-{number:06}.json"

    def _save(self, graph: Any, number: int, ids: Ids) -> None:
        """Write the graph, then its manifest: without it a file counts for nothing, so a crash leaves a whole segment or none."""
        data, manifest = (self._directory / name for name in self._names(number))
        draft = data.with_suffix(".new")
        try:
            graph.save_index(str(draft))
            size, checksum = _measure(draft, sync=True)
            draft.replace(data)
            said = _Manifest(self._model, self._dimension, len(ids), int(ids.max()), size, checksum)
            draft.write_bytes(msgspec.json.encode(said))
            draft.replace(manifest)
        except (OSError, RuntimeError) as error:
            _log.error(
                "a segment of the vector index is not saved and will be built again at the next start: %s", error
            )

    def _read(self, manifest: Path, number: int) -> SealedSegment | None:
        data = self._directory / self._names(number)[0]
        try:
            said = msgspec.json.decode(manifest.read_bytes(), type=_Manifest)
            if (said.model, said.dimension) != (self._model, self._dimension):
                return None
            if _measure(data) != (said.bytes, said.checksum):
                raise ValueError("its bytes are not those that were saved")
            graph = hnswlib.Index(space="cosine", dim=self._dimension)
            graph.load_index(str(data))
            return SealedSegment(graph, number)
        except (OSError, RuntimeError, ValueError, msgspec.DecodeError) as error:
            _log.warning("%s cannot be used and is built again: %s", data.name, error)
            return None


def _measure(path: Path, sync: bool = False) -> tuple[int, int]:
    """A file's length and checksum; with `sync` it is on the disk afterwards."""
    length = checksum = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            length += len(block)
            checksum = zlib.crc32(block, checksum)
        if sync:
            os.fsync(file.fileno())
    return length, checksum
