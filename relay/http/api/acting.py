"""What the routes of the control plane share: signing as the user that asks, who may read a group, and pages.

Every change is a signed event; whether it may be made is decided where all events are. Here is only looked at who reads what.
"""

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Final, TypeVar

import msgspec
from litestar.params import QueryParameter
from msgspec import Meta

from relay.errors import Reject
from relay.http.api import common, paging, publishing
from relay.http.hub import RunningRelay
from relay.http.problems import HttpProblem, invalid, not_found, of_reject
from relay.protocol import kinds
from relay.protocol.event import Draft, Event, address_of
from relay.protocol.filter import Filter
from relay.protocol.groups import metadata
from relay.protocol.groups.belonging import CREATE_GROUP, DELETE_EVENT, EDIT_METADATA
from relay.protocol.groups.state import Group, GroupType, Member, members
from relay.server.identities.users import Caller
from storage.base import PUBLIC, Expected
from storage.control_plane import Place
from storage.identities.types import Lookups

ID_BYTES: Final = 16  # of a group that is made here
# Flags: who may not read there does not write there.
_MEMBERS_ALONE: Final = (*metadata.ANTONYMS.values(), "restricted")
Archived = Annotated[bool | None, QueryParameter(description="only archived ones, or only others")]
OfGroup = Annotated[str | None, QueryParameter(description="only of this one, by its id", max_length=128)]
GroupId = Annotated[str, Meta(description="id of the group behind it", examples=["6f1d3c5b7a9e0f2d4c6b8a0e1f3d5c7b"])]
UserId = Annotated[
    str,
    Meta(
        description="`id` of a user (`GET /users/me`), or `nostr:` and a key that acts by itself, as with a Nostr client",
        examples=["0b6d2c4f9c1e4a7f8d3b5a6c7e8f9012"],
    ),
]

_Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]  # what a database can be given
_place: Final = msgspec.json.Decoder(tuple[_Number | str, _Number | str])

T = TypeVar("T")
R = TypeVar("R")


class GroupAccess(msgspec.Struct, frozen=True):
    """A group that the user may read, and how they stand to it; `key` is their key, "" before there is one."""

    group: Group
    member: Member | None
    key: str

    @property
    def readers(self) -> frozenset[str]:
        """Under which names they read what the group holds."""
        own = {self.key} if self.key else set()
        return frozenset(own | ({members(self.group.id)} if self.member is not None else set()))


async def look(hub: RunningRelay, caller: Caller, work: Callable[[Lookups, str], T]) -> T:
    """What `work` finds for the user's key, which is "" before there is one."""
    key = await hub.identities.workspaces.key(caller)
    return await hub.identities.workspaces.look(lambda tables: work(tables, key))


async def access(
    hub: RunningRelay, caller: Caller, group_id: str, what: str, of_type: GroupType | None = None
) -> GroupAccess:
    """The group, if the user may read it. Raises HttpProblem: 404 where there is none (or it is hidden), 403 for others."""

    def find(tables: Lookups, key: str) -> GroupAccess | None:
        group = tables.group(group_id)
        if group is None or group.ended or of_type not in (None, group.type):
            return None
        member = tables.member(key, group_id) if key else None
        return GroupAccess(group, member if member is not None and member.is_member else None, key)

    found = await look(hub, caller, find)
    if found is None or (found.group.hidden and found.member is None):
        raise not_found(what)
    if found.group.private and found.member is None:
        raise HttpProblem(
            403,
            "restricted",
            f"only members read this {what}",
            "Ask one of its admins to add you, or for an invite code.",
        )
    return found


async def act(
    hub: RunningRelay,
    caller: Caller,
    kind: int,
    tags: Sequence[Sequence[str]],
    content: str = "",
    *,
    at: int | None = None,
    expected: Expected | None = None,
) -> Event:
    """Sign as the user and publish. Raises HttpProblem for whatever refuses it, Changed where what is `expected` does not hold."""
    draft = Draft(kind, [list(tag) for tag in tags], content, common.now() if at is None else at)
    try:
        event = await hub.identities.workspaces.sign(caller, draft)
    except Reject as refusal:
        raise of_reject(refusal) from None
    await publishing.publish(hub, event, trusted=True, expected=expected, token=caller.token)
    return event


async def remove(hub: RunningRelay, caller: Caller, there: GroupAccess, event: Event) -> Event:
    """Delete an event of a group: one's own (5), or anybody's where the role allows that (9005)."""
    mine = event.pubkey == there.key
    tags = [["h", there.group.id], ["e", event.id]]
    if mine:
        address = address_of(event)
        tags += [["k", str(event.kind)], *([["a", address]] if address is not None else [])]
    at = max(common.now(), event.created_at) if mine else None
    return await act(hub, caller, kinds.DELETION if mine else DELETE_EVENT, tags, "", at=at)


async def begin(
    hub: RunningRelay, caller: Caller, of_type: GroupType, tags: Sequence[Sequence[str]], *, public: bool
) -> Event:
    """Begin a group of a fresh id with these fields: for its members alone, unless it is public."""
    group_id = secrets.token_hex(ID_BYTES)
    flags = metadata.ANTONYMS if public else _MEMBERS_ALONE
    fields = [["h", group_id], ["type", of_type], *tags, *([flag] for flag in flags)]
    return await act(hub, caller, CREATE_GROUP, fields)


