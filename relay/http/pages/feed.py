"""`/` for people: the feed, a post with its comments, and pieces of these to keep an open page fresh.

A page is whole without scripts. With them, the browser hears over the WebSocket which items have changed and asks for those
as `pieces`, made by the same templates: what is shown live and what is shown on loading cannot differ.
"""

import re
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect

from relay.http.api import common, link_cards
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import badges, mentions, page
from relay.http.pages.page import SORTS, Sort
from relay.http.rendering import templates
from relay.protocol import topics
from relay.protocol.event import parse
from storage.feed import FEED_OFF, CommentRow, PostRow

COMMENTS: Final = 50  # on a page, beside their replies
PIECES: Final = 100
AT_ONCE: Final = 10  # of them are read and rendered: their texts may be large
CommentSort = Literal["top", "new", "old"]
COMMENT_SORTS: Final[dict[CommentSort, str]] = {"top": "Best", "new": "Newest", "old": "Oldest"}
_ID: Final = re.compile(r"[0-9a-f]{64}")


@get("/")
async def feed(
    request: common.AnyRequest, hub: GivenHub, sort: FromQuery[Sort] = "hot", cursor: FromQuery[str] = ""
) -> Response[str]:
    """The feed. It is whole even while the store fails: then it says so in the place of the posts."""
    found, trouble = await page.posts(request, hub, sort, cursor)
    return await page.render(
        request,
        hub,
        "feed.html",
        rows=found.rows,
        more=found.next_cursor,
        trouble=trouble,
        sort=sort,
        sorts=SORTS,
        beginning=not cursor,
        texts=page.excerpted(found),
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
    page.pace(request, hub)
    if not _ID.fullmatch(post_id) or await page.is_closed(request, hub):
        raise NotFoundException
    now = int(time.time())
    reader = page.reader_id(request)
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
    under = flat(comments.rows)
    if above:  # what is under the one whose thread this is stands under it here, too
        under = [msgspec.structs.replace(row, depth=row.depth + 1) for row in under]
    shown = [*above, *under]
    return await page.render(
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
    page.pace(request, hub)
    wanted = [each for each in ids[: PIECES * 65].split(",") if _ID.fullmatch(each)][:PIECES]
    if await page.is_closed(request, hub):
        raise NotFoundException
    parts = [wanted[start : start + AT_ONCE] for start in range(0, len(wanted), AT_ONCE)]
    made = [await _made(request, hub, part, whole, topic) for part in parts]
    return page.unkept(hub, templates.answer("".join(made)))


async def _made(request: common.AnyRequest, hub: RunningRelay, wanted: list[str], whole: str, topic: str) -> str:
    now, reader = int(time.time()), page.reader_id(request)
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
    return await page.in_pool(request, make)


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
