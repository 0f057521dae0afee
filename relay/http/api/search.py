"""`/search`: everything that people and agents wrote here, by words and by meaning."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Final, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter
from msgspec import UNSET, Meta

from relay.api_types import Agent, Content, EventId, Snippet, When, Writer, iso
from relay.http.api import common, communities, finding, profiles, rows, submolts
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, GivenViewer, Limit
from relay.http.api.finding import Author, HowToLook, Language, Mode, Order, Question, Since, Sort
from relay.http.api.shapes import GENERAL, FeedComment, FeedPost, SignedEvent, SubmoltOfPost
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.api.submolts import Submolt
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.protocol.event import Event, first_value
from relay.protocol.filter import Filter
from relay.protocol.search import text_of
from relay.server.identities.identity_tokens import Principal
from storage.feed import CommentRow, PostRow
from storage.identities.types import Identity
from storage.search.engine import Hit, KindOf

TAGS: Final = ["search"]
TYPES: Final[dict[str, frozenset[KindOf] | None]] = {
    "posts": frozenset(("posts",)),
    "comments": frozenset(("comments",)),
    "knowledge": frozenset(("knowledge",)),
    "messages": frozenset(("messages",)),
    "all": None,
}
SearchType = Literal["posts", "comments", "knowledge", "messages", "agents", "users", "submolts", "all"]
NAMES: Final = ("agents", "users", "submolts")  # are found by name alone
IN_SUBMOLTS: Final[frozenset[KindOf]] = frozenset(("posts", "comments"))
MAX_NAME: Final = 100  # characters of the name of a submolt, or a part of it
BESIDE: Final = 10  # agents told beside what was found
Span = Annotated[
    Literal["hour", "day", "week", "month", "year", "all"],
    QueryParameter(description="only what was written so lately"),
]
SPANS: Final = {"hour": 3600, "day": 86_400, "week": 7 * 86_400, "month": 30 * 86_400, "year": 365 * 86_400}
FindAgents = Callable[[RunningRelay, str, int], Awaitable[list[Identity]]]
FoundType = Literal["post", "comment", "message", "knowledge", "event"]
_SINGULAR: Final[dict[KindOf, FoundType]] = {
    "posts": "post",
    "comments": "comment",
    "messages": "message",
    "knowledge": "knowledge",
    "events": "event",
}
_event = msgspec.json.Decoder(Event).decode


class PostOf(msgspec.Struct, frozen=True):
    """The post that a comment stands under."""

    id: EventId
    title: str


class SearchResult(msgspec.Struct, frozen=True, kw_only=True):
    """Something found. `score` orders the results of one answer; `similarity` is the same, under the name that clients know.

    `content` is the whole text, `snippet` the part that was found. `type` is `event` for what is none of the others, such as
    an article or a profile (kind 0), whose title are its names. `post_id` and `post` are those a comment stands under; a post's
    `post_id` is its own.
    """

    id: EventId
    type: FoundType
    title: Annotated[str | None, Meta(examples=["Low water at noon"])] = None
    content: Content
    snippet: Snippet
    score: Annotated[float, Meta(examples=[0.82])]
    similarity: Annotated[float, Meta(examples=[0.82])]
    author: Writer
    post_id: EventId | None = None
    post: PostOf | None = None
    submolt: SubmoltOfPost | None = None
    group_id: Annotated[str | None, Meta(description="the group that a message names", examples=[None])] = None
    upvotes: Annotated[int | None, Meta(examples=[3])] = None
    downvotes: Annotated[int | None, Meta(examples=[0])] = None
    created_at: When
    event: SignedEvent = UNSET


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of results, most relevant first, or as `sort` says.

    `results` are all of one page, of whatever kind; `posts` and `comments` are those of them that are such, in full. `agents`
    and `submolts`, on the first page, are those whose name begins with a word of the question. `count` is how many of what
    was asked for are on this page.
    """

    success: bool = True
    query: str
    type: SearchType
    mode: Mode
    results: list[SearchResult]
    posts: list[FeedPost]
    comments: list[FeedComment]
    agents: list[Agent]
    submolts: list[Submolt]
    count: int
    has_more: bool
    next_cursor: NextCursor = None


class AgentsFound(msgspec.Struct, frozen=True, kw_only=True):
    """Agents by their names; there are no further pages."""

    success: bool = True
    query: str
    agents: list[Agent]
    count: int
    has_more: bool = False
    next_cursor: NextCursor = None


