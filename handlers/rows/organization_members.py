"""`organization_members`: the members of groups of type organization. A key is a member's pubkey, a space and the group's id."""

from typing import Any, Final

import msgspec

from handlers.rows import records
from relay.protocol import kinds
from relay.protocol.event import Event, first_value, values
from relay.protocol.groups.belonging import PUT_USER, REMOVE_USER
from relay.protocol.groups.state import OWNER, member_key
from relay.protocol.rows import Place, Projection, Sources

_PUBKEY: Final = 64  # characters
_KINDS: Final = frozenset((PUT_USER, REMOVE_USER))


class OrganizationMemberFields(msgspec.Struct, frozen=True):
    """A row. `role` is `owner` or `member`, `roles` are all of the member's in the group, as JSON."""

    organization_id: str
    pubkey: str
    user_id: str
    role: str
    roles: str
    joined_at: int


def _keys(event: Event) -> tuple[str, ...]:
    group_id = first_value(event, "h") if event.kind in _KINDS else None
    if not group_id:
        return ()
    named = dict.fromkeys(value for value in values(event, "p") if kinds.is_hex(value, _PUBKEY))
    return tuple(member_key(pubkey, group_id) for pubkey in named)


def _place(key: str, _sources: Sources) -> Place:
    pubkey, _, group_id = key.partition(" ")
    return group_id, pubkey


def _rows(key: str, sources: Sources) -> tuple[OrganizationMemberFields, ...]:
    pubkey, _, group_id = key.partition(" ")
    group, member = records.group(group_id, sources, "organization"), sources.member(pubkey, group_id)
    if group is None or member is None or not member.is_member:
        return ()
    role = OWNER if OWNER in member.roles else "member"
    roles = msgspec.json.encode(member.roles).decode()
    return (OrganizationMemberFields(group_id, pubkey, sources.user(pubkey), role, roles, member.since),)


def _key_of(row: Any) -> str:
    return member_key(row.pubkey, row.organization_id)


PROJECTION: Final = Projection(
    "organization_members",
    OrganizationMemberFields,
    ("organization_id", "pubkey"),
    _KINDS,
    _keys,
    _rows,
    place=_place,
    key_of=_key_of,
    under=(("organizations", "organization_id"),),
)
