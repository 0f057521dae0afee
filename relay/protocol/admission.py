"""The words in which the log and the meaning of events talk to each other.

`handlers` decides (`admit`), `storage` carries out: neither imports the other, both import this. Everything here is data.
"""

import enum
from typing import Protocol

import msgspec

from relay.errors import Reject
from relay.protocol.event import Event
from relay.protocol.rows import Projection

OPERATOR = "operator"  # who removed an event, when it was not a key


class Door(enum.IntEnum):
    """How an event came in; stored with it."""

    CLIENT = 1
    HTTP = 2
    PEER = 3
    IMPORT = 4


class Version(msgspec.Struct, frozen=True, gc=False):
    """Which version of an address is live: the newest, and of equals the one with the lowest id (NIP-01)."""

    created_at: int
    id: str

    def is_newer_than(self, created_at: int, event_id: str) -> bool:
        """Whether this version wins against another; an event never wins against itself."""
        return self.created_at > created_at or (self.created_at == created_at and self.id < event_id)


class RemoveEvent(msgspec.Struct, frozen=True, gc=False):
    """Remove one event if it is here, and refuse it from now on wherever `by` may delete it (NIP-09).

    `by` is the deleting pubkey or OPERATOR. The handler has checked the right to it where the event is live; where it
    is not, the mark waits and `Known.is_deleted` finds it when the event comes.
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
    """Remove the edits (kind 1010) of these posts by the key `by` and by every other of its posting identity."""

    posts: tuple[str, ...]
    by: str


Removal = RemoveEvent | RemoveAddress | RemoveAuthor | RemoveEdits


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


Action = BindKey | AcceptInvite | UnbindKey | VanishKey | NameIdentity | ProvisionIdentity


class KeyClaim(msgspec.Struct, frozen=True, gc=False):
    """A claim code as it stands: whose key it binds, until when (unix seconds), and whether it has done so."""

    identity_id: str
    expires_at: int
    used: bool


class Admission(msgspec.Struct, frozen=True, gc=False):
    """What the log does with an event.

    `refusal`: not stored, answered with it; the removals still happen. `store` False: accepted and sent, never stored
    (ephemeral). `audience`: None for everyone, else who may read it: pubkeys (recipients) or group ids; an empty one is
    nobody. `replaces`: id of the live version that leaves as this one comes, without a mark. `actions` change primary
    data in the event's own transaction; one that cannot be carried out refuses the event. `message` goes into `OK true`.
    """

    store: bool = True
    audience: tuple[str, ...] | None = None
    replaces: str | None = None
    removals: tuple[Removal, ...] = ()
    refusal: Reject | None = None
    actions: tuple[Action, ...] = ()
    message: str = ""


class Known(Protocol):
    """What the log holds, for a handler to ask: inside the writer's transaction, earlier events of the batch included."""

    def get(self, event_id: str) -> Event | None:
        """The live event with this id."""

    def current(self, address: str) -> Version | None:
        """The live version of an address."""

    def is_deleted(self, event_id: str, by: str) -> bool:
        """Whether `by` (a pubkey or OPERATOR) has deleted this id, before or after it came."""

    def deleted_until(self, address: str) -> Version | None:
        """Up to which version (inclusive) an address is deleted; an empty id covers its whole second."""

    def vanished_until(self, pubkey: str) -> int | None:
        """Up to which `created_at` (inclusive) the key asked to vanish (NIP-62)."""

    def identity_of(self, pubkey: str) -> str | None:
        """The posting identity that the key is bound to now."""

    def owner_of(self, pubkey: str) -> str | None:
        """The posting identity that the key was ever bound to: it can be bound to no other."""

    def keys_with(self, pubkey: str) -> frozenset[str]:
        """The key and all that were ever bound to the same posting identity."""

    def key_claim(self, code_hash: str) -> KeyClaim | None:
        """The claim code with this hash (`keys.tokens.digest`)."""

    def chunks_of(self, pubkey: str) -> int:
        """How many passages of knowledge the key has."""

    def chunks_in(self, event: Event) -> int:
        """Into how many passages the event is cut."""

    def invite(self, code_hash: str) -> int | None:
        """Until when (unix seconds) the invite with this hash is good; None when there is none, or it was used."""


Key = tuple[str, str]  # (table, key): a derived row that may have changed


class Meaning(Protocol):
    """What the log asks of `handlers`, handed in when it is opened."""

    def admit(self, event: Event, known: Known, now: int, door: Door) -> Admission:
        """Decide on one event, once. Raises Reject to refuse it without further effect."""

    def touches(self, event: Event) -> tuple[Key, ...]:
        """The derived rows that depend on this event; asked when it comes and again when it leaves."""

    @property
    def projections(self) -> tuple[Projection, ...]:
        """The derived tables, each after those whose rows it asks for."""
