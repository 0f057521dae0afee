"""What a group is: its settings, its members and its invites, as they stand after the moderation events so far.

The state is a fold of the accepted moderation events (NIP-29) in the order in which they were stored. `private`, `restricted`,
`hidden` and `closed` are independent of each other: who reads, who writes, who sees what the group is, whether asking to
join is of use.
"""

from typing import Final, Literal

import msgspec

GroupType = Literal["thread", "project", "organization"]  # set when it begins (`["type", …]` of 9007), never changed

OWNER: Final = "owner"
UNKNOWN_HOME: Final = "?"  # the home of what an import holds of groups that are not this relay's
ADMIN: Final = "admin"
MODERATOR: Final = "moderator"


class Group(msgspec.Struct, frozen=True, gc=False):
    """A group; `ended` by 9008: its id is never given out again, nothing of it is served, and it has no members or invites.

    `created_at` is when it began, unix seconds, `creator` a pubkey. `supported_kinds`: None for all, () for none (audio and
    video only). `children` are in the order that its admins gave them. `extra` are tags of the last 9002 that are not known here:
    they are carried along. `pins` are `e` and `a` tags as (name, value).

    A replica is a group of another relay, its `home`: that relay's own pubkey, or UNKNOWN_HOME; "" is this relay. Its `id` is
    then a `replica_id`, which no group of this relay can have, `creator` the home and `created_at` that of its 39000.
    `home_url` is where that relay is. `apart`: another group is called so here, so that nothing of this one is served.
    """

    id: str
    creator: str
    created_at: int
    type: GroupType = "thread"
    name: str = ""
    about: str = ""
    picture: str = ""
    banner: str = ""
    private: bool = False
    restricted: bool = False
    hidden: bool = False
    closed: bool = False
    livekit: bool = False
    supported_kinds: tuple[int, ...] | None = None
    parent: str | None = None
    children: tuple[str, ...] = ()
    extra: tuple[tuple[str, ...], ...] = ()
    pins: tuple[tuple[str, str], ...] = ()
    ended: bool = False
    home: str = ""
    home_url: str = ""
    apart: bool = False

    @property
    def wire_id(self) -> str:
        """What events call it in `h` and `d` tags."""
        return wire_id(self.id)


class Member(msgspec.Struct, frozen=True, gc=False):
    """How a key stands to a group. Who was removed by somebody else comes back by an invite or an admin only.

    `since` is the created_at of the event that made it so.
    """

    standing: Literal["member", "removed", "left"]
    roles: tuple[str, ...]
    since: int

    @property
    def is_member(self) -> bool:
        """Whether it is in the group now."""
        return self.standing == "member"


class Invite(msgspec.Struct, frozen=True, gc=False):
    """A code that opens a group: by whom, until when (unix seconds), and how many may still use it; None is no bound."""

    by: str
    expires_at: int | None
    uses_left: int | None
    revoked: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is neither revoked nor used up; it may have expired."""
        return not self.revoked and self.uses_left != 0


class PutGroup(msgspec.Struct, frozen=True, gc=False):
    """The group is this from now on; the first one begins it."""

    group: Group


class PutMember(msgspec.Struct, frozen=True, gc=False):
    """The key stands so to the group from now on."""

    group_id: str
    pubkey: str
    member: Member


class PutInvite(msgspec.Struct, frozen=True, gc=False):
    """The code (by its SHA-256, hex) is good for this from now on."""

    group_id: str
    code_hash: str
    invite: Invite


class PutListing(msgspec.Struct, frozen=True, gc=False):
    """The members of a replica are these keys from now on, and no others: its home said so at `since`."""

    group_id: str
    pubkeys: tuple[str, ...]
    since: int


GroupChange = PutGroup | PutMember | PutInvite | PutListing


def replica_id(home: str, group_id: str) -> str:
    """What a group of another relay is called here: a space is in no id that this relay gives out."""
    return f"{home} {group_id}"


def is_replica(group_id: str) -> bool:
    """Whether this is a `replica_id`."""
    return " " in group_id


def wire_id(group_id: str) -> str:
    """The id by which events name the group."""
    return group_id.partition(" ")[2] if is_replica(group_id) else group_id


def members(group_id: str) -> str:
    """Who an event of a private group is for, as an audience names it: its members. No pubkey reads so."""
    return f"g:{group_id}"


def moderators(group_id: str) -> str:
    """Those members who have a role with privileges: for invites and their use."""
    return f"m:{group_id}"


def invite_key(code_hash: str, group_id: str) -> str:
    """A code's place in a group as facts name it; the hash has 64 characters, the rest is the id."""
    return f"{code_hash} {group_id}"


def previous_key(beginning: str, group_id: str) -> str:
    """The beginning of an event's id (8 hex digits) in a group as facts name it."""
    return f"{beginning} {group_id}"


def member_key(pubkey: str, group_id: str) -> str:
    """A key's place in a group as facts and changes name it; the pubkey has 64 characters, the rest is the id."""
    return f"{pubkey} {group_id}"
