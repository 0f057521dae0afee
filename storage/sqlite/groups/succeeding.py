"""Moderation events leave the log, with a key that vanishes or by the operator: what the relay says in their place, so that the log
still makes the groups what they are (relay.protocol.groups.succession).

A key may be in thousands of groups. Where these are more than AT_ONCE, the request notes the key as vanishing, and its groups
follow in parts: in each the relay says what holds there, and what the key changed goes with it. From the request on the key reads
nothing as a member, and what else it wrote is gone; a crash loses no part, since the note goes with the last one.
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
from storage.sqlite.statements import listed
from storage.sqlite.transaction import Transaction

AT_ONCE: Final = 8  # groups that a key leaves in one transaction
VANISHING: Final = "vanishing"  # the kind of primary row that changed: a key that reads as no member any more

Say = Callable[[Transaction, Iterable[Draft], int], None]

_KINDS: Final = tuple(sorted(succession.KINDS))


class VanishingKeys:
    """Takes keys that asked to vanish out of their groups; `say` has the relay's own key say something in a transaction."""

    def __init__(self, connection: sqlite3.Connection, tables: GroupLookups, say: Say) -> None:
        self._connection = connection
        self._tables = tables
        self._say = say

    def succeed(self, transaction: Transaction, event: Event, now: int) -> bool:
        """Say in every group what holds of what the author of `event` changed there up to its time, and have the key leave.

        False where these are too many: then nothing is done but that the key is noted, and `go_on` does it.
        """
        transaction.flush()
        groups = _groups_of(self._connection, event.pubkey, event.created_at, AT_ONCE + 1)
        if len(groups) > AT_ONCE:
            self._connection.execute(sql("put_vanishing"), (event.pubkey, event.created_at, event.id))
            transaction.known.unfinished = True
            transaction.changed(VANISHING, event.pubkey)
            return False
        self._leave(transaction, event, groups, now)
        return True

    def go_on(self, transaction: Transaction, now: int) -> bool:
        """Take a key that is vanishing out of the next of its groups; whether there may be more to do."""
        found = self._connection.execute(sql("vanishing")).fetchone()
        if found is None:
            return False
        pubkey, until, cause = found
        request = Event(cause, pubkey, until, kinds.VANISH, [], "", "")
        groups = _groups_of(self._connection, pubkey, until, AT_ONCE)
        self._leave(transaction, request, groups, now)
        for _ in transaction.take_seqs(_authored_in(self._connection, request, groups)):
            pass
        if len(groups) < AT_ONCE:
            self._connection.execute(sql("drop_vanishing"), (pubkey,))
        return True

    def _leave(self, transaction: Transaction, event: Event, groups: list[int], now: int) -> None:
        authored = _moderation_of(self._connection, event, groups)
        for number, group_id in transaction.known.ids_of(groups).items():
            some = authored.get(number, [])
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


def _groups_of(connection: sqlite3.Connection, pubkey: str, until: int, most: int) -> list[int]:
    """The numbers of this relay's groups that the key is in, or changed up to that time, at most so many."""
    found = [number for (number,) in connection.execute(sql("groups_to_leave"), (pubkey, most))]
    if len(found) < most:
        text = listed(sql("groups_moderated"), ("kinds", len(_KINDS)))
        some = connection.execute(text, (*_authored_keys(pubkey), *_KINDS, until, most))
        found += [number for (number,) in some]
    return list(dict.fromkeys(found))[:most]


def _moderation_of(connection: sqlite3.Connection, event: Event, groups: list[int]) -> dict[int, list[Event]]:
    """What the author changed in these groups up to the time of the event, by their numbers, in the order of the log."""
    found: dict[int, list[Event]] = {}
    seqs = _authored_in(connection, event, groups)
    for start in range(0, len(seqs), log_rows.AT_ONCE):
        rows = log_rows.of_seqs(connection, seqs[start : start + log_rows.AT_ONCE])
        for row in sorted(rows, key=lambda row: row.seq):
            found.setdefault(row.group, []).append(row.event)
    return found


def _authored_in(connection: sqlite3.Connection, event: Event, groups: list[int]) -> list[int]:
    """The numbers in the log of what its author changed in these groups up to its time, in order."""
    if not groups:
        return []
    wanted = (*_authored_keys(event.pubkey), *_KINDS, event.created_at, *groups)
    text = listed(sql("moderation_in_groups"), ("kinds", len(_KINDS)), ("numbers", len(groups)))
    joined = connection.execute(text, wanted).fetchone()[0]
    return sorted(map(int, joined.split(","))) if joined else []


def _authored_keys(pubkey: str) -> tuple[bytes, bytes]:
    """Under which keys of `entries` all events of an author stand but what was said in groups (entries.SAID)."""
    author = entries.author(pubkey)
    return entries.PUBLIC_PREFIX + author, entries.OPERATOR_PREFIX + author
