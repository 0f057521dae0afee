"""What each role may do in a group (NIP-29 leaves it to the relay, and 39003 tells it).

Rule: roles have ranks. A member acts only on members of a lower rank, and gives and takes only roles of a lower rank; owners,
who have nobody above them, also act on each other. Everybody may give up roles of their own. Roles that are not in the table
are labels: they are carried along and have no rank.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from relay.protocol.groups.belonging import (
    CREATE_INVITE,
    DELETE_EVENT,
    DELETE_GROUP,
    EDIT_METADATA,
    PUT_USER,
    REMOVE_USER,
    UPDATE_PINS,
)
from relay.protocol.groups.state import ADMIN, MODERATOR, OWNER

_MODERATOR_MAY: Final = frozenset((PUT_USER, REMOVE_USER, DELETE_EVENT, CREATE_INVITE, UPDATE_PINS))
_ADMIN_MAY: Final = _MODERATOR_MAY | {EDIT_METADATA}
_OWNER_MAY: Final = _ADMIN_MAY | {DELETE_GROUP}


class GroupRole(msgspec.Struct, frozen=True):
    """A role with privileges: `may` are the kinds of moderation events that it allows."""

    name: str
    rank: int
    may: frozenset[int]
    description: str


ROLES: Final = {
    role.name: role
    for role in (
        GroupRole(OWNER, 3, _OWNER_MAY, "may do everything, delete the group, and make others owner"),
        GroupRole(
            ADMIN,
            2,
            _ADMIN_MAY,
            "edits what the group is and its subgroups, makes and removes moderators, and may do what those may",
        ),
        GroupRole(
            MODERATOR,
            1,
            _MODERATOR_MAY,
            "deletes messages, pins them, invites, adds and removes members without privileges",
        ),
    )
}
NO_RANK: Final = 0
RELAY_RANK: Final = 4  # of the relay's own key and its operators, who may do everything


def rank(roles: Iterable[str]) -> int:
    """The highest rank among these roles; NO_RANK without privileges."""
    return max((ROLES[role].rank for role in roles if role in ROLES), default=NO_RANK)


def may(roles: Iterable[str], kind: int) -> bool:
    """Whether one of these roles allows moderation events of this kind."""
    return any(role in ROLES and kind in ROLES[role].may for role in roles)


def is_privileged(roles: Iterable[str]) -> bool:
    """Whether whoever has these is an admin in the sense of 39001."""
    return rank(roles) > NO_RANK


def may_act_on(own: int, other: int) -> bool:
    """Whether somebody of rank `own` may change or remove somebody of rank `other`, or give and take a role of it."""
    return own > other or own == ROLES[OWNER].rank == other
