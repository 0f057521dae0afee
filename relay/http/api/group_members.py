"""Who is in a group and what they may do there: its members, their roles, the codes that open it, and what is pinned."""

import secrets
from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import JSONBody, PathParameter
from msgspec import Meta

from relay.api_types import EventId, Name, Pubkey, When, iso
from relay.http.api import common, group_access, paging
from relay.http.api.common import DEFAULT_LIMIT, Cursor, GivenPrincipal, GivenViewer, Limit
from relay.http.api.group_access import GROUP, TAGS, GroupActAnswer, GroupPath, WhoBody
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import Body
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import kinds
from relay.protocol.event import expiration, first_value, parse, values
from relay.protocol.filter import Filter
from relay.protocol.groups.belonging import CREATE_INVITE, PUT_USER, REMOVE_USER
from relay.protocol.groups.fold import REVOKED, UNLIMITED, USES, hash_of
from relay.protocol.groups.joining import NO_SUCH_CODE
from relay.protocol.groups.state import Member
from storage.base import Limits
from storage.identities.types import Identity, Lookups

CODE_BYTES: Final = 16
MOST_INVITES: Final = 200  # events that made codes, looked at
DAY: Final = 86_400
MemberPath = Annotated[str, PathParameter(description="name of an agent, or a public key of 64 hex digits")]
CodePath = Annotated[str, PathParameter(description="an invite code, percent-encoded")]
PinPath = Annotated[str, PathParameter(description="id of a pinned event, 64 hex digits")]


class MemberInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a group: its key, and the agent whose key it is where it is one's."""

    pubkey: Pubkey
    agent: Name | None
    roles: Annotated[list[str], Meta(description="owner, admin, moderator, or labels", examples=[["moderator"]])]
    since: When


class MemberPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of members, those that came last first."""

    success: bool = True
    members: list[MemberInfo]
    has_more: bool
    next_cursor: NextCursor = None


class PutMemberBody(Body, WhoBody, frozen=True):
    """Somebody to take in, or whose roles to set: these and no others."""

    roles: Annotated[list[str], Meta(examples=[["moderator"]])] = msgspec.field(default_factory=list)


class InviteInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A code that opens a group. `uses_left` null is without bound."""

    code: Annotated[str, Meta(examples=["9f2c41d07be3a85e"])]
    by: Pubkey
    uses_left: Annotated[int | None, Meta(examples=[1])]
    expires_at: When | None


class InviteAnswer(GroupActAnswer, frozen=True, kw_only=True):
    """A code that was made; `code` is that of `invite`, as routes of organizations, projects and threads have it too."""

    code: Annotated[str, Meta(examples=["9f2c41d07be3a85e"])]
    invite: InviteInfo


class InvitePage(msgspec.Struct, frozen=True, kw_only=True):
    """The codes that may still be used, the newest first."""

    success: bool = True
    invites: list[InviteInfo]


class NewInvite(Body, frozen=True):
    """A code to make: good for so many `uses`, null for any number, and so many `days`, null for ever."""

    uses: Annotated[int | None, Meta(examples=[1])] = 1
    days: Annotated[float | None, Meta(examples=[7])] = None
    code: Annotated[str | None, Meta(description="one of your own; without it a random one is made")] = None
    agent: Annotated[str | None, Meta(description="whom it is for: they are notified of it", examples=["heron"])] = None


class PinList(msgspec.Struct, frozen=True, kw_only=True):
    """What is pinned in a group, in its order."""

    success: bool = True
    pins: list[EventId]


class NewPin(Body, frozen=True):
    """What to pin, above the others."""

    id: EventId


# members


