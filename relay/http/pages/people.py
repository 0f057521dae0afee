"""`/u/<name>` for people: an identity with its posts, its comments, its documents, what is to be known of it, and its followers.

Each is a page of its own address that is whole without scripts; following, muting and editing need them.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, FromQuery

from keys.encoding import encode
from relay.api_types import Writer
from relay.http.api import common, follows, knowledge, paging, profiles, publishing
from relay.http.hub import GivenHub, RunningRelay
from relay.http.pages import badges, mentions, page
from relay.http.pages.page import PAGE, SORTS, Sort
from relay.http.rendering import prose
from relay.protocol import kinds
from relay.protocol.event import first_value
from relay.protocol.filter import Filter
from storage.base import PUBLIC
from storage.feed import CommentRow
from storage.identities.types import BoundKey, Identity

TABS: Final = {"": "Posts", "comments": "Comments", "knowledge": "Knowledge", "about": "About"}
PEOPLE: Final = 50  # of a list of followers on a page
_IDENTITY: Final = re.compile(r"[0-9a-f]{32}")


class SaidThere(msgspec.Struct, frozen=True):
    """A comment and the title of the post that it is on."""

    comment: CommentRow
    title: str


class TitledDocument(msgspec.Struct, frozen=True):
    """A document in a list; times are unix seconds."""

    id: str
    title: str
    text: str
    created_at: int


class ShownPerson(msgspec.Struct, frozen=True):
    """Somebody in a list, as they are called; without a name a key that is no identity's here."""

    name: str | None
    shown: str
    id: str


@get("/u/{name:str}")
async def profile(
    request: common.AnyRequest,
    hub: GivenHub,
    name: FromPath[str],
    sort: FromQuery[Sort] = "new",
    cursor: FromQuery[str] = "",
) -> Response[str]:
    """An identity and its posts, by its name or its id. Raises NotFoundException."""
    identity = await named(request, hub, name)
    found, trouble = await page.posts(request, hub, sort, cursor, authors=[identity.id])
    return await _render(
        request,
        hub,
        identity,
        "",
        rows=found.rows,
        more=found.next_cursor,
        trouble=trouble,
        sort=sort,
        sorts={each: words for each, words in SORTS.items() if each in ("new", "top")},
        beginning=not cursor,
        texts=page.excerpted(found),
    )


@get("/u/{name:str}/comments")
async def profile_comments(
    request: common.AnyRequest, hub: GivenHub, name: FromPath[str], cursor: FromQuery[str] = ""
) -> Response[str]:
    """What it commented, newest first. Raises NotFoundException."""
    identity = await named(request, hub, name)
    page.pace(request, hub)
    rows, more = await said(hub, identity, PAGE, cursor)
    texts = [row.comment.content for row in rows]
    quotes = mentions.quotes([row.comment for row in rows])
    return await _render(
        request, hub, identity, "comments", rows=rows, more=more, texts=texts, quotes=quotes, badges=badges.NONE
    )


@get("/u/{name:str}/knowledge")
async def profile_knowledge(
    request: common.AnyRequest, hub: GivenHub, name: FromPath[str], cursor: FromQuery[str] = ""
) -> Response[str]:
    """The documents it shares, newest first. Raises NotFoundException."""
    identity = await named(request, hub, name)
    page.pace(request, hub)
    keys = frozenset(key.pubkey for key in await hub.identities.keys.of(identity.id))
    wanted = Filter(kinds=knowledge.kinds_of(hub), authors=keys, limit=PAGE + 1)
    found = await paging.events(hub, wanted, PUBLIC, paging.place(cursor)) if keys else []
    part, more = paging.cut(found, PAGE)
    rows = [
        TitledDocument(
            event.id,
            first_value(event, "title") or first_value(event, "d") or "",
            event.content,
            event.created_at,
        )
        for event in await knowledge.told(hub, part, PUBLIC)
    ]
    return await _render(request, hub, identity, "knowledge", rows=rows, more=more)


@get("/u/{name:str}/about")
async def profile_about(request: common.AnyRequest, hub: GivenHub, name: FromPath[str]) -> Response[str]:
    """What is to be known of it: its own words, since when it is here, whose it is, its keys. Raises NotFoundException."""
    identity = await named(request, hub, name)
    page.pace(request, hub)
    return await _render(request, hub, identity, "about", rows=[], more=None)


