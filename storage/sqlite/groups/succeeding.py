"""Moderation events leave the log, with a key that vanishes or by the operator: what the relay says in their place, so that the log
still makes the groups what they are (relay.protocol.groups.succession).
"""

import sqlite3
from collections.abc import Callable, Iterable

import msgspec

from relay.protocol.event import Draft, Event, first_value
from relay.protocol.filter import Filter
from relay.protocol.groups import succession
from storage.groups import GroupLookups
from storage.sqlite import every, log_rows
from storage.sqlite.log_rows import AT_ONCE
from storage.sqlite.query import FOR_EVER
from storage.sqlite.transaction import Transaction

Say = Callable[[Transaction, Iterable[Draft], int], None]


def succeed(
    connection: sqlite3.Connection, transaction: Transaction, tables: GroupLookups, say: Say, event: Event, *, now: int
) -> None:
    """Say in every group what holds of what the author of `event` changed there up to its time, and have the key leave."""
    authored = _moderation_of(connection, transaction, event)
    groups = [*authored, *(membership.group_id for membership in tables.memberships([event.pubkey]))]
    for group_id in dict.fromkeys(groups):
        some = authored.get(group_id, [])
        facts = transaction.gather(
            lambda facts, group_id=group_id, some=some: succession.needs(event.pubkey, group_id, some, facts)  # type: ignore[misc]
        )
        decided = succession.succeed(event, group_id, some, tables.admins_of(group_id), facts, now=now)
        for change in decided.changes:
            transaction.act_on_group(change)
        say(transaction, decided.emits, now)


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


def _moderation_of(connection: sqlite3.Connection, transaction: Transaction, event: Event) -> dict[str, list[Event]]:
    """What the author changed in groups up to the time of the event, by group, in the order of the log."""
    transaction.flush()
    wanted = Filter(authors=frozenset([event.pubkey]), kinds=frozenset(succession.KINDS), until=event.created_at)
    seqs = sorted(every.seqs_of(connection, wanted, FOR_EVER))
    found: dict[int, list[Event]] = {}
    for start in range(0, len(seqs), AT_ONCE):
        rows = log_rows.of_seqs(connection, seqs[start : start + AT_ONCE])
        for row in sorted(rows, key=lambda row: row.seq):
            if row.group:
                found.setdefault(row.group, []).append(row.event)
    names = transaction.known.ids_of(found)
    return {names[number]: some for number, some in found.items()}