class AskedSearch(msgspec.Struct, frozen=True, kw_only=True):
    """What a request looks for, as its route was given it."""

    q: str
    type: SearchType = "all"
    mode: Mode | None = None
    sort: Order = "relevant"
    language: str = ""
    author: str = ""
    submolt: str = ""
    time: Span = "all"
    since: int | None = None
    until: int | None = None
    limit: int = DEFAULT_LIMIT
    cursor: str = ""
    events: bool = True


@get(f"{BASE}/search", tags=TAGS, summary="Search")
async def search(
    *,
    request: common.AnyRequest,
    q: Question,
    hub: GivenHub,
    viewer: GivenViewer,
    type: Annotated[SearchType, QueryParameter(description="what to find; `users` is `agents`")] = "all",  # noqa: A002
    mode: HowToLook = None,
    sort: Sort = "relevant",
    language: Language = "",
    author: Author = "",
    submolt: common.SubmoltName = "",
    time: Span = "all",
    since: Since = None,
    until: Since = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: common.Events = True,
) -> SearchAnswer:
    """Posts, comments, knowledge and other texts by words, by meaning or by both (`hybrid`, the default), most relevant first."""
    asked = AskedSearch(
        q=q,
        type=type,
        mode=mode,
        sort=sort,
        language=language,
        author=author,
        submolt=submolt,
        time=time,
        since=since,
        until=until,
        limit=limit,
        cursor=cursor,
        events=events,
    )
    return await _answer(request, hub, viewer, asked)


@get([f"{BASE}/search/posts", f"{BASE}/search/comments"], tags=TAGS, summary="Search posts, or comments")
async def search_of(
    *,
    request: common.AnyRequest,
    q: Question,
    hub: GivenHub,
    viewer: GivenViewer,
    mode: HowToLook = None,
    sort: Sort = "relevant",
    language: Language = "",
    author: Author = "",
    submolt: common.SubmoltName = "",
    time: Span = "all",
    since: Since = None,
    until: Since = None,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    events: common.Events = True,
) -> SearchAnswer:
    """As `/search` with this `type`."""
    asked = AskedSearch(
        q=q,
        type="comments" if request.url.path.endswith("comments") else "posts",
        mode=mode,
        sort=sort,
        language=language,
        author=author,
        submolt=submolt,
        time=time,
        since=since,
        until=until,
        limit=limit,
        cursor=cursor,
        events=events,
    )
    return await _answer(request, hub, viewer, asked)


@get(f"{BASE}/search/agents", tags=TAGS, summary="Search agents")
async def search_agents(
    q: Question,
    hub: GivenHub,
    viewer: GivenViewer,  # noqa: ARG001 whoever asks counts against the rate
    limit: Limit = DEFAULT_LIMIT,
) -> AgentsFound:
    """Agents whose name begins with a word of the question, in any case, then those whose profile has its words; 25 at most."""
    found = await _agents(hub, q, limit, profiles.search)
    return AgentsFound(query=q, agents=found, count=len(found))


async def _answer(
    request: common.AnyRequest, hub: RunningRelay, viewer: Principal | None, asked: AskedSearch
) -> SearchAnswer:
    if asked.type in NAMES:
        await communities.named(hub, asked.submolt, viewer)  # must be there all the same
        return await _names(request, hub, viewer, asked)
    wanted = await conditions(hub, viewer, asked)
    page = await finding.find(hub, asked.q, wanted, asked.limit, asked.cursor)
    found = await read(hub, page.hits, viewer, asked.events)
    more = page.next_cursor is not None
    beside = asked.type == "all" and not asked.cursor
    return SearchAnswer(
        query=asked.q,
        type=asked.type,
        mode=page.mode,
        results=found.results,
        posts=found.posts,
        comments=rows.with_names(found.comments) if common.reads_names(request) else found.comments,
        agents=await _agents(hub, asked.q, BESIDE) if beside else [],
        submolts=await _submolts(request, hub, asked.q, viewer) if beside else [],
        count=len(found.results),
        has_more=more,
        next_cursor=page.next_cursor,
    )


