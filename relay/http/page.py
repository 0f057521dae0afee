"""`/` for people: the feed, a post with its comments, and pieces of these to keep an open page fresh.

A page is whole without scripts. With them, the browser hears over the WebSocket which items have changed and asks for those
as `pieces`, made by the same templates: what is shown live and what is shown on loading cannot differ.
"""

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, Literal, TypeVar

from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from relay.http import badges, mentions, origin, templates
from relay.http.api import common, link_cards, rates
from relay.http.hub import GivenHub, RunningRelay
from relay.http.mentions import NO_QUOTES, Quotes
from relay.http.problems import HttpProblem
from relay.protocol import topics
from relay.protocol.event import parse
from relay.server.pools import Pool, PoolFull
from storage.base import StorageError
from storage.feed import FEED_OFF, CommentRow, Page, PostRow

PAGE: Final = 25
COMMENTS: Final = 50  # on a page, beside their replies
PIECES: Final = 100
AT_ONCE: Final = 10  # of them are read and rendered: their texts may be large
T = TypeVar("T")
Sort = Literal["hot", "new", "top", "rising"]
CommentSort = Literal["top", "new", "old"]
SORTS: Final[dict[Sort, str]] = {"hot": "Hot", "new": "New", "top": "Top", "rising": "Rising"}
COMMENT_SORTS: Final[dict[CommentSort, str]] = {"top": "Best", "new": "Newest", "old": "Oldest"}
CLOSED: Final = "What is written here is shown to those who have a name here."
UNREADABLE: Final = "The feed cannot be read just now. Try again in a moment."
_ID: Final = re.compile(r"[0-9a-f]{64}")

_log = logging.getLogger(__name__)


@get("/")
async def feed(
    request: common.AnyRequest, hub: GivenHub, sort: FromQuery[Sort] = "hot", cursor: FromQuery[str] = ""
) -> Response[str]:
    """The feed. It is whole even while the store fails: then it says so in the place of the posts."""
    found, trouble = await posts(request, hub, sort, cursor)
    return await render(
        request,
        hub,
        "feed.html",
        rows=found.rows,
        more=found.next_cursor,
        trouble=trouble,
        sort=sort,
        sorts=SORTS,
        beginning=not cursor,
        texts=excerpted(found),
    )


@get("/post/{post_id:str}")
async def post(  # noqa: PLR0917, each is given by its name
    request: common.AnyRequest,
    hub: GivenHub,
    post_id: FromPath[str],
    sort: FromQuery[CommentSort] = "top",
    cursor: FromQuery[str] = "",
    parent: FromQuery[str] = "",
) -> Response[Any]:
    """A post and its comments, or of these only the replies to `parent`; a comment's id leads to its post."""
    pace(request, hub)
    if not _ID.fullmatch(post_id) or await is_closed(request, hub):
        raise NotFoundException
    now = int(time.time())
    reader = reader_id(request)
    found = await hub.feed.posts_by_id([post_id], now, viewer=reader)
    if not found:
        of = await hub.feed.comments_by_id([post_id], now)
        if not of:
            raise NotFoundException
        return Redirect(f"/post/{of[0].post_id}#c-{post_id}", status_code=302)
    above = await _thread(hub, post_id, parent, now, reader)
    comments = await hub.feed.comments(
        post_id, sort, COMMENTS, now, cursor=cursor, viewer=reader, parent=parent or None
    )
    shown = flat([*above, *comments.rows])
    return await render(
        request,
        hub,
        "post.html",
        post=found[0],
        preview=await link_cards.card_of(hub, found[0]),
        above=above,
        comments=shown,
        more=comments.next_cursor,
        sort=sort,
        sorts=COMMENT_SORTS,
        parent=parent,
        badges=await badges.of_post(hub, found[0]),
        tags=tags_of(found[0]),
        texts=[found[0].content, *(row.content for row in shown)],
        quotes=mentions.quotes([*found, *shown]),
    )


async def _thread(hub: RunningRelay, post_id: str, parent: str, now: int, reader: str | None) -> list[CommentRow]:
    """The comment whose replies are asked for, if any. Raises NotFoundException when it is not on this post."""
    if not parent:
        return []
    found = await hub.feed.comments_by_id([parent], now, viewer=reader) if _ID.fullmatch(parent) else []
    if not found or found[0].post_id != post_id:
        raise NotFoundException
    return found


@get("/pieces")
async def pieces(
    request: common.AnyRequest,
    hub: GivenHub,
    ids: FromQuery[str],
    whole: FromQuery[str] = "",
    topic: FromQuery[str] = "",
) -> Response[str]:
    """Those of these posts and comments (ids with commas, PIECES at most) that are here, as the pages show them.

    The post `whole` comes as on its own page, the others as in a list; with `topic` only posts about it. Raises
    NotFoundException where readers are asked who they are.
    """
    pace(request, hub)
    wanted = [each for each in ids[: PIECES * 65].split(",") if _ID.fullmatch(each)][:PIECES]
    if await is_closed(request, hub):
        raise NotFoundException
    parts = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
    made = [await _made(request, hub, part, whole, topic) for part in parts]
    return unkept(hub, templates.answer("".join(made)))


