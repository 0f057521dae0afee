"""Search over many passages: how long an answer takes, how much of the true answer it holds, and how long a start takes.

Measured in this process, without a socket: what a door adds is in the query section. Passages are sentences of this
repository's own prose put together by chance, since recall over random vectors says nothing. Recall is that of the nearest ten
above the model's floor against comparing every passage that matches.
"""

import asyncio
import hashlib
import random
import re
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, TypeVar

import msgspec
import numpy as np

from bench.client import Trouble
from bench.figures import FigureRow, percentile
from bench.plan import BenchPlan
from handlers import table
from relay.protocol.admission import Door
from relay.protocol.chunks import Cutting
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from storage.base import Incoming
from storage.commands import Command
from storage.search.embedders import Vectors, WordLlama
from storage.search.engine import Mode, SearchQuery
from storage.sqlite import backend
from storage.sqlite.search.model_vectors import VectorSettings
from storage.sqlite.search.sqlite_search import SqliteSearch

SHARES: Final = {"": 1.0, " 50 %": 0.5, " 1 %": 0.01, " 0.1 %": 0.001}  # of the passages match the filter
RECALL: Final = 0.95
_NOW: Final = 1_790_000_000
_CUTTING: Final = Cutting((1,))
_BATCH: Final = 500
_DOCS: Final = Path(__file__).parents[2] / "docs"
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+|\n\n+")
_PLAIN: Final = str.maketrans('"*', "  ")  # what means something in a question

T = TypeVar("T")


def sentences() -> list[str]:
    """The prose of the documentation, sentence by sentence."""
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in sorted(_DOCS.glob("*.md")))
    return [" ".join(part.split()) for part in _SENTENCE.split(text) if 30 <= len(part) <= 300]


def _events(plan: BenchPlan) -> Iterator[tuple[Event, str]]:
    """Events, not signed since nobody checks, each with its text."""
    chance, prose = random.Random(plan.seed), sentences()
    for number in range(plan.passages):
        text = " ".join(chance.sample(prose, 3))
        tags = [["t", name.strip()] for name, share in SHARES.items() if name and chance.random() < share]
        name = hashlib.sha256(b"%d" % number).hexdigest()
        yield Event(name, name[:62] + "00", _NOW - number, 1, tags, text, "0" * 128), text


class Searched:
    """A store full of passages and the search over it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.writer = backend.open_writer(
            path, table.meaning("ws://bench", searched=_CUTTING.searched), synchronous="normal", cutting=_CUTTING
        )

    async def open(self) -> None:
        """Begin to answer."""
        self.store = await backend.open_reader(self.path)

        async def write(command: Command[T]) -> T:
            return await asyncio.to_thread(self.writer.execute, command, _NOW)

        self.engine = SqliteSearch(VectorSettings(self.path / "search", self.store, write), WordLlama())
        await self.engine.open()

    async def close(self) -> None:
        """Stop answering; the writer stays."""
        await self.engine.close()
        await self.store.close()


async def rows(scratch: Path, plan: BenchPlan, say: Callable[[str], None]) -> list[FigureRow]:
    """Rows of filling, of hybrid search by selectivity and of a start. Raises Trouble where recall is too low."""
    place = Searched(scratch / "searched")
    texts: list[str] = []
    matching: dict[str, list[int]] = {name: [] for name in SHARES}
    began = time.perf_counter()
    batch: list[Incoming] = []
    for number, (event, text) in enumerate(_events(plan)):
        batch.append(Incoming(event, wire(event), Door.IMPORT, _NOW))
        texts.append(text)
        for name in SHARES:
            if not name or ["t", name.strip()] in event.tags:
                matching[name].append(number)
        if len(batch) == _BATCH or number == plan.passages - 1:
            place.writer.write(batch, _NOW)
            batch = []
    found = [_row("search fill", "passage", plan.passages, time.perf_counter() - began, [])]
    await place.open()
    began = time.perf_counter()
    while await place.engine.embed_some():
        pass
    found.append(_row("search embed", "passage", plan.passages, time.perf_counter() - began, []))
    await place.close()
    began = time.perf_counter()
    await place.open()
    found.append(_row("search start", "start", 1, time.perf_counter() - began, [time.perf_counter() - began]))
    vectors = await WordLlama().embed(texts)
    for name, places in matching.items():
        found += [await _asked(place, plan, name, texts, vectors=vectors[places], say=say)]
    size = sum(file.stat().st_size for file in (place.path / "search").rglob("segment-*"))
    sealed = len(list((place.path / "search").rglob("*.hnsw")))
    say(f"index files: {size / max(sealed * 16_384 * vectors.shape[1] * 4, 1):.2f} times the bytes of their vectors")
    await place.close()
    place.writer.close()
    return found


async def _asked(
    place: Searched, plan: BenchPlan, name: str, texts: Sequence[str], *, vectors: Vectors, say: Callable[[str], None]
) -> FigureRow:
    """Hybrid search with the filter `name`; then recall of the vectors alone."""
    chance = random.Random(f"{plan.seed} {name}")
    tags = {"t": frozenset([name.strip()])} if name else {}
    questions = [_question(chance, texts) for _ in range(plan.questions)]
    latencies = []
    began = time.perf_counter()
    for question in questions:
        asked = time.perf_counter()
        await place.engine.search(_query(question, "hybrid", tags))
        latencies.append(time.perf_counter() - asked)
    spent = time.perf_counter() - began
    hit = wanted = 0
    for question in questions[:100]:
        vector = (await WordLlama().embed([question]))[0]
        best = np.sort(vectors @ vector)[::-1][:10]
        best = best[best >= WordLlama.floor]  # what is farther has nothing to do with the question
        hits = await place.engine.search(_query(question, "meaning", tags))
        wanted += len(best)
        hit += sum(1 for one in hits if one.score >= best[-1] - 1e-4) if len(best) else 0
    say(f"search{name or ' unfiltered'}: recall@10 {hit / max(wanted, 1):.3f} over {len(vectors)} passages")
    if hit < RECALL * wanted:
        raise Trouble(f"search{name}: recall@10 is {hit / wanted:.3f}, below {RECALL}")
    return _row(f"search hybrid{name}", "answer", len(questions), spent, latencies)


def _question(chance: random.Random, texts: Sequence[str]) -> str:
    """Some words in a row of some passage."""
    words = chance.choice(texts).translate(_PLAIN).split()
    start = chance.randrange(max(len(words) - 7, 1))
    return " ".join(words[start : start + 7])


def _query(text: str, mode: Mode, tags: dict[str, frozenset[str]]) -> SearchQuery:
    return SearchQuery(text, Filter(tags=tags, limit=10), now=_NOW, mode=mode)


def _row(name: str, unit: str, units: int, seconds: float, latencies: list[float]) -> FigureRow:
    row = FigureRow(name=name, unit=unit, units=units, seconds=seconds)
    if not latencies:
        return row
    return msgspec.structs.replace(
        row, p50_ms=percentile(latencies, 50) * 1000, p99_ms=percentile(latencies, 99) * 1000
    )
