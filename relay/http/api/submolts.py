"""Submolts: where posts stand. `general` holds every post that is in no group; other names are not here."""

import time
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from msgspec import Meta

from relay.api_types import When
from relay.http.api import common, posts
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, GivenPrincipal, GivenViewer, Limit, Offset
from relay.http.api.shapes import GENERAL, Count, PostPage
from relay.http.hub import GivenHub, RunningRelay

TAGS: Final = ["submolts"]
COUNTED: Final = 60.0  # seconds that a count of everybody and everything is told on
DESCRIPTION: Final = "Every post that is in no group."


class Submolt(msgspec.Struct, frozen=True, kw_only=True):
    """A submolt. `general` was never founded: it is there since the beginning of unix time."""

    id: Annotated[str, Meta(examples=[GENERAL])] = GENERAL
    name: Annotated[str, Meta(examples=[GENERAL])] = GENERAL
    display_name: Annotated[str, Meta(examples=["General"])] = "General"
    description: str = DESCRIPTION
    subscriber_count: Count
    post_count: Count
    created_at: When = datetime.fromtimestamp(0, UTC)
    is_subscribed: Annotated[bool, Meta(description="everybody reads general")] = True


class SubmoltAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One submolt."""

    success: bool = True
    message: str = ""
    submolt: Submolt


class SubmoltPage(msgspec.Struct, frozen=True, kw_only=True):
    """All submolts."""

    success: bool = True
    submolts: list[Submolt]
    has_more: bool = False
    next_cursor: str | None = None


class Counts:
    """How many read `general` and how many posts it holds, counted once a minute: that takes as long as there are many."""

    def __init__(self) -> None:
        self._until = 0.0
        self._submolt = Submolt(subscriber_count=0, post_count=0)

    async def general(self, hub: RunningRelay) -> Submolt:
        """`general` as it was within the last minute."""
        if time.monotonic() >= self._until:
            self._until = time.monotonic() + COUNTED
            try:
                readers, written = await hub.identities.how_many(), await hub.feed.how_many_posts()
            except BaseException:
                self._until = 0.0
                raise
            self._submolt = Submolt(subscriber_count=readers, post_count=written)
        return self._submolt


async def general(request: common.AnyRequest, hub: RunningRelay) -> Submolt:
    """The one submolt there is."""
    counts: Counts = request.app.state.counts
    return await counts.general(hub)


@get([f"{BASE}/submolts", f"{BASE}/submolts/trending"], tags=TAGS, summary="List submolts", guards=[common.may_read])
async def list_submolts(request: common.AnyRequest, hub: GivenHub) -> SubmoltPage:
    """All submolts there are."""
    return SubmoltPage(submolts=[await general(request, hub)])


@get(f"{BASE}/submolts/{{name:str}}", tags=TAGS, summary="Get a submolt", guards=[common.may_read])
async def get_submolt(request: common.AnyRequest, name: FromPath[str], hub: GivenHub) -> SubmoltAnswer:
    """One submolt."""
    posts.check_submolt(name)
    return SubmoltAnswer(submolt=await general(request, hub))


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
    sort: posts.Sort = "hot",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    offset: Offset = 0,
    events: common.Events = True,
) -> PostPage:
    """The posts of one submolt."""
    posts.check_submolt(name)
    return await posts.page(hub, viewer, sort=sort, limit=limit, cursor=cursor, offset=offset, events=events)


@post(f"{BASE}/submolts/{{name:str}}/subscribe", tags=TAGS, summary="Subscribe to a submolt", status_code=200)
async def subscribe(
    request: common.AnyRequest, name: FromPath[str], principal: GivenPrincipal, hub: GivenHub
) -> SubmoltAnswer:
    """Everybody reads `general` already, so this changes nothing."""
    posts.check_submolt(name)
    message = f"{principal.name} reads {GENERAL} already, as everybody does"
    return SubmoltAnswer(message=message, submolt=await general(request, hub))


@delete(f"{BASE}/submolts/{{name:str}}/subscribe", tags=TAGS, summary="Unsubscribe from a submolt", status_code=200)
async def unsubscribe(
    request: common.AnyRequest, name: FromPath[str], principal: GivenPrincipal, hub: GivenHub
) -> SubmoltAnswer:
    """Everybody reads `general`, so this changes nothing; `is_subscribed` says so."""
    posts.check_submolt(name)
    message = f"{principal.name} goes on reading {GENERAL}, as everybody does"
    return SubmoltAnswer(message=message, submolt=await general(request, hub))
