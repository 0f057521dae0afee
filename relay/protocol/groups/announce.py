"""What the relay tells of a group by its own key: 39000 what it is, 39001 its admins, 39002 its members, 39003 the roles,
39005 what is pinned (NIP-29).

Rule: these are functions of the state alone, so that whoever keeps them says one anew exactly when its tags have changed. They
are what clients go by; who may do and read what never depends on them. Of an ended group there is none.
"""

from collections.abc import Callable, Iterable
from typing import Final

from relay.protocol.event import Draft
from relay.protocol.groups import metadata
from relay.protocol.groups.roles import ROLES, is_privileged
from relay.protocol.groups.state import Group, Member

METADATA: Final = 39000
ADMINS: Final = 39001
MEMBERS: Final = 39002
ROLE_LIST: Final = 39003
PINS: Final = 39005
ANNOUNCED: Final = (METADATA, ADMINS, MEMBERS, ROLE_LIST, PINS)
MOST_LISTED: Final = 1_000  # members that a 39002 names: the newest

# (pubkey, how it stands to the group), in the order in which they are listed.
Memberships = Iterable[tuple[str, Member]]


def draft(kind: int, group: Group, members: Memberships, created_at: int) -> Draft:
    """One of ANNOUNCED. `members` are asked for 39001, which names those of them with privileges, and for 39002."""
    return Draft(kind, [["d", group.id], *_TAGS[kind](group, members)], "", created_at)


def _metadata(group: Group, _: Memberships) -> metadata.Tags:
    tags = metadata.write(group)
    return tags if group.type == "thread" else [*tags, ["type", group.type]]


def _is_admin(member: Member) -> bool:
    return member.is_member and is_privileged(member.roles)


def _admins(_group: Group, members: Memberships) -> metadata.Tags:
    return [["p", pubkey, *member.roles] for pubkey, member in members if _is_admin(member)]


def _members(_group: Group, members: Memberships) -> metadata.Tags:
    return [["p", pubkey] for pubkey, member in members if member.is_member]


def _role_list(_group: Group, _: Memberships) -> metadata.Tags:
    return [["role", role.name, role.description] for role in ROLES.values()]


def _pins(group: Group, _: Memberships) -> metadata.Tags:
    return [list(pin) for pin in group.pins]


_TAGS: Final[dict[int, Callable[[Group, Memberships], metadata.Tags]]] = {
    METADATA: _metadata,
    ADMINS: _admins,
    MEMBERS: _members,
    ROLE_LIST: _role_list,
    PINS: _pins,
}
