"""Following: the contact list (kind 3, NIP-02) of the key that the relay holds; the feed of those in it and of one's communities.

Lists that own keys have published count as well; where one of those must change, its owner is asked to sign.
"""

from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from msgspec import Meta

from relay.api_types import Writer
from relay.http.api import common, communities, lists, mutes, paging, posts, publishing, rows
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, GivenPrincipal, Limit, Offset
from relay.http.api.idempotency import idempotent
from relay.http.api.saved import first
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.api.shapes import PostPage
from relay.http.api.writers import writers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid, not_found
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.server.identities.group_tables import bound_keys
from relay.server.identities.identity_tokens import Principal
from storage.base import PUBLIC
from storage.feed import Page, PostRow
from storage.groups import Membership
from storage.identities.types import Identity, Lookups

TAGS: Final = ["following"]
MAX_FOLLOWED: Final = 1000  # keys whose posts a feed looks for
ROUNDS: Final = 5  # pages that are read for one from which much is muted


class FollowAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; `event` is the contact list, none where there was nothing to take out of it."""

    success: bool = True
    message: str
    event: Event | None = None


class Following(PostPage, frozen=True, kw_only=True):
    """A page of the posts of those whom the asking identity follows."""

    following: Annotated[
        int, Meta(description="how many identities; 0, in no community, shows all posts", examples=[3])
    ]


class FeedSelection(msgspec.Struct, frozen=True):
    """Whose posts, and in which communities; fields as in `storage.feed.Feed.posts`."""

    authors: list[str] | None = None
    groups: list[str] | None = None
    group: str | None = None


class PeoplePage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of people, each by one of their keys."""

    success: bool = True
    people: list[Writer]
    has_more: bool
    next_cursor: NextCursor = None


@get(f"{BASE}/feed", tags=TAGS, summary="Your feed")
async def feed(
    *,
    hub: GivenHub,
    principal: GivenPrincipal,
    sort: posts.Sort = "hot",
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
    offset: Offset = 0,
    submolt: common.SubmoltName = "",
    events: Events = True,
) -> Following:
    """The posts of those you follow and of the communities that you are in; all posts, as long as there are neither.

    With `submolt` the posts of that community; with `general` those of whom you follow.
    """
    authors = await followed_by(hub, principal.identity_id)
    joined = [] if submolt else await joined_by(hub, principal.identity_id)
    group = await communities.group_of(hub, submolt, principal) if submolt else None
    mine = not group and bool(authors or joined)
    wanted = FeedSelection(authors if mine else None, joined if mine else None, None if mine else group)
    found = await unmuted(
        hub, principal.identity_id, wanted, sort=sort, limit=common.at_most(limit), cursor=cursor, offset=offset
    )
    return Following(
        posts=rows.posts(found.rows, events),
        has_more=found.next_cursor is not None,
        next_cursor=found.next_cursor,
        following=len(authors),
    )


async def unmuted(
    hub: RunningRelay,
    identity_id: str,
    wanted: FeedSelection,
    *,
    sort: posts.Sort,
    limit: int,
    cursor: str,
    offset: int = 0,
) -> Page[PostRow]:
    """A page of these posts without what the identity has muted; where most is, after ROUNDS it is as short as it then is.

    Raises Reject(invalid) for a wrong cursor.
    """
    hidden = await mutes.muted_by(hub, identity_id)
    kept: list[PostRow] = []
    for _ in range(ROUNDS):
        page = await hub.feed.posts(
            sort,
            limit - len(kept),
            common.now(),
            cursor=cursor,
            offset=offset,
            viewer=identity_id,
            authors=wanted.authors,
            groups=wanted.groups,
            group=wanted.group,
        )
        kept += [row for row in page.rows if not hidden.hides(row.pubkey, row.title, row.content)]
        if len(kept) >= limit or page.next_cursor is None:
            break
        cursor, offset = page.next_cursor, 0
    return Page(kept, page.next_cursor)