async def edit(
    hub: RunningRelay,
    caller: Caller,
    there: GroupAccess,
    fields: dict[str, str | None],
    *,
    public: bool | None = None,
    extra: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
) -> Event:
    """Say all fields of a group anew (9002), these changed; None leaves one as it is. `extra` are further tags by name."""
    group_id = there.group.id
    changed = {name: value for name, value in fields.items() if value is not None}
    if public is not None:
        changed |= dict.fromkeys(_MEMBERS_ALONE, not public)  # type: ignore[arg-type]
    wanted = Filter(kinds=frozenset([EDIT_METADATA]), tags={"h": frozenset([group_id])}, limit=1)

    async def once() -> Event:
        before = await publishing.newest(hub, wanted, there.readers)
        group = await look(hub, caller, lambda tables, _key: tables.group(group_id)) or there.group
        kept = [tag for tag in group.extra if tag[0] not in extra]
        after = msgspec.structs.replace(group, **changed, extra=(*kept, *extra.values()))
        tags = [["h", group_id], *metadata.write(after)]
        return await act(hub, caller, EDIT_METADATA, tags, at=before.following(common.now()), expected=before.expected)

    return await publishing.change(f"group {group_id}", once)


async def record(hub: RunningRelay, there: GroupAccess) -> publishing.Newest:
    """The newest record of a group."""
    tags = {"d": frozenset([there.group.id]), "h": frozenset([there.group.id])}
    wanted = Filter(kinds=frozenset([kinds.APP_DATA]), tags=tags, limit=1)
    return await publishing.newest(hub, wanted, there.readers)


async def write_record(
    hub: RunningRelay,
    caller: Caller,
    there: GroupAccess,
    fields: dict[str, object],
    links: Callable[[list[list[str]]], list[list[str]]] = lambda tags: tags,
) -> Event:
    """Write a group's record anew: these fields changed, None taking one out, and its links as `links` says."""

    async def once() -> Event:
        before = await record(hub, there)
        present = before.events[0] if before.events else None
        held = {} if present is None else _object(present.content)
        merged = {**held, **fields}
        content = msgspec.json.encode({name: value for name, value in merged.items() if value is not None}).decode()
        tags = [tag for tag in present.tags if tag[0] in ("a", "e")] if present is not None else []
        group_id = there.group.id
        at = before.following(common.now())
        said = [["d", group_id], ["h", group_id], *links(tags)]
        return await act(hub, caller, kinds.APP_DATA, said, content, at=at, expected=before.expected)

    return await publishing.change(f"record {there.group.id}", once)


async def replace(
    hub: RunningRelay, caller: Caller, draft: Draft, readers: frozenset[str] = PUBLIC, of_group: str | None = None
) -> Event:
    """Sign an addressable event, which has a `d` tag, in place of the user's own that stands there; otherwise as `act`.

    `of_group`: it is that group's, in place of whoever's.
    """
    name = next(tag[1] for tag in draft.tags if tag[0] == "d")
    key = await hub.identities.workspaces.key(caller)
    whose = {} if of_group is None else {"h": frozenset([of_group])}
    authors = None if of_group is not None else frozenset([key] if key else [])
    tags = {"d": frozenset([name]), **whose}
    wanted = Filter(kinds=frozenset([draft.kind]), authors=authors, tags=tags, limit=1)

    async def once() -> Event:
        before = await publishing.newest(hub, wanted, readers)
        at = before.following(draft.created_at)
        return await act(hub, caller, draft.kind, draft.tags, draft.content, at=at, expected=before.expected)

    return await publishing.change(f"{draft.kind} {of_group or key} {name}", once)


def _object(content: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(content, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}


def given(body: msgspec.Struct, *names: str) -> dict[str, object]:
    """Those of these fields that a request gives; null is among them."""
    values = {name: getattr(body, name) for name in names}
    return {name: value for name, value in values.items() if value is not msgspec.UNSET}


# pages


def place(cursor: str) -> Place | None:
    """Where a page goes on. Raises HttpProblem 400."""
    if not cursor:
        return None
    try:
        return _place.decode(base64.urlsafe_b64decode(cursor.encode()))
    except (binascii.Error, ValueError, msgspec.DecodeError):
        raise invalid(paging.WRONG_CURSOR) from None


def page(rows: Sequence[R], most: int, where: Callable[[R], Place]) -> tuple[Sequence[R], str | None]:
    """The rows of a page, of which one more was looked up, and where the next one begins."""
    if len(rows) <= most:
        return rows, None
    return rows[:most], base64.urlsafe_b64encode(msgspec.json.encode(where(rows[most - 1]))).decode()


def role_of(roles: str | None) -> str | None:
    """`owner`, `admin`, `moderator` or `member`, None for who is in no such group; `roles` as rows have them."""
    if roles is None:
        return None
    held = msgspec.json.decode(roles, type=list[str])
    return next((role for role in ("owner", "admin", "moderator") if role in held), "member")
