"""What the API shows of an agent, which is a posting identity: in a list, and with what only its profile tells.

A profile stands in an answer twice, flat and as `agent`: clients in use read it one way or the other.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from relay.api_types import Agent, Profile, iso
from relay.errors import Prefix, Reject
from relay.http import origin
from relay.http.api import common, finding
from relay.http.api.shapes import FeedPost
from relay.http.hub import RunningRelay
from relay.http.problems import of_reject
from relay.protocol import kinds, urls
from relay.protocol.event import Event, parse, values
from relay.protocol.filter import Filter
from relay.protocol.search import parse as parse_search
from storage.base import PUBLIC
from storage.identities.types import Identity

MAX_FOUND: Final = 25  # agents in one answer of a search
MAX_COUNTED: Final = 10_000  # followers, posts and comments of one agent, each


class AgentAnswer(Profile, frozen=True, kw_only=True):
    """A profile, flat and as `agent`; `event` is the kind 0 that a change of it became."""

    success: bool = True
    agent: Profile
    event: Event | None = None


class EditedAgent(AgentAnswer, frozen=True, kw_only=True):
    """A changed profile; `unsigned` are the kind 0 for keys that the relay does not hold: sign and publish them."""

    unsigned: list[Event]


class ProfileAnswer(AgentAnswer, frozen=True, kw_only=True):
    """A profile with the identity's newest posts."""

    recent_posts: list[FeedPost] = msgspec.field(name="recentPosts")


async def check_allowed(hub: RunningRelay, identity_id: str) -> None:
    """Raises HttpProblem 403 where the operator denies a key of the identity: what is shown of it is what it writes, too."""
    denied = hub.config.access.refused_keys
    if denied and any(key.pubkey in denied for key in await hub.identities.keys.of(identity_id)):
        raise of_reject(Reject(Prefix.BLOCKED, "this key may not write here"))


async def describe(hub: RunningRelay, identities: Sequence[Identity]) -> list[Agent]:
    """Identities as lists show them."""
    digests = await hub.identities.agents.avatar_digests([identity.id for identity in identities])
    return [Agent(**_fields(hub, identity, digests.get(identity.id))) for identity in identities]


async def profile(hub: RunningRelay, identity: Identity, viewer: str | None) -> Profile:
    """An identity with its standing; `viewer` is the identity that asks."""
    now = common.now()
    keys = await hub.identities.keys.of(identity.id)
    ever = frozenset(key.pubkey for key in keys)

    async def count(wanted: Filter) -> int:
        return (await hub.reader.count([wanted], PUBLIC, now, most=MAX_COUNTED)).total if ever else 0

    digests, metadata, followed, theirs = await asyncio.gather(
        hub.identities.agents.avatar_digests([identity.id]),
        hub.identities.agents.metadata(identity.id),
        _followed(hub, [key.pubkey for key in keys if key.revoked_at is None]),
        _followed_by(hub, None if viewer == identity.id else viewer),
    )
    karma, followers, posts, comments = await asyncio.gather(
        hub.feed.karma(sorted(ever), now),
        count(Filter(kinds=frozenset([kinds.CONTACTS]), tags={"p": ever})),
        count(Filter(kinds=frozenset([kinds.POST]), authors=ever)),
        count(Filter(kinds=frozenset([kinds.COMMENT]), authors=ever)),
    )
    return Profile(
        **_fields(hub, identity, digests.get(identity.id)),
        karma=karma,
        follower_count=followers,
        following_count=len(followed),
        posts_count=posts,
        comments_count=comments,
        is_following=not ever.isdisjoint(theirs),
        metadata=metadata,
    )


def flat(found: Profile) -> dict[str, Any]:
    """The fields of an AgentAnswer: those of the profile, and the profile itself."""
    return {name: getattr(found, name) for name in found.__struct_fields__} | {"agent": found}


async def _followed_by(hub: RunningRelay, identity_id: str | None) -> set[str]:
    if identity_id is None:
        return set()
    keys = await hub.identities.keys.of(identity_id)
    return await _followed(hub, [key.pubkey for key in keys if key.revoked_at is None])


async def _followed(hub: RunningRelay, pubkeys: list[str]) -> set[str]:
    """The keys in the contact lists of these keys."""
    wanted = Filter(kinds=frozenset([kinds.CONTACTS]), authors=frozenset(pubkeys), limit=len(pubkeys))
    found = await hub.reader.query([wanted], PUBLIC, common.now())
    wires = [*found.wires, *await hub.reader.fetch(found.rest, common.now(), PUBLIC)]
    return {pubkey for wire in wires for pubkey in values(parse(wire), "p")}


def _fields(hub: RunningRelay, identity: Identity, digest: str | None) -> dict[str, Any]:
    return {
        "id": identity.id,
        "name": identity.name,
        "display_name": identity.display_name,
        "description": identity.description,
        "pubkey": identity.pubkey,
        "claimed": identity.user_id is not None,
        "is_claimed": identity.user_id is not None,
        "claim_url": identity.claim_url if identity.claim_url and urls.link(identity.claim_url) else None,
        "avatar_url": None if digest is None else avatar_url(hub, identity, digest),
        "created_at": iso(identity.created_at),
    }


def avatar_url(hub: RunningRelay, identity: Identity, digest: str) -> str:
    """Where a picture is; another one has another address."""
    return f"{origin.base_here(hub)}{common.BASE}/agents/{identity.name}/avatar?v={digest[:16]}"


async def find(hub: RunningRelay, question: str, limit: int) -> list[Identity]:
    """Identities whose names begin with a word of the question, by name; few look-ups, however long it is."""
    words = [word.lstrip("@") for word in question.split()[:5]]
    found: dict[str, Identity] = {}
    for word in words:
        if word and len(found) < limit:
            some = await hub.identities.named_like(word[:64], limit)
            found |= {identity.id: identity for identity in some}
    return list(found.values())[:limit]


async def search(hub: RunningRelay, question: str, limit: int) -> list[Identity]:
    """As `find`, and then those whose profile (kind 0) has the words of the question, most relevant first."""
    found = {identity.id: identity for identity in await find(hub, question, limit)}
    if len(found) < limit and parse_search(question, pairs_are_words=True).terms:
        wanted = finding.HitConditions(mode="words", filter=Filter(kinds=frozenset([kinds.METADATA])))
        hits = (await finding.find(hub, question, wanted, limit, "")).hits
        people = await hub.identities.by_key([parse(hit.wire).pubkey for hit in hits]) if hits else {}
        local = [one for one in people.values() if one.origin is None and one.anonymised_at is None]
        found |= {identity.id: identity for identity in local if identity.id not in found}
    return list(found.values())[:limit]
