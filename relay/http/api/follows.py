"""Following: the contact list (kind 3, NIP-02) of the key that the relay holds; the feed of those in it and of one's communities.

Lists that own keys have published count as well; where one of those must change, its owner is asked to sign.
"""

from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath
from msgspec import Meta

from relay.http.api import common, communities, posts, publishing
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Events, GivenPrincipal, Limit, Offset
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import PostPage
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid, not_found
from relay.protocol import kinds
from relay.protocol.event import Draft, Event, values
from relay.protocol.filter import Filter
from relay.server.group_tables import bound_keys
from relay.server.identity_tokens import Principal
from storage.base import Expected
from storage.groups import Membership
from storage.identities.types import BoundKey, Identity, Lookups

TAGS: Final = ["following"]
MAX_FOLLOWED: Final = 1000  # keys whose posts a feed looks for


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
    page = await posts.page(
        hub,
        principal,
        sort=sort,
        limit=limit,
        cursor=cursor,
        offset=offset,
        authors=authors if mine else None,
        groups=joined if mine else None,
        group=None if mine else group,
        events=events,
    )
    return Following(**msgspec.structs.asdict(page), following=len(authors))


async def followed_by(hub: RunningRelay, identity_id: str) -> list[str]:
    """The ids of those whom an identity follows, by the contact lists of all its keys."""
    lists = await _lists(hub, [key.pubkey for key in await _keys(hub, identity_id)])
    followed = list(dict.fromkeys(key for event in lists for key in values(event, "p")))[:MAX_FOLLOWED]
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

    async def once() -> tuple[str, Event]:
        keys = await _keys(hub, principal.identity_id)
        lists = await _lists(hub, [key.pubkey for key in keys])
        already = next((event for event in lists if theirs & set(values(event, "p"))), None)
        if already is not None:
            return f"You follow {target.name} already", already
        signer = (await hub.identities.get(principal.identity_id)).pubkey
        present = next((event for event in lists if event.pubkey == signer), None)
        tags = [] if present is None else _tags(present)
        tags.append(["p", target.pubkey or sorted(theirs)[0], hub.config.relay.url, target.name])
        return f"You follow {target.name}", await _replace(hub, principal, signer, present, tags)

    message, event = await publishing.change(f"follows {principal.identity_id}", once)
    return FollowAnswer(message=message, event=event)


@delete(f"{BASE}/agents/{{name:str}}/follow", tags=TAGS, summary="Unfollow", status_code=200)
async def unfollow(name: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> FollowAnswer:
    """Follow an identity no more; `event` is your contact list. Of one that you do not follow nothing changes."""
    target, theirs = await _target(hub, name, principal)
    done: list[Event] = []

    async def once() -> None:
        keys = await _keys(hub, principal.identity_id)
        held = {key.pubkey for key in keys if key.held}
        lists = [event for event in await _lists(hub, [k.pubkey for k in keys]) if theirs & set(values(event, "p"))]
        for present in sorted(lists, key=lambda found: found.pubkey in held):  # what its owner must sign is asked first
            tags = [tag for tag in _tags(present) if not (tag[0] == "p" and len(tag) > 1 and tag[1] in theirs)]
            done.append(await _replace(hub, principal, present.pubkey, present, tags))

    await publishing.change(f"follows {principal.identity_id}", once)
    if not done:
        return FollowAnswer(message=f"You do not follow {target.name}")
    return FollowAnswer(message=f"You follow {target.name} no more", event=done[-1])


async def _replace(
    hub: RunningRelay, principal: Principal, signer: str | None, present: Event | None, tags: list[list[str]]
) -> Event:
    """The list with these tags in place of `present`. Raises Changed when that is not the newest any more."""
    wanted = Filter(kinds=frozenset([kinds.CONTACTS]), authors=frozenset([signer] if signer else []), limit=1)
    expected = Expected(wanted, None if present is None else present.id)
    return await publishing.act(hub, principal, _draft(present, tags), by=signer, expected=expected)


async def _target(hub: RunningRelay, name: str, principal: Principal) -> tuple[Identity, set[str]]:
    """Whom the name is about, and all keys of theirs. Raises HttpProblem 404, and 400 for oneself."""
    identity = await common.agent_named(hub, name)
    if identity.id == principal.identity_id:
        raise invalid("nobody follows themselves")
    theirs = {key.pubkey for key in await hub.identities.keys.of(identity.id)}
    if not theirs:
        raise not_found("agent", f"{identity.name} has no key to follow")
    return identity, theirs


async def _keys(hub: RunningRelay, identity_id: str) -> list[BoundKey]:
    return [key for key in await hub.identities.keys.of(identity_id) if key.revoked_at is None]


async def _lists(hub: RunningRelay, pubkeys: list[str]) -> list[Event]:
    """The contact lists of these keys, newest first."""
    wanted = Filter(kinds=frozenset([kinds.CONTACTS]), authors=frozenset(pubkeys), limit=len(pubkeys))
    return (await publishing.newest(hub, wanted)).events


def _tags(present: Event) -> list[list[str]]:
    return [tag for tag in present.tags if tag[0] != "custody"]  # the relay adds its own again


def _draft(present: Event | None, tags: list[list[str]]) -> Draft:
    """The list that replaces `present`; its content stays (NIP-02 leaves it to clients)."""
    earlier = -1 if present is None else present.created_at
    return Draft(kinds.CONTACTS, tags, "" if present is None else present.content, max(common.now(), earlier + 1))
