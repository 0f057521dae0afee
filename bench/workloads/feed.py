"""The feed at its full size: pages at the top and deep down, what a post costs beside a note, what the next vote costs
beside the first.

The directory is filled through the relay's own doors: each author's first post and each voter's first vote over the WebSocket by a
relay that provisions identities, all other posts by `tidings import`. What is measured is a relay with default settings over it,
but for search, which has rows of its own (`searched`).
"""

import time
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec

from bench import corpus, feed, seeded
from bench.client import Trouble
from bench.figures import FigureRow
from bench.plan import BenchPlan
from bench.process import CpuMeter, Subject, command, run, started
from bench.workloads.api import timed
from bench.workloads.beside import BesideWork, beside
from bench.workloads.ingest import drip, pour, refusal, unless_new

PAGE: Final = 25  # posts
DEPTH: Final = 1000  # pages
_FIRSTS: Final = 10  # different pages that are read in turn
_LOVED, _MET, _NEW = 0, 1, 2  # posts: with all the votes, with the votes by which the voters are known, with none
WRITTEN_SEED: Final = 1_000_000  # far from any seed a person chooses
UNSEARCHED: Final = ("search.kinds=", "search.knowledge_kinds=")
PROVISION: Final = ("identities.unbound=provision", "identities.provisions_per_hour=0")


async def fill(data: Path, plan: BenchPlan) -> None:
    """Fill the directory unless it is filled already. Raises Trouble when it holds anything else."""
    posts = corpus.files(plan.seed, plan.feed_posts, feed.POSTS)
    votes = list(corpus.wires(plan.seed, -(-plan.feed_votes // corpus.CHUNK) * corpus.CHUNK, feed.votes(_LOVED)))
    holding = seeded.Holding(plan.seed, posts=len(posts) * corpus.CHUNK, votes=len(votes))
    if seeded.is_filled(data, holding):
        return
    with started(data, *PROVISION, *UNSEARCHED) as subject:
        await pour(subject, list(corpus.wires(plan.seed, corpus.AUTHORS, feed.POSTS)), plan, refusal)
        await pour(subject, votes, plan, refusal)
        await pour(subject, _next_votes(plan, _MET, corpus.CHUNK), plan, refusal)
    settings = [word for setting in UNSEARCHED for word in ("--set", setting)]
    run(
        command("import", "--restart", "--data", str(data), *settings, *map(str, posts)),
        data.with_name(f"{data.name}.import"),
    )
    seeded.note(data, holding)


def _next_votes(plan: BenchPlan, post: int, voters: int) -> list[bytes]:
    """Votes on a post by those who come after the ones that voted for the loved one."""
    after = -(-plan.feed_votes // corpus.CHUNK)
    (path,) = corpus.files_of(feed.votes(post), plan.seed, [after])
    return path.read_bytes().splitlines()[:voters]


def _next_reactions(plan: BenchPlan, voters: int) -> list[bytes]:
    """Reactions by the same voters to a note, which are like votes but for their target."""
    after = -(-plan.feed_votes // corpus.CHUNK)
    (path,) = corpus.files_of(feed.REACTIONS, plan.seed, [after])
    return path.read_bytes().splitlines()[:voters]


async def rows(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """Rows "feed hot page", "feed hot page 1000", "feed note", "feed post", "feed reaction", "feed first vote", "feed vote", and
    one at a time."""
    seed = WRITTEN_SEED + plan.seed
    many_at_once = partial(pour, plan=plan, judge=unless_new)
    many, voters, singles = plan.feed_written, plan.feed_voters, plan.feed_singles
    half = voters // 2
    posts = list(corpus.wires(seed, many, feed.POSTS))
    notes = list(corpus.wires(seed, many + singles, feed.NOTES))
    first, votes = (_next_votes(plan, post, voters + singles) for post in (_NEW, _LOVED))
    reactions = _next_reactions(plan, voters)
    return [
        *await _pages(subject, plan),
        *await beside(
            BesideWork("feed note", "note", subject, notes[:many], many_at_once),
            BesideWork("feed post", "post", subject, posts, many_at_once),
        ),
        *await beside(
            BesideWork("feed reaction", "reaction", subject, reactions[:half], many_at_once),
            BesideWork("feed first vote", "vote", subject, first[:half], many_at_once),
        ),
        *await beside(
            BesideWork("feed next vote", "vote", subject, first[half:voters], many_at_once),
            BesideWork("feed vote", "vote", subject, votes[half:voters], many_at_once),
        ),
        *await beside(
            BesideWork("feed note one at a time", "note", subject, notes[many:], drip),
            BesideWork("feed vote one at a time", "vote", subject, votes[voters:], drip),
        ),
    ]


def deepest(posts: int) -> int:
    """The page from which on the deep ones are read: DEPTH, or almost the last in a smaller feed."""
    return min(DEPTH, posts // PAGE - 2 * _FIRSTS)


async def _pages(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """The first pages, and the deepest."""
    depth = deepest(plan.feed_posts)
    base = f"http://{urlsplit(subject.url).netloc}/api/v1/"
    async with httpx.AsyncClient(base_url=base, timeout=60) as client:
        cursors = [""]
        while len(cursors) < depth + _FIRSTS:
            cursors.append(await _page(client, cursors[-1]))
        result = []
        for name, some in (("feed hot page", cursors[:_FIRSTS]), ("feed hot page 1000", cursors[-_FIRSTS:])):
            times = []
            meter = CpuMeter(subject)
            for number in range(plan.feed_pages):
                begin = time.perf_counter()
                await _page(client, some[number % _FIRSTS])
                times.append(time.perf_counter() - begin)
            result.append(timed(name, "page", meter, times))
    return result


class _Found(msgspec.Struct):
    posts: list[msgspec.Raw]
    next_cursor: str | None = None


async def _page(client: httpx.AsyncClient, cursor: str) -> str:
    """Read one page; where the next one starts. Raises Trouble unless it is full and not the last."""
    answer = await client.get("posts", params={"sort": "hot", "limit": PAGE, "cursor": cursor})
    if answer.status_code != 200:
        raise Trouble(f"a page of the feed was answered {answer.status_code}: {answer.text[:300]}")
    found = msgspec.json.decode(answer.content, type=_Found)
    if len(found.posts) < PAGE or found.next_cursor is None:
        raise Trouble(f"a page of the feed held {len(found.posts)} posts, and no more were to come")
    return found.next_cursor
