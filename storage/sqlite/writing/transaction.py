"""One transaction of the log: facts for those who decide, and what was decided, written set-based.

Facts are those of the tables with what this transaction has changed, at any time. Rule: a change is entered into the facts that
are there, and what is looked up later finds it in `Changes` or, once that is written, in the tables; so writing early
(`flush`) and forgetting facts change nothing that anybody sees.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Final

import msgspec

from keys import tokens
from relay.errors import Prefix, Reject
from relay.protocol import event as events
from relay.protocol import facts as facts_
from relay.protocol import kinds
from relay.protocol.admission import Door, Meaning
from relay.protocol.event import Draft, Event
from relay.protocol.facts import ROUNDS, Facts, GivenToken, Need, Version
from relay.protocol.filter import Filter
from relay.protocol.groups.belonging import ANSWERING, DELETE_EVENT, PUT_USER
from relay.protocol.groups.state import UNKNOWN_HOME, GroupChange
from relay.protocol.rows import Live
from storage.base import Incoming, Logged, Readers, Written
from storage.sqlite import earlier, log_rows
from storage.sqlite.groups.changes import GroupChanges
from storage.sqlite.groups.events import GroupEvents
from storage.sqlite.groups.known import KnownGroups
from storage.sqlite.groups.reads import moving_groups
from storage.sqlite.identities.reads import Bindings
from storage.sqlite.identities.unnaming import unname
from storage.sqlite.log_rows import AT_ONCE, Audience, LogRow
from storage.sqlite.reading import every, lookup, scope
from storage.sqlite.reading.query import FOR_EVER
from storage.sqlite.rows.projections import Touched
from storage.sqlite.writing.changes import Changes
from storage.sqlite.writing.fact_reader import FactReader, newest
from storage.sqlite.writing.recent_events import RecentEvents

_NAMING: Final = (kinds.DELETION, DELETE_EVENT, PUT_USER)  # what these name in an import is of their group


def come_by(facts: Facts, incoming: Incoming) -> None:
    """What is decided next is about an event that came this way."""
    facts.origin = incoming.origin
    facts.home = UNKNOWN_HOME if incoming.door is Door.IMPORT else incoming.home


class Transaction:
    """The log as it will be. `touched` is what derived rows may depend on."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        meaning: Meaning,
        bindings: Bindings,
        known: KnownGroups,
        recent: RecentEvents,
        *,
        last_seq: Callable[[], int],
        relay: str,
    ) -> None:
        """`last_seq` gives the number of the log's last event, `relay` is the relay's own pubkey, "" without one."""
        self._connection = connection
        self._meaning = meaning
        self._bindings = bindings
        self._changes = Changes()
        self._passages: dict[str, int] = {}
        self.facts = Facts(relay=relay, any_groups=known.any, private_homes=known.private_homes)
        self.written = Written()
        self.touched = Touched(before=last_seq(), decided_by=self.facts.events)
        self.drafts: list[Draft] = []  # what the relay itself is to say
        self.projections = meaning.projections
        self._is_complete = False  # whether `expect` has found all, and nothing of it was dropped
        # Whether that counts on a group of events that may be refused, or come after what answers them.
        self._assumes = False
        self.owners = bindings.owners
        self._reader = FactReader(
            connection, self.facts, self._changes, bindings, self._passages, known=known, recent=recent
        )
        self.known = known
        self._told: set[tuple[str, str]] = set()
        self.touches_groups = False  # whether `groups` was asked for
        self._last_seq = last_seq
        self.coming = lambda: last_seq() + 1  # the number that the next event to be stored gets

    @cached_property
    def groups(self) -> GroupChanges:
        """What is changed of groups; made when it is asked for, since most transactions change nothing of them."""
        self.touches_groups = True
        return GroupChanges(
            self._connection,
            self.known,
            self.facts,
            changed=self.changed,
            touched=self.touched.keys,
            tables=[one.table for one in self.projections],
            last_seq=self._last_seq,
        )

    @cached_property
    def group_events(self) -> GroupEvents:
        """The events of groups among those that come and leave, and who may read them."""
        return GroupEvents(
            self._connection,
            self.known,
            self.facts,
            self.written,
            flush=self.flush,
            touch=self._touch_live,
            forget=self._reader.forget_row,
        )

    # before decisions

    def expect(self, incoming: Sequence[Incoming]) -> None:
        """Look up at once what these events will need. They count as here meanwhile: one may need what another names."""
        facts, reader = self.facts, self._reader
        batch = [one.event for one in incoming]
        self.require(*(("tokens", one.token.key) for one in incoming if one.token is not None))
        facts.events.update({event.id: event for event in batch})
        assumed = self.group_events.assume(batch) if self.known.any else {}
        facts.group_of.update(assumed)
        reader.look_up_marks(list({event.id: None for event in batch}), list({event.pubkey: None for event in batch}))
        asked = incoming
        for _ in range(ROUNDS):
            wanted: dict[Need, None] = {}
            leading = []
            for one in asked:
                come_by(facts, one)
                missing = facts.missing(self._meaning.needs(one.event, facts))
                if missing:
                    wanted.update(dict.fromkeys(missing))
                    if facts_.may_lead_on(missing):
                        leading.append(one)
            reader.look_up(wanted)
            self._is_complete = not leading and not reader.is_full()
            if not leading or reader.is_full():
                break
            asked = leading
        self._reader.hold_versions(batch)
        if self.known.any:
            self.group_events.expect(batch)
        for event in batch:
            here = reader.present.get(event.id)
            if here is None:
                facts.events.pop(event.id, None)
            elif not here:
                facts.events[event.id] = None
        if self.known.any:
            told = [event.id for event in batch if event.id in facts.group_of]
            facts.group_of.update(dict.fromkeys(told))
            reader.look_up([("group_of", one) for one in told if reader.present.get(one) is not False])
            addresses = [one for one in assumed if ":" in one]
            reader.look_up([("group_of", one) for one in addresses])
            self._is_complete &= all(facts.group_of[one] == assumed[one] for one in addresses)
            self._assumes = any(assumed.get(one) is not None for one in told)

    def prepare(self, event: Event) -> None:
        """See that `facts` has all that is needed to decide on this event now."""
        if self._reader.is_full():
            self.flush()
            self._reader.forget()
            self._is_complete = False
        if self._is_complete and not (self._assumes and event.kind in ANSWERING):
            return
        self.require(*facts_.marks_of(event))
        facts_.gather(lambda: self._meaning.needs(event, self.facts), self.facts, self._reader.look_up)

    def require(self, *needs: Need) -> Facts:
        """Facts that hold these."""
        missing = self.facts.missing(needs)
        if missing:
            self._reader.look_up(missing)
        return self.facts

    def gather(self, needs: Callable[[Facts], Iterable[Need]]) -> Facts:
        """Facts that hold what is needed, asked again with what was found until that adds nothing."""
        facts_.gather(lambda: needs(self.facts), self.facts, self._reader.look_up)
        return self.facts

    def check_token(self, token: GivenToken | None, now: int) -> None:
        """Raises Reject(auth-required) when the token that something was sent with has ended meanwhile."""
        if token is not None:
            found = self.require(("tokens", token.key)).tokens[token.key]
            gone = "this token is unknown"
            wrong = gone if found is None else tokens.fault(found.revoked_at, found.expires_at, now)
            if wrong is not None:
                raise Reject(Prefix.AUTH_REQUIRED, wrong)

    def holds(self, event_id: str) -> bool:
        """Whether the event is here already."""
        if event_id not in self._reader.present:
            self._reader.look_up([("deleters", event_id)])
        return self._reader.present[event_id]

    def newest(self, wanted: Filter, readers: Readers, now: int) -> str | None:
        """The id of the newest live event that matches and that these may read; None without one."""
        self.flush()
        moving = moving_groups(self._connection) if readers else ()
        seen = scope.of_readers(readers, now, moving=moving)
        rows = log_rows.of_seqs(self._connection, lookup.seqs_of(self._connection, wanted, seen, 1))
        return rows[0].event.id if rows else None

    # changes

    def put(
        self, incoming: Incoming, seq: int, audience: Audience, expires_at: int | None, group: str | None = None
    ) -> None:
        """Store an event that is not here; `group` is the id of the group that it belongs to."""
        event, facts = incoming.event, self.facts
        its_group = None if group is None else self.known.get(group)
        number = 0 if its_group is None else its_group.number
        self.written.put(Logged(seq, incoming.wire, audience), event.kind)
        self._changes.put(incoming, LogRow(seq, event, audience, len(incoming.wire), number), expires_at)
        self._reader.present[event.id] = True
        facts.events[event.id] = event
        if event.id in facts.targets:
            del facts.targets[event.id]
            self._is_complete = False
        address = events.address_of(event)
        if address is not None:
            facts.versions[address] = Version(event.created_at, event.id)
        self._count(event, 1)
        if event.kind == kinds.EDIT and (its_name := events.first_value(event, "h")) is not None:
            self.known.note_edited(its_name)
        if self._touch(event):
            packed = log_rows.pack_audience(audience)
            group_id = None if its_group is None else its_group.group.id
            self.touched.came[event.id] = Live(seq, event, incoming.received_at, expires_at, packed, group_id)
        if self.known.any:
            asked = event.kind in ANSWERING or event.id in facts.group_of or address in facts.group_of
            if its_group is not None or asked:
                self._is_complete &= not self.group_events.came(event, its_group)
        if its_group is not None and incoming.door is Door.IMPORT and event.kind in _NAMING:
            named = [one for one in dict.fromkeys(events.values(event, "e")) if kinds.is_hex(one, 64)]
            if event.kind == PUT_USER:
                self.group_events.adopt([self.row(one) for one in named], its_group)
            else:
                self.group_events.was_here([one for one in named if self.row(one) is None], its_group)

    def row(self, event_id: str) -> LogRow | None:
        """An event that is here, or None."""
        return self._reader.row(event_id)

    def take(self, event_id: str, replaced: bool = False) -> None:
        """Remove one event, if it is here, without a mark; `replaced`: a newer version takes its place."""
        row = self._reader.row(event_id)
        if row is not None:
            self.take_row(row, replaced)

    def take_row(self, row: LogRow, replaced: bool = False) -> None:
        """Remove a stored event without a mark."""
        event, facts = row.event, self.facts
        (earlier.keep if replaced else earlier.forget)(self._connection, row)
        self.written.remove(event.id)
        self._changes.take(row)
        self._reader.forget_row(event.id)
        for known in (facts.events, facts.targets):
            if event.id in known:
                known[event.id] = None
        if event.id in self._reader.present:
            self._reader.present[event.id] = False
        address = events.address_of(event)
        live = None if address is None else facts.versions.get(address)
        if live is not None and live.id == event.id:
            facts.versions[address or ""] = None
        if event.kind == kinds.METADATA and not replaced:
            unname(self._connection, row, self)
        asked = event.id in facts.group_of or address in facts.group_of
        if (row.group or asked) and self.group_events.went(row):
            self._is_complete = False
        self._count(event, -1)
        if self._touch(event):
            self.touched.came.pop(event.id, None)
            self.touched.left[event.id] = row.seq

    def take_seqs(self, seqs: Sequence[int]) -> Iterable[Event]:
        """Remove these stored events, few at a time, without marks; each event as it goes."""
        self.flush()
        for start in range(0, len(seqs), AT_ONCE):
            for row in log_rows.of_seqs(self._connection, seqs[start : start + AT_ONCE]):
                self.take_row(row)
                yield row.event
            self.flush()

    def mark(self, event_id: str, by: str) -> None:
        """Refuse this id from now on wherever `by` may delete it."""
        self._changes.deleters.setdefault(event_id, set()).add(by)
        if event_id in self.facts.deleters:
            self.facts.deleters[event_id] |= {by}

    def mark_address(self, address: str, until: Version) -> None:
        """Refuse versions of an address up to this one, inclusive, from now on."""
        self._changes.closed[address] = newest(until, self._changes.closed.get(address)) or until
        if address in self.facts.closed:
            self.facts.closed[address] = newest(until, self.facts.closed[address])

    def flush(self) -> None:
        """Write to the log what has changed so far. Derived rows wait for the end of the transaction."""
        self._changes.write(self._connection, self.known.authors)

    def act_on_group(self, change: GroupChange) -> None:
        """What a decision changes of a group."""
        self._is_complete = False
        self.groups.carry_out(change)
        self.facts.any_groups = self.known.any

    def vanish(self, pubkey: str, until: int) -> None:
        """Refuse this author's events up to this second, inclusive, from now on."""
        self._changes.vanished[pubkey] = max(until, self._changes.vanished.get(pubkey, 0))
        if pubkey in self.facts.vanished:
            self.facts.vanished[pubkey] = max(until, self.facts.vanished[pubkey] or 0)

    # whose a key is

    def changed(self, kind: str, key: str) -> None:
        """A primary row that followers keep has changed."""
        if (kind, key) not in self._told:
            self._told.add((kind, key))
            self.written.changes.append((kind, key))

    def forget_key(self, pubkey: str) -> None:
        """Whose key this is has changed in the tables, or what a code is good for."""
        self._is_complete = False
        self._bindings.forget(pubkey)
        self.facts.keys.pop(pubkey, None)
        for known in (self.facts.siblings, self.facts.key_claims, self.facts.invites, self.facts.tokens):
            known.clear()

    def touch_author(self, pubkey: str, those: Filter = Filter()) -> None:  # noqa: B008 it does not change
        """Refresh what depends on this key's events, or on `those` of them: whose key it is has changed, or what they mean."""
        self.flush()
        wanted = msgspec.structs.replace(those, authors=frozenset([pubkey]))
        seqs = every.seqs_of(self._connection, wanted, FOR_EVER)
        for row in log_rows.in_parts(self._connection, seqs):
            self._touch(row.event)

    def profile_of(self, pubkey: str) -> Event | None:
        """The key's live kind 0, unless that is for a group."""
        address = kinds.address(kinds.METADATA, pubkey, "")
        live = self.require(("closed", address)).versions[address]
        found = None if live is None else self.require(("events", live.id)).events[live.id]
        return None if found is None or events.has_tag(found, "h") else found

    def _count(self, event: Event, sign: int) -> None:
        """Keep the number of the author's passages."""
        number = sign * self._meaning.passages(event)
        if number:
            self._passages[event.pubkey] = self._passages.get(event.pubkey, 0) + number
            if event.pubkey in self.facts.passages:
                self.facts.passages[event.pubkey] += number

    def _touch(self, event: Event) -> bool:
        """Note the derived rows that it may change; whether there are any."""
        keys = self._meaning.touches(event)
        for table, key in keys:
            self.touched.keys.setdefault(table, set()).add(key)
        return bool(keys)

    def _touch_live(self, live: Live) -> None:
        """Note what may follow from a stored event's being for others now."""
        if self._touch(live.event):
            self.touched.came[live.event.id] = live
