"""What search costs those who write: notes at a relay that searches and at one that does not, and posts beside notes at the first.

Words alone: the relay that searches asks a model that nobody answers for, so that no vectors are made meanwhile. Posts are
searched, notes are not.
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from bench import corpus, feed
from bench.figures import FigureRow
from bench.plan import BenchPlan
from bench.process import started
from bench.workloads.beside import BesideWork, beside
from bench.workloads.feed import PROVISION, UNSEARCHED, WRITTEN_SEED
from bench.workloads.ingest import pour, refusal, unless_new

_WORDS: Final = (
    "search.embedder=endpoint",
    "search.endpoint_url=http://127.0.0.1:9/v1",
    "search.endpoint_model=none",
)


async def rows(scratch: Path, plan: BenchPlan) -> list[FigureRow]:
    """Rows "search off note", "search on note", "search note" and "search post"; the second of each pair has the ratio."""
    send = partial(pour, plan=plan, judge=unless_new)
    known = list(corpus.wires(plan.seed, corpus.AUTHORS, feed.POSTS))
    seed = WRITTEN_SEED + plan.seed
    notes, more_notes, posts = (
        list(corpus.wires(seed + after, plan.feed_written, series))
        for after, series in ((0, feed.NOTES), (1, feed.NOTES), (0, feed.POSTS))
    )
    with ExitStack() as stack:
        off = stack.enter_context(started(scratch / "unsearched", *PROVISION, *UNSEARCHED))
        on = stack.enter_context(started(scratch / "searched-too", *PROVISION, *_WORDS))
        for relay in (off, on):
            await pour(relay, known, plan, refusal)  # makes the authors' identities
        return [
            *await beside(
                BesideWork("search off note", "note", off, notes, send),
                BesideWork("search on note", "note", on, notes, send),
            ),
            *await beside(
                BesideWork("search note", "note", on, more_notes, send),
                BesideWork("search post", "post", on, posts, send),
            ),
        ]
