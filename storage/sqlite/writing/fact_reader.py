"""Facts from the tables: what many events need to know, looked up in a few statements.

What is found is that of the tables with the changes that are not written yet, so that it makes no difference when those are.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Final

from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.facts import Facts, Need, TokenState, Version, target_of
from storage.sqlite import entries
from storage.sqlite.groups.known import KnownGroups
from storage.sqlite.identities.reads import Bindings, SqliteLookups, sql
from storage.sqlite.log_rows import AT_ONCE, LogRow
from storage.sqlite.statements import SIZES, blob, listed, named, padded, padded_parts, parts
from storage.sqlite.writing.changes import Changes, deleter_name
from storage.sqlite.writing.group_facts import GroupFacts
from storage.sqlite.writing.recent_events import RecentEvents

MOST_HELD: Final = 32 * 2**20  # bytes of events looked up and held
MOST_TARGETS: Final = 20_000  # that deletions name, held
_UNKNOWN: Final = object()


class FactReader:
    """Fills `facts`. `present` says which ids are here, `rows` are stored events that were read anyway."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        facts: Facts,
        changes: Changes,
        bindings: Bindings,
        passages: dict[str, int],
        *,
        known: KnownGroups,
        recent: RecentEvents,
    ) -> None:
        self._connection = connection
        self._facts = facts
        self._changes = changes
        self._bindings = bindings
        self._passages = passages  # what this transaction has changed in each key's number
        self._held = 0
        self.present: dict[str, bool] = {}
        self.rows: dict[str, LogRow] = {}
        self._known = known
        self._recent = recent

    @cached_property
    def _groups(self) -> GroupFacts:
        return GroupFacts(self._connection, self._facts, self._changes, self.rows, self._known)

    def is_full(self) -> bool:
        """Whether so much is held that what is not needed now should be forgotten."""
        return self._held > MOST_HELD or len(self._facts.targets) > MOST_TARGETS

    def forget(self) -> None:
        """Let go of events. What was changed must have been written before."""
        self._held = 0
        self.rows.clear()
        self._facts.events.clear()
        self._facts.targets.clear()

    def forget_row(self, event_id: str) -> None:
        """The event has left, or its row is not what was read."""
        self.rows.pop(event_id, None)
        self._recent.forget(event_id)

    def look_up(self, needs: Iterable[Need]) -> None:
        """Find all of it, but for events once there is no room for more (`is_full`): those are looked up when their turn comes."""
        wanted: dict[str, dict[str, None]] = {}
        for family, key in needs:
            wanted.setdefault(family, {})[key] = None
        ids, pubkeys = wanted.pop("deleters", {}), wanted.pop("vanished", {})
        if ids or pubkeys:
            self.look_up_marks(list(ids), list(pubkeys))
        if "events" in wanted and "targets" in wanted:
            self._hold([*wanted["events"], *wanted["targets"]])
        group_of = wanted.pop("group_of", None)
        if group_of is not None:
            wanted["group_of"] = group_of  # after the events themselves
        for name, keys in wanted.items():
            if name in _FAMILIES:
                _FAMILIES[name](self, list(keys))
            else:
                self._groups.look_up(name, list(keys))

    def hold_versions(self, batch: Iterable[Event]) -> None:
        """Read what these events may replace: its entries go with it."""
        addresses = [events.address_of(event) or "" for event in batch if kinds.has_address(event.kind)]
        live = [version.id for address in addresses if (version := self._facts.versions.get(address)) is not None]
        self._hold(live)

    def _hold(self, ids: Iterable[str]) -> None:
        """Read these events in as few steps as can be, as long as there is room for them."""
        absent = [one for one in dict.fromkeys(ids) if one not in self.rows and one not in self._changes.leaving]
        for start in range(0, len(absent), AT_ONCE):
            if not self.is_full():
                for row in self._recent.read(absent[start : start + AT_ONCE]):
                    self._held += row.size
                    self.rows[row.event.id] = row

    def row(self, event_id: str) -> LogRow | None:
        """A stored event, with its changes."""
        if event_id in self._changes.coming:
            return self._changes.coming[event_id]
        facts = self._facts
        absent = facts.events.get(event_id, _UNKNOWN) is None or facts.targets.get(event_id, _UNKNOWN) is None
        if absent or event_id in self._changes.leaving:
            return None
        if event_id in self.rows:
            return self.rows[event_id]
        found = self._recent.read([event_id])
        return found[0] if found else None

    def _read(self, ids: Sequence[str]) -> Iterator[tuple[str, Event | None]]:
        """The live events with these ids; stored ones are held as long as there is room."""
        changes = self._changes
        absent = [
            one for one in ids if one not in self.rows and one not in changes.coming and one not in changes.leaving
        ]
        for row in self._recent.read(absent):
            self._held += row.size
            self.rows[row.event.id] = row
        for one in ids:
            live = changes.coming.get(one) or (None if one in changes.leaving else self.rows.get(one))
            yield one, None if live is None else live.event
        if self._held > MOST_HELD:
            self.rows.clear()

    def _look_up_events(self, ids: list[str]) -> None:
        for start in range(0, len(ids), AT_ONCE):
            if start and self.is_full():
                return
            self._facts.events.update(self._read(ids[start : start + AT_ONCE]))

    def _look_up_targets(self, ids: list[str]) -> None:
        for start in range(0, len(ids), AT_ONCE):
            for event_id, event in self._read(ids[start : start + AT_ONCE]):
                self._facts.targets[event_id] = None if event is None else target_of(event)

    def look_up_marks(self, ids: list[str], pubkeys: list[str]) -> None:
        """Which ids are here, which are deleted by whom, which authors have vanished."""
        facts, changes = self._facts, self._changes
        for start in range(0, max(len(ids), len(pubkeys)), SIZES[-1]):
            part, keys = ids[start : start + SIZES[-1]], pubkeys[start : start + SIZES[-1]]
            blobs, authors = padded([blob.fromhex(one) for one in part]), padded([blob.fromhex(one) for one in keys])
            sizes = (("ids", len(blobs)), ("marks", len(blobs)), ("pubkeys", len(authors)))
            text = listed(named("write")["known"], *sizes)
            here, deleted, vanished = self._connection.execute(text, [*blobs, *blobs, *authors]).fetchone()
            found = frozenset(here.split(",")) if here else frozenset[str]()
            for one in part:
                self.present.setdefault(one, one in changes.coming or (one in found and one not in changes.leaving))
                facts.deleters[one] = frozenset(changes.deleters.get(one, ()))
            for one, by in _items(deleted):
                facts.deleters[one] |= {deleter_name(by)}
            facts.vanished.update((pubkey, changes.vanished.get(pubkey)) for pubkey in keys)
            for pubkey, until in _items(vanished):
                facts.vanished[pubkey] = max(int(until), facts.vanished[pubkey] or 0)

    def _look_up_addresses(self, addresses: list[str]) -> None:
        """The live version of each, and up to which it is closed."""
        for part in parts(addresses):
            keys = padded([entries.address_key(address) for address in part])
            names = {key.hex(): address for key, address in zip(keys, part, strict=False)}
            text = listed(named("write")["addresses"], ("keys", len(keys)), ("marks", len(keys)))
            live, deleted = self._connection.execute(text, [*keys, *keys]).fetchone()
            versions: dict[str, Version | None] = dict.fromkeys(part)
            closed: dict[str, Version | None] = dict.fromkeys(part)
            for joined, found in ((live, versions), (deleted, closed)):
                for key, created_at, event_id in _items(joined):
                    found[names[key]] = Version(int(created_at), event_id)
            for address in part:
                live_one, until = versions[address], self._changes.closed.get(address)
                if live_one is not None and live_one.id in self._changes.leaving:
                    live_one = None
                self._facts.versions.setdefault(address, live_one)
                self._facts.closed[address] = newest(closed[address], until)

    def _look_up_keys(self, pubkeys: list[str]) -> None:
        self._facts.keys.update(self._bindings.find(pubkeys))

    def _look_up_siblings(self, pubkeys: list[str]) -> None:
        found: dict[str, set[str]] = {pubkey: {pubkey} for pubkey in pubkeys}
        for part in padded_parts(pubkeys):
            for pubkey, sibling in self._connection.execute(listed(sql("siblings"), ("values", len(part))), part):
                found[pubkey].add(sibling)
        self._facts.siblings.update((pubkey, frozenset(theirs)) for pubkey, theirs in found.items())

    def _look_up_key_claims(self, hashes: list[str]) -> None:
        tables = SqliteLookups(self._connection)
        self._facts.key_claims.update((one, tables.key_claim(one)) for one in hashes)

    def _look_up_invites(self, hashes: list[str]) -> None:
        tables = SqliteLookups(self._connection)
        self._facts.invites.update((one, tables.invite(one)) for one in hashes)

    def _look_up_tokens(self, keys: list[str]) -> None:
        self._facts.tokens.update(dict.fromkeys(keys))
        for holder in ("identity", "user"):
            ids = [key.removeprefix(f"{holder} ") for key in keys if key.startswith(f"{holder} ")]
            for part in padded_parts(ids):
                text = listed(sql(f"{holder}_token_states"), ("values", len(part)))
                for token_id, revoked_at, expires_at in self._connection.execute(text, part):
                    self._facts.tokens[f"{holder} {token_id}"] = TokenState(revoked_at, expires_at)

    def _look_up_passages(self, pubkeys: list[str]) -> None:
        """As many as there were when the transaction began, for their table is not written before its end, and what came since."""
        for pubkey in pubkeys:
            stored = self._connection.execute(named("search")["chunks_of"], (pubkey,)).fetchone()[0]
            self._facts.passages[pubkey] = int(stored) + self._passages.get(pubkey, 0)


_FAMILIES: Final[dict[str, Callable[[FactReader, list[str]], None]]] = {
    "events": FactReader._look_up_events,
    "targets": FactReader._look_up_targets,
    "closed": FactReader._look_up_addresses,
    "keys": FactReader._look_up_keys,
    "siblings": FactReader._look_up_siblings,
    "key_claims": FactReader._look_up_key_claims,
    "invites": FactReader._look_up_invites,
    "passages": FactReader._look_up_passages,
    "tokens": FactReader._look_up_tokens,
}


def newest(one: Version | None, other: Version | None) -> Version | None:
    """The one that wins."""
    if one is None or other is None:
        return one or other
    return one if one.is_newer_than(other.created_at, other.id) else other


def _items(text: str | None) -> list[list[str]]:
    return [item.split(" ") for item in text.split(",")] if text else []