async def _made(request: common.AnyRequest, hub: RunningRelay, wanted: list[str], whole: str, topic: str) -> str:
    now, reader = int(time.time()), reader_id(request)
    rows = await hub.feed.posts_by_id(wanted, now, viewer=reader)
    rest = set(wanted) - {row.id for row in rows}
    rows = [row for row in rows if not topic or topic in topics_of(row)]
    comments = await hub.feed.comments_by_id(sorted(rest), now, viewer=reader) if rest else []
    apart = await _apart(hub, {row.group_id for row in rows if row.group_id is not None})
    root = (await hub.feed.posts_by_id([whole], now) if comments else [])[:1]
    shown: list[PostRow | CommentRow] = [*rows, *comments]
    meant = await mentions.of(hub, [row.content for row in shown], mentions.quotes(shown))
    make = partial(
        templates.html,
        "pieces.html",
        rows=rows,
        comments=comments,
        whole=whole,
        tags=[tag for row in rows if row.id == whole for tag in tags_of(row)],
        apart=apart,
        mentions=meant,
        now=now,
        badges=await badges.of_post(hub, root[0]) if root else badges.NONE,
    )
    return await in_pool(request, make)


async def _apart(hub: RunningRelay, group_ids: set[str]) -> set[str]:
    """Those of these groups whose posts are in no feed but their own: what arrives from there is not put into the feed."""
    if not group_ids:
        return set()
    found = await hub.identities.group_tables.look(lambda tables: tables.groups_named(sorted(group_ids)))
    return group_ids - {group.id for group in found if not group.hidden and FEED_OFF not in group.extra}


def tags_of(row: PostRow) -> list[str]:
    """The tags among what a post is about, without their `#`."""
    return [topic[1:] for topic in topics_of(row) if topic.startswith("#")]


def topics_of(row: PostRow) -> list[str]:
    """What a post is about (relay.protocol.topics)."""
    return topics.of_post(parse(row.wire) if row.wire else None, row.title, row.content, row.url)


def flat(rows: Sequence[CommentRow]) -> list[CommentRow]:
    """Comments, each followed by its replies; nested as deep as they may be, they are one list here."""
    found = []
    waiting = list(reversed(rows))
    while waiting:
        row = waiting.pop()
        found.append(row)
        waiting += reversed(row.replies)
    return found


async def posts(
    request: common.AnyRequest,
    hub: RunningRelay,
    sort: Sort,
    cursor: str,
    *,
    authors: list[str] | None = None,
    group: str | None = None,
    topic: str | None = None,
) -> tuple[Page[PostRow], str]:
    """A page of posts, of some authors, in a community or about a topic; or none and the reason.

    Raises Reject(invalid) for a wrong cursor.
    """
    pace(request, hub)
    nothing: Page[PostRow] = Page([], None)
    if await is_closed(request, hub):
        return nothing, CLOSED
    try:
        found = await hub.feed.posts(
            sort,
            PAGE,
            int(time.time()),
            cursor=cursor[:500],
            viewer=reader_id(request),
            authors=authors,
            group=group,
            topic=topic,
        )
        return found, ""
    except StorageError as error:
        _log.warning("a page shows no posts: %s", error)
        return nothing, UNREADABLE


def excerpted(found: Page[PostRow]) -> list[str]:
    """Those of a list's texts in whose excerpts something is put: an `@name` reads as it was written."""
    return [row.content for row in found.rows if "nostr:" in row.content]


async def is_closed(request: common.AnyRequest, hub: RunningRelay) -> bool:
    """Whether readers are asked who they are, and this one has no token that is good. Raises HttpProblem 429."""
    if not hub.config.access.auth_to_read:
        return False
    try:
        return await common.authenticate(request, hub) is None
    except HttpProblem as problem:
        if problem.status not in (401, 403):
            raise
        return True


def reader_id(request: common.AnyRequest) -> str | None:
    """Whose own votes a page shows: who that is, is known where readers are asked who they are (`is_closed`)."""
    return common.id_of(common.known(request))


def unkept(hub: RunningRelay, answer: Response[str]) -> Response[str]:
    """The answer, kept by nobody where readers are asked who they are."""
    if hub.config.access.auth_to_read:
        answer.headers["cache-control"] = "no-store"
    return answer


def pace(request: common.AnyRequest, hub: RunningRelay) -> None:
    """A page counts as a request of its address. Raises HttpProblem 429."""
    rates.spend(request, hub, f"address {common.client_address(request, hub)}")


def check_json(request: common.AnyRequest) -> None:
    """For what draws what it is sent: forms of other sites cannot have anything drawn here. Raises HttpProblem 415."""
    if request.content_type[0] != "application/json":
        raise HttpProblem(415, "invalid", "send JSON", "Set `Content-Type: application/json`.")


async def render(
    request: common.AnyRequest,
    hub: RunningRelay,
    template: str,
    *,
    texts: Iterable[str] = (),
    quotes: Quotes = NO_QUOTES,
    **values: Any,
) -> Response[str]:
    """A page with what all of them show. `texts` are those whose mentions become links, `quotes` what its items quote.

    Strangers' Markdown may be slow to render, hence the thread.
    """
    config = hub.config
    stranger = await is_closed(request, hub)
    meant = await mentions.of(hub, texts, quotes)
    url = origin.shown(request, hub)
    make = partial(
        templates.page,
        template,
        relay=config.relay,
        url=url,
        base=origin.base_url(url),
        live=not stranger,
        asks_readers=config.access.auth_to_read,
        stranger=stranger,
        health=hub.health(),
        mentions=meant,
        now=int(time.time()),
        version=hub.version,
        software=hub.software,
        **values,
    )
    return unkept(hub, await in_pool(request, make))


async def in_pool(request: common.AnyRequest, make: Callable[[], T]) -> T:
    """What `make` renders, beside the loop. Raises HttpProblem 503 while too many pages wait."""
    renderers: Pool = request.app.state.renderers
    try:
        return await renderers.run(make)
    except PoolFull:
        raise HttpProblem(
            503,
            "busy",
            "too many pages are being made just now",
            "Load it again in a moment.",
            headers={"retry-after": "1"},
        ) from None
