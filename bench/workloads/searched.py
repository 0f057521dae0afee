"""What search costs those who write: the same events to a relay that searches and to one that does not, in turns.

Words alone: the relay that searches asks a model that nobody answers for, so that no vectors are made meanwhile. Posts are
searched, notes are not.
"""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from bench import corpus, feed
from bench.figures import Row
from bench.plan import Plan
from bench.process import started
from bench.workloads.beside import Work, beside
from bench.workloads.feed import PROVISION, WRITTEN_SEED
from bench.workloads.ingest import pour, refusal, unless_new

_OFF: Final = ("search.kinds=", "search.knowledge_kinds=")
_WORDS: Final = (
    "search.embedder=endpoint",
    "search.endpoint_url=http://127.0.0.1:9/v1",
    "search.endpoint_model=none",
)


async def rows(scratch: Path, plan: Plan) -> list[Row]:
    """Rows "search off note", "search on note", "search off post", "search on post"; those with it have a ratio."""
    send = partial(pour, plan=plan, judge=unless_new)
    known = list(corpus.wires(plan.seed, corpus.AUTHORS, feed.POSTS))
    found: list[Row] = []
    with ExitStack() as stack:
        off = stack.enter_context(started(scratch / "unsearched", *PROVISION, *_OFF))
        on = stack.enter_context(started(scratch / "searched-too", *PROVISION, *_WORDS))
        for relay in (off, on):
            await pour(relay, known, plan, refusal)  # makes the authors' identities
        for unit, series in (("note", feed.NOTES), ("post", feed.POSTS)):
            wires = list(corpus.wires(WRITTEN_SEED + plan.seed, plan.feed_written, series))
            base, other = (
                Work(f"search {name} {unit}", unit, one, wires, send) for name, one in (("off", off), ("on", on))
            )
            found += await beside(base, other)
    return found
