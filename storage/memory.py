"""The log in memory: slow and obvious, what every other backend is tested against.

One dictionary of live events; a query looks at all of them with `filter.matches`. Nothing is durable, and there are no
derived rows. The primary tables stand in an SQLite database in memory, since what they mean is their SQL.
"""

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from typing import TypeVar

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import event as events
from relay.protocol import feed, hll, kinds
from relay.protocol.admission import (
    OPERATOR,
    Admission,
    KeyClaim,
    Meaning,
    Removal,
    RemoveAddress,
    RemoveEdits,
    RemoveEvent,
    Version,
)
from relay.protocol.event import Event
from relay.protocol.filter import Filter, matches
from storage.base import SMALLEST_PAGE, Counted, Found, Incoming, Limits, Outcome, Readers, Record, Status
from storage.directory import Change, SqliteDirectory
from storage.people import Lookups
from storage.registry import Bindings, SqliteLookups
from storage.search.chunks import Cutting, passages_of
from storage.sqlite_file import split
from storage.statements import migrations

T = TypeVar("T")


class Stored(msgspec.Struct, frozen=True):
    """A live event and what the log knows about it."""

    incoming: Incoming
    seq: int
    audience: tuple[str, ...] | None
    expires_at: int | None

    @property
    def event(self) -> Event:
        """The event itself."""
        return self.incoming.event

    def readable(self, readers: Readers, now: int) -> bool:
        """Whether these readers may see it at `now`."""
        expired = self.expires_at is not None and self.expires_at <= now
        return not expired and (self.audience is None or not readers.isdisjoint(self.audience))

    def record(self) -> Record:
        """What a scan gives."""
        return Record(self.seq, self.incoming.wire, self.incoming.door, self.incoming.received_at)


class MemoryLog:
    """What the writer and the readers share; the `Known` that handlers ask."""

    def __init__(self) -> None:
        self.live: dict[str, Stored] = {}
        self.last_seq = 0
        self.deleted: set[tuple[str, str]] = set()
        self.addresses: dict[str, Version] = {}
        self.vanished: dict[str, int] = {}
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        for _, script in migrations():
            for statement in split(script):
                self.connection.execute(statement)
        self.bindings = Bindings(self.connection)

    def get(self, event_id: str) -> Event | None:
        """The live event with this id."""
        stored = self.live.get(event_id)
        return None if stored is None else stored.event

    def current(self, address: str) -> Version | None:
        """The live version of an address."""
        for stored in self.live.values():
            if events.address_of(stored.event) == address:
                return Version(stored.event.created_at, stored.event.id)
        return None

    def is_deleted(self, event_id: str, by: str) -> bool:
        """Whether `by` has deleted this id."""
        return (event_id, by) in self.deleted

    def deleted_until(self, address: str) -> Version | None:
        """Up to which version (inclusive) an address is deleted."""
        return self.addresses.get(address)

    def vanished_until(self, pubkey: str) -> int | None:
        """Up to when (inclusive) the key asked to vanish."""
        return self.vanished.get(pubkey)

    def identity_of(self, pubkey: str) -> str | None:
        """The posting identity that the key is bound to now."""
        return self.bindings.identity_of(pubkey)

    def owner_of(self, pubkey: str) -> str | None:
        """The posting identity that the key was ever bound to."""
        return self.bindings.owner_of(pubkey)

    def keys_with(self, pubkey: str) -> frozenset[str]:
        """The key and all that were ever bound to the same posting identity."""
        return self.bindings.keys_with(pubkey)

    def invite(self, code_hash: str) -> int | None:
        """Until when the invite with this hash is good."""
        return self.bindings.invite(code_hash)

    def key_claim(self, code_hash: str) -> KeyClaim | None:
        """The claim code with this hash."""
        return self.bindings.key_claim(code_hash)

    def chunks_of(self, pubkey: str) -> int:
        """How many passages of knowledge the key has."""
        theirs = [
            one.event for one in self.live.values() if one.event.pubkey == pubkey and one.event.kind == kinds.WIKI
        ]
        return sum(map(self.chunks_in, theirs))

    def chunks_in(self, event: Event) -> int:
        """Into how many passages the event is cut."""
        return len(passages_of(Cutting(knowledge=(kinds.WIKI,)), event, None, None))

    def touch_author(self, pubkey: str) -> None:
        """There are no derived rows to refresh."""

    def carry_out(self, removal: Removal) -> None:
        """Remove what a removal covers, and mark it."""
        if isinstance(removal, RemoveEvent):
            self.deleted.add((removal.id, removal.by))
            self.live.pop(removal.id, None)
        elif isinstance(removal, RemoveAddress):
            until = Version(removal.until, removal.id)
            self.close_address(removal.address, until)
            for stored in list(self.live.values()):
                event = stored.event
                newer = Version(event.created_at, event.id).is_newer_than(until.created_at, until.id)
                if events.address_of(event) == removal.address and not newer:
                    del self.live[event.id]
        elif isinstance(removal, RemoveEdits):
            theirs = self.keys_with(removal.by)
            for stored in list(self.live.values()):
                event = stored.event
                if event.kind == kinds.EDIT and event.pubkey in theirs and feed.edited(event) in removal.posts:
                    del self.live[event.id]
        else:
            self.vanished[removal.pubkey] = max(removal.until, self.vanished.get(removal.pubkey, 0))
            for stored in list(self.live.values()):
                event = stored.event
                if event.pubkey == removal.pubkey and event.created_at <= removal.until:
                    del self.live[event.id]
                elif event.kind == kinds.GIFT_WRAP and removal.pubkey in events.values(event, "p"):
                    self.deleted.add((event.id, removal.pubkey))
                    del self.live[event.id]

    def close_address(self, address: str, until: Version) -> None:
        """Refuse versions up to this one; the furthest mark counts."""
        known = self.addresses.get(address)
        if known is None or until.is_newer_than(known.created_at, known.id):
            self.addresses[address] = until

    def discard(self, event: Event) -> None:
        """Remove what expired or displeased; older versions of its address stay out."""
        del self.live[event.id]
        address = events.address_of(event)
        if address is not None:
            self.close_address(address, Version(event.created_at, event.id))