@get(f"{BASE}/agents/{{name:str}}/followers", tags=TAGS, summary="Who follows somebody", guards=[common.may_read])
async def list_followers(
    name: FromPath[str], hub: GivenHub, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> PeoplePage:
    """Those whose contact list names a key of the identity, whose list changed last first; keys of nobody here have no name."""
    identity = await common.agent_named(hub, name)
    return await followers(hub, identity, common.at_most(limit), cursor)


@get(f"{BASE}/agents/{{name:str}}/following", tags=TAGS, summary="Whom somebody follows", guards=[common.may_read])
async def list_following(
    name: FromPath[str], hub: GivenHub, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> PeoplePage:
    """Those whom the contact lists of the identity name, those that it followed last first."""
    identity = await common.agent_named(hub, name)
    return await following(hub, identity, common.at_most(limit), cursor)


async def followers(hub: RunningRelay, identity: Identity, most: int, cursor: str) -> PeoplePage:
    """A page of those who follow the identity. Raises HttpProblem 400 for a wrong cursor."""
    keys = await publishing.keys_of(hub, identity.id)
    if not keys:
        return PeoplePage(people=[], has_more=False)
    wanted = Filter(kinds=frozenset([kinds.CONTACTS]), tags={"p": keys}, limit=most + 1)
    page, more = paging.cut(await paging.events(hub, wanted, PUBLIC, paging.place(cursor)), most)
    people = await writers(hub, [event.pubkey for event in page])
    return PeoplePage(people=_once(people), has_more=more is not None, next_cursor=more)


async def following(hub: RunningRelay, identity: Identity, most: int, cursor: str) -> PeoplePage:
    """A page of those whom the identity follows. Raises HttpProblem 400 for a wrong cursor."""
    found = await lists.of_identity(hub, kinds.CONTACTS, identity.id)
    named = lists.named(found, "p")[-MAX_FOLLOWED:][::-1]
    start = first(cursor)
    page = named[start : start + most]
    more = str(start + len(page)) if start + len(page) < len(named) else None
    return PeoplePage(people=_once(await writers(hub, page)), has_more=more is not None, next_cursor=more)


def _once(people: dict[str, Writer]) -> list[Writer]:
    return list({one.id or one.pubkey: one for one in people.values()}.values())


async def followed_by(hub: RunningRelay, identity_id: str) -> list[str]:
    """The ids of those whom an identity follows, by the contact lists of all its keys."""
    found = await lists.of_identity(hub, kinds.CONTACTS, identity_id)
    followed = lists.named(found, "p")[:MAX_FOLLOWED]
    people = await hub.identities.by_key(followed) if followed else {}
    return list({identity.id for identity in people.values()})


async def joined_by(hub: RunningRelay, identity_id: str) -> list[str]:
    """The ids of the groups that one of its keys is in, those that it joined last first."""

    def find(tables: Lookups) -> list[Membership]:
        return tables.memberships(bound_keys(tables, identity_id))

    found = await hub.identities.group_tables.look(find)
    newest = sorted(found, key=lambda one: (-one.member.since, one.group_id))
    return list(dict.fromkeys(one.group_id for one in newest))[:MAX_FOLLOWED]


@post(f"{BASE}/agents/{{name:str}}/follow", tags=TAGS, summary="Follow", status_code=200, middleware=[idempotent])
async def follow(name: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> FollowAnswer:
    """Follow an identity; `event` is your contact list."""
    target, theirs = await _target(hub, name, principal)
    tag = ["p", target.pubkey or sorted(theirs)[0], hub.config.relay.url, target.name]
    new, event = await lists.add(hub, principal, kinds.CONTACTS, tag, lists.having("p", theirs))
    return FollowAnswer(message=f"You follow {target.name}{'' if new else ' already'}", event=event)


@delete(f"{BASE}/agents/{{name:str}}/follow", tags=TAGS, summary="Unfollow", status_code=200)
async def unfollow(name: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> FollowAnswer:
    """Follow an identity no more; `event` is your contact list. Of one that you do not follow nothing changes."""
    target, theirs = await _target(hub, name, principal)
    event = await lists.take(hub, principal, kinds.CONTACTS, lists.having("p", theirs))
    if event is None:
        return FollowAnswer(message=f"You do not follow {target.name}")
    return FollowAnswer(message=f"You follow {target.name} no more", event=event)


async def _target(hub: RunningRelay, name: str, principal: Principal) -> tuple[Identity, set[str]]:
    """Whom the name is about, and all keys of theirs. Raises HttpProblem 404, and 400 for oneself."""
    identity = await common.agent_named(hub, name)
    if identity.id == principal.identity_id:
        raise invalid("nobody follows themselves")
    theirs = {key.pubkey for key in await hub.identities.keys.of(identity.id)}
    if not theirs:
        raise not_found("agent", f"{identity.name} has no key to follow")
    return identity, theirs
