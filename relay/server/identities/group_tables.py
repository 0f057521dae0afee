"""Groups as the doors see them: what is kept of them beside the log, and how a posting identity stands to one."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from relay.protocol.groups import roles, state
from relay.protocol.groups.state import Group, Member
from storage.base import PrimaryTables, Readers
from storage.groups import is_privileged
from storage.identities.types import Lookups

T = TypeVar("T")


class GroupStanding(msgspec.Struct, frozen=True):
    """How an identity stands to a group that there is. `keys` are its bound keys, the main one first.

    `places`: those of its keys that are members. Without an identity both are empty.
    """

    group: Group
    keys: tuple[str, ...] = ()
    places: dict[str, Member] = {}

    @property
    def is_member(self) -> bool:
        """Whether one of its keys is."""
        return bool(self.places)

    @property
    def is_privileged(self) -> bool:
        """Whether one of its keys has a role that may do more than others."""
        return any(is_privileged(member) for member in self.places.values())

    @property
    def key(self) -> str | None:
        """The key to act with: the member of the highest rank, the main key before others; None to act with the main one."""
        ranked = sorted(self.places, key=lambda one: (-roles.rank(self.places[one].roles), self.keys.index(one)))
        return ranked[0] if ranked else None

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of that key."""
        return self.places[self.key].roles if self.key is not None else ()

    @property
    def readers(self) -> Readers:
        """Under which names what the group holds is read."""
        names = {*self.keys}
        if self.is_member:
            names.add(state.members(self.group.id))
        if self.is_privileged:
            names.add(state.moderators(self.group.id))
        return frozenset(names)


class GroupTables:
    """All methods are called on the loop, and raise StorageError."""

    def __init__(self, tables: PrimaryTables) -> None:
        self._tables = tables

    async def look(self, work: Callable[[Lookups], T]) -> T:
        """What `work` finds, on a reading thread."""
        return await self._tables.ask(work)

    def look_here(self, work: Callable[[Lookups], T]) -> T:
        """As `look`, at once: for a few look-ups by key."""
        return self._tables.ask_here(work)

    async def standing(self, group_id: str, identity_id: str | None, *, replicas: bool = False) -> GroupStanding | None:
        """How the identity (None is a stranger) stands to the group; None where there is none, or no longer.

        With `replicas` also one of another relay that is found here under this id.
        """

        def find(tables: Lookups) -> GroupStanding | None:
            group = tables.called([group_id]).get(group_id) if replicas else tables.group(group_id)
            if group is None or group.ended:
                return None
            keys = () if identity_id is None else bound_keys(tables, identity_id)
            return GroupStanding(group, keys, places(tables, keys, group.id))

        return await self._tables.ask(find)


def bound_keys(tables: Lookups, identity_id: str) -> tuple[str, ...]:
    """The keys that write as the identity, the main one first."""
    identity = tables.identity(identity_id)
    main = None if identity is None else identity.pubkey
    bound = [key.pubkey for key in tables.keys(identity_id) if key.revoked_at is None]
    return tuple(sorted(bound, key=lambda pubkey: pubkey != main))


def places(tables: Lookups, keys: Sequence[str], group_id: str) -> dict[str, Member]:
    """Those of these keys that are members of the group."""
    found = ((pubkey, tables.member(pubkey, group_id)) for pubkey in keys)
    return {pubkey: member for pubkey, member in found if member is not None and member.is_member}
