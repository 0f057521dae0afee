"""Groups (NIP-29) for whoever has an identity token: find, begin, edit, join, leave and end them; each change is a signed event."""

import secrets
from typing import Annotated, Final, Literal

import msgspec
from litestar import delete, get, patch, post
from litestar.params import JSONBody, QueryParameter
from msgspec import UNSET, Meta, UnsetType

from relay.api_types import EventId, When, iso
from relay.errors import Prefix
from relay.http.api import common, group_access, paging, publishing
from relay.http.api.common import DEFAULT_LIMIT, Cursor, GivenPrincipal, GivenViewer, Limit
from relay.http.api.group_access import GROUP, GROUPS, TAGS, GroupActAnswer, GroupId, GroupPath
from relay.http.api.idempotency import idempotent
from relay.http.api.shapes import Body
from relay.http.api.shapes import Cursor as NextCursor
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found
from relay.protocol.event import Draft, Event
from relay.protocol.filter import Filter
from relay.protocol.groups import metadata
from relay.protocol.groups.belonging import CREATE_GROUP, DELETE_GROUP, EDIT_METADATA, JOIN_REQUEST, LEAVE_REQUEST
from relay.protocol.groups.metadata import GroupFields
from relay.protocol.groups.state import Group, Member, members
from relay.server.identities.group_tables import GroupStanding, bound_keys
from relay.server.identities.identity_tokens import Principal
from storage.groups import MAX_ASKED
from storage.identities.types import Lookups

ID_BYTES: Final = 8  # of an id that is made here
MAX_QUESTION: Final = 100  # characters

Flag = Annotated[bool, Meta(examples=[False])]
GroupName = Annotated[str, Meta(examples=["Tide watchers"])]


class GroupInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A group. `private`: its members read; `restricted`: its members write; `hidden`: its members know of it; `closed`: one joins
    by a code or by an admin only.

    `your_roles` are the roles of the identity that asks, null where it is no member.
    """

    id: GroupId
    type: Annotated[Literal["thread", "project", "organization"], Meta(examples=["thread"])]
    name: GroupName
    about: Annotated[str, Meta(examples=["Who looks at the sea, and when."])]
    picture: str
    banner: str
    private: Flag
    restricted: Flag
    hidden: Flag
    closed: Flag
    livekit: Flag
    supported_kinds: Annotated[list[int] | None, Meta(description="kinds of events that it takes; null: all")]
    parent: GroupId | None
    children: list[GroupId]
    pins: Annotated[list[EventId], Meta(description="ids of pinned events")]
    member_count: Annotated[int | None, Meta(description="null where only members know", examples=[3])]
    created_at: When
    home: Annotated[
        str | None, Meta(description="where it is joined and written in: another relay; null: here", examples=[None])
    ] = None
    your_roles: Annotated[list[str] | None, Meta(examples=[["owner"]])]


class GroupAnswer(GroupActAnswer, frozen=True, kw_only=True):
    """A group, and the event that made it what it is where the request did."""

    message: str = ""
    group: GroupInfo


class GroupPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of groups."""

    success: bool = True
    groups: list[GroupInfo]
    has_more: bool
    next_cursor: NextCursor = None


class NewGroup(Body, frozen=True):
    """A group to begin. Without an `id` it gets one; an id is for ever."""

    name: GroupName
    id: GroupId | None = None
    about: str = ""
    picture: str = ""
    banner: str = ""
    private: Flag = False
    restricted: Flag = False
    hidden: Flag = False
    closed: Flag = False
    supported_kinds: list[int] | None = None
    parent: GroupId | None = None


class GroupEdit(Body, frozen=True):
    """What changes of a group; what is left out stays."""

    name: str | UnsetType = UNSET
    about: str | UnsetType = UNSET
    picture: str | UnsetType = UNSET
    banner: str | UnsetType = UNSET
    private: bool | UnsetType = UNSET
    restricted: bool | UnsetType = UNSET
    hidden: bool | UnsetType = UNSET
    closed: bool | UnsetType = UNSET
    livekit: bool | UnsetType = UNSET
    supported_kinds: list[int] | UnsetType | None = UNSET
    parent: GroupId | UnsetType | None = UNSET
    children: list[GroupId] | UnsetType = UNSET


