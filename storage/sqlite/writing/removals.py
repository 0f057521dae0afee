"""Removals: what deletions, replaced posts and authors who vanish take out of the log, and the marks that refuse it from now on."""

import sqlite3
from typing import Final, NamedTuple

import msgspec

from relay.protocol import feed, kinds
from relay.protocol.admission import AllowTime, Removal, RemoveAddress, RemoveAuthor, RemoveEdits, RemoveEvent
from relay.protocol.facts import Version
from relay.protocol.filter import Filter
from relay.protocol.groups import timeline
from storage.sqlite import earlier, entries, log_rows
from storage.sqlite.log_rows import AT_ONCE
from storage.sqlite.reading import every
from storage.sqlite.reading.query import FOR_EVER
from storage.sqlite.statements import named, parts
from storage.sqlite.writing.transaction import Transaction

AT_REQUEST: Final = 200  # events that go in the transaction of a request to vanish, and as many gift wraps
A_PART: Final = 200  # of either, that go in each part after it at most
_END: Final = 2**63 - 1  # behind every number of the log
_MAIL_TO: Final = (entries.PUBLIC_PREFIX, entries.OPERATOR_PREFIX)  # where whatever is for a key stands


class _WrapsRemoved(NamedTuple):
    number: int
    is_all: bool


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
    connection: sqlite3.Connection, transaction: Transaction, pubkey: str, until: int, cause: str, *, most: int
) -> tuple[int, bool]:
    """Remove the next of what a key that asked to vanish has left, at most so many events; how many, and whether that was all.

    `cause` is the request's id, which stays. Gift wraps that came after it are new mail.
    """
    request = transaction.row(cause)
    stays = 0 if request is None else request.seq
    most = min(most, A_PART)
    seqs = every.seqs_of(connection, Filter(authors=frozenset([pubkey]), until=until), most + 1)
    taken = sum(1 for _ in transaction.take_seqs([seq for seq in seqs if seq != stays][-most:]))
    wraps = _wraps(connection, transaction, pubkey, max(most - taken, 1), stays)
    return taken + wraps.number, wraps.is_all and len(seqs) <= most


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
    return _wraps(connection, transaction, pubkey, AT_REQUEST, _END).is_all and len(seqs) <= AT_REQUEST


def _wraps(
    connection: sqlite3.Connection, transaction: Transaction, pubkey: str, most: int, before: int
) -> _WrapsRemoved:
    """Remove and mark gift wraps to a key, at most so many of those before the number `before` of the log, the oldest first."""
    keys = (prefix + entries.tag("p", pubkey) for prefix in _MAIL_TO)
    joined = connection.execute(named("write")["mail_to"], (*keys, kinds.GIFT_WRAP, before, most + 1)).fetchone()[0]
    seqs = [int(seq) for seq in joined.split(",")] if joined else []
    for wrap in transaction.take_seqs(sorted(seqs[:most])):
        transaction.mark(wrap.id, pubkey)
    transaction.flush()
    return _WrapsRemoved(min(len(seqs), most), len(seqs) <= most)