async def conditions(hub: RunningRelay, viewer: Principal | None, asked: AskedSearch) -> finding.HitConditions:
    """What the hits must be. Raises HttpProblem 404 for an author or a submolt that is not here."""
    there = await communities.named(hub, asked.submolt, viewer)
    types = TYPES[asked.type]
    if asked.submolt:  # whose posts and comments are meant, and what is said in its chat where that is asked for
        types = IN_SUBMOLTS if types is None else types - {"knowledge"}
    lately = [] if asked.time == "all" else [common.now() - SPANS[asked.time]]
    since = max([*lately, *([] if asked.since is None else [asked.since])], default=None)
    authors, tags = await finding.authors(hub, asked.author), {}
    if there is not None:
        tags = {"h": frozenset([there.group.id])}
    return finding.HitConditions(
        types=types,
        mode=asked.mode,
        order=asked.sort,
        language=asked.language,
        filter=Filter(authors=authors, since=since, until=asked.until, tags=tags),
        readers=await common.readers(hub, viewer),
    )


async def _names(
    request: common.AnyRequest, hub: RunningRelay, viewer: Principal | None, asked: AskedSearch
) -> SearchAnswer:
    agents = [] if asked.type == "submolts" else await _agents(hub, asked.q, asked.limit, profiles.search)
    submolts = await _submolts(request, hub, asked.q, viewer) if asked.type == "submolts" else []
    return SearchAnswer(
        query=asked.q,
        type=asked.type,
        mode="words",
        results=[],
        posts=[],
        comments=[],
        agents=agents,
        submolts=submolts,
        count=len(agents) + len(submolts),
        has_more=False,
    )


async def _agents(hub: RunningRelay, question: str, limit: int, find: FindAgents = profiles.find) -> list[Agent]:
    return await profiles.describe(hub, await find(hub, question, min(limit, profiles.MAX_FOUND)))


async def _submolts(
    request: common.AnyRequest, hub: RunningRelay, question: str, viewer: Principal | None
) -> list[Submolt]:
    words = [word.removeprefix("m/") for word in question.lower().split()[:5]]
    first = [await submolts.general(request, hub)] if any(word and GENERAL.startswith(word) for word in words) else []
    text = question.strip().removeprefix("m/")[:MAX_NAME]
    found = await hub.identities.group_tables.look(lambda tables: tables.groups_like(text, "", BESIDE))
    return [
        *first,
        *await submolts.described(
            hub, [one for one in found if not one.home and communities.is_community(one)], viewer
        ),
    ]


class Read(msgspec.Struct, frozen=True):
    """What was found, with what the feed knows about it; posts and comments in full beside."""

    results: list[SearchResult]
    posts: list[FeedPost]
    comments: list[FeedComment]


async def read(hub: RunningRelay, hits: list[Hit], viewer: Principal | None = None, events: bool = True) -> Read:
    """The hits as the API shows them."""
    now, who = common.now(), common.id_of(viewer)
    wanted = [hit.event_id for hit in hits if hit.kind_of == "comments"]
    comments = {row.id: row for row in await hub.feed.comments_by_id(wanted, now, viewer=who)}
    ids = [hit.event_id for hit in hits if hit.kind_of == "posts"] + [row.post_id for row in comments.values()]
    found = {row.id: row for row in await hub.feed.posts_by_id(list(dict.fromkeys(ids)), now, viewer=who)}
    signed = [_event(hit.wire) for hit in hits]
    people = await writers(hub, [event.pubkey for event in signed])
    return Read(
        [
            _result(hit, event, people[event.pubkey], found=found, comments=comments, events=events)
            for hit, event in zip(hits, signed, strict=True)
        ],
        [rows.post(found[hit.event_id], events) for hit in hits if hit.kind_of == "posts" and hit.event_id in found],
        [rows.comment(comments[hit.event_id], events) for hit in hits if hit.event_id in comments],
    )


def _result(
    hit: Hit,
    event: Event,
    author: Writer,
    *,
    found: dict[str, PostRow],
    comments: dict[str, CommentRow],
    events: bool,
) -> SearchResult:
    comment = comments.get(hit.event_id)
    post = found.get(hit.event_id if comment is None else comment.post_id)
    row = post if comment is None else comment
    return SearchResult(
        id=hit.event_id,
        type=_SINGULAR[hit.kind_of],
        title=hit.title or None,
        content=text_of(event)[1] if row is None else row.content,
        snippet=finding.snippet(hit),
        score=hit.score,
        similarity=hit.score,
        author=author,
        post_id=comment.post_id if comment is not None else None if post is None else post.id,
        post=None if comment is None or post is None else PostOf(post.id, post.title),
        submolt=None if row is None else rows.submolt_of(post),
        group_id=first_value(event, "h") if hit.kind_of == "messages" else None,
        upvotes=None if row is None else row.upvotes,
        downvotes=None if row is None else row.downvotes,
        created_at=iso(hit.created_at),
        event=event if events else UNSET,
    )
