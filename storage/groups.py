"""Groups as they are read: what is kept of them beside the log (relay/protocol/groups/state.py). Words and the interface only."""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from relay.protocol.groups import roles
from relay.protocol.groups.state import Group, GroupType, Invite, Member

MAX_ASKED: Final = 1000  # ids or keys that are looked up at once


def is_privileged(member: Member) -> bool:
    """Whether the member has a role that may do more than others."""
    return member.is_member and roles.is_privileged(member.roles)


class Membership(NamedTuple):
    """A key is in a group; `privileged`: with a role that may do more than others."""

    pubkey: str
    group_id: str
    member: Member
    privileged: bool


class GroupLookups(Protocol):
    """What can be read of groups, their members and invites."""

    def group(self, group_id: str) -> Group | None:
        """By id, of this relay; one that has ended is here too."""

    def called(self, ids: Sequence[str]) -> dict[str, Group]:
        """By the id that events name (at most MAX_ASKED): a group of this relay, else that of another one which is found here
        under it; ended ones too.
        """

    def groups_named(self, ids: Sequence[str]) -> list[Group]:
        """Those with these ids (at most MAX_ASKED), in any order, groups of other relays too (state.replica_id)."""

    def groups(
        self,
        after: str = "",
        limit: int = 100,
        *,
        of_type: GroupType | None = None,
        parent: str | None = None,
        hidden: bool = False,
        replicas: bool = False,
    ) -> list[Group]:
        """The groups that have not ended, the newest first, from the one after `after` on; hidden ones, and those of other relays
        that are served here, where asked for.
        """

    def groups_like(self, text: str, after: str = "", limit: int = 100) -> list[Group]:
        """Those with this text in their name or id, in any (ASCII) case, the newest first, of other relays too where they are
        served here; none that is hidden or has ended.
        """

    def communities(self, after: str = "", limit: int = 100, text: str = "", *, replicas: bool = False) -> list[Group]:
        """Groups that everybody reads and knows of and that take posts (kind 11) by name, or hold some; the newest first.

        With `text` those that have it in their name or id, in any (ASCII) case, also those that leave open what they take.
        `replicas` as for `groups`.
        """

    def is_taken(self, group_id: str) -> bool:
        """Whether a group, ended or not, has this id in any (ASCII) case."""

    def group_sizes(self, ids: Sequence[str]) -> dict[str, int]:
        """How many members each of these groups (at most MAX_ASKED) has."""

    def authors_of(self, ids: Sequence[str]) -> dict[str, str]:
        """By which key each of these events is, of those that are here, whoever may read them."""

    def memberships(self, pubkeys: Sequence[str]) -> list[Membership]:
        """The groups that these keys are in, of other relays too, but for ended ones."""

    def member(self, pubkey: str, group_id: str) -> Member | None:
        """How a key stands to a group."""

    def members_of(self, group_id: str, after: str = "", limit: int = 100) -> list[tuple[str, Member]]:
        """The members (pubkey, standing), the newest first, from the one after the pubkey `after` on."""

    def admins_of(self, group_id: str, limit: int = 1000) -> list[tuple[str, Member]]:
        """The members with a role that may do more than others, the newest first."""

    def invites_of(self, group_id: str) -> list[tuple[str, Invite]]:
        """The codes of a group (by their hash) that are not revoked, at most MAX_ASKED."""