class GroupJoin(Body, frozen=True):
    """A request to join; `code` is an invite code, where one is needed."""

    code: Annotated[str | None, Meta(examples=["9f2c41d07be3a85e"])] = None
    reason: str = ""


@get(GROUPS, tags=TAGS, summary="Find groups")
async def list_groups(
    *,
    hub: GivenHub,
    viewer: GivenViewer,
    q: Annotated[str, QueryParameter(description="a part of the name or the id", max_length=MAX_QUESTION)] = "",
    mine: Annotated[bool, QueryParameter(description="only groups that you are in, hidden ones too")] = False,
    limit: Limit = DEFAULT_LIMIT,
    cursor: Cursor = "",
) -> GroupPage:
    """Groups, the newest first; hidden ones only with `mine`, which needs a token."""
    if mine and viewer is None:
        raise HttpProblem(
            401,
            "auth_required",
            "whose groups? mine needs an identity token",
            "Send `Authorization: Bearer <token>`.",
            headers={"www-authenticate": "Bearer"},
        )
    most = common.at_most(limit)

    def find(tables: Lookups) -> list[Group] | None:
        if mine and viewer is not None:
            return _mine(tables, viewer, q, cursor, most + 1)
        return tables.groups_like(q, cursor, most + 1) if is_place(tables, cursor) else None

    found = await hub.identities.group_tables.look(find)
    if found is None:
        raise invalid(paging.WRONG_CURSOR)
    page = found[:most]
    more = len(found) > most
    return GroupPage(
        groups=await infos(hub, page, viewer), has_more=more, next_cursor=page[-1].id if more and page else None
    )


def is_place(tables: Lookups, cursor: str) -> bool:
    """Whether a list of groups that everybody may know of can go on after this one: a hidden one is as unknown as any other."""
    group = next(iter(tables.groups_named([cursor])), None) if cursor else None
    return not cursor or (group is not None and not group.hidden)


def _mine(tables: Lookups, viewer: Principal, question: str, after: str, most: int) -> list[Group]:
    """The groups that one of the identity's keys is in, from the one after the id `after` on, by their ids."""
    ids = sorted({one.group_id for one in tables.memberships(bound_keys(tables, viewer.identity_id))})
    wanted = question.casefold()
    found: list[Group] = []
    rest = [one for one in ids if one > after]
    for start in range(0, len(rest), MAX_ASKED):
        groups = tables.groups_named(rest[start : start + MAX_ASKED])
        found += [
            one
            for one in groups
            if not one.apart and (wanted in one.name.casefold() or wanted in one.wire_id.casefold())
        ]
        if len(found) >= most:
            break
    return sorted(found, key=lambda group: group.id)[:most]


@post(GROUPS, tags=TAGS, summary="Begin a group", middleware=[idempotent])
async def create_group(data: JSONBody[NewGroup], principal: GivenPrincipal, hub: GivenHub) -> GroupAnswer:
    """Begin a group, whose owner you are then. A taken id is 409, and so is one of a group that was deleted."""
    group_id = secrets.token_hex(ID_BYTES) if data.id is None else data.id
    fields = GroupFields(
        name=data.name,
        about=data.about,
        picture=data.picture,
        banner=data.banner,
        private=data.private,
        restricted=data.restricted,
        hidden=data.hidden,
        closed=data.closed,
        supported_kinds=None if data.supported_kinds is None else tuple(data.supported_kinds),
        parent=data.parent,
    )
    event = await begin(hub, principal, group_id, fields)
    there = await group_access.standing(hub, group_id, principal)
    return GroupAnswer(message="This group is yours", event=event, group=await info(hub, there))