@get(f"{GROUP}/members", tags=TAGS, summary="List the members of a group")
async def list_members(
    *,
    group_id: GroupPath,
    hub: GivenHub,
    viewer: GivenViewer,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> MemberPage:
    """Members, those that came last first; of a private group for its members only."""
    there = await group_access.read(hub, group_id, viewer)
    if cursor and not kinds.is_hex(cursor, 64):
        raise invalid(paging.WRONG_CURSOR)
    most = common.at_most(limit)

    def find(tables: Lookups) -> tuple[list[tuple[str, Member]], dict[str, Identity]]:
        found = tables.members_of(there.group.id, cursor, most + 1)
        return found, tables.identities_of_keys([pubkey for pubkey, _ in found])

    found, people = await hub.identities.group_tables.look(find)
    page, more = found[:most], len(found) > most
    return MemberPage(
        members=[described(*one, people) for one in page],
        has_more=more,
        next_cursor=page[-1][0] if more else None,
    )


def described(pubkey: str, member: Member, people: dict[str, Identity]) -> MemberInfo:
    """A member as the API shows it."""
    agent = group_access.agent_of(people.get(pubkey))
    return MemberInfo(pubkey=pubkey, agent=agent, roles=list(member.roles), since=iso(member.since))


@post(f"{GROUP}/members", tags=TAGS, summary="Add a member", status_code=200, middleware=[idempotent])
async def put_member(
    group_id: GroupPath, data: JSONBody[PutMemberBody], principal: GivenPrincipal, hub: GivenHub
) -> GroupActAnswer:
    """Take somebody in, or set the roles of a member; each gives only roles below its own, and owners any."""
    there = await group_access.seen(hub, group_id, principal)
    pubkey, name = await group_access.keys_of(hub, data, there)
    tags = [["p", pubkey, *data.roles]]
    return await group_access.act(
        hub, principal, there, PUT_USER, tags, message=f"{name} is {group_access.roles_in_words(data.roles)}"
    )


@delete(f"{GROUP}/members/{{member:str}}", tags=TAGS, summary="Remove a member", status_code=200)
async def remove_member(
    group_id: GroupPath, member: MemberPath, principal: GivenPrincipal, hub: GivenHub
) -> GroupActAnswer:
    """Remove a member of a lower rank, who comes back by an invite or an admin only."""
    there = await group_access.seen(hub, group_id, principal)
    named = group_access.written(member)
    pubkey, name = (named, named)
    if not kinds.is_hex(named, 64):
        pubkey, name = await group_access.key_of_agent(hub, named, there)
    return await group_access.act(hub, principal, there, REMOVE_USER, [["p", pubkey]], message=f"{name} was removed")


# invites


@get(f"{GROUP}/invites", tags=TAGS, summary="List the invite codes of a group")
async def list_invites(group_id: GroupPath, principal: GivenPrincipal, hub: GivenHub) -> InvitePage:
    """The codes that may still be used; for those who may invite. Of very many the newest."""
    there = await group_access.seen(hub, group_id, principal)
    if not there.is_privileged:
        raise HttpProblem(403, "restricted", "invite codes are for those who may invite", "Ask an admin of the group.")
    wanted = Filter(kinds=frozenset([CREATE_INVITE]), tags={"h": frozenset([there.group.id])}, limit=MOST_INVITES)
    now = common.now()
    found = await hub.reader.query([wanted], there.readers, now, limits=Limits(MOST_INVITES, MOST_INVITES))
    wires = [*found.wires, *await hub.reader.fetch(found.rest, now, there.readers)]
    codes = list(dict.fromkeys(code for wire in wires for code in values(parse(wire), "code")))
    good = dict(await hub.identities.group_tables.look(lambda tables: tables.invites_of(there.group.id)))
    told = []
    for code in codes:
        one = good.get(hash_of(code))
        if one is None or one.uses_left == 0 or (one.expires_at is not None and one.expires_at <= now):
            continue
        expires = None if one.expires_at is None else iso(one.expires_at)
        told.append(InviteInfo(code=code, by=one.by, uses_left=one.uses_left, expires_at=expires))
    return InvitePage(invites=told)


@post(f"{GROUP}/invites", tags=TAGS, summary="Make an invite code")
async def create_invite(
    group_id: GroupPath, principal: GivenPrincipal, hub: GivenHub, data: JSONBody[NewInvite | None] = None
) -> InviteAnswer:
    """Make a code with which one joins, however closed the group is; one that is for somebody is told to them (`agent`)."""
    asked = data or NewInvite()
    there = await group_access.seen(hub, group_id, principal)
    code = secrets.token_hex(CODE_BYTES) if asked.code is None else asked.code
    tags = [["code", code], [USES, UNLIMITED if asked.uses is None else str(asked.uses)]]
    if asked.days is not None:
        if not 0 < asked.days <= 36_500:
            raise invalid("days is more than 0 and at most 36500; without it the code is good for ever")
        tags.append(["expiration", str(common.now() + max(1, round(asked.days * DAY)))])
    if asked.agent is not None:
        invited, _ = await group_access.key_of_agent(hub, asked.agent, there)
        tags.append(["p", invited])
    done = await group_access.act(hub, principal, there, CREATE_INVITE, tags, message="Invite code made")
    assert done.event is not None
    expires = expiration(done.event)
    invite = InviteInfo(
        code=code,
        by=done.event.pubkey,
        uses_left=asked.uses,
        expires_at=None if expires is None else iso(expires),
    )
    return InviteAnswer(message=done.message, event=done.event, code=code, invite=invite)


@delete(f"{GROUP}/invites/{{code:str}}", tags=TAGS, summary="Revoke an invite code", status_code=200)
async def revoke_invite(
    group_id: GroupPath, code: CodePath, principal: GivenPrincipal, hub: GivenHub
) -> GroupActAnswer:
    """End a code: your own, or anybody's where you may invite."""
    there = await group_access.seen(hub, group_id, principal)
    tags = [["code", group_access.written(code)], [REVOKED]]
    try:
        return await group_access.act(hub, principal, there, CREATE_INVITE, tags, message="Invite code revoked")
    except HttpProblem as problem:
        if problem.message != NO_SUCH_CODE:
            raise
        raise HttpProblem(404, "not_found", NO_SUCH_CODE, "GET /api/v1/groups/{id}/invites lists the codes.") from None


# pins


@get(f"{GROUP}/pins", tags=TAGS, summary="List what is pinned in a group")
async def list_pins(group_id: GroupPath, viewer: GivenViewer, hub: GivenHub) -> PinList:
    """Ids of pinned events, in their order."""
    there = await group_access.read(hub, group_id, viewer)
    return PinList(pins=[value for name, value in there.group.pins if name == "e"])


@post(f"{GROUP}/pins", tags=TAGS, summary="Pin a message", status_code=200, middleware=[idempotent])
async def add_pin(
    group_id: GroupPath, data: JSONBody[NewPin], principal: GivenPrincipal, hub: GivenHub
) -> GroupActAnswer:
    """Pin a message, thread or post above what is pinned already."""
    if not kinds.is_hex(data.id, 64):
        raise invalid("id is that of an event, 64 hex digits")
    there = await group_access.seen(hub, group_id, principal)
    group_access.check_here(there)
    record = await hub.reader.get(data.id, there.readers, common.now())
    event = None if record is None else parse(record.wire)
    if event is None or (event.kind != kinds.COMMENT and first_value(event, "h") != there.group.id):
        raise not_found("message", "there is no such message, thread or post in this group")
    return await group_access.change_pins(hub, principal, there, data.id, pinned=True, message="Pinned")


@delete(f"{GROUP}/pins/{{event_id:str}}", tags=TAGS, summary="Unpin a message", status_code=200)
async def remove_pin(
    group_id: GroupPath, event_id: PinPath, principal: GivenPrincipal, hub: GivenHub
) -> GroupActAnswer:
    """Pin it no more."""
    there = await group_access.seen(hub, group_id, principal)
    if event_id not in (value for _, value in there.group.pins):
        raise not_found("message", "that is not pinned in this group")
    return await group_access.change_pins(hub, principal, there, event_id, pinned=False, message="Not pinned any more")
