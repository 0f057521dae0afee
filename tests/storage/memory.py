"""The log in memory: slow and obvious, what every other backend is tested against.

One dictionary of live events; a query looks at all of them with `filter.matches`. Nothing is durable, and there are no
derived rows. The primary tables stand in an SQLite database in memory, since what they mean is their SQL.
"""

import sqlite3
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from functools import cache
from typing import TypeVar, cast

import msgspec

from relay.errors import Changed, Prefix, Reject
from relay.protocol import event as events
from relay.protocol import feed, hll, kinds, outdated
from relay.protocol.admission import (
    OPERATOR,
    Admission,
    AllowTime,
    Meaning,
    Removal,
    RemoveAddress,
    RemoveEdits,
    RemoveEvent,
)
from relay.protocol.event import Draft, Event
from relay.protocol.facts import Binding, Facts, GivenToken, Need, Version, gather, marks_of, target_of
from relay.protocol.filter import Filter, matches
from relay.protocol.item_set import ItemSet
from storage.base import (
    PUBLIC,
    SMALLEST_PAGE,
    Counted,
    Found,
    Incoming,
    Limits,
    Outcome,
    Readers,
    Status,
    StoredEvent,
    Written,
)
from storage.commands import Command, RemoveMatching, Sweep
from storage.errors import TooCostly
from storage.identities.types import Lookups
from storage.sqlite.files.database_file import split
from storage.sqlite.identities.reads import SqliteLookups
from storage.sqlite.identities.writes import Change, act, carry_out
from storage.sqlite.statements import migrations

T = TypeVar("T")


