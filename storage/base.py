"""The interfaces of storage, by use: one log, written by one writer and read by several readers.

`seq` is the log's own number: dense as given out, never given twice, so that a follower can name how far it has read.
All times are unix seconds, all ids and pubkeys lower-case hex.
"""

import enum
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from relay.errors import Reject
from relay.protocol.admission import Door
from relay.protocol.event import Draft, Event
from relay.protocol.facts import GivenToken
from relay.protocol.filter import Filter
from relay.protocol.item_set import ItemSet
from storage.commands import Command
from storage.identities.types import Lookups

T = TypeVar("T")
Readers = frozenset[str]  # whose private events may be read: authenticated pubkeys and group ids; empty = public only
PUBLIC: Readers = frozenset()


class Expected(msgspec.Struct, frozen=True, gc=False):
    """What an event was made from: the newest live event that `filter` matches and `readers` may read has this id; None is none.

    It is looked at in the transaction that would store the event, so that of two changes made from the same state one is
    refused (with `Changed`) and neither is lost.
    """

    filter: Filter
    id: str | None
    readers: Readers = PUBLIC


class Missing(msgspec.Struct, frozen=True, gc=False):
    """Events that were acknowledged and are not in the database: those with the numbers from `first` to `last`."""

    first: int
    last: int

    def __str__(self) -> str:
        return (
            f"events {self.first} to {self.last} of the log are missing: its write-ahead log was cut off or damaged, or this is an "
            "older copy of the database. Stop the relay, then put a newer backup in its place, or take the loss: "
            "`tidings check --accept-loss`"
        )


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A verified event on its way into the log. `wire` is `event.wire(event)`; `received_at` is when it came.

    Where something is `expected`, the event is stored only if that holds; where a `token` is named with which it was sent, only
    if that is still good. `origin` is the peer that it came by, `home` that relay's own pubkey where its groups are kept here.
    """

    event: Event
    wire: bytes
    door: Door
    received_at: int
    expected: Expected | None = None
    token: GivenToken | None = None
    origin: str | None = None
    home: str = ""


class Status(enum.IntEnum):
    """What became of an event."""

    STORED = 1
    EPHEMERAL = 2  # accepted, to be sent, not stored
    DUPLICATE = 3  # was here already
    REFUSED = 4


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """What became of one Incoming. `seq` is set for STORED, `refusal` for REFUSED; `audience`, `message` as in Admission.

    `refusal` stands `alone()`: raised where the outcome is at hand, it would make a circle that no collector looks at.

    One that is refused because what was asked for is so already has the prefix `duplicate`; NIP-43 has that answered `OK true`.
    """

    status: Status
    seq: int = 0
    audience: tuple[str, ...] | None = None
    refusal: Reject | None = None
    message: str = ""


class RelaySigner(Protocol):
    """Who signs what the relay itself says; asked inside the writer's transaction."""

    @property
    def pubkey(self) -> str:
        """The relay's own key."""

    def sign(self, draft: Draft) -> Event:
        """The draft as an event of that key."""