class MemoryWriter:
    """storage.base.Writer in memory."""

    def __init__(self, log: MemoryLog, meaning: Meaning) -> None:
        self._log = log
        self._meaning = meaning
        self.directory = SqliteDirectory(log.connection, log.bindings, self._transact)

    def last_seq(self) -> int:
        """The highest number given out."""
        return self._log.last_seq

    def write(self, batch: Sequence[Incoming], now: int) -> list[Outcome]:
        """Admit and store one event after the other."""
        return [self._write(incoming, now) for incoming in batch]

    def sweep(self, now: int, limit: int) -> int:
        """Remove expired events, those that expired first first."""
        expired = [s for s in self._log.live.values() if s.expires_at is not None and s.expires_at <= now]
        expired.sort(key=lambda stored: (stored.expires_at, stored.seq))
        for stored in expired[:limit]:
            self._log.discard(stored.event)
        return len(expired[:limit])

    def remove(self, wanted: Filter, limit: int) -> int:
        """The operator's removal, the newest first."""
        found = [s for s in self._log.live.values() if matches(wanted, s.event)]
        found.sort(key=lambda stored: (stored.event.created_at, stored.seq), reverse=True)
        for stored in found[:limit]:
            self._log.discard(stored.event)
            self._log.deleted.add((stored.event.id, OPERATOR))
        return len(found[:limit])

    def rebuild(self) -> int:
        """There are no derived rows."""
        return 0

    def compact(self) -> None:
        """There are no files."""

    def close(self) -> None:
        """There is nothing to let go of."""

    def _transact(self, work: Callable[[Change], T]) -> T:
        self._log.connection.execute("BEGIN")
        try:
            result = work(self._log)
        except BaseException:
            self._log.connection.execute("ROLLBACK")
            raise
        self._log.connection.execute("COMMIT")
        return result

    def _write(self, incoming: Incoming, now: int) -> Outcome:
        event = incoming.event
        if event.id in self._log.live:
            return Outcome(Status.DUPLICATE)
        try:
            admission = self._meaning.admit(event, self._log, now, incoming.door)
            expires_at = events.expiration(event)
            self._transact(lambda change: self._act(admission, change, now))
        except Reject as refusal:
            return Outcome(Status.REFUSED, refusal=refusal.alone())
        except Exception:
            reason = Reject(Prefix.ERROR, "the relay could not process this event; its operator can see why")
            return Outcome(Status.REFUSED, refusal=reason)
        for removal in admission.removals:
            self._log.carry_out(removal)
        if admission.refusal is not None:
            return Outcome(Status.REFUSED, refusal=admission.refusal)
        if admission.replaces is not None:
            self._log.live.pop(admission.replaces, None)
        if not admission.store:
            return Outcome(Status.EPHEMERAL, audience=admission.audience, message=admission.message)
        self._log.last_seq += 1
        seq = self._log.last_seq
        self._log.live[event.id] = Stored(incoming, seq, admission.audience, expires_at)
        return Outcome(Status.STORED, seq=seq, audience=admission.audience, message=admission.message)

    def _act(self, admission: Admission, change: Change, now: int) -> None:
        if admission.refusal is None:
            for action in admission.actions:
                self.directory.carry_out(action, change, now)


