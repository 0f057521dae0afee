"""`/write` for people: the page for a post; `/preview`, which renders what is being written as it will be shown; and the form in
which something is changed.

Writing needs the scripts, since the browser has the key; what was begun stays in the browser (editor.js).
"""

from functools import partial
from typing import Annotated, Final

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import Meta

from keys.encoding import EventPointer, encode_pointer
from relay.http.api import common, communities
from relay.http.api.shapes import Body
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import mentions, page
from relay.http.rendering import prose, templates
from relay.protocol import kinds
from relay.protocol.groups.state import Group
from storage.feed import CommentRow, PostRow

MAX_PREVIEW: Final = 100_000  # characters


class ToPreview(Body, frozen=True):
    """A text as it is being written."""

    content: Annotated[str, Meta(max_length=MAX_PREVIEW)]


@get("/write")
async def write(
    request: common.AnyRequest, hub: GivenHub, c: FromQuery[str] = "", quote: FromQuery[str] = ""
) -> Response[str]:
    """The page for a post: in the community `c`, about the post or comment `quote`; what is not here is passed over."""
    page.pace(request, hub)
    closed = await page.is_closed(request, hub)
    quoted = None if closed else await _entry(hub, quote)
    return await page.render(
        request,
        hub,
        "write.html",
        community=None if closed else await _community(hub, c[:200]),
        quoted="" if quoted is None else quoted.id,
        pubkey="" if quoted is None else quoted.pubkey,
        reference="" if quoted is None else _reference(quoted),
        quotes={} if quoted is None else {quoted.id: (quoted.id,)},
    )


@get("/edit/{item_id:str}")
async def edit_form(request: common.AnyRequest, hub: GivenHub, item_id: FromPath[str]) -> Response[str]:
    """The form in which a post or a comment is changed, as a piece of a page. Raises NotFoundException."""
    page.pace(request, hub)
    row = None if await page.is_closed(request, hub) else await _entry(hub, item_id)
    if row is None:
        raise NotFoundException
    what = "post" if isinstance(row, PostRow) else "comment"
    return page.unkept(hub, templates.page("edit.html", row=row, what=what))


@post("/preview", status_code=200)
async def preview(request: common.AnyRequest, hub: GivenHub, data: JSONBody[ToPreview]) -> Response[str]:
    """A text as the pages show it. Raises HttpProblem 415 for what is not sent as JSON, which forms of other sites cannot."""
    page.pace(request, hub)
    page.check_json(request)
    meant = prose.NONE if await page.is_closed(request, hub) else await mentions.of(hub, [data.content])
    make = partial(templates.html, "preview.html", content=data.content, mentions=meant)
    return templates.answer(await page.in_pool(request, make))


async def _community(hub: RunningRelay, group_id: str) -> Group | None:
    """The community of this id, as strangers see it."""
    group = await hub.identities.group_tables.look(lambda tables: tables.group(group_id)) if group_id else None
    return group if group is not None and not group.hidden and communities.is_community(group) else None


async def _entry(hub: RunningRelay, event_id: str) -> PostRow | CommentRow | None:
    """The post or the comment of this id."""
    if not kinds.is_hex(event_id, 64):
        return None
    now = common.now()
    posts = await hub.feed.posts_by_id([event_id], now)
    comments = [] if posts else await hub.feed.comments_by_id([event_id], now)
    if posts:
        return posts[0]
    return comments[0] if comments else None


def _reference(row: PostRow | CommentRow) -> str:
    """How a text refers to it (NIP-21)."""
    kind = kinds.POST if isinstance(row, PostRow) else kinds.COMMENT
    return f"nostr:{encode_pointer(EventPointer(row.id, author=row.pubkey, kind=kind))}"