async def begin(hub: RunningRelay, principal: Principal, group_id: str, fields: GroupFields) -> Event:
    """Begin a group of this id. Raises HttpProblem: 409 for an id that is or was another group's, else whatever refuses it."""
    present = await hub.identities.group_tables.look(lambda tables: tables.group(group_id))
    if present is not None:
        raise taken()
    draft = Draft(CREATE_GROUP, [["h", group_id], *metadata.write(fields)], "", common.now())
    try:
        return await publishing.act(hub, principal, draft)
    except HttpProblem as problem:
        if problem.code == Prefix.DUPLICATE.value:  # somebody was quicker
            raise taken() from None
        raise


def taken() -> HttpProblem:
    """409 for the id of a group that there is, or was."""
    return HttpProblem(409, "taken", "this name is taken by a group that there is, or was", "Choose another.")


@get(GROUP, tags=TAGS, summary="Get a group")
async def get_group(group_id: GroupPath, viewer: GivenViewer, hub: GivenHub) -> GroupAnswer:
    """One group."""
    return GroupAnswer(group=await info(hub, await group_access.seen(hub, group_id, viewer)))


@patch(GROUP, tags=TAGS, summary="Edit a group", middleware=[idempotent])
async def edit_group(
    group_id: GroupPath, data: JSONBody[GroupEdit], principal: GivenPrincipal, hub: GivenHub
) -> GroupAnswer:
    """Change what a group is; for its admins. Subgroups are ordered by `children`, which names all of them."""
    fields = {name: value for name, value in msgspec.structs.asdict(data).items() if value is not UNSET}
    fields |= {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    group_access.check_here(await group_access.seen(hub, group_id, principal))
    if not fields:
        raise invalid(f"give something to change: {', '.join(GroupEdit.__struct_fields__)}")
    return await edit(hub, principal, group_access.written(group_id), fields)


async def edit(
    hub: RunningRelay,
    principal: Principal,
    group_id: str,
    fields: dict[str, object],
    extra: dict[str, tuple[str, ...] | None] | None = None,
) -> GroupAnswer:
    """Say all of a group anew (9002), these fields changed; `extra` are tags that clients add, by name, None takes one out."""

    async def once() -> tuple[GroupStanding, Event]:
        wanted = Filter(kinds=frozenset([EDIT_METADATA]), tags={"h": frozenset([group_id])}, limit=1)
        before = await publishing.newest(hub, wanted, frozenset([members(group_id)]))
        there = await group_access.standing(hub, group_id, principal)
        kept = [tag for tag in there.group.extra if tag[0] not in {*fields, *(extra or {})}]
        added = [tag for tag in (extra or {}).values() if tag is not None]
        after = msgspec.structs.replace(there.group, **fields, extra=(*kept, *added))
        tags = [["h", group_id], *metadata.write(after)]
        draft = Draft(EDIT_METADATA, tags, "", before.following(common.now()))
        event = await publishing.act(hub, principal, draft, by=there.key, expected=before.expected)
        return there, event

    _, event = await publishing.change(f"group {group_id}", once)
    there = await group_access.standing(hub, group_id, principal)
    return GroupAnswer(message="Group edited", event=event, group=await info(hub, there))


@delete(GROUP, tags=TAGS, summary="Delete a group", status_code=200)
async def delete_group(group_id: GroupPath, principal: GivenPrincipal, hub: GivenHub) -> GroupActAnswer:
    """End a group for ever; for its owners. Nothing of it is served any more, and no other group gets its id."""
    there = await group_access.seen(hub, group_id, principal)
    return await group_access.act(hub, principal, there, DELETE_GROUP, [], message="Group deleted")


@post(f"{GROUP}/join", tags=TAGS, summary="Join a group", status_code=200)
async def join_group(
    group_id: GroupPath, principal: GivenPrincipal, hub: GivenHub, data: JSONBody[GroupJoin | None] = None
) -> GroupActAnswer:
    """Become a member; where the group is closed, or somebody removed you, by an invite `code`. A member stays one."""
    asked = data or GroupJoin()
    identifier = group_access.written(group_id)
    there = await hub.identities.group_tables.standing(identifier, principal.identity_id, replicas=True)
    if there is None:
        raise not_found("group")
    try:
        return await join(hub, principal, there, asked)
    except HttpProblem as problem:
        if there.group.hidden and problem.code in ("restricted", "invalid", "elsewhere"):
            # Only a good code shows that it is there.
            raise not_found("group") from None
        raise


async def join(hub: RunningRelay, principal: Principal, there: GroupStanding, asked: GroupJoin) -> GroupActAnswer:
    """Ask to join (9021); a member is told so."""
    if there.is_member:
        return GroupActAnswer(message="already a member of this group")
    tags = [["code", asked.code]] if asked.code else []
    return await group_access.act(hub, principal, there, JOIN_REQUEST, tags, content=asked.reason)


@post(f"{GROUP}/leave", tags=TAGS, summary="Leave a group", status_code=200)
async def leave_group(group_id: GroupPath, principal: GivenPrincipal, hub: GivenHub) -> GroupActAnswer:
    """Be a member no more. The last owner makes another one first, or deletes the group."""
    return await leave(hub, principal, await group_access.seen(hub, group_id, principal))


async def leave(hub: RunningRelay, principal: Principal, there: GroupStanding) -> GroupActAnswer:
    """Leave (9022), with every key of the identity that is in the group; who is none is told so."""
    answer = GroupActAnswer(message="not a member of this group")
    for _ in range(len(there.places)):
        answer = await group_access.act(hub, principal, there, LEAVE_REQUEST, [])
        places = {pubkey: member for pubkey, member in there.places.items() if pubkey != there.key}
        there = msgspec.structs.replace(there, places=places)
    return answer


# what is shown


async def info(hub: RunningRelay, there: GroupStanding) -> GroupInfo:
    """A group, for whoever stands to it so."""
    sizes = await hub.identities.group_tables.look(lambda tables: tables.group_sizes([there.group.id]))
    return described(there.group, sizes, there.roles if there.is_member else None)


async def infos(hub: RunningRelay, groups: list[Group], viewer: Principal | None) -> list[GroupInfo]:
    """Groups, for whoever asks."""
    ids = [group.id for group in groups]

    def find(tables: Lookups) -> tuple[dict[str, int], dict[str, Member]]:
        keys: tuple[str, ...] = () if viewer is None else bound_keys(tables, viewer.identity_id)
        own = [(one, tables.member(key, one)) for one in ids for key in reversed(keys)]
        return tables.group_sizes(ids), {one: member for one, member in own if member is not None and member.is_member}

    sizes, own = await hub.identities.group_tables.look(find) if ids else ({}, {})
    return [described(group, sizes, own[group.id].roles if group.id in own else None) for group in groups]


def described(group: Group, sizes: dict[str, int], roles: tuple[str, ...] | None) -> GroupInfo:
    """A group as the API shows it: who is in a private one, and what is pinned there, its members know."""
    known = roles is not None or not group.private
    return GroupInfo(
        id=group.wire_id,
        type=group.type,
        name=group.name,
        about=group.about,
        picture=group.picture,
        banner=group.banner,
        private=group.private,
        restricted=group.restricted,
        hidden=group.hidden,
        closed=group.closed,
        livekit=group.livekit,
        supported_kinds=None if group.supported_kinds is None else list(group.supported_kinds),
        parent=group.parent,
        children=list(group.children),
        pins=[value for name, value in group.pins if name == "e"] if known else [],
        member_count=sizes.get(group.id, 0) if known else None,
        created_at=iso(group.created_at),
        home=(group.home_url or "elsewhere") if group.home else None,
        your_roles=None if roles is None else list(roles),
    )
