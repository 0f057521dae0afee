"""What the routes of groups share: which group is meant, who may see and read it, and how an identity acts in one.

Whether a change may be made is decided where all events are (`relay.protocol.groups.decide`); here is only looked at who sees what.
A hidden group is there for its members only, and what a private one holds is read by its members only.
"""

from collections.abc import Sequence
from typing import Annotated, Final
from urllib.parse import unquote_to_bytes

import msgspec
from litestar.params import PathParameter
from msgspec import Meta

from relay.api_types import Pubkey
from relay.errors import Prefix
from relay.http.api import common, publishing
from relay.http.hub import RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found, of_storage
from relay.protocol import kinds
from relay.protocol.event import Draft, Event
from relay.protocol.filter import Filter
from relay.protocol.groups.belonging import UPDATE_PINS
from relay.protocol.groups.state import members
from relay.server.identities.group_tables import GroupStanding
from relay.server.identities.identity_tokens import Principal
from storage.errors import StorageError
from storage.identities.types import Identity

TAGS: Final = ["groups"]
GROUPS: Final = f"{common.BASE}/groups"
GROUP: Final = GROUPS + "/{group_id:str}"
GroupPath = Annotated[str, PathParameter(description="id of a group, percent-encoded where it has other characters")]
GroupId = Annotated[str, Meta(description="id of a group", examples=["tide-watchers"])]
EXAMPLE: Final = "tide-watchers"
MOST_AHEAD: Final = 60  # seconds that what is said may lie ahead of the clock


class GroupActAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Something was done in a group; `event` is the signed event that did it, null where it was so already."""

    success: bool = True
    message: Annotated[str, Meta(examples=["You are a member of tide-watchers"])]
    event: Event | None = None


class WhoBody(msgspec.Struct, frozen=True):
    """Whom something is about: an agent of this hub by its name, or any key."""

    agent: Annotated[str | None, Meta(description="name of an agent", examples=["heron"])] = None
    pubkey: Pubkey | None = None


def written(segment: str) -> str:
    """A segment of a path, as `front` leaves those of groups: percent-encoded, so that an id may have slashes."""
    return unquote_to_bytes(segment.encode("latin-1", "replace")).decode("utf-8", "replace")


async def seen(hub: RunningRelay, segment: str, viewer: Principal | None) -> GroupStanding:
    """The group, as whoever asks stands to it. Raises HttpProblem 404 where there is none that they may know of.

    One of another relay is seen here, too: what would change it is refused (`check_here`).
    """
    return await standing(hub, written(segment), viewer, replicas=True)


async def standing(
    hub: RunningRelay, group_id: str, viewer: Principal | None, what: str = "group", *, replicas: bool = False
) -> GroupStanding:
    """As `seen`, by the id itself, and of this relay only unless `replicas` are wanted."""
    try:
        found = await hub.identities.group_tables.standing(group_id, common.id_of(viewer), replicas=replicas)
    except StorageError as error:
        raise of_storage(error) from None
    if found is None or (found.group.hidden and not found.is_member):
        raise not_found(what)
    return found


def check_here(found: GroupStanding) -> None:
    """Raises HttpProblem 403 for a group of another relay: nobody joins it here or writes in it."""
    if found.group.home:
        place = found.group.home_url or "another relay"
        raise HttpProblem(
            403,
            "elsewhere",
            f"this group is at home at {place}, and only read here",
            f"Join it and write in it there: {place}.",
        )


async def read(hub: RunningRelay, segment: str, viewer: Principal | None) -> GroupStanding:
    """As `seen`, for what the group holds. Raises HttpProblem 401 or 403 where that is for its members only, too."""
    found = await seen(hub, segment, viewer)
    check_reader(found, viewer)
    return found


def check_reader(found: GroupStanding, viewer: Principal | None) -> None:
    """Raises HttpProblem 401 or 403 where what the group holds is for its members only."""
    if not found.group.private or found.is_member:
        return
    if viewer is None:
        raise HttpProblem(
            401,
            "auth_required",
            "this group is for its members",
            "Send `Authorization: Bearer <token>` of a member.",
            headers={"www-authenticate": "Bearer"},
        )
    raise HttpProblem(
        403,
        "restricted",
        "this group is for its members, and you are none",
        "Join it (POST /api/v1/groups/{id}/join), or ask one of its admins to add you.",
    )


async def act(
    hub: RunningRelay,
    principal: Principal,
    there: GroupStanding,
    kind: int,
    tags: list[list[str]],
    *,
    content: str = "",
    by: str | None = None,
    after: int | None = None,
    message: str = "",
) -> GroupActAnswer:
    """Sign and publish something in a group, with the key `by` or the one that is a member.

    Raises HttpProblem: 409 with the unsigned event, else whatever refuses it. `message` is for where the relay says nothing
    of its own. What is so already is no failure, and `event` null then. `after`: the time of what this is to stand behind,
    unless that lies too far ahead.
    """
    check_here(there)
    now = common.now()
    ahead = min(MOST_AHEAD, hub.config.limits.created_at_future or MOST_AHEAD)
    created_at = now if after is None else min(max(now, after + 1), now + ahead)
    draft = Draft(kind, [["h", there.group.id], *tags], content, created_at)
    try:
        event, outcome = await publishing.act_and_hear(hub, principal, draft, by=by or there.key)
    except HttpProblem as problem:
        if problem.code == Prefix.DUPLICATE.value:
            return GroupActAnswer(message=problem.message)
        raise
    said = outcome.message.partition(": ")[2] if outcome.message else ""
    return GroupActAnswer(message=message or said, event=event)


async def change_pins(
    hub: RunningRelay, principal: Principal, there: GroupStanding, event_id: str, *, pinned: bool, message: str
) -> GroupActAnswer:
    """Pin an event above what is pinned, or no more. Of two changes at once both are kept. Raises HttpProblem as `act`."""
    check_here(there)
    wanted = Filter(kinds=frozenset([UPDATE_PINS]), tags={"h": frozenset([there.group.id])}, limit=1)

    async def once() -> Event:
        before = await publishing.newest(hub, wanted, frozenset([members(there.group.id)]))
        now = await standing(hub, there.group.id, principal)
        rest = [[name, value] for name, value in now.group.pins if value != event_id]
        tags = [["h", there.group.id], *([["e", event_id]] if pinned else []), *rest]
        draft = Draft(UPDATE_PINS, tags, "", before.following(common.now()))
        return await publishing.act(hub, principal, draft, by=now.key, expected=before.expected)

    return GroupActAnswer(message=message, event=await publishing.change(f"pins {there.group.id}", once))


async def keys_of(hub: RunningRelay, who: WhoBody, there: GroupStanding) -> tuple[str, str]:
    """The key that is meant, of an agent the one that is in the group already, and how to name it. Raises HttpProblem."""
    if (who.agent is None) == (who.pubkey is None):
        raise invalid("say whom: either agent, a name, or pubkey, 64 hex digits")
    if who.pubkey is not None:
        if not kinds.is_hex(who.pubkey, 64):
            raise invalid("a pubkey has 64 hex digits, in lower case")
        return who.pubkey, who.pubkey
    return await key_of_agent(hub, who.agent or "", there)


async def key_of_agent(hub: RunningRelay, name: str, there: GroupStanding) -> tuple[str, str]:
    """The key of the agent that is in the group, else its main key; and its name. Raises HttpProblem 404."""
    identity = await common.agent_named(hub, name)
    theirs = await hub.identities.group_tables.standing(there.group.id, identity.id)
    pubkey = identity.pubkey if theirs is None or theirs.key is None else theirs.key
    if pubkey is None:
        raise not_found("agent", f"{identity.name} has no key")
    return pubkey, identity.name


def roles_in_words(roles: Sequence[str]) -> str:
    """What somebody with these roles is, in a sentence."""
    return " and ".join(roles) or "a member"


def agent_of(identity: Identity | None) -> str | None:
    """The name of whoever it is, None for keys that are no agent's."""
    return None if identity is None or identity.anonymised_at is not None else identity.name