@cache
def _tables() -> sqlite3.Connection:
    """A database with all tables and nothing in them."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    for _, script in migrations():
        for statement in split(script):
            connection.execute(statement)
    return connection


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

    def record(self) -> StoredEvent:
        """What a scan gives."""
        return StoredEvent(self.seq, self.incoming.wire, self.incoming.door, self.incoming.received_at)


class MemoryLog:
    """What the writer and the readers share."""

    def __init__(self) -> None:
        self.live: dict[str, Stored] = {}
        self.last_seq = 0
        self.deleted: set[tuple[str, str]] = set()
        self.addresses: dict[str, Version] = {}
        self.vanished: dict[str, int] = {}
        self.connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self.connection.close)
        _tables().backup(self.connection)

    def facts(self, meaning: Meaning, event: Event) -> Facts:
        """What a handler needs to decide on the event."""
        found = Facts()
        self._passages = meaning.passages
        self._look_up(marks_of(event), found)
        gather(lambda: meaning.needs(event, found), found, lambda needs: self._look_up(needs, found))
        return found

    def _look_up(self, needs: Iterable[Need], facts: Facts) -> None:
        tables = SqliteLookups(self.connection)
        for family, key in needs:
            match family:
                case "events":
                    facts.events[key] = self.get(key)
                case "targets":
                    event = self.get(key)
                    facts.targets[key] = None if event is None else target_of(event)
                case "deleters":
                    facts.deleters[key] = frozenset(by for event_id, by in self.deleted if event_id == key)
                case "closed":
                    facts.versions[key] = self.current(key)
                    facts.closed[key] = self.addresses.get(key)
                case "vanished":
                    facts.vanished[key] = self.vanished.get(key)
                case "keys":
                    bound = tables.key(key)
                    facts.keys[key] = None if bound is None else Binding(bound.identity_id, bound.revoked_at is None)
                case "siblings":
                    facts.siblings[key] = self.siblings(key)
                case "key_claims":
                    facts.key_claims[key] = tables.key_claim(key)
                case "invites":
                    facts.invites[key] = tables.invite(key)
                case "passages":
                    theirs = [stored.event for stored in self.live.values() if stored.event.pubkey == key]
                    facts.passages[key] = sum(map(self._passages, theirs))
                case "groups" | "members" | "group_invites" | "group_of":  # there are no groups here
                    getattr(facts, family)[key] = None
                case "previous" | "owners" | "group_counts" | "invite_counts" | "member_counts":
                    getattr(facts, family)[key] = 0

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

    def siblings(self, pubkey: str) -> frozenset[str]:
        """The key and all that were ever bound to the same posting identity."""
        tables = SqliteLookups(self.connection)
        own = tables.key(pubkey)
        return frozenset([pubkey, *(key.pubkey for key in (tables.keys(own.identity_id) if own is not None else ()))])

    def profile_of(self, pubkey: str) -> Event | None:
        """The key's live kind 0."""
        live = self.current(kinds.address(kinds.METADATA, pubkey, ""))
        return None if live is None else self.get(live.id)

    def forget_key(self, pubkey: str) -> None:
        """Nothing is remembered."""

    @property
    def drafts(self) -> list[Draft]:
        """The relay says nothing here."""
        return []

    def coming(self) -> int:
        """The number that the next event gets."""
        return self.last_seq + 1

    def changed(self, kind: str, key: str) -> None:
        """Nobody follows."""

    def touch_author(self, pubkey: str) -> None:
        """There are no derived rows to refresh."""

    def carry_out(self, removal: Removal) -> None:
        """Remove what a removal covers, and mark it."""
        if isinstance(removal, AllowTime):
            raise NotImplementedError("there are no groups here")
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
            theirs = self.siblings(removal.by)
            for stored in list(self.live.values()):
                event = stored.event
                if event.kind == kinds.EDIT and event.pubkey in theirs and feed.edited(event) in removal.edited:
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
        self._passed_on: dict[str, int] = {}  # when each ephemeral event was passed on last
        self.tables = SqliteLookups(log.connection)

    def last_seq(self) -> int:
        """The highest number given out."""
        return self._log.last_seq

    def write(self, batch: Sequence[Incoming], now: int) -> list[Outcome]:
        """Admit and store one event after the other."""
        return [self._write(incoming, now) for incoming in batch]

    def execute(self, command: Command[T], now: int, token: GivenToken | None = None) -> T:
        """Carry out what looks after the log; of derived rows and files there are none."""
        match command:
            case Sweep():
                return cast(T, self._sweep(now, command.limit))
            case RemoveMatching():
                return cast(T, self._remove(command.wanted, command.limit))
        return cast(T, self._transact(lambda change: carry_out(self._log.connection, command, change, now)))

    def _sweep(self, now: int, limit: int) -> int:
        """Expired events, those that expired first first."""
        expired = [s for s in self._log.live.values() if s.expires_at is not None and s.expires_at <= now]
        expired.sort(key=lambda stored: (stored.expires_at, stored.seq))
        for stored in expired[:limit]:
            self._log.discard(stored.event)
        return len(expired[:limit])

    def _remove(self, wanted: Filter, limit: int) -> int:
        """The operator's removal, the newest first."""
        found = [s for s in self._log.live.values() if matches(wanted, s.event)]
        found.sort(key=lambda stored: (stored.event.created_at, stored.seq), reverse=True)
        for stored in found[:limit]:
            self._log.discard(stored.event)
            self._log.deleted.add((stored.event.id, OPERATOR))
            if stored.event.kind in feed.EDITED:
                self._log.carry_out(RemoveEdits((stored.event.id,), stored.event.pubkey))
        return len(found[:limit])

    moving = 0
    unfinished = False

    def collect(self) -> Written:
        """Nobody follows what happens here."""
        return Written()

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
            expired = outdated.expired(event, now)
            return Outcome(Status.DUPLICATE) if expired is None else Outcome(Status.REFUSED, refusal=expired)
        if now - self._passed_on.get(event.id, -60) < 60:
            return Outcome(Status.DUPLICATE)
        if incoming.expected is not None and self._newest(incoming.expected.filter, now) != incoming.expected.id:
            return Outcome(Status.REFUSED, refusal=Changed())
        try:
            admission = self._meaning.admit(event, self._log.facts(self._meaning, event), now, incoming.door)
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
            if not admission.actions:
                self._passed_on[event.id] = now
            return Outcome(Status.EPHEMERAL, audience=admission.audience, message=admission.message)
        self._log.last_seq += 1
        seq = self._log.last_seq
        self._log.live[event.id] = Stored(incoming, seq, admission.audience, expires_at)
        return Outcome(Status.STORED, seq=seq, audience=admission.audience, message=admission.message)

    def _newest(self, wanted: Filter, now: int) -> str | None:
        found = [s.event for s in self._log.live.values() if s.readable(PUBLIC, now) and matches(wanted, s.event)]
        return min(found, key=lambda event: (-event.created_at, event.id)).id if found else None

    def _act(self, admission: Admission, change: Change, now: int) -> None:
        if admission.refusal is None:
            for action in admission.actions:
                act(self._log.connection, action, change, now)


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
        *,
        after: tuple[int, str] | None = None,
    ) -> Found:
        """What any of the filters matches, all of it in `wires`."""
        return self.try_query(filters, readers, now, upto, limits, after=after)

    def try_query(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
        *,
        after: tuple[int, str] | None = None,
    ) -> Found:
        """As `query`."""
        chosen: dict[str, Stored] = {}
        complete, cut = True, False
        for wanted in filters:
            matching = self._matching([wanted], readers, now, upto)
            if after is not None:
                matching = [one for one in matching if (-one.event.created_at, one.event.id) > (-after[0], after[1])]
            stops = wanted if after is None else msgspec.structs.replace(wanted, until=None)
            some, all_of_it = self._page(stops, matching, limits)
            chosen.update({stored.event.id: stored for stored in some})
            complete = complete and all_of_it
            cut = cut or (not all_of_it and (wanted.limit is None or wanted.limit > limits.maximum))
        ordered = sorted(chosen.values(), key=_newest_first)
        return Found([stored.incoming.wire for stored in ordered], (), complete, cut)

    async def fetch(self, seqs: Sequence[int], now: int, readers: Readers | None) -> list[bytes]:
        """The wire forms of these events in the order asked."""
        live = {s.seq: s for s in self._log.live.values() if s.expires_at is None or s.expires_at > now}
        if readers is not None:
            live = {seq: stored for seq, stored in live.items() if stored.readable(readers, now)}
        return [live[seq].incoming.wire for seq in seqs if seq in live]

    async def count(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        offset: int | None = None,
        *,
        most: int | None = None,
    ) -> Counted:
        """How many distinct events any of the filters matches."""
        found = self._matching(filters, readers, now, None)
        registers = None
        if offset is not None:
            registers = hll.registers((bytes.fromhex(stored.event.pubkey) for stored in found), offset)
        return Counted(len(found) if most is None else min(len(found), most), registers)

    async def items(self, wanted: Filter, readers: Readers, now: int, most: int) -> ItemSet:
        """(created_at, id) of what the filter matches."""
        matching = sorted(self._matching([wanted], readers, now, None), key=_newest_first)
        found = [stored.event for stored in matching][: wanted.limit]
        if len(found) > most:
            raise TooCostly("too many")
        return ItemSet((event.created_at, bytes.fromhex(event.id)) for event in found)

    async def expired(self, after: int, upto: int, most: int) -> list[bytes]:
        """The ids of what has expired since."""
        found = [one for one in self._log.live.values() if after < (one.expires_at or 0) <= upto]
        return [bytes.fromhex(one.event.id) for one in found][:most]

    async def get(self, event_id: str, readers: Readers, now: int) -> StoredEvent | None:
        """One event by id."""
        stored = self._log.live.get(event_id)
        return stored.record() if stored is not None and stored.readable(readers, now) else None

    async def scan(self, wanted: Filter | None, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Every stored event in order of `seq`."""
        for stored in sorted(self._log.live.values(), key=lambda stored: stored.seq):
            if stored.seq > after and (wanted is None or matches(wanted, stored.event)):
                yield stored.record()

    async def ask(self, work: Callable[[Lookups], T]) -> T:
        """What `work` finds in the primary tables."""
        return self.ask_here(work)

    def try_ask(self, work: Callable[[Lookups], T]) -> T | None:
        """As `ask`."""
        return self.ask_here(work)

    def ask_here(self, work: Callable[[Lookups], T]) -> T:
        """As `ask`."""
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
