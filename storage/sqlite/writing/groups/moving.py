"""Who may read what a group holds has changed: its events are entered anew, the newest first, a part at a time.

`moving` is the highest number up to which events may still be entered for those who might read them before. Above it all are
right; up to it, readers leave out what the group must not show (storage.sqlite.reading.scope). So a change holds from the moment
it is committed, however many events there are, and a change back begins again from the top.
"""

import sqlite3
from typing import Any, Final

from relay.protocol.admission import Door
from relay.protocol.groups.belonging import ANSWERING, DESCRIBING, names_of
from relay.protocol.groups.state import UNKNOWN_HOME
from storage.sqlite import entries
from storage.sqlite.groups.reads import GroupRow, moving_groups, sql
from storage.sqlite.live_events import numbered
from storage.sqlite.statements import listed
from storage.sqlite.writing.transaction import Transaction

AT_ONCE: Final = 128  # events of a part
MOST_AT_ONCE: Final = 256  # events that say what a group is, entered anew with the change itself
_NEXT: Final = {"e": "E", "E": "a", "a": "A", "A": ""}  # "a" and "A": by its address


def begin(transaction: Transaction, connection: sqlite3.Connection) -> None:
    """Do the first part of what has just begun to move: for small groups that is all."""
    for group_id in transaction.groups.begun_to_move:
        row = transaction.known.get(group_id)
        assert row is not None
        if row.moving is None:
            row = _enter_descriptions(transaction, connection, row)
        if row.moving is not None:
            _enter_next(transaction, connection, row, row.moving)
    transaction.groups.begun_to_move.clear()


def go_on(transaction: Transaction, connection: sqlite3.Connection) -> bool:
    """Do a part of what remains; whether there is more."""
    some = moving_groups(connection)
    if not some:
        return _take_answers_in(transaction, connection)
    row = transaction.known.get(some[0].id)
    assert row is not None
    return _enter_next(transaction, connection, row, some[0].upto) or len(some) > 1 or _any_answers(connection)


def _enter_descriptions(transaction: Transaction, connection: sqlite3.Connection, row: GroupRow) -> GroupRow:
    """A group was hidden or shown: enter anew what says what it is. Where that is more than a part, the group is moving."""
    transaction.flush()
    dimension = entries.tag("h", row.group.id)
    keys = (entries.PUBLIC_PREFIX + dimension, entries.OPERATOR_PREFIX + dimension)
    text = listed(sql("of_group_and_kinds"), ("kinds", len(DESCRIBING)))
    found = connection.execute(text, (*keys, *sorted(DESCRIBING), row.number, MOST_AT_ONCE + 1)).fetchall()
    if len(found) > MOST_AT_ONCE:
        return transaction.groups.set_moving(row, transaction.groups.last_seq())
    transaction.group_events.readdress(list(numbered(connection, sorted(seq for (seq,) in found))), row)
    return row


def _enter_next(transaction: Transaction, connection: sqlite3.Connection, row: GroupRow, upto: int) -> bool:
    """Enter the next events of a group anew; whether there are more."""
    transaction.flush()
    if row.group.home and _take_loose_in(transaction, connection, row):
        return True
    joined = connection.execute(sql("next_of_group"), (row.number, upto, AT_ONCE)).fetchone()[0]
    seqs = sorted(int(seq) for seq in joined.split(",")) if joined else []
    transaction.group_events.readdress(list(numbered(connection, seqs)), row)
    more = len(seqs) == AT_ONCE
    transaction.groups.set_moving(transaction.known.get(row.group.id) or row, seqs[0] - 1 if more else None)
    return more


def _take_loose_in(transaction: Transaction, connection: sqlite3.Connection, row: GroupRow) -> bool:
    """Take in what peers brought of a replica before this relay knew of groups of others; whether there was any."""
    if row.group.home == UNKNOWN_HOME:
        return False
    values = (entries.PUBLIC_PREFIX + entries.tag("h", row.group.wire_id), int(Door.PEER), AT_ONCE)
    joined = connection.execute(sql("loose_of_id"), values).fetchone()[0]
    lives = list(numbered(connection, sorted(map(int, joined.split(","))) if joined else []))
    transaction.group_events.readdress(lives, row, joining=True)
    transaction.group_events.note_due([live.event.id for live in lives])
    return bool(lives)


def _any_answers(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute(sql("any_answers_due")).fetchone()[0])


def _take_answers_in(transaction: Transaction, connection: sqlite3.Connection) -> bool:
    """Take in the next answers of an event that more came before than fit into its transaction; whether there are more."""
    due = connection.execute(sql("answers_due")).fetchone()
    if due is None:
        return False
    seq, name, *place, event_id, number = due
    group = None if number is None else transaction.known.get(transaction.known.ids_of([number])[number])
    if not name or group is None:
        connection.execute(sql("drop_answers_due"), (seq,))
        return _any_answers(connection)
    text = listed(sql("answers_after"), ("kinds", len(ANSWERING)))
    named = event_id if name in ("e", "E") else next(iter(_addresses(connection, seq)), None)
    if named is None:
        connection.execute(sql("drop_answers_due"), (seq,))
        return _any_answers(connection)
    found: list[Any] = connection.execute(
        text, (entries.tag(name, named), *sorted(ANSWERING), *place, AT_ONCE)
    ).fetchall()
    taken = transaction.group_events.enter([(named, row[3]) for row in found], group)
    transaction.group_events.note_due(taken)
    after = (name, *found[-1]) if len(found) == AT_ONCE else (_NEXT[name], -1, 0, 0, 0)
    connection.execute(sql("set_answers_due"), (*after, seq))
    return True


def _addresses(connection: sqlite3.Connection, seq: int) -> tuple[str, ...]:
    return tuple(one for live in numbered(connection, [seq]) for one in names_of(live.event)[1:])
