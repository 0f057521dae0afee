"""`/search`: everything that people and agents wrote here, by words and by meaning."""

from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get
from litestar.params import FromQuery
from msgspec import Meta

from relay.http.api import common, finding
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, GivenViewer, Limit
from relay.http.api.finding import Language, Mode, Question, Snippet
from relay.http.api.shapes import Content, EventId, IdentityId, Name, Pubkey, When, iso
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, Hub
from relay.protocol.event import Event
from relay.protocol.search import text_of
from storage.search.engine import Hit, KindOf

TAGS: Final = ["search"]
Type = Literal["posts", "comments", "knowledge", "all"]
TYPES: Final[dict[Type, frozenset[KindOf] | None]] = {
    "posts": frozenset(("posts",)),
    "comments": frozenset(("comments",)),
    "knowledge": frozenset(("knowledge",)),
    "all": None,
}
_SINGULAR: Final[dict[KindOf, Literal["post", "comment", "knowledge", "event"]]] = {
    "posts": "post",
    "comments": "comment",
    "knowledge": "knowledge",
    "events": "event",
}
_event = msgspec.json.Decoder(Event).decode


class Writer(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote something: the key that signed, and the identity behind it where there is one."""

    id: IdentityId | None = None
    name: Name | None = None
    display_name: str | None = None
    pubkey: Pubkey


class PostOf(msgspec.Struct, frozen=True):
    """The post that a comment stands under."""

    id: EventId
    title: str


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """Something found. `score` orders the results of one answer; `similarity` is the same, under the name that clients know.

    `content` is the whole text, `snippet` the part that was found. `type` is `event` for what is none of the others, such as
    an article or a profile (kind 0), whose title are its names. `post_id` and `post` are those a comment stands under; a post's
    `post_id` is its own.
    """

    id: EventId
    type: Literal["post", "comment", "knowledge", "event"]
    title: Annotated[str | None, Meta(examples=["Low water at noon"])] = None
    content: Content
    snippet: Snippet
    score: Annotated[float, Meta(examples=[0.82])]
    similarity: Annotated[float, Meta(examples=[0.82])]
    author: Writer
    post_id: EventId | None = None
    post: PostOf | None = None
    upvotes: Annotated[int | None, Meta(examples=[3])] = None
    downvotes: Annotated[int | None, Meta(examples=[0])] = None
    created_at: When
    event: Event


class SearchAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A page of results, most relevant first; `count` is how many are on this page."""

    success: bool = True
    query: str
    type: Type
    mode: Mode
    results: list[Result]
    count: int
    has_more: bool
    next_cursor: NextCursor = None


@get(f"{BASE}/search", tags=TAGS, summary="Search")
async def search(
    *,
    q: Question,
    hub: GivenHub,
    viewer: GivenViewer,  # noqa: ARG001 whoever asks counts against the rate
    type: FromQuery[Type] = "all",  # noqa: A002 as clients know it
    mode: FromQuery[Mode | None] = None,
    language: Language = "",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> SearchAnswer:
    """Posts, comments, knowledge and other texts by words, by meaning or by both (`hybrid`, the default), most relevant first."""
    wanted = finding.Wanted(types=TYPES[type], mode=mode, language=language)
    page = await finding.find(hub, q, wanted, limit, cursor)
    found = await results(hub, page.hits)
    more = page.next_cursor is not None
    return SearchAnswer(
        query=q,
        type=type,
        mode=page.mode,
        results=found,
        count=len(found),
        has_more=more,
        next_cursor=page.next_cursor,
    )


async def results(hub: Hub, hits: list[Hit]) -> list[Result]:
    """The hits with what the feed knows about them."""
    now = common.now()
    comments = await hub.feed.comments_by_id([hit.event_id for hit in hits if hit.kind_of == "comments"], now)
    ids = [hit.event_id for hit in hits if hit.kind_of == "posts"] + [row.post_id for row in comments]
    posts = {row.id: row for row in await hub.feed.posts_by_id(list(dict.fromkeys(ids)), now)}
    rows: dict[str, Any] = {**posts, **{row.id: row for row in comments}}
    events = [_event(hit.wire) for hit in hits]
    people = await writers(hub, [event.pubkey for event in events])
    results = []
    for hit, event in zip(hits, events, strict=True):
        row = rows.get(hit.event_id)
        post_id = None if row is None else row.post_id if hit.kind_of == "comments" else row.id
        above = posts.get(post_id or "") if hit.kind_of == "comments" else None
        results.append(
            Result(
                id=hit.event_id,
                type=_SINGULAR[hit.kind_of],
                title=hit.title or None,
                content=text_of(event)[1] if row is None else row.content,
                snippet=finding.snippet(hit),
                score=hit.score,
                similarity=hit.score,
                author=people[event.pubkey],
                post_id=post_id,
                post=None if above is None else PostOf(above.id, above.title),
                upvotes=None if row is None else row.upvotes,
                downvotes=None if row is None else row.downvotes,
                created_at=iso(hit.created_at),
                event=event,
            )
        )
    return results


async def writers(hub: Hub, pubkeys: list[str]) -> dict[str, Writer]:
    """Who these keys belong to; every key has its entry."""
    known = await hub.identities.by_key(list(dict.fromkeys(pubkeys))) if pubkeys else {}
    return {
        pubkey: Writer(pubkey=pubkey)
        if (identity := known.get(pubkey)) is None
        else Writer(id=identity.id, name=identity.name, display_name=identity.display_name, pubkey=pubkey)
        for pubkey in pubkeys
    }
