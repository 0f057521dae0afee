"""The words in which storage and handlers talk about derived rows.

A derived row is a function of which events are live and of whose key signed them, never of the order in which they came. A
`Projection` is one derived table: `keys` names which of its rows an event may change, `rows` makes them. Both are pure: what a
row is made of it asks of `Sources`. A source that was not looked up yet is None, is noted, looked up for all keys at once, and
the function is called again for those keys; so a function may ask for one thing after the other and never waits.

Storage compares what is made with what is stored and writes the difference, for the keys at hand (a batch), for all keys in
parts (a rebuild) or without writing (a check). What follows from a row that came, went or changed is data here: rows of later
projections (`follows`), rows that go with it (`under`), counters that it adds to (`counts`).
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from relay.protocol.chunks import Cutting
from relay.protocol.event import Event
from relay.protocol.groups.state import Group, Member

Place = tuple[int | str, ...]  # the first columns of a primary key: where the rows of one key stand
Change = Literal["came", "went", "changed"]
Count = tuple[str, int, str]  # a counter to add 1 to: table, number of the row, column


class Live(msgspec.Struct, frozen=True, gc=False):
    """An event in the log and what the log knows of it. `audience` is as the log keeps it, None for everyone.

    `seq` is its number, `received_at` and `expires_at` are unix seconds, `group` is the group that it belongs to.
    """

    seq: int
    event: Event
    received_at: int
    expires_at: int | None
    audience: bytes | None
    group: str | None = None


class Owner(msgspec.Struct, frozen=True, gc=False):
    """The posting identity that a key was ever bound to: its id and number, whether it is of this relay, all its keys."""

    id: str
    number: int
    local: bool
    keys: tuple[str, ...]


class FeedPlace(msgspec.Struct, frozen=True, gc=False):
    """The row of the feed that an event has: `posts` or `comments`, and its number, which is the event's."""

    table: str
    seq: int


class Sources(Protocol):
    """What rows are made of: the log, the primary tables, and the rows of earlier projections.

    `missed`: something that was asked for is not known yet, so the function is called again: what costs much can wait.
    """

    missed: bool

    @property
    def cutting(self) -> Cutting:
        """What is searched, and how texts are cut."""

    @property
    def counts_all(self) -> bool:
        """Whether votes of identities that other relays brought count."""

    @property
    def operators(self) -> tuple[str, ...]:
        """The keys of those who run this relay, its own among them."""

    def event(self, event_id: str) -> Live | None:
        """The live event with this id."""

    def newest(self, kind: int, pubkey: str, about: str = "", group: str = "") -> Live | None:
        """The newest live event of a kind by this key that everybody may read, of equals the one with the lowest id.

        With `about`, among those that are about it: public ones whose subject (relay.protocol.feed.subject) it is, and all that
        have it among their subjects in the control plane (relay.protocol.control_plane.subjects), where a name stands for the key.
        With `group`, among those that belong to this group: one of another relay may be called the same.
        """

    def edited(self, name: str) -> bool:
        """Whether anything in a group of this name (`h`) was ever edited, or deleted so that it may be said again."""

    def edit(self, event_id: str, pubkey: str) -> Live | None:
        """The newest live edit (kind 1010) of this event by this key that names a group, whoever may read it."""

    def marked(self, event_id: str, by: str) -> bool:
        """Whether a key has deleted an event with this id, there or not, or left a mark of this name."""

    def version(self, address: str) -> Live | None:
        """The live event at an address (`a` tag)."""

    def owner(self, pubkey: str) -> Owner | None:
        """Whose key this is."""

    def user(self, pubkey: str) -> str:
        """The id of the user that a key signs for, `nostr:<pubkey>` where it is no user's of this relay."""

    def group(self, group_id: str) -> Group | None:
        """The group with this id; one that has ended, too."""

    def member(self, pubkey: str, group_id: str) -> Member | None:
        """How a key stands to a group."""

    def identifier(self, event_id: str) -> str | None:
        """What an issue is called; given to it when it came."""

    def standing(self, event_id: str) -> FeedPlace | None:
        """The row of the feed that this event has."""

    def row(self, table: str, seq: int) -> Any:
        """The row of an earlier projection with this number, as its struct; None where there is none."""


class Tagged(msgspec.Struct, frozen=True):
    """Keys: the ids of live public events of a kind with a tag of this name and the id at hand."""

    kind: int
    name: str


class About(msgspec.Struct, frozen=True):
    """Keys: the id at hand and the author, for every live public event of a kind whose subject it is."""

    kind: int


class Children(msgspec.Struct, frozen=True):
    """Keys: the groups that stand under those at hand."""


class RowDependency(msgspec.Struct, frozen=True):
    """A row of `table` came, went or changed: which keys that touches; with `keys` None its own id."""

    table: str
    when: tuple[Change, ...]
    keys: Tagged | About | Children | None = None


class LaterRows(msgspec.Struct, frozen=True):
    """A row of `table` differs in what counts: keys that may be too many for its transaction are touched in parts after it.

    `counts` gives what counts, what no row has is (). The keys are the ids of live public events of `kind` with a tag `name`
    that holds the row's id. Until all are touched, rows of them may be as before: whoever reads them must bear that.
    """

    table: str
    counts: Callable[[Any], tuple[object, ...]]
    kind: int
    name: str


def place_of_event(key: str, sources: Sources) -> Place | None:
    """Where a row stands whose key is the id of an event: its number is the event's."""
    live = sources.event(key)
    return None if live is None else (live.seq,)


class Projection(msgspec.Struct, frozen=True):
    """A derived table.

    `row` has its columns in order, counters left out; `primary` are those of its primary key. `kinds` are those whose events
    have keys here, None for those that are searched. `place` is where the rows of a key stand; a key that has none cannot have
    rows. `beside`: which keys hang together with the one that is touched. `under`: (table, column) of rows that these go
    with, by the first column of their primary key. `later`: rows of an earlier projection that many keys follow from.
    `counts`: the counters that a row adds to. `renewed`: a row that differs is another row, with a number of its own.
    `key_of`: the key of a row, for tables whose rows are not an event's own.
    """

    table: str
    row: type[msgspec.Struct]
    primary: tuple[str, ...]
    kinds: frozenset[int] | None
    keys: Callable[[Event], tuple[str, ...]]
    rows: Callable[[str, Sources], Sequence[msgspec.Struct]]
    place: Callable[[str, Sources], Place | None] = place_of_event
    beside: Tagged | None = None
    follows: tuple[RowDependency, ...] = ()
    later: LaterRows | None = None
    under: tuple[tuple[str, str], ...] = ()
    counts: Callable[[Any], Iterable[Count]] | None = None
    renewed: bool = False
    key_of: Callable[[Any], str] | None = None


def newest_of(some: Iterable[Live | None]) -> Live | None:
    """The newest of these events, of equals the one with the lowest id."""
    return min(
        (one for one in some if one is not None), key=lambda one: (-one.event.created_at, one.event.id), default=None
    )
