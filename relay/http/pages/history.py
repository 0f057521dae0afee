"""What a post, a comment, a message or an article said before, for people: version by version, and what changed.

Each version is a signed event of its own. Rule: what comparing may cost is bounded: texts of more than MAX_LINES lines are not
compared line by line, and of many versions only the newest are shown.
"""

import difflib
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from relay.api_types import TextVersion
from relay.http.api import common, editing, group_access, group_messages, group_texts, knowledge
from relay.http.api.editing import Row
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import articles, page
from relay.protocol import kinds
from storage.base import PUBLIC
from storage.feed import PostRow

SHOWN: Final = 20  # versions on the page, the newest ones
MAX_LINES: Final = 100  # of a text that is compared line by line
AROUND: Final = 2  # lines that stayed, shown beside those that changed
Sign = Literal["same", "gone", "came", "left-out"]


class Line(msgspec.Struct, frozen=True):
    """A line of a comparison; one that is `left-out` stands for several that stayed."""

    sign: Sign
    text: str


class ShownVersion(msgspec.Struct, frozen=True):
    """A version as the page shows it. `lines` is what changed, None for the first and for what is too long to compare."""

    id: str
    created_at: int
    title: str | None
    content: str
    lines: list[Line] | None


@get("/post/{post_id:str}/history")
async def post_history(request: common.AnyRequest, hub: GivenHub, post_id: FromPath[str]) -> Response[str]:
    """What a post said before. Raises NotFoundException."""
    await _check_open(request, hub)
    found = await hub.feed.posts_by_id([_id(post_id)], common.now())
    return await _of_row(request, hub, found)


@get("/comment/{comment_id:str}/history")
async def comment_history(request: common.AnyRequest, hub: GivenHub, comment_id: FromPath[str]) -> Response[str]:
    """What a comment said before. Raises NotFoundException."""
    await _check_open(request, hub)
    found = await hub.feed.comments_by_id([_id(comment_id)], common.now())
    return await _of_row(request, hub, found)


@get("/chat/{group_id:str}/message/{message_id:str}/history")
async def message_history(
    request: common.AnyRequest, hub: GivenHub, group_id: FromPath[str], message_id: FromPath[str]
) -> Response[str]:
    """What a message said before, in a room that everybody reads. Raises NotFoundException."""
    await _check_open(request, hub)
    there = await group_access.seen(hub, group_id, None)
    if there.group.private or there.group.ended:
        raise NotFoundException
    message = await group_messages.find(hub, there, _id(message_id))
    events, more = await group_texts.versions(hub, message, PUBLIC)
    path = quote(there.group.id, safe="")
    return await _page(
        request,
        hub,
        editing.versions(events),
        more=more,
        what="message",
        heading="A message",
        back=f"/chat/{path}#m-{message.id}",
        all=f"/api/v1/groups/{path}/messages/{message.id}/history",
    )


@get("/knowledge/{author:str}/{name:str}/history")
async def article_history(
    request: common.AnyRequest, hub: GivenHub, author: FromPath[str], name: FromPath[str]
) -> Response[str]:
    """What an article said before, as far as that is kept. Raises NotFoundException."""
    await _check_open(request, hub)
    shown = await articles.find(hub, group_access.written(author), group_access.written(name))
    return await _page(
        request,
        hub,
        await knowledge.versions(hub, shown.event),
        what="article",
        heading=shown.title,
        back=shown.path,
        all=f"/api/v1/knowledge/{shown.event.id}/history",
    )


async def _check_open(request: common.AnyRequest, hub: RunningRelay) -> None:
    page.pace(request, hub)
    if await page.is_closed(request, hub):
        raise NotFoundException


def _id(text: str) -> str:
    if not kinds.is_hex(text, 64):
        raise NotFoundException
    return text


async def _of_row(request: common.AnyRequest, hub: RunningRelay, found: Sequence[Row]) -> Response[str]:
    if not found:
        raise NotFoundException
    row = found[0]
    what = "post" if isinstance(row, PostRow) else "comment"
    events, more = await editing.history(hub, row, PUBLIC)
    return await _page(
        request,
        hub,
        editing.versions(events),
        more=more,
        what=what,
        heading=row.title if isinstance(row, PostRow) else "A comment",
        back=f"/post/{row.id}",
        all=f"/api/v1/{what}s/{row.id}/history",
    )


async def _page(
    request: common.AnyRequest, hub: RunningRelay, said: Sequence[TextVersion], *, more: bool = False, **values: Any
) -> Response[str]:
    shown = await page.in_pool(request, partial(compared, said))
    return await page.render(
        request,
        hub,
        "history.html",
        versions=shown[:SHOWN],
        left_out=more or len(shown) > SHOWN,
        texts=[version.content for version in shown[:SHOWN]],
        **values,
    )


def compared(said: Sequence[TextVersion]) -> list[ShownVersion]:
    """The versions, the newest first, each with what changed since the one before; only those that are shown are compared."""
    found = []
    for number, (before, after) in enumerate(pairwise([None, *said])):
        assert after is not None
        lines = None
        if before is not None and number >= len(said) - SHOWN:
            lines = changes(_lines(before.title, before.content), _lines(after.title, after.content))
        event = after.event
        found.append(ShownVersion(event.id, event.created_at, after.title, after.content, lines))
    return found[::-1]


def _lines(title: str | None, content: str) -> list[str]:
    return [*([title] if title is not None else []), *content.splitlines()]


def changes(before: Sequence[str], after: Sequence[str]) -> list[Line] | None:
    """What changed from one text to the other, line by line; None where one of them is too long for that."""
    if max(len(before), len(after)) > MAX_LINES:
        return None
    lines: list[Line] = []
    for tag, start, end, other_start, other_end in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        if tag == "equal":
            lines += _stayed(before[start:end], begins=not lines, ends=end == len(before) and other_end == len(after))
        else:
            lines += [Line("gone", text) for text in before[start:end]]
            lines += [Line("came", text) for text in after[other_start:other_end]]
    return lines


def _stayed(lines: Sequence[str], *, begins: bool, ends: bool) -> Iterator[Line]:
    """Lines that stayed: those beside what changed; the others are left out."""
    head = [] if begins else lines[:AROUND]
    rest = lines[len(head) :]
    tail = [] if ends or not rest else rest[-AROUND:]
    between = rest[: len(rest) - len(tail)]
    yield from (Line("same", text) for text in head)
    if len(between) == 1:
        yield Line("same", between[0])
    elif between:
        yield Line("left-out", f"{len(between)} lines")
    yield from (Line("same", text) for text in tail)