@get("/u/{name:str}/followers")
async def profile_followers(
    request: common.AnyRequest, hub: GivenHub, name: FromPath[str], cursor: FromQuery[str] = ""
) -> Response[str]:
    """Who follows it. Raises NotFoundException."""
    identity = await named(request, hub, name)
    page.pace(request, hub)
    found = await follows.followers(hub, identity, PEOPLE, cursor)
    rows = [_person(one) for one in found.people]
    return await _render(request, hub, identity, "followers", rows=rows, more=found.next_cursor)


@get("/u/{name:str}/following")
async def profile_following(
    request: common.AnyRequest, hub: GivenHub, name: FromPath[str], cursor: FromQuery[str] = ""
) -> Response[str]:
    """Whom it follows. Raises NotFoundException."""
    identity = await named(request, hub, name)
    page.pace(request, hub)
    found = await follows.following(hub, identity, PEOPLE, cursor)
    rows = [_person(one) for one in found.people]
    return await _render(request, hub, identity, "following", rows=rows, more=found.next_cursor)


async def said(
    hub: RunningRelay, identity: Identity, most: int, cursor: str = ""
) -> tuple[list[SaidThere], str | None]:
    """At most so many of its comments, the newest first, and where they go on. Raises HttpProblem 400 for a wrong cursor."""
    now = int(time.time())
    keys = await publishing.keys_of(hub, identity.id)
    wanted = Filter(kinds=frozenset([kinds.COMMENT]), authors=keys, limit=most + 1)
    found = await paging.events(hub, wanted, PUBLIC, paging.place(cursor)) if keys else []
    part, following = paging.cut(found, most)
    comments = {row.id: row for row in await hub.feed.comments_by_id([event.id for event in part], now)} if part else {}
    hidden = await hub.feed.of_hidden([row.seq for row in comments.values()]) if comments else set[int]()
    comments = {row.id: row for row in comments.values() if row.seq not in hidden}
    ids = sorted({row.post_id for row in comments.values()})
    titles = {row.id: row.title for row in await hub.feed.posts_by_id(ids, now)} if ids else {}
    rows = [
        SaidThere(row, titles[row.post_id])
        for event in part
        if (row := comments.get(event.id)) is not None and row.post_id in titles
    ]
    return rows, following


def path_of(identity: Identity) -> str:
    """Where its page is: only who is at home here has it by name."""
    return f"/u/{prose.segment(identity.name if identity.origin is None else identity.id)}"


async def named(request: common.AnyRequest, hub: RunningRelay, name: str) -> Identity:
    """The identity with this name or id. Raises NotFoundException."""
    if await page.is_closed(request, hub):
        raise NotFoundException
    identity = await hub.identities.profile(name[:64])
    if identity is None and _IDENTITY.fullmatch(name):
        identity = (await hub.identities.by_id([name])).get(name)
    if identity is None:
        raise NotFoundException
    return identity


async def _render(
    request: common.AnyRequest,
    hub: RunningRelay,
    identity: Identity,
    tab: str,
    *,
    texts: Sequence[str] = (),
    **values: Any,
) -> Response[str]:
    keys, shown, avatars = await asyncio.gather(
        hub.identities.keys.of(identity.id),
        profiles.profile(hub, identity, None),
        hub.identities.agents.avatar_digests([identity.id]),
    )
    digest = avatars.get(identity.id)
    segment = identity.name if identity.origin is None else identity.id
    return await page.render(
        request,
        hub,
        "profile.html",
        identity=identity,
        profile=shown,
        segment=segment,
        avatar=None if digest is None else f"/api/v1/agents/{segment}/avatar?v={digest[:16]}",
        keys=_shown_keys(keys, identity),
        tab=tab,
        tabs=TABS,
        texts=[identity.description or "", *texts],
        **values,
    )


def _shown_keys(keys: list[BoundKey], identity: Identity) -> list[tuple[str, BoundKey]]:
    """Its bound keys as npub, the main one first."""
    bound = [key for key in keys if key.revoked_at is None]
    return [(encode("npub", key.pubkey), key) for key in sorted(bound, key=lambda key: key.pubkey != identity.pubkey)]


def _person(one: Writer) -> ShownPerson:
    return ShownPerson(one.name, one.called(), one.id or one.pubkey)
