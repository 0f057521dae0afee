"""Moderation events leave the log, with a key that vanishes or by the operator: what the relay says in their place, so that the log
still makes the groups what they are (relay.protocol.groups.succession).

A key may be in thousands of groups, and may have changed one of them as often. Where that is more than a part, the request
notes the key as vanishing, and the rest follows in parts: in each the relay says what holds of the next things that the key
changed, which go with it, and the key leaves their groups; at last it leaves those that it changed nothing in. What the relay
says stands behind all that is left of the key, so that no part undoes it. From the request on the key reads nothing as a
member, and what else it wrote is gone, but for what is more than `removals.AT_REQUEST` events: that goes in parts, too. A crash
loses no part, since the note goes with the last one.
"""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from relay.protocol import kinds
from relay.protocol.event import Draft, Event, first_value
from relay.protocol.groups import succession
from storage.groups import GroupLookups
from storage.sqlite import entries, log_rows
from storage.sqlite.groups.reads import sql
from storage.sqlite.log_rows import LogRow
from storage.sqlite.statements import listed
from storage.sqlite.writing import removals
from storage.sqlite.writing.part_size import PartSize
from storage.sqlite.writing.transaction import Transaction

AT_ONCE: Final = 4  # groups that a key leaves in one transaction
MOST_EVENTS: Final = 64  # moderation events that are taken out in one transaction
MOST_NAMED: Final = 256  # keys and codes that these name: of each the relay says what holds
VANISHING: Final = "vanishing"  # the kind of primary row that changed: a key that reads as no member any more

Say = Callable[[Transaction, Iterable[Draft], int], None]

_KINDS: Final = tuple(sorted(succession.KINDS))


class _VanishingPart(msgspec.Struct, frozen=True):
    """Moderation events, in the order of the log, and the numbers of the groups that the key leaves; `is_cut`: there are more."""

    rows: list[LogRow]
    groups: list[int]
    is_cut: bool


class VanishingKeys:
    """Takes keys that asked to vanish out of their groups; `say` has the relay's own key say something in a transaction."""

    def __init__(self, connection: sqlite3.Connection, tables: GroupLookups, say: Say) -> None:
        self._connection = connection
        self._tables = tables
        self._say = say
        self.size = PartSize()
        self.removed = 0  # events by the last part

    def succeed(self, transaction: Transaction, event: Event, now: int) -> bool:
        """Say in every group what holds of what the author of `event` changed there up to its time, and have the key leave.

        False where these are too many: then nothing is done, and the key is to be noted, so that `go_on` does it.
        """
        transaction.flush()
        part = self._next_part(transaction, event.pubkey, event.created_at, AT_ONCE + 1, MOST_EVENTS + 1)
        if len(part.rows) > MOST_EVENTS or part.is_cut or len(part.groups) > AT_ONCE:
            return False
        self._leave(transaction, event, part, now)
        return True

    def note(self, transaction: Transaction, event: Event) -> None:
        """The author of `event`, a request to vanish, has more left than one transaction takes."""
        self._connection.execute(sql("put_vanishing"), (event.pubkey, event.created_at, event.id))
        transaction.known.unfinished = True
        transaction.changed(VANISHING, event.pubkey)

    def go_on(self, transaction: Transaction, now: int) -> bool:
        """Do the next part for a key that is vanishing; whether there may be more to do."""
        self.removed = 0
        found = self._connection.execute(sql("vanishing")).fetchone()
        if found is None:
            return False
        pubkey, until, cause = found
        part = self._next_part(transaction, pubkey, until, AT_ONCE, MOST_EVENTS)
        self._leave(transaction, Event(cause, pubkey, until, kinds.VANISH, [], "", ""), part, now)
        for row in part.rows:
            transaction.take_row(row)
        if part.rows or len(part.groups) == AT_ONCE:
            return True
        self.removed, is_all = removals.vanished_part(
            self._connection, transaction, pubkey, until, cause, most=self.size.most
        )
        if is_all:
            self._connection.execute(sql("drop_vanishing"), (pubkey,))
        return True

    def _next_part(
        self, transaction: Transaction, pubkey: str, until: int, most: int, most_events: int
    ) -> _VanishingPart:
        """The next moderation events of a key and their groups, and as far as there is room groups that it is in."""
        text = listed(sql("moderation_by"), ("kinds", len(_KINDS)))
        keys = (entries.PUBLIC_PREFIX + entries.author(pubkey), entries.OPERATOR_PREFIX + entries.author(pubkey))
        joined = self._connection.execute(text, (*keys, *_KINDS, until, most_events)).fetchone()[0]
        found = log_rows.of_seqs(self._connection, list(map(int, joined.split(","))) if joined else [])
        rows: list[LogRow] = []
        groups: dict[int, None] = {}
        named = 0
        for row in sorted(found, key=lambda row: row.seq):
            named += sum(1 for tag in row.event.tags if tag[0] in ("p", "code"))
            full = row.group and row.group not in groups and len(groups) == most
            if rows and (named > MOST_NAMED or full):
                return _VanishingPart(rows, [one for one in groups if self._is_ours(transaction, one)], is_cut=True)
            rows.append(row)
            if row.group:
                groups[row.group] = None
        inside = self._connection.execute(sql("groups_to_leave"), (pubkey, most)).fetchall()
        ours = [one for one in groups if self._is_ours(transaction, one)]
        return _VanishingPart(
            rows, list(dict.fromkeys([*ours, *(number for (number,) in inside)]))[:most], is_cut=False
        )

    def _is_ours(self, transaction: Transaction, number: int) -> bool:
        row = transaction.known.get(transaction.known.ids_of([number])[number])
        return row is not None and not row.group.home

    def _leave(self, transaction: Transaction, event: Event, part: _VanishingPart, now: int) -> None:
        for number, group_id in transaction.known.ids_of(part.groups).items():
            some = [row.event for row in part.rows if row.group == number]
            facts = transaction.gather(
                lambda facts, group_id=group_id, some=some: succession.needs(event.pubkey, group_id, some, facts)  # type: ignore[misc]
            )
            admins = self._tables.admins_of(group_id)
            decided = succession.succeed(event, group_id, some, admins, facts, now=now)
            for change in decided.changes:
                transaction.act_on_group(change)
            self._say(transaction, decided.emits, now)


def stand_in(transaction: Transaction, removed: Iterable[Event], now: int) -> None:
    """Say what holds of what these events changed, which the operator removed; their authors stay where they are."""
    by_group: dict[str, list[Event]] = {}
    for event in removed:
        if event.kind in succession.KINDS and transaction.known.any:
            by_group.setdefault(first_value(event, "h") or "", []).append(event)
    for group_id, some in by_group.items():
        cause = msgspec.structs.replace(some[-1], pubkey=transaction.facts.relay)
        facts = transaction.gather(
            lambda facts, group_id=group_id, some=some, cause=cause: succession.needs(
                cause.pubkey, group_id, some, facts
            )  # type: ignore[misc]
        )
        decided = succession.succeed(cause, group_id, some, (), facts, now=now)
        for change in decided.changes:
            transaction.act_on_group(change)
        transaction.drafts.extend(decided.emits)
