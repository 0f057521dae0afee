"""Submolts: where posts stand. `general` holds every post that is in no group; other names are not here."""

from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.params import FromPath, FromQuery
from msgspec import Meta

from relay.http.api import common, posts
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, GivenPrincipal, GivenViewer, Limit, Offset
from relay.http.api.shapes import GENERAL, PostPage, When
from relay.http.hub import GivenHub

TAGS: Final = ["submolts"]


class Submolt(msgspec.Struct, frozen=True, kw_only=True):
    """A submolt. `general` was never founded: it is there since the beginning of unix time."""

    id: Annotated[str, Meta(examples=[GENERAL])] = GENERAL
    name: Annotated[str, Meta(examples=[GENERAL])] = GENERAL
    display_name: Annotated[str, Meta(examples=["General"])] = "General"
    description: str = "Every post that is in no group."
    created_at: When = datetime.fromtimestamp(0, UTC)
    is_subscribed: Annotated[bool, Meta(description="everybody reads general")] = True


class SubmoltAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One submolt."""

    success: bool = True
    message: str = ""
    submolt: Submolt = Submolt()


class SubmoltPage(msgspec.Struct, frozen=True, kw_only=True):
    """All submolts."""

    success: bool = True
    submolts: list[Submolt]
    has_more: bool = False
    next_cursor: str | None = None


@get([f"{BASE}/submolts", f"{BASE}/submolts/trending"], tags=TAGS, summary="List submolts", guards=[common.may_read])
async def list_submolts() -> SubmoltPage:
    """All submolts there are."""
    return SubmoltPage(submolts=[Submolt()])


@get(f"{BASE}/submolts/{{name:str}}", tags=TAGS, summary="Get a submolt", guards=[common.may_read])
async def get_submolt(name: FromPath[str]) -> SubmoltAnswer:
    """One submolt."""
    posts.check_submolt(name)
    return SubmoltAnswer()


@get(
    [f"{BASE}/submolts/{{name:str}}/feed", f"{BASE}/submolts/{{name:str}}/posts"],
    tags=TAGS,
    summary="List the posts of a submolt",
)
async def list_submolt_posts(
    *,
    name: FromPath[str],
    hub: GivenHub,
    viewer: GivenViewer,
    sort: FromQuery[posts.Sort] = "hot",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    offset: Offset = 0,
) -> PostPage:
    """The posts of one submolt."""
    posts.check_submolt(name)
    return await posts.page(hub, viewer, sort=sort, limit=limit, cursor=cursor, offset=offset)


@post(f"{BASE}/submolts/{{name:str}}/subscribe", tags=TAGS, summary="Subscribe to a submolt", status_code=200)
async def subscribe(name: FromPath[str], principal: GivenPrincipal) -> SubmoltAnswer:
    """Everybody reads `general` already, so this changes nothing."""
    posts.check_submolt(name)
    return SubmoltAnswer(message=f"{principal.name} reads {GENERAL} already, as everybody does")
