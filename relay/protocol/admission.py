"""The words in which the log and the meaning of events talk to each other.

`handlers` decides (`admit`), `storage` carries out: neither imports the other, both import this. Everything here is data.
"""

import enum
from collections.abc import Iterable
from typing import Protocol

import msgspec

from relay.errors import Reject
from relay.protocol.event import Draft, Event
from relay.protocol.facts import Facts, Need
from relay.protocol.groups.state import GroupChange
from relay.protocol.rows import Projection

OPERATOR = "operator"  # who removed an event, when it was not a key
GROUP_MODERATOR = "moderator"  # the same: whoever moderates the group that the event belongs to (NIP-29)


class Door(enum.IntEnum):
    """How an event came in; stored with it."""

    CLIENT = 1
    HTTP = 2
    PEER = 3
    IMPORT = 4


class RemoveEvent(msgspec.Struct, frozen=True, gc=False):
    """Remove one event if it is here, and refuse it from now on wherever `by` may delete it (NIP-09).

    `by` is the deleting pubkey, OPERATOR or GROUP_MODERATOR. The handler has checked the right to it where the event is
    live; where it is not, the mark waits and `Facts.deleters` has it when the event comes.
    """

    id: str
    by: str


class RemoveAddress(msgspec.Struct, frozen=True, gc=False):
    """Remove the versions of an address up to `until` inclusive and refuse them from now on (NIP-09 `a`).

    With an `id`, of the versions at `until` only that one and those that lose against it: what deleting one version by
    its id means, so that no order of arrival brings an older one back.
    """

    address: str
    until: int
    id: str = ""


class RemoveAuthor(msgspec.Struct, frozen=True, gc=False):
    """Remove everything of a key up to `until` inclusive, and by id every gift wrap to it; refuse both from now on (NIP-62)."""

    pubkey: str
    until: int


class RemoveEdits(msgspec.Struct, frozen=True, gc=False):
    """Remove the edits (kind 1010) of these events by the key `by` and by every other of its posting identity.

    With a `group`, instead all that belong to it, whoever wrote them: an issue's members' edits say anew what it said.
    """

    edited: tuple[str, ...]
    by: str
    group: str = ""


class AllowTime(msgspec.Struct, frozen=True, gc=False):
    """The author of what was deleted in a group may publish of its kind and time there again (`timeline.edit_mark`).

    That is how clients edit: what is there of that time, or comes, counts as edited.
    """

    pubkey: str
    kind: int
    created_at: int
    group: str


Removal = AllowTime | RemoveEvent | RemoveAddress | RemoveAuthor | RemoveEdits


class BindKey(msgspec.Struct, frozen=True, gc=False):
    """Bind a key to the posting identity of a claim code, which is used up by it."""

    pubkey: str
    code_hash: str


class AcceptInvite(msgspec.Struct, frozen=True, gc=False):
    """Make a posting identity for a key that never had one; the invite is used up by it (NIP-43)."""

    pubkey: str
    code_hash: str


class UnbindKey(msgspec.Struct, frozen=True, gc=False):
    """The key may not write as its posting identity any more. What it wrote stays the identity's."""

    pubkey: str


class VanishKey(msgspec.Struct, frozen=True, gc=False):
    """The key's owner asked to vanish: unbind it, destroy its secret; with its last key, anonymise the identity (NIP-62)."""

    pubkey: str


class NameIdentity(msgspec.Struct, frozen=True, gc=False):
    """What people are shown of an identity; "" is nothing."""

    identity_id: str
    display_name: str
    description: str


class ProvisionIdentity(msgspec.Struct, frozen=True, gc=False):
    """Make a posting identity for a key that belongs to none. Its name comes from the key's kind 0, else from its npub.

    `origin` is the peer it came by, None for one of this relay. More than `most_an_hour` of one origin refuse the event;
    0 is no limit.
    """

    pubkey: str
    origin: str | None = None
    most_an_hour: int = 0


class NumberIssue(msgspec.Struct, frozen=True, gc=False):
    """Call an issue by the next number of `scope` (a group's id or a repository's address): `<prefix>-<number>`.

    Given once: an issue that was here before keeps what it was called.
    """

    event_id: str
    scope: str
    prefix: str


class NoteFollowed(msgspec.Struct, frozen=True, gc=False):
    """An identity follows those whose keys these are; whom it never followed before is told of it, where it `is_news`."""

    follower: str
    keys: tuple[str, ...]
    is_news: bool


Action = (
    BindKey
    | AcceptInvite
    | UnbindKey
    | VanishKey
    | NameIdentity
    | ProvisionIdentity
    | NoteFollowed
    | GroupChange
    | NumberIssue
)


class Admission(msgspec.Struct, frozen=True, gc=False):
    """What the log does with an event.

    `refusal`: not stored, answered with it; the removals still happen. `store` False: accepted and sent, never stored
    (ephemeral). `audience`: None for everyone, else who may read it: pubkeys (recipients), members or moderators of a group
    (relay.protocol.groups.state); an empty one is nobody. `group` is the id of the group that it belongs to, of those of this
    relay: then its audience follows that group's settings (relay.protocol.groups.belonging). `replaces`: id of the live version
    that leaves as this one comes, without a mark. `actions` change primary data in the event's own transaction; one that cannot
    be carried out refuses the event. `emits`: what the relay's own key says with it, stored right after it in the same
    transaction. `message` goes into `OK true`. `expires` False: it stays, whatever its expiration tag says (NIP-40).
    """

    store: bool = True
    audience: tuple[str, ...] | None = None
    replaces: str | None = None
    removals: tuple[Removal, ...] = ()
    refusal: Reject | None = None
    actions: tuple[Action, ...] = ()
    message: str = ""
    emits: tuple[Draft, ...] = ()
    group: str | None = None
    expires: bool = True


Key = tuple[str, str]  # (table, key): a derived row that may have changed


class Meaning(Protocol):
    """What the log asks of `handlers`, handed in when it is opened."""

    def needs(self, event: Event, facts: Facts) -> Iterable[Need]:
        """What must be looked up before `admit`, beside `facts.marks_of`; asked again with what was found until it adds nothing.

        That takes `facts.ROUNDS` rounds at most.
        """

    def admit(self, event: Event, facts: Facts, now: int, door: Door) -> Admission:
        """Decide on one event, once. Raises Reject to refuse it without further effect."""

    def passages(self, event: Event) -> int:
        """How many passages of knowledge the event counts for in its author's quota."""

    def touches(self, event: Event) -> tuple[Key, ...]:
        """The derived rows that depend on this event; asked when it comes and again when it leaves."""

    @property
    def projections(self) -> tuple[Projection, ...]:
        """The derived tables, each after those whose rows it asks for."""
