"""Retention by age in the writer: what is past its days is refused, and removed where it is stored (relay.protocol.retention).

Theory: what is due is found by the index of events by kind and time, the oldest first: the public ones and the private ones of each
kind that a rule names and of which there are some. A look goes through these one after another, a part at a time, and notes of each
how far it has come, so that what a rule keeps is looked at once, and after that only what has come of age. Nothing that is due can
come behind such a place, since it is refused; but a rule may keep somebody no longer (a key that was unbound, a member who left),
so every LOOKED_AGAIN seconds all is looked at from the beginning. The places are held in memory alone: the first look after a
restart begins there, too.

What is removed leaves as what has expired does, and its edits with it. There is no mark: the rule itself refuses what would come
back, an older version of an address too, for it has the same rule.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol import feed, kinds, outdated
from relay.protocol.admission import RemoveEdits
from relay.protocol.event import Event
from relay.protocol.groups.editing import WHOLE_RELAY
from relay.protocol.groups.state import member_key
from relay.protocol.retention import Retention, RetentionRule, days
from storage.commands import Dropped
from storage.sqlite import entries, log_rows
from storage.sqlite.statements import listed, named, padded_parts
from storage.sqlite.writing import removals
from storage.sqlite.writing.part_size import PartSize
from storage.sqlite.writing.transaction import Transaction

LOOKED_AT: Final = 1000  # events that a part looks at
LOOKED_AGAIN: Final = 86_400  # seconds
_KEYS: Final = (entries.ALL, entries.OPERATOR_PREFIX + entries.ALL)  # public and private events, by kind
_AT_ONCE: Final = 64  # events that are looked at in a step, or as many as may go
_START: Final = (-1, 0, 0)
_OF_EDITS: Final = -1

# Events in order of time: of a key and a kind, for the rule of this number, or _OF_EDITS.
_Series = tuple[bytes, int, int]
_Place = tuple[int, int, int]  # created_at, rank, seq
_Row = tuple[int, str]  # seq and pubkey


class Retaining:
    """The rules in force, and how far the look for what is due has come. Events are removed in transactions on `connection`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._rules = Retention()
        self.size = PartSize()
        self._places: dict[_Series, _Place] = {}  # of the last events that were looked at
        self._left: list[_Series] | None = None  # to be looked through yet; None: no look is under way
        self._begun_at = 0

    def keep_to(self, rules: Sequence[RetentionRule]) -> None:
        """These hold from now on."""
        if self._rules.rules == tuple(rules):
            return
        self._rules = Retention(rules)
        self.forget()

    def forget(self) -> None:
        """What was looked at may not have been removed: look again from the beginning."""
        self._places.clear()
        self._left = None

    def check(self, event: Event, transaction: Transaction, now: int) -> None:
        """Raises Reject(blocked) for what is past its days, at whatever door."""
        if not self._rules or self._rules.is_young(event.created_at, now):
            return
        ended = self._goes(event, transaction, now)
        if ended:
            what = f"kind {event.kind}" if event.kind != kinds.EDIT else "what this edits"
            kept = days(max(ended, key=lambda rule: rule.seconds))
            raise Reject(Prefix.BLOCKED, f"{outdated.PAST_ITS_DAYS} such events: {what} is kept for {kept}")

    def drop(self, transaction: Transaction, now: int) -> Dropped:
        """Remove the next part of what is due."""
        if not self._rules:
            return Dropped(0, more=False)
        if self._left is None:
            if now >= self._begun_at + LOOKED_AGAIN:
                self._places.clear()
            self._begun_at = self._begun_at if self._places else now
            self._left = list(self._all_series())
        due: list[int] = []
        left = LOOKED_AT
        while self._left and left > 0 and len(due) < self.size.most:
            wanted = self.size.most - len(due)
            looked, found = self._look(transaction, now, self._left[-1], min(left, max(wanted, _AT_ONCE)), wanted)
            due += found
            left -= looked + 1
            if not looked:
                self._left.pop()
        number = self._remove(transaction, due)
        more = bool(self._left)
        self._left = self._left or None
        return Dropped(number, more)

    def _all_series(self) -> Iterator[_Series]:
        """What is to be looked through, the last first: of each rule the kinds of which there are events, and in the end edits."""
        if any(self._rules.naming(kind) for kind in feed.EDITED):
            yield from ((key, kinds.EDIT, _OF_EDITS) for key in _KEYS)
        for key in _KEYS:
            for number, rule in enumerate(self._rules.rules):
                for first, last in rule.kinds:
                    for kind in self._kinds_within(key, first, last):
                        yield key, kind, number

    def _kinds_within(self, key: bytes, first: int, last: int) -> Iterator[int]:
        """The kinds of a range of which there are events under the key."""
        while first <= last:
            kind = self._connection.execute(_sql("next_kind"), (key, first)).fetchone()[0]
            if kind is None or kind > last:
                return
            yield kind
            first = kind + 1

    def _look(
        self, transaction: Transaction, now: int, series: _Series, most: int, wanted: int
    ) -> tuple[int, list[int]]:
        """Look at the next events of a series, at most so many; how many were looked at, and which are due, so many at most."""
        key, kind, number = series
        rules = self._rules.rules
        seconds = min(rule.seconds for rule in rules) if number == _OF_EDITS else rules[number].seconds
        place = self._places.get(series, _START)
        found = self._connection.execute(_sql("oldest"), (key, kind, now - seconds - 1, *place, most)).fetchone()
        if found[0] is None:
            return 0, []
        times, ranks, seqs, pubkeys = (joined.split(",") for joined in found)
        rows = [(int(seq), pubkey) for seq, pubkey in zip(seqs, pubkeys, strict=True)]
        goes = self._due_edits(rows, transaction, now) if number == _OF_EDITS else self._due(series, rows, transaction)
        due = [seq for seq, _ in rows if seq in goes][:wanted]
        looked = len(rows) if len(due) < wanted else 1 + [seq for seq, _ in rows].index(due[-1])
        self._places[series] = int(times[looked - 1]), int(ranks[looked - 1]), rows[looked - 1][0]
        return looked, due

    def _due(self, series: _Series, rows: Iterable[_Row], transaction: Transaction) -> set[int]:
        """Those of these events, all past the days of a rule, on which it decides and which it does not keep."""
        _, kind, number = series
        relay = transaction.facts.relay
        mine = [row for row in rows if self._rules.deciding(kind, row[1]) == number and row[1] != relay]
        kept = self._kept(self._rules.rules[number], [pubkey for _, pubkey in mine], transaction)
        return {seq for seq, pubkey in mine if pubkey not in kept}

    def _due_edits(self, rows: Sequence[_Row], transaction: Transaction, now: int) -> set[int]:
        """Those of these edits whose days are over, and what they edit is not here."""
        some = log_rows.in_parts(self._connection, [seq for seq, _ in rows])
        return {row.seq for row in some if self._goes(row.event, transaction, now)}

    def _goes(self, event: Event, transaction: Transaction, now: int) -> Sequence[RetentionRule]:
        """The rules by which the event is past its days; none where it is kept."""
        ended = self._rules.ended(event, now)
        if not ended or event.pubkey == transaction.facts.relay:
            return ()
        if event.kind == kinds.EDIT and ((edited := feed.edited(event)) is None or transaction.holds(edited)):
            return ()
        return () if any(self._kept(rule, [event.pubkey], transaction) for rule in ended) else ended

    def _kept(self, rule: RetentionRule, pubkeys: Sequence[str], transaction: Transaction) -> set[str]:
        """Those of these keys whose events the rule keeps for good."""
        some = list(dict.fromkeys(pubkeys))
        if rule.keep == "members":
            keys = {pubkey: member_key(pubkey, WHOLE_RELAY) for pubkey in some}
            members = transaction.require(*(("members", key) for key in keys.values())).members
            return {pubkey for pubkey, key in keys.items() if (one := members[key]) is not None and one.is_member}
        found: set[str] = set()
        for part in padded_parts(some if rule.keep else []):
            bound = self._connection.execute(listed(_sql("identities"), ("values", len(part))), part)
            found.update(pubkey for (pubkey,) in bound)
        return found

    def _remove(self, transaction: Transaction, seqs: Sequence[int]) -> int:
        """Remove these events, and their edits; how many of them went."""
        removed = 0
        edited: dict[str, list[str]] = {}
        for event in transaction.take_seqs(sorted(seqs)):
            removed += 1
            if event.kind in feed.EDITED:
                edited.setdefault(event.pubkey, []).append(event.id)
        if edited and any(kind for key in _KEYS for kind in self._kinds_within(key, kinds.EDIT, kinds.EDIT)):
            for pubkey, ids in edited.items():
                removals.carry_out(self._connection, transaction, RemoveEdits(tuple(ids), pubkey))
        return removed


def _sql(name: str) -> str:
    return named("retention")[name]
