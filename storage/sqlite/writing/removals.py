"""Removals: what deletions, replaced posts and authors who vanish take out of the log, and the marks that refuse it from now on."""

import sqlite3
from collections.abc import Iterable
from typing import Final

import msgspec

from relay.protocol import feed, kinds
from relay.protocol.admission import AllowTime, Removal, RemoveAddress, RemoveAuthor, RemoveEdits, RemoveEvent
from relay.protocol.event import Event
from relay.protocol.facts import Version
from relay.protocol.filter import Filter
from relay.protocol.groups import timeline
from storage.sqlite import earlier, log_rows
from storage.sqlite.log_rows import AT_ONCE
from storage.sqlite.reading import every
from storage.sqlite.reading.query import FOR_EVER
from storage.sqlite.statements import SIZES
from storage.sqlite.writing.transaction import Transaction

_PAGE: Final = 1000  # events of an author removed in one step


def carry_out(
    connection: sqlite3.Connection, transaction: Transaction, removal: Removal, kept: frozenset[int] = frozenset()
) -> None:
    """Remove what a removal covers, and mark it; of an author nothing of the kinds that are `kept`."""
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
            _author(connection, transaction, removal, kept)


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
    authors = transaction.require(("siblings", removal.by)).siblings[removal.by]
    for start in range(0, len(removal.edited), SIZES[-1]):
        edited = frozenset(removal.edited[start : start + SIZES[-1]])
        wanted = Filter(kinds=frozenset([kinds.EDIT]), authors=authors, tags={"e": edited})
        seqs = every.seqs_of(connection, wanted, FOR_EVER)
        for part in range(0, len(seqs), AT_ONCE):
            for row in log_rows.of_seqs(connection, seqs[part : part + AT_ONCE]):
                if feed.edited(row.event) in edited:
                    transaction.take_row(row)
            transaction.flush()


def _author(
    connection: sqlite3.Connection, transaction: Transaction, removal: RemoveAuthor, kept: frozenset[int]
) -> None:
    pubkey, until = removal.pubkey, removal.until
    transaction.vanish(pubkey, until)
    transaction.flush()
    wanted = Filter(authors=frozenset([pubkey]), until=until)
    if kept:
        stays = every.seqs_of(connection, msgspec.structs.replace(wanted, kinds=kept), FOR_EVER)
        goes = set(every.seqs_of(connection, wanted, FOR_EVER)).difference(stays)
        gone = transaction.take_seqs(sorted(goes))
    else:
        gone = _all(connection, transaction, wanted)
    for _ in gone:
        pass
    earlier.forget_author(connection, pubkey, until)
    wraps = Filter(kinds=frozenset([kinds.GIFT_WRAP]), tags={"p": frozenset([pubkey])})
    for wrap in _all(connection, transaction, wraps):
        transaction.mark(wrap.id, pubkey)
    transaction.flush()


def _all(connection: sqlite3.Connection, transaction: Transaction, wanted: Filter) -> Iterable[Event]:
    """Remove all that a filter matches, each event as it goes."""
    while seqs := every.seqs_of(connection, wanted, _PAGE):
        yield from transaction.take_seqs(seqs)
