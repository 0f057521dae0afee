"""The sections of a run, and how each gets its relay: a fresh one of our own, or the one at a URL."""

import shutil
import tempfile
from collections.abc import Awaitable, Callable, Collection
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from bench import corpus, seeded
from bench.figures import FigureRow
from bench.floor import floor_us, sync
from bench.peer import sketch
from bench.plan import BenchPlan
from bench.process import Subject, started
from bench.workloads import (
    api,
    fanout,
    federation,
    feed,
    groups,
    idle,
    ingest,
    query,
    rebuild,
    search,
    searched,
    small,
    transfer,
)

Section = Callable[[Subject, BenchPlan], Awaitable[list[FigureRow]]]
Say = Callable[[str], None]


async def _ingest(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    return [await ingest.pipelined(subject, plan), await ingest.one_at_a_time(subject, plan)]


LIVE: Final[dict[str, Section]] = {
    "idle": idle.rows,
    "ingest": _ingest,
    "fanout": fanout.rows,
}  # each on an empty relay
OURS: Final[dict[str, Section]] = {"api": api.rows}  # the same, for what only a Tidings relay offers
NAMES: Final = (*LIVE, *OURS, "small", "feed", "rebuild", "groups", "transfer", "query", "search", "federation", "page")


class Floor:
    """Measures V just before and just after work, since the speed of a shared machine varies; a row gets the mean."""

    def __init__(self, plan: BenchPlan) -> None:
        self._wires = list(islice(corpus.wires(plan.seed, plan.events), 1000))

    async def under(self, work: Callable[[], Awaitable[list[FigureRow]]]) -> list[FigureRow]:
        """The rows that `work` gives, with V filled in."""
        before = floor_us(self._wires)
        rows = await work()
        floor = (before + floor_us(self._wires)) / 2
        return [msgspec.structs.replace(row, floor_us=floor) for row in rows]


async def own(
    plan: BenchPlan, only: Collection[str], data: Path | None, say: Say, other: Subject | None = None
) -> list[FigureRow]:
    """Measure `tidings serve` of this tree, freshly started for each section.

    `data`: a seeded directory to keep or use again. `other`: the relay beside which the section "small" runs; None is the sketch.
    """
    floor = Floor(plan)
    rows: list[FigureRow] = []
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as scratch:
        if "ingest" in only or "small" in only:
            rows.append(sync(Path(scratch)))
        for name, section in (LIVE | OURS).items():
            if name in only:
                say(name)
                with started(Path(scratch) / name) as subject:
                    rows += await floor.under(partial(section, subject, plan))
        if "small" in only:
            say("small")
            rows += await floor.under(partial(_small, Path(scratch), plan, other))
        if "feed" in only:
            say("feed")
            with started(await _feed(data, Path(scratch), plan), *feed.UNSEARCHED) as subject:
                rows += await floor.under(partial(feed.rows, subject, plan))
        if "rebuild" in only:
            say("rebuild")
            with started(await _feed(data, Path(scratch), plan), *feed.UNSEARCHED) as subject:
                rows += await floor.under(partial(rebuild.rows, subject, Path(scratch) / "feed", plan))
        if "groups" in only:
            say("groups")
            filled = await _groups(data, Path(scratch), plan)
            rows += await floor.under(partial(groups.rows, filled, plan))
        stored = data or Path(scratch) / "stored"
        if "transfer" in only:
            say("import and export")
            rows += await floor.under(partial(transfer.rows, stored, plan))
        if "query" in only:
            say("query")
            transfer.seed(stored, plan)
            with started(stored) as subject:
                rows += await floor.under(partial(query.rows, subject, plan))
        if "search" in only:
            say("search")
            rows += await floor.under(partial(searched.rows, Path(scratch), plan))
            rows += await floor.under(partial(search.rows, Path(scratch), plan, say))
        if "page" in only and shutil.which("chromium") is None:
            say("page: left out, there is no chromium here")
        elif "page" in only:
            say("page")
            from bench.workloads import page  # needs playwright, which no other section does

            with started(Path(scratch) / "page") as subject:
                rows += await floor.under(partial(page.rows, subject, plan))
        if "federation" in only:
            say("federation")
            rows += await floor.under(partial(federation.rows, Path(scratch), plan))
    return rows


async def _small(scratch: Path, plan: BenchPlan, other: Subject | None) -> list[FigureRow]:
    """Ordinary small work beside the sketch, or beside `other`; each has the same events first."""
    with ExitStack() as stack:
        theirs = stack.enter_context(sketch(scratch)) if other is None else other
        ours = stack.enter_context(started(scratch / "small", *feed.PROVISION))
        await small.prepare(ours, plan, hub=True)
        await small.prepare(theirs, plan, hub=False)
        return await small.rows(ours, theirs, plan)


async def _feed(data: Path | None, scratch: Path, plan: BenchPlan) -> Path:
    """A filled directory that may be written to: of one that is kept, a copy."""
    kept = scratch / "filled-feed" if data is None else data.with_name(f"{data.name}-feed")
    await feed.fill(kept, plan)
    return seeded.copied(kept, scratch / "feed")


async def _groups(data: Path | None, scratch: Path, plan: BenchPlan) -> Path:
    """The same with groups."""
    kept = scratch / "filled-groups" if data is None else data.with_name(f"{data.name}-groups")
    await groups.fill(kept, plan)
    return seeded.copied(kept, scratch / "groups")


async def foreign(subject: Subject, plan: BenchPlan, only: Collection[str], say: Say) -> list[FigureRow]:
    """Measure the relay at a URL over its protocol alone; what queries need is published first."""
    floor = Floor(plan)
    rows: list[FigureRow] = []
    for name, section in LIVE.items():
        if name in only:
            say(name)
            rows += await floor.under(partial(section, subject, plan))
    if "query" in only:
        say("query")
        await ingest.pour(subject, list(corpus.wires(plan.seed, plan.stored)), plan, ingest.refusal)
        rows += await floor.under(partial(query.rows, subject, plan))
    return rows
