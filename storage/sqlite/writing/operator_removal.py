"""The operator's removal of events: whatever matches goes, is marked, and takes its edits with it."""

import sqlite3

from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.admission import OPERATOR, RemoveEdits
from relay.protocol.event import Event
from relay.protocol.facts import Version
from relay.protocol.feed import EDITED
from relay.protocol.groups.belonging import MODERATION
from storage.commands import RemoveMatching
from storage.sqlite.reading import every
from storage.sqlite.writing import removals
from storage.sqlite.writing.groups.succeeding import stand_in
from storage.sqlite.writing.transaction import Transaction


def remove_matching(connection: sqlite3.Connection, command: RemoveMatching, transaction: Transaction, now: int) -> int:
    """Ids are marked, and addresses stay closed to older versions; what has edits goes with them. How many events went."""
    removed = 0
    moderation = []
    edited: dict[tuple[str, str], list[str]] = {}
    for event in transaction.take_seqs(every.seqs_of(connection, command.wanted, command.limit)):
        removed += 1
        transaction.mark(event.id, OPERATOR)
        close_address(transaction, event)
        if event.kind in MODERATION:
            moderation.append(event)
        elif event.kind in EDITED:
            group_id = events.first_value(event, "h") if event.kind == kinds.ISSUE else None
            edited.setdefault((event.pubkey, group_id or ""), []).append(event.id)
    for (pubkey, group), ids in edited.items():
        removals.carry_out(connection, transaction, RemoveEdits(tuple(ids), pubkey, group))
    stand_in(transaction, moderation, now)
    return removed


def close_address(transaction: Transaction, event: Event) -> None:
    """Refuse older versions of what is removed."""
    address = events.address_of(event)
    if address is not None:
        transaction.mark_address(address, Version(event.created_at, event.id))