class MemoryReader:
    """storage.base.Reader in memory."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    async def query(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
    ) -> Found:
        """What any of the filters matches, all of it in `wires`."""
        return self.at_once(filters, readers, now, upto, limits)

    def at_once(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
    ) -> Found:
        """As `query`."""
        chosen: dict[str, Stored] = {}
        complete, cut = True, False
        for wanted in filters:
            some, all_of_it = self._page(wanted, self._matching([wanted], readers, now, upto), limits)
            chosen.update({stored.event.id: stored for stored in some})
            complete = complete and all_of_it
            cut = cut or (not all_of_it and (wanted.limit is None or wanted.limit > limits.maximum))
        ordered = sorted(chosen.values(), key=_newest_first)
        return Found([stored.incoming.wire for stored in ordered], (), complete, cut)

    async def fetch(self, seqs: Sequence[int], now: int) -> list[bytes]:
        """The wire forms of these events in the order asked."""
        live = {s.seq: s for s in self._log.live.values() if s.expires_at is None or s.expires_at > now}
        return [live[seq].incoming.wire for seq in seqs if seq in live]

    async def count(self, filters: Sequence[Filter], readers: Readers, now: int, offset: int | None = None) -> Counted:
        """How many distinct events any of the filters matches."""
        found = self._matching(filters, readers, now, None)
        registers = None
        if offset is not None:
            registers = hll.registers((bytes.fromhex(stored.event.pubkey) for stored in found), offset)
        return Counted(len(found), registers)

    async def get(self, event_id: str, readers: Readers, now: int) -> Record | None:
        """One event by id."""
        stored = self._log.live.get(event_id)
        return stored.record() if stored is not None and stored.readable(readers, now) else None

    async def scan(self, wanted: Filter | None, after: int = 0) -> AsyncIterator[Record]:
        """Every stored event in order of `seq`."""
        for stored in sorted(self._log.live.values(), key=lambda stored: stored.seq):
            if stored.seq > after and (wanted is None or matches(wanted, stored.event)):
                yield stored.record()

    async def ask(self, work: Callable[[Lookups], T]) -> T:
        """What `work` finds in the primary tables."""
        return work(SqliteLookups(self._log.connection))

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _matching(self, filters: Sequence[Filter], readers: Readers, now: int, upto: int | None) -> list[Stored]:
        return [
            stored
            for stored in self._log.live.values()
            if stored.readable(readers, now)
            and (upto is None or stored.seq <= upto)
            and any(matches(wanted, stored.event) for wanted in filters)
        ]

    def _page(self, wanted: Filter, found: list[Stored], limits: Limits) -> tuple[list[Stored], bool]:
        found.sort(key=_newest_first)
        asked = limits.default if wanted.limit is None else wanted.limit
        limit = min(asked, limits.maximum)
        own = wanted.limit is not None and wanted.limit <= limits.maximum
        if 0 < limit < len(found):
            second = found[limit - 1].event.created_at
            whole = sum(1 for stored in found if stored.event.created_at >= second)
            room = max(limits.maximum, 2 * limit)
            if second == wanted.until and (not own or limit >= SMALLEST_PAGE):
                limit = whole + 1 if whole <= room else room
            elif not own and whole <= 2 * limit:
                limit = whole
        return found[:limit], len(found) <= limit


def _newest_first(stored: Stored) -> tuple[int, str]:
    return -stored.event.created_at, stored.event.id
