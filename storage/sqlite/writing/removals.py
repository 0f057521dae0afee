"""Removals: what deletions, replaced posts and authors who vanish take out of the log, and the marks that refuse it from now on."""

import sqlite3
from typing import Final

import msgspec

from relay.protocol import feed, kinds
from relay.protocol.admission import AllowTime, Removal, RemoveAddress, RemoveAuthor, RemoveEdits, RemoveEvent
from relay.protocol.facts import Version
from relay.protocol.filter import Filter
from relay.protocol.groups import timeline
from storage.sqlite import earlier, log_rows
from storage.sqlite.log_rows import AT_ONCE
from storage.sqlite.reading import every
from storage.sqlite.reading.query import FOR_EVER
from storage.sqlite.statements import parts
from storage.sqlite.writing.transaction import Transaction

AT_REQUEST: Final = 1000  # events that go in the transaction of a request to vanish, and as many gift wraps
A_PART: Final = 200  # of either, that go in each part after it


def carry_out(
    connection: sqlite3.Connection, transaction: Transaction, removal: Removal, kept: frozenset[int] = frozenset()
) -> bool:
    """Remove what a removal covers, and mark it; of an author nothing of the kinds that are `kept`.

    Whether that is all: of an author more than AT_REQUEST events are left for `vanished_part`.
    """
    match removal:
        case AllowTime():
            _time(transaction, removal)
        case RemoveEvent(event_id, by):
            transaction.mark(event_id, by)
            transaction.take(event_id)
            earlier.forget_one(connection, event_id, by)
        case RemoveAddress():
            _address(transaction, removal)
            earlier.forget_address(connection, removal.address, removal.until)
        case RemoveEdits():
            _edits(connection, transaction, removal)
        case RemoveAuthor():
            return _author(connection, transaction, removal, kept)
    return True


def vanished_part(
    connection: sqlite3.Connection, transaction: Transaction, pubkey: str, until: int, cause: str
) -> bool:
    """Remove the next of what a key that asked to vanish has left, the newest first; whether that was all.

    `cause` is the request's id, which stays. Gift wraps that came after it are new mail.
    """
    request = transaction.row(cause)
    stays = 0 if request is None else request.seq
    seqs = every.seqs_of(connection, Filter(authors=frozenset([pubkey]), until=until), A_PART + 1)
    for _ in transaction.take_seqs([seq for seq in seqs if seq != stays][-A_PART:]):
        pass
    return _wraps(connection, transaction, pubkey, A_PART, stays) and len(seqs) <= A_PART


def _time(transaction: Transaction, removal: AllowTime) -> None:
    """What is there of that time already is made again: once, since somebody may have said thousands of things in a second."""
    pubkey, at = removal.pubkey, removal.created_at
    mark = timeline.edit_mark(pubkey, removal.kind, at, removal.group)
    if pubkey in transaction.require(("deleters", mark)).deleters[mark]:
        return
    transaction.mark(mark, pubkey)
    transaction.known.note_edited(removal.group)
    if removal.kind == kinds.CHAT:
        transaction.touch_author(pubkey, Filter(kinds=frozenset([kinds.CHAT]), since=at, until=at))


def _address(transaction: Transaction, removal: RemoveAddress) -> None:
    until = Version(removal.until, removal.id)
    transaction.mark_address(removal.address, until)
    live = transaction.require(("closed", removal.address)).versions[removal.address]
    if live is not None and not live.is_newer_than(until.created_at, until.id):
        transaction.take(live.id)


def _edits(connection: sqlite3.Connection, transaction: Transaction, removal: RemoveEdits) -> None:
    """Without marks: that of what they edit refuses its edits."""
    transaction.flush()
    group = transaction.known.get(removal.group) if removal.group else None
    authors = None if group else transaction.require(("siblings", removal.by)).siblings[removal.by]
    for some in parts(removal.edited):
        edited = frozenset(some)
        wanted = Filter(kinds=frozenset([kinds.EDIT]), authors=authors, tags={"e": edited})
        seqs = every.seqs_of(connection, wanted, FOR_EVER)
        for part in range(0, len(seqs), AT_ONCE):
            for row in log_rows.of_seqs(connection, seqs[part : part + AT_ONCE]):
                if feed.edited(row.event) in edited and (group is None or row.group == group.number):
                    transaction.take_row(row)
            transaction.flush()


def _author(
    connection: sqlite3.Connection, transaction: Transaction, removal: RemoveAuthor, kept: frozenset[int]
) -> bool:
    pubkey, until = removal.pubkey, removal.until
    transaction.vanish(pubkey, until)
    transaction.flush()
    wanted = Filter(authors=frozenset([pubkey]), until=until)
    seqs = every.seqs_of(connection, wanted, AT_REQUEST + 1)
    goes = set(seqs[-AT_REQUEST:])
    if kept:
        goes.difference_update(every.seqs_of(connection, msgspec.structs.replace(wanted, kinds=kept), FOR_EVER))
    for _ in transaction.take_seqs(sorted(goes)):
        pass
    earlier.forget_author(connection, pubkey, until)
    return _wraps(connection, transaction, pubkey, AT_REQUEST) and len(seqs) <= AT_REQUEST


def _wraps(
    connection: sqlite3.Connection, transaction: Transaction, pubkey: str, most: int, before: int | None = None
) -> bool:
    """Remove and mark gift wraps to a key, those before the number `before` of the log; whether that was all."""
    wanted = Filter(kinds=frozenset([kinds.GIFT_WRAP]), tags={"p": frozenset([pubkey])})
    seqs = every.seqs_of(connection, wanted, FOR_EVER)
    seqs = seqs if before is None else [seq for seq in seqs if seq < before]
    for wrap in transaction.take_seqs(seqs[-most:]):
        transaction.mark(wrap.id, pubkey)
    transaction.flush()
    return len(seqs) <= most
