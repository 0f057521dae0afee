"""Facts: what is looked up before a decision, so that deciding touches no database.

Whoever decides says what it needs to know (`needs`), gets it, and is asked again with that, until it adds nothing: a vote's
target names the post that it stands under. Every fact is what was found or None (or nothing), so that a handler that reads
what it did not ask for fails with a KeyError instead of taking it for absent. All facts are of one moment: the tables, and
what the earlier events of the same batch have changed.
"""

from collections.abc import Callable, Iterable
from typing import Final, Literal

import msgspec

from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.groups.state import Group, Invite, Member

ROUNDS: Final = 3  # in which `needs` must come to an end

Family = Literal[
    "events",
    "targets",
    "deleters",
    "closed",
    "vanished",
    "keys",
    "siblings",
    "key_claims",
    "invites",
    "passages",
    "tokens",
    "groups",
    "replicas",
    "served",
    "members",
    "group_invites",
    "invite_groups",
    "group_of",
    "owners",
    "previous",
    "group_counts",
    "invite_counts",
    "member_counts",
]
Need = tuple[Family, str]  # a field of Facts, and a key in it
# What others give leads to no needs.
LEADING: Final = frozenset(("events", "closed", "groups", "group_of", "invite_groups"))


class Version(msgspec.Struct, frozen=True, gc=False):
    """Which version of an address is live: the newest, and of equals the one with the lowest id (NIP-01)."""

    created_at: int
    id: str

    def is_newer_than(self, created_at: int, event_id: str) -> bool:
        """Whether this version wins against another; an event never wins against itself."""
        return self.created_at > created_at or (self.created_at == created_at and self.id < event_id)


class Target(msgspec.Struct, frozen=True, gc=False):
    """What a deletion must know of an event: a request may name thousands, so their texts are left out.

    `recipients` are those of a gift wrap, `address` is that of a replaceable event.
    """

    pubkey: str
    kind: int
    created_at: int
    address: str | None = None
    recipients: tuple[str, ...] = ()


class Binding(msgspec.Struct, frozen=True, gc=False):
    """The posting identity that a key was ever bound to, and whether it still is. It can be bound to no other."""

    identity_id: str
    bound: bool


class GivenToken(msgspec.Struct, frozen=True, gc=False):
    """The token that a request over HTTP was made with, by its row id; whose it is was looked at when the request came."""

    holder: Literal["identity", "user"]
    id: str

    @property
    def key(self) -> str:
        """Its key among the facts."""
        return f"{self.holder} {self.id}"


class TokenState(msgspec.Struct, frozen=True, gc=False):
    """When a token was revoked and when it expires, unix seconds."""

    revoked_at: int | None
    expires_at: int | None


class PendingKeyClaim(msgspec.Struct, frozen=True, gc=False):
    """A claim code as it stands: whose key it binds, until when (unix seconds), and whether it has done so."""

    identity_id: str
    expires_at: int
    used: bool


class Facts(msgspec.Struct):
    """What was looked up, by family and key; ids, pubkeys and hashes are lower-case hex, times unix seconds."""

    events: dict[str, Event | None] = {}  # the live event with this id
    targets: dict[str, Target | None] = {}  # the same for those who need not read it
    deleters: dict[str, frozenset[str]] = {}  # who has deleted this id, before or after it came: pubkeys, OPERATOR
    versions: dict[str, Version | None] = {}  # the live version of an address; looked up with `closed`
    closed: dict[
        str, Version | None
    ] = {}  # up to which version (inclusive) an address is deleted; an id of "" covers all
    vanished: dict[str, int | None] = {}  # up to which created_at (inclusive) a key asked to vanish (NIP-62)
    keys: dict[str, Binding | None] = {}  # whose key this is
    siblings: dict[str, frozenset[str]] = {}  # a key and all that were ever bound to the same posting identity
    key_claims: dict[str, PendingKeyClaim | None] = {}  # by the hash of the code
    invites: dict[str, int | None] = {}  # until when an unused invite is good, by the hash of its code
    tokens: dict[str, TokenState | None] = {}  # by GivenToken.key
    passages: dict[str, int] = {}  # how many passages of knowledge a key has
    relay: str = ""  # the relay's own pubkey (NIP-11 `self`), "" where there is none; known without being asked for
    now: int | None = None  # the time at which is decided, unix seconds, where that is known beforehand
    any_groups: bool = True  # whether there is any group; where there is none, nothing need be asked about one
    home: str = ""  # the own pubkey of the peer that the event came by, where groups are taken of it; known
    origin: str | None = None  # that peer's URL; known
    private_homes: frozenset[str] = frozenset()  # relays of which a private group is kept here; known
    groups: dict[str, Group | None] = {}  # of this relay, by id; one that has ended is here too
    replicas: dict[str, Group | None] = {}  # groups of other relays, by relay.protocol.groups.state.replica_id
    served: dict[str, Group | None] = {}  # the group of another relay that is found here under the id that events name
    members: dict[str, Member | None] = {}  # by relay.protocol.groups.state.member_key
    group_invites: dict[str, Invite | None] = {}  # by relay.protocol.groups.state.invite_key
    invite_groups: dict[
        str, tuple[str, ...]
    ] = {}  # by the hash of a code: the live groups that it is of; two are enough
    group_of: dict[
        str, str | None
    ] = {}  # the group of the event with this id or of the live version of this address, or of the last of them that was here
    owners: dict[str, int] = {}  # how many members of a group have the role owner
    previous: dict[str, bool] = {}  # by relay.protocol.groups.state.previous_key: whether a live event of it begins so
    group_counts: dict[str, int] = {}  # how many groups this key began that have not ended, under "" how many there are
    invite_counts: dict[str, int] = {}  # codes of a group that are neither revoked nor used up
    member_counts: dict[str, int] = {}

    def missing(self, needs: Iterable[Need]) -> list[Need]:
        """What of this has not been looked up."""
        return [need for need in needs if need[1] not in getattr(self, need[0])]

    def identity_of(self, pubkey: str) -> str | None:
        """The posting identity that the key is bound to now."""
        found = self.keys[pubkey]
        return found.identity_id if found is not None and found.bound else None

    def owner_of(self, pubkey: str) -> str | None:
        """The posting identity that the key was ever bound to."""
        found = self.keys[pubkey]
        return None if found is None else found.identity_id


def marks_of(event: Event) -> tuple[Need, Need]:
    """What is looked up of every event, before anybody says what else it needs: who has deleted it, whether its author vanished."""
    return ("deleters", event.id), ("vanished", event.pubkey)


def gather(needs: Callable[[], Iterable[Need]], facts: Facts, look_up: Callable[[list[Need]], None]) -> None:
    """Ask for needs and look up what is missing until nothing is. Raises RuntimeError after ROUNDS rounds that added some."""
    for _ in range(ROUNDS):
        missing = facts.missing(needs())
        if not missing:
            return
        look_up(missing)
        if not may_lead_on(missing):
            return
    missing = facts.missing(needs())
    if missing:
        raise RuntimeError(f"a handler needs more than {ROUNDS} rounds: {missing[0][0]}")


def may_lead_on(needs: Iterable[Need]) -> bool:
    """Whether what is found of these may lead to further needs, so that it is worth asking again."""
    for family, _ in needs:  # a loop, since every event is asked  # noqa: SIM110
        if family in LEADING:
            return True
    return False


def target_of(event: Event) -> Target:
    """The event without its text."""
    recipients = tuple(events.values(event, "p")) if event.kind == kinds.GIFT_WRAP else ()
    return Target(event.pubkey, event.kind, event.created_at, events.address_of(event), recipients)