class Logged(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event of the log as a follower gets it: `seq` is 0 for what is sent and not stored, `audience` as in Admission."""

    seq: int
    wire: bytes
    audience: tuple[str, ...] | None = None


class Commit(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """One transaction, as followers get it.

    `number` counts transactions since the relay's start, `upto` is the highest `seq` afterwards. `events` are those that were
    stored or are only sent, in order. `removed` are the ids of what left the log, None where they are too many to name: then
    anything may be gone. `changes` are the primary rows that changed: (kind of row, key).
    """

    number: int
    upto: int
    events: list[Logged]
    removed: list[str] | None
    changes: list[tuple[str, str]]


MOST_REMOVED: Final = 1000  # ids that a Commit names


class Written(msgspec.Struct):
    """What the writer has changed since it was asked last; see Commit. `kinds` are those of the events."""

    events: list[Logged] = []
    kinds: set[int] = set()
    removed: list[str] | None = []
    changes: list[tuple[str, str]] = []

    def put(self, logged: Logged, kind: int) -> None:
        """An event of this kind was stored, or is only sent."""
        self.events.append(logged)
        self.kinds.add(kind)

    def remove(self, event_id: str) -> None:
        """An event left the log."""
        if self.removed is not None:
            self.removed.append(event_id)
            if len(self.removed) > MOST_REMOVED:
                self.removed = None

    def add(self, other: "Written") -> None:
        """What another transaction changed after this."""
        self.events += other.events
        self.kinds |= other.kinds
        self.changes += other.changes
        if self.removed is None or other.removed is None or len(self.removed) + len(other.removed) > MOST_REMOVED:
            self.removed = None
        else:
            self.removed += other.removed

    def is_nothing(self) -> bool:
        """Whether a follower need not hear of it."""
        return not self.events and self.removed == [] and not self.changes


class Found(msgspec.Struct, frozen=True, gc=False):
    """The answer to a query: events newest first, of equals the lowest id first (NIP-01).

    `wires` is the first part, bounded in bytes; `rest` names the others in order, for `Log.fetch`. `complete` is
    True when every stored match is among them and False when there are more (NIP-67); `cut` when there are more and the relay's
    own limit, not the client's, is why.
    """

    wires: list[bytes]
    rest: tuple[int, ...]
    complete: bool
    cut: bool = False


class Counted(msgspec.Struct, frozen=True, gc=False):
    """`total` distinct events; `hll` is 512 hex digits where an offset was given (NIP-45)."""

    total: int
    hll: str | None = None


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """A stored event with what the log knows about it."""

    seq: int
    wire: bytes
    door: Door
    received_at: int


SMALLEST_PAGE: Final = 10  # events; who asks for fewer does not page


class Limits(msgspec.Struct, frozen=True, gc=False):
    """How many events a filter gives: `default` without a limit of its own, never more than `maximum`.

    Where the relay's limit cuts, the second (`created_at`) it falls in is finished, within reason, so that a client can
    go on from `until` without a gap (NIP-67). A client's own limit is exact but for one case: where it is that of a page, and
    the page would lie within the one second that its `until` names, the client could never go on; it gets that second, up
    to `maximum`, and the next event.
    """

    default: int = 500
    maximum: int = 5000


class Commands(Protocol):
    """Carries out commands. Blocking: called from one thread at a time, never from the event loop."""

    def execute(self, command: Command[T], now: int, token: GivenToken | None = None) -> T:
        """Carry out a command in a transaction of its own; what it gives, durable when this returns.

        Raises StorageError, and ChangeRefused or Reject where the command's docstring says so, and Reject(auth-required) when the
        `token` that it was sent with is not good any more; then nothing is changed.
        """


class TransactionWriter(Commands, Protocol):
    """Writes the log: what the role of the writer needs. Threads as `Commands`, but for `record`."""

    def last_seq(self) -> int:
        """The highest number given out, 0 for an empty log; it survives a restart even if that event is gone."""

    def write(self, batch: Sequence[Incoming], now: int) -> list[Outcome]:
        """Admit and store a batch in one transaction; one Outcome each, in order, durable when this returns.

        If the batch fails as a whole it is retried event by event: one event never fails its neighbours. Raises
        StorageError only when the database cannot be written at all (disk full, file gone); then nothing is stored.
        """

    def collect(self) -> Written:
        """What was changed, durably, since this was asked last; what the relay itself said among it."""

    def record(self) -> None:
        """Note outside of the database how far it is committed. For any thread. Raises StorageError."""

    @property
    def disk_wait(self) -> float:
        """Seconds that the last transaction waited for the disk to keep it; 0 before the first."""

    @property
    def missing(self) -> Missing | None:
        """What is known to be missing of the log; their numbers are not given out again."""

    @property
    def moving(self) -> int:
        """How many groups there are whose events are not all entered for those they are for now."""

    @property
    def unfinished(self) -> bool:
        """Whether changes of groups may have left something to do: whoever writes sends ContinueGroups until nothing is."""


class PrimaryWriter(Commands, Protocol):
    """Reads and changes the primary tables, which no log tells of. Threads as `Commands`."""

    @property
    def tables(self) -> Lookups:
        """The primary tables: who someone is."""


class LogWriter(TransactionWriter, PrimaryWriter, Protocol):
    """The one writer of a data directory, as a backend gives it to who opens it; who uses it takes a part of it."""

    def accept_loss(self) -> Missing | None:
        """From now on nothing is missing; what was."""

    def close(self) -> None:
        """Finish, checkpoint and release the lock. Idempotent."""


class Log(Protocol):
    """The log as clients may read it. Nothing it gives has expired by `now` or is outside `readers` and public."""

    async def query(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
        *,
        after: tuple[int, str] | None = None,
    ) -> Found:
        """What any of the filters matches, each event once, each filter with its own limit, `seq` up to `upto` only.

        `after` (created_at, id): only what comes after that event in the order, be it still here or not.

        Raises TooCostly over the bound on work, StorageError when the database fails.
        """

    def try_query(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
    ) -> Found | None:
        """As `query`, on the caller's thread, where that takes a moment; None where `query` is to be asked. Raises TooCostly."""

    async def fetch(self, seqs: Sequence[int], now: int, readers: Readers | None) -> list[bytes]:
        """The wire forms of these events in the order asked; what left the log meanwhile is passed over.

        `readers`: pass over what they may not read now; None where that cannot have changed since `query` named the events.
        """

    async def count(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        offset: int | None = None,
        *,
        most: int | None = None,
    ) -> Counted:
        """How many distinct events any of the filters matches, limits ignored; exact. Raises as `query` does.

        With `most`, no more are counted than that: the work is bounded by it.
        """

    async def get(self, event_id: str, readers: Readers, now: int) -> StoredEvent | None:
        """One event by id."""


class ComparedLog(Protocol):
    """The log as it is compared with another's (NIP-77). It gives what `Log` does."""

    async def items(self, wanted: Filter, readers: Readers, now: int, most: int) -> ItemSet:
        """(created_at, id) of what the filter matches, of its newest `limit` where it has one.

        What comes or goes while a large set is read may be in it or not. Raises as `query` does, TooCostly also where there are
        more than `most`.
        """

    async def expired(self, after: int, upto: int, most: int) -> list[bytes]:
        """The ids of events that are stored and have expired since `after`, by `upto` (unix seconds): `most` of them, at most."""


class VersionedLog(Protocol):
    """The log with what articles said before. It gives what `Log` does."""

    async def earlier(self, address: str) -> list[bytes]:
        """The wire forms of what stood at an address (NIP-01) before, the newest first, as far as it is kept; public all of it."""

    async def replaced(self, event_id: str) -> bytes | None:
        """The wire form of the event with this id that a newer version took the place of, where it is kept; public."""


class FollowedLog(Protocol):
    """The log as it is followed: in order, private events too."""

    async def follow(self, after: int, upto: int, most: int) -> list[Logged]:
        """The first `most` live events, at most, with `after` < seq <= `upto`, in order of `seq`, private ones too."""


class ScannedLog(Protocol):
    """The log as the operator reads it: in order, private events too."""

    def scan(self, wanted: Filter | None, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Every stored event with `seq` > `after` in order of `seq`, private ones too, if `wanted` matches: the operator's."""


class PrimaryTables(Protocol):
    """The primary tables as they are read beside the writer."""

    async def ask(self, work: Callable[[Lookups], T]) -> T:
        """What `work` finds in the primary tables; it runs on a reading thread. Raises as `query` does."""

    def try_ask(self, work: Callable[[Lookups], T]) -> T | None:
        """As `ask`, on the caller's thread, where that takes a moment; None where `ask` is to be asked."""

    def ask_here(self, work: Callable[[Lookups], T]) -> T:
        """As `ask`, on the caller's thread, however long it takes: for a few look-ups by key. Raises StorageError."""


class Reader(Log, ComparedLog, VersionedLog, FollowedLog, ScannedLog, PrimaryTables, Protocol):
    """All that is read, as a backend gives it to who opens it; who uses it takes a part of it."""

    async def close(self) -> None:
        """Let go of the connections. Idempotent."""
