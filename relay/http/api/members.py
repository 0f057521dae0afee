"""Who is in an organization, a project or a thread, and how one gets in: the same for all, since each is a group (NIP-29)."""

import secrets
from typing import Annotated, Final, Literal

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from relay.api_types import Pubkey, When, iso
from relay.http.api import acting, common
from relay.http.api.acting import UserId
from relay.http.api.agents import NO_STORE
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, DEFAULT_LIMIT, Cursor, Limit
from relay.http.api.group_access import GroupActAnswer
from relay.http.api.group_members import InviteInfo
from relay.http.api.idempotency import idempotent_for_users
from relay.http.api.shapes import Body, Done
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.groups.belonging import CREATE_INVITE, JOIN_REQUEST, LEAVE_REQUEST, PUT_USER, REMOVE_USER
from relay.protocol.groups.fold import UNLIMITED, USES
from relay.server.identities.users import Caller
from relay.server.identities.workspaces import NOSTR
from storage.control_plane import MemberRow

TAGS: Final = ["members"]
PLACES: Final = ("organizations", "projects", "threads")
DAY: Final = 86_400
CODE_BYTES: Final = 16
MAX_DAYS: Final = 365
_KEY_ADDED: Final = (
    "Key added: it acts by itself, as with a Nostr client. Who acts with an app token is added by the `id` that GET "
    "/api/v1/users/me tells them, not by `user_id`"
)

GroupRoleName = Annotated[Literal["owner", "admin", "moderator", "member"], Meta(examples=["member"])]
Code = Annotated[str, Meta(min_length=1, max_length=256, examples=["5f2a9c0e7b1d4836"])]


def _paths(end: str) -> list[str]:
    return [f"{BASE}/{place}/{{group_id:str}}/{end}" for place in PLACES]


class GroupMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member; `roles` are all that it has, `role` the highest of them."""

    user_id: UserId
    pubkey: Pubkey
    role: GroupRoleName
    roles: list[str]
    joined_at: When


class GroupMemberPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of members, the newest first."""

    success: bool = True
    members: list[GroupMember]
    has_more: bool
    next_cursor: NextCursor = None


class NewMember(Body, frozen=True):
    """Who is to be in it, and as what: a user of this relay (`user_id`) or a key. The same again changes the role."""

    user_id: UserId | None = None
    pubkey: Pubkey | None = None
    role: GroupRoleName = "member"


class NewGroupInvite(Body, frozen=True):
    """An invite: how many may use it, and for how long; null is no bound."""

    uses: Annotated[int, Meta(ge=1, le=1_000_000)] | None = 1
    days: Annotated[int, Meta(ge=1, le=MAX_DAYS)] | None = 7


class GroupInvite(msgspec.Struct, frozen=True, kw_only=True):
    """An invite; whoever has the code can join. `invite` says all of it, as routes of groups have it too."""

    success: bool = True
    message: str = ""
    invite: InviteInfo
    code: Code
    expires_at: When | None
    uses: int | None
    event: Event


class JoinRequest(Body, frozen=True):
    """The code of an invite, where joining needs one."""

    code: Code | None = None


@get(_paths("members"), tags=TAGS, summary="List members")
async def list_group_members(
    group_id: FromPath[str], caller: GivenCaller, hub: GivenHub, limit: Limit = DEFAULT_LIMIT, cursor: Cursor = ""
) -> GroupMemberPage:
    """Who is in it, the newest first."""
    await acting.access(hub, caller, group_id, "group")
    most, after = common.at_most(limit), acting.place(cursor)
    rows = await hub.identities.workspaces.look(lambda tables: tables.plane_members(group_id, after, most + 1))
    shown, following = acting.page(rows, most, lambda row: (row.joined_at, row.pubkey))
    found = [_described(row) for row in shown]
    return GroupMemberPage(members=found, has_more=following is not None, next_cursor=following)


@post(_paths("members"), tags=TAGS, summary="Add a member", status_code=200, middleware=[idempotent_for_users])
async def put_member(group_id: FromPath[str], data: JSONBody[NewMember], caller: GivenCaller, hub: GivenHub) -> Done:
    """Add somebody, or change what they may do (9000); for those whose role allows it."""
    await acting.access(hub, caller, group_id, "group")
    pubkey = await _key(hub, data.user_id, data.pubkey)
    roles = [] if data.role == "member" else [data.role]
    event = await acting.act(hub, caller, PUT_USER, [["h", group_id], ["p", pubkey, *roles]])
    return Done(message=_KEY_ADDED if (data.user_id or "").startswith(NOSTR) else "Member added", event=event)


