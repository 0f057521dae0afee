"""What the log will hold when the batch at hand is committed: the tables, and over them what the batch has changed so far.

`Overlay` is the `Known` that handlers ask. It looks up in a few statements what a batch will ask for, collects what is to
be written, and writes it set-based in `flush`. One overlay lives for one transaction.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from relay.protocol import event as events
from relay.protocol import feed, kinds
from relay.protocol.admission import (
    KeyClaim,
    Meaning,
    Removal,
    RemoveAddress,
    RemoveAuthor,
    RemoveEdits,
    RemoveEvent,
    Version,
)
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from storage import entries, lookup
from storage.base import Incoming
from storage.query import FOR_EVER
from storage.registry import Bindings
from storage.search import writing
from storage.search.chunks import Cutting, passages_of
from storage.statements import SIZES, listed, named, padded, write_rows

MOST_HELD: Final = 32 * 2**20  # bytes of events looked up and held; beyond, what is pending is written
_AT_ONCE: Final = 256  # events looked up in one step

_EVERYTHING: Final = (entries.PUBLIC_PREFIX, entries.OPERATOR_PREFIX)


class Row(msgspec.Struct, frozen=True, gc=False):
    """An event in the log, or about to be."""

    seq: int
    event: Event
    audience: tuple[str, ...] | None


class Overlay:
    """The log as it will be. `touched` are the derived rows to refresh, by projection."""

    def __init__(self, connection: sqlite3.Connection, meaning: Meaning, bindings: Bindings) -> None:
        self._connection = connection
        self._meaning = meaning
        self._bindings = bindings
        self.touched: dict[str, set[str]] = {}
        self._new_marks: dict[str, list[tuple[Any, ...]]] = {"mark_ids": [], "mark_addresses": [], "mark_vanished": []}
        self._forget()
        self._pending: dict[str, tuple[Row, tuple[Any, ...]]] = {}
        self._leaving: dict[str, Row] = {}

    def _forget(self) -> None:
        """Drop what was looked up; what the batch changed stays."""
        self._held = 0
        self._rows: dict[str, Row | None] = {}
        self._present: dict[str, bool] = {}
        self._marks: dict[str, set[str]] = {}
        self._versions: dict[str, Version | None] = {}
        self._address_marks: dict[str, Version | None] = {}
        self._vanished: dict[str, int | None] = {}
        self._chunks: dict[str, int] = {}

    # What handlers ask

    def get(self, event_id: str) -> Event | None:
        """The live event with this id."""
        row = self._row(event_id)
        return None if row is None else row.event

    def current(self, address: str) -> Version | None:
        """The live version of an address."""
        if address not in self._versions:
            self._look_up_addresses([address])
        return self._versions[address]

    def is_deleted(self, event_id: str, by: str) -> bool:
        """Whether `by` has deleted this id."""
        if event_id not in self._marks:
            self._look_up([event_id], [])
        return by in self._marks[event_id]

    def deleted_until(self, address: str) -> Version | None:
        """Up to which version (inclusive) an address is deleted."""
        if address not in self._address_marks:
            self._look_up_addresses([address])
        return self._address_marks[address]

    def vanished_until(self, pubkey: str) -> int | None:
        """Up to when (inclusive) the key asked to vanish."""
        if pubkey not in self._vanished:
            self._look_up([], [pubkey])
        return self._vanished[pubkey]

    def identity_of(self, pubkey: str) -> str | None:
        """The posting identity that the key is bound to now."""
        return self._bindings.identity_of(pubkey)

    def owner_of(self, pubkey: str) -> str | None:
        """The posting identity that the key was ever bound to."""
        return self._bindings.owner_of(pubkey)

    def keys_with(self, pubkey: str) -> frozenset[str]:
        """The key and all that were ever bound to the same posting identity."""
        return self._bindings.keys_with(pubkey)

    def invite(self, code_hash: str) -> int | None:
        """Until when the invite with this hash is good."""
        return self._bindings.invite(code_hash)

    def key_claim(self, code_hash: str) -> KeyClaim | None:
        """The claim code with this hash."""
        return self._bindings.key_claim(code_hash)

    def chunks_of(self, pubkey: str) -> int:
        """How many passages of knowledge the key has; what a flush within the batch wrote counts when the batch is over."""
        knowledge = self._cutting().knowledge
        stored = self._connection.execute(named("search")["chunks_of"], (pubkey,)).fetchone()[0]
        coming = [row.event for row, _ in self._pending.values()]
        leaving = [row.event for row in self._leaving.values()]
        change = (
            sum(self.chunks_in(one) for one in some if one.pubkey == pubkey and one.kind in knowledge)
            for some in (coming, leaving)
        )
        return int(stored) + next(change) - next(change)

    def chunks_in(self, event: Event) -> int:
        """Into how many passages the event is cut."""
        if event.id not in self._chunks:
            self._chunks[event.id] = len(passages_of(self._cutting(), event, None, None))
        return self._chunks[event.id]

    def _cutting(self) -> Cutting:
        return writing.settings(self._connection)

    # What the writer does

    def expect(self, batch: Sequence[Incoming]) -> None:
        """Look up at once what these events will be asked about."""
        self._look_up([one.event.id for one in batch], [one.event.pubkey for one in batch])
        addresses = [events.address_of(one.event) for one in batch if kinds.has_address(one.event.kind)]
        self._look_up_addresses([address for address in addresses if address is not None])
        targets = dict.fromkeys([target for one in batch for target in _targets(one.event)])
        self._look_up_rows([target for target in targets if kinds.is_hex(target, 64)])

    def holds(self, event_id: str) -> bool:
        """Whether the event is here already."""
        if event_id in self._pending:
            return True
        if event_id in self._leaving:
            return False
        if event_id not in self._present:
            self._look_up([event_id], [])
        return self._present[event_id]

    def newest(self, wanted: Filter, now: int) -> str | None:
        """The id of the newest live public event that matches, as the log will be; None without one."""
        if self._pending or self._leaving:
            self.flush()
        scope = lookup.Scope((entries.PUBLIC_PREFIX,), now=now)
        part = padded(lookup.seqs_of(self._connection, wanted, scope, 1))
        rows = self._read_rows(listed(named("write")["rows_of_seqs"], ("seqs", len(part))), part)
        return rows[0].event.id if rows else None

    def put(self, incoming: Incoming, seq: int, audience: tuple[str, ...] | None, expires_at: int | None) -> None:
        """Store an event that is not here."""
        event = incoming.event
        packed = None if audience is None else msgspec.msgpack.encode(audience)
        values = (
            seq,
            bytes.fromhex(event.id),
            bytes.fromhex(event.pubkey),
            event.kind,
            event.created_at,
            expires_at,
            packed,
            int(incoming.door),
            incoming.received_at,
            incoming.wire,
        )
        self._pending[event.id] = (Row(seq, event, audience), values)
        if kinds.has_address(event.kind):
            self._versions[events.address_of(event) or ""] = Version(event.created_at, event.id)
        self._touch(event)

    def carry_out(self, removal: Removal) -> None:
        """Remove what a removal covers, and mark it."""
        if isinstance(removal, RemoveEvent):
            self.mark(removal.id, removal.by)
            self.take(removal.id)
        elif isinstance(removal, RemoveAddress):
            self._remove_address(removal)
        elif isinstance(removal, RemoveEdits):
            self._remove_edits(removal)
        else:
            self._remove_author(removal)

    def take(self, event_id: str) -> Event | None:
        """Remove one event without a mark; the event if it was here."""
        row = self._row(event_id)
        if row is None:
            return None
        if self._pending.pop(event_id, None) is None:
            self._leaving[event_id] = row
        if kinds.has_address(row.event.kind):
            self._versions[events.address_of(row.event) or ""] = None
        self._touch(row.event)
        return row.event

    def take_seqs(self, seqs: Sequence[int]) -> Iterable[Event]:
        """Remove these stored events, few at a time, without marks; each event as it goes."""
        for start in range(0, len(seqs), _AT_ONCE):
            part = padded(list(seqs[start : start + _AT_ONCE]))
            sql = listed(named("write")["rows_of_seqs"], ("seqs", len(part)))
            for row in self._read_rows(sql, part):
                self._rows[row.event.id] = row
                if self.take(row.event.id) is not None:
                    yield row.event
            self.flush()

    def mark(self, event_id: str, by: str) -> None:
        """Refuse this id from now on wherever `by` may delete it."""
        self._new_marks["mark_ids"].append((bytes.fromhex(event_id), _deleter(by)))
        if event_id in self._marks:
            self._marks[event_id].add(by)

    def mark_address(self, address: str, until: Version) -> None:
        """Refuse versions of an address up to this one, inclusive, from now on."""
        known = self.deleted_until(address)
        if known is None or until.is_newer_than(known.created_at, known.id):
            self._address_marks[address] = until
        key = entries.address_key(address)
        self._new_marks["mark_addresses"].append((key, until.created_at, bytes.fromhex(until.id)))

    def flush(self) -> None:
        """Write what the batch has changed so far, and forget what was looked up."""
        leaving = list(self._leaving.values())
        gone = [key for row in leaving for key in entries.rows(row.event, row.audience, row.seq)]
        write_rows(self._connection, named("write")["delete_entries"], gone)
        write_rows(self._connection, named("write")["delete_events"], [(row.seq,) for row in leaving])
        pending = list(self._pending.values())
        write_rows(self._connection, named("write")["insert_events"], [values for _, values in pending])
        coming = [key for row, _ in pending for key in entries.rows(row.event, row.audience, row.seq)]
        coming.sort()
        write_rows(self._connection, named("write")["insert_entries"], coming)
        for name, marks in self._new_marks.items():
            write_rows(self._connection, named("write")[name], marks)
            marks.clear()
        self._leaving.clear()
        self._pending.clear()
        self._forget()

    def touch_author(self, pubkey: str) -> None:
        """Refresh what depends on this key's events: whose key it is has changed."""
        theirs = Filter(authors=frozenset([pubkey]))
        scope = lookup.Scope(_EVERYTHING, now=-1)
        seqs = lookup.seqs_of(self._connection, theirs, scope, FOR_EVER)
        for start in range(0, len(seqs), _AT_ONCE):
            part = padded(seqs[start : start + _AT_ONCE])
            for row in self._read_rows(listed(named("write")["rows_of_seqs"], ("seqs", len(part))), part):
                self._touch(row.event)

    def _touch(self, event: Event) -> None:
        for projection, key in self._meaning.touches(event):
            self.touched.setdefault(projection, set()).add(key)

    # Removals of many

    def _remove_address(self, removal: RemoveAddress) -> None:
        until = Version(removal.until, removal.id)
        self.mark_address(removal.address, until)
        live = self.current(removal.address)
        if live is not None and not live.is_newer_than(until.created_at, until.id):
            self.take(live.id)

    def _remove_edits(self, removal: RemoveEdits) -> None:
        """Without marks: that of the post refuses its edits."""
        self.flush()
        authors = self.keys_with(removal.by)
        for start in range(0, len(removal.posts), SIZES[-1]):
            self._take_edits(frozenset(removal.posts[start : start + SIZES[-1]]), authors)

    def _take_edits(self, posts: frozenset[str], authors: frozenset[str]) -> None:
        wanted = Filter(kinds=frozenset([kinds.EDIT]), authors=authors, tags={"e": posts})
        seqs = lookup.seqs_of(self._connection, wanted, lookup.Scope(_EVERYTHING, now=-1), FOR_EVER)
        for start in range(0, len(seqs), _AT_ONCE):
            part = padded(seqs[start : start + _AT_ONCE])
            for row in self._read_rows(listed(named("write")["rows_of_seqs"], ("seqs", len(part))), part):
                if feed.edited(row.event) in posts:
                    self._rows[row.event.id] = row
                    self.take(row.event.id)
            self.flush()

    def _remove_author(self, removal: RemoveAuthor) -> None:
        self._new_marks["mark_vanished"].append((bytes.fromhex(removal.pubkey), removal.until))
        self.flush()
        theirs = Filter(authors=frozenset([removal.pubkey]), until=removal.until)
        for _ in self._take_all(theirs):
            pass
        wraps = Filter(kinds=frozenset([kinds.GIFT_WRAP]), tags={"p": frozenset([removal.pubkey])})
        for wrap in self._take_all(wraps):
            self.mark(wrap.id, removal.pubkey)
        self.flush()

    def _take_all(self, wanted: Filter) -> Iterable[Event]:
        scope = lookup.Scope(_EVERYTHING, now=-1)
        while seqs := lookup.seqs_of(self._connection, wanted, scope, 1000):
            yield from self.take_seqs(seqs)

    # Look-ups

    def _row(self, event_id: str) -> Row | None:
        if event_id in self._pending:
            return self._pending[event_id][0]
        if event_id in self._leaving:
            return None
        if event_id not in self._rows:
            if self._held > MOST_HELD:
                self.flush()
            self._look_up_rows([event_id])
        return self._rows[event_id]

    def _look_up(self, ids: list[str], pubkeys: list[str]) -> None:
        for start in range(0, max(len(ids), len(pubkeys)), SIZES[-1]):
            part, keys = ids[start : start + SIZES[-1]], pubkeys[start : start + SIZES[-1]]
            blobs = padded([bytes.fromhex(one) for one in part])
            authors = padded([bytes.fromhex(one) for one in dict.fromkeys(keys)])
            sizes = (("ids", len(blobs)), ("marks", len(blobs)), ("pubkeys", len(authors)))
            sql = listed(named("write")["known"], *sizes)
            here, deleted, vanished = self._connection.execute(sql, [*blobs, *blobs, *authors]).fetchone()
            self._present.update(dict.fromkeys(part, False))
            self._present.update(dict.fromkeys(here.split(",") if here else (), True))
            self._marks.update({one: set() for one in part})
            for event_id, deleter in _items(deleted):
                self._marks[event_id].add(_deleter_name(deleter))
            self._vanished.update(dict.fromkeys(keys))
            self._vanished.update({pubkey: int(until) for pubkey, until in _items(vanished)})
        for blob, by in self._new_marks["mark_ids"]:
            if blob.hex() in self._marks:
                self._marks[blob.hex()].add(_deleter_name(by.hex()))

    def _look_up_addresses(self, addresses: list[str]) -> None:
        for start in range(0, len(addresses), SIZES[-1]):
            part = addresses[start : start + SIZES[-1]]
            keys = padded([entries.address_key(address) for address in part])
            names = {key.hex(): address for key, address in zip(keys, part, strict=False)}
            sql = listed(named("write")["addresses"], ("keys", len(keys)), ("marks", len(keys)))
            live, deleted = self._connection.execute(sql, [*keys, *keys]).fetchone()
            for text, found in ((live, self._versions), (deleted, self._address_marks)):
                found.update(dict.fromkeys(part))
                for key, created_at, event_id in _items(text):
                    found[names[key]] = Version(int(created_at), event_id)

    def _look_up_rows(self, ids: list[str]) -> None:
        for start in range(0, len(ids), _AT_ONCE):
            if self._held > MOST_HELD:
                return
            part = ids[start : start + _AT_ONCE]
            blobs = padded([bytes.fromhex(one) for one in part])
            self._rows.update(dict.fromkeys(part))
            for row in self._read_rows(listed(named("write")["rows_of_ids"], ("ids", len(blobs))), blobs):
                self._rows[row.event.id] = row

    def _read_rows(self, sql: str, values: Sequence[object]) -> list[Row]:
        seqs, audiences, wires = self._connection.execute(sql, values).fetchone()
        if seqs is None:
            return []
        self._held += len(wires)
        return [
            Row(int(seq), events.parse(wire), unpack_audience(bytes.fromhex(audience) if audience else None))
            for seq, audience, wire in zip(seqs.split(","), audiences.split(","), wires.split(b"\n"), strict=True)
        ]


def unpack_audience(data: bytes | None) -> tuple[str, ...] | None:
    """The audience as it was stored; None is everyone."""
    return None if data is None else msgspec.msgpack.decode(data, type=tuple[str, ...])


def _targets(event: Event) -> list[str]:
    """The ids of the events that a handler will want to see."""
    if event.kind == kinds.DELETION:
        return events.values(event, "e")
    if event.kind == kinds.COMMENT:
        return [one for one in (feed.root(event), feed.parent(event)) if one is not None]
    subject = feed.subject(event)
    return [] if subject is None else [subject]


def _deleter(by: str) -> bytes:
    return bytes.fromhex(by) if kinds.is_hex(by, 64) else by.encode()


def _deleter_name(stored: str) -> str:
    return stored if len(stored) == 64 else bytes.fromhex(stored).decode()


def _items(text: str | None) -> list[list[str]]:
    return [item.split(" ") for item in text.split(",")] if text else []