@delete([f"{path}/{{user:str}}" for path in _paths("members")], tags=TAGS, summary="Remove a member", status_code=200)
async def remove_member(group_id: FromPath[str], user: FromPath[str], caller: GivenCaller, hub: GivenHub) -> Done:
    """Remove somebody, by their user id or key (9001): they come back by an invite only."""
    await acting.access(hub, caller, group_id, "group")
    pubkey = user if kinds.is_hex(user, 64) else await _key(hub, user, None)
    event = await acting.act(hub, caller, REMOVE_USER, [["h", group_id], ["p", pubkey]])
    return Done(message="Member removed", event=event)


@post(_paths("invites"), tags=TAGS, summary="Make an invite", cache_control=NO_STORE)
async def create_group_invite(
    group_id: FromPath[str], caller: GivenCaller, hub: GivenHub, data: JSONBody[NewGroupInvite | None] = None
) -> GroupInvite:
    """A code with which others join (9009); for those whose role allows it."""
    await acting.access(hub, caller, group_id, "group")
    wanted, code = data or NewGroupInvite(), secrets.token_hex(CODE_BYTES)
    until = None if wanted.days is None else common.now() + wanted.days * DAY
    tags = [["h", group_id], ["code", code]]
    tags.append([USES, UNLIMITED if wanted.uses is None else str(wanted.uses)])
    tags += [["expiration", str(until)]] if until is not None else []
    event = await acting.act(hub, caller, CREATE_INVITE, tags)
    expires_at = None if until is None else iso(until)
    invite = InviteInfo(code=code, by=event.pubkey, uses_left=wanted.uses, expires_at=expires_at)
    return GroupInvite(invite=invite, code=code, expires_at=expires_at, uses=wanted.uses, event=event)


@post(_paths("join"), tags=TAGS, summary="Join", status_code=200)
async def join_group(
    group_id: FromPath[str], caller: GivenCaller, hub: GivenHub, data: JSONBody[JoinRequest | None] = None
) -> GroupActAnswer:
    """Become a member (9021), by an invite where it is closed. Being one already is no error."""
    code = None if data is None else data.code
    tags = [["h", group_id], *([["code", code]] if code else [])]
    return await _come_or_go(hub, caller, JOIN_REQUEST, tags, "You are in")


@post(_paths("leave"), tags=TAGS, summary="Leave", status_code=200)
async def leave_group(group_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> GroupActAnswer:
    """Be no member any more (9022); being none is no error. The last owner makes somebody else owner first, or deletes it."""
    return await _come_or_go(hub, caller, LEAVE_REQUEST, [["h", group_id]], "You are out")


async def _come_or_go(
    hub: RunningRelay, caller: Caller, kind: int, tags: list[list[str]], message: str
) -> GroupActAnswer:
    """What is so already stays so. Raises HttpProblem 404 where there is no such group, or none that the user may know of."""
    try:
        event = await acting.act(hub, caller, kind, tags)
    except HttpProblem as problem:
        if problem.code == "duplicate":
            return GroupActAnswer(message=f"{message} already")
        if problem.code == "invalid":
            raise not_found("group") from None
        raise
    return GroupActAnswer(message=message, event=event)


async def _key(hub: RunningRelay, user_id: str | None, pubkey: str | None) -> str:
    """The key that is meant. Raises HttpProblem: 400 for none or two, 404 for nobody here."""
    if (user_id is None) == (pubkey is None):
        raise invalid("say who it is: give a user_id or a pubkey")
    if pubkey is not None:
        if not kinds.is_hex(pubkey, 64):
            raise invalid("a pubkey has 64 hex digits, in lower case")
        return pubkey
    found = await hub.identities.workspaces.key_of(user_id or "")
    if found is None:
        raise not_found("user")
    return found


def _described(row: MemberRow) -> GroupMember:
    roles = msgspec.json.decode(row.roles, type=list[str])
    return GroupMember(
        user_id=row.user_id,
        pubkey=row.pubkey,
        role=acting.role_of(row.roles),  # type: ignore[arg-type]
        roles=roles,
        joined_at=iso(row.joined_at),
    )
