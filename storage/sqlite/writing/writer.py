"""The one writer of a SQLite log: batches in, one transaction each.

A batch costs a fixed, small number of SQLite steps (see `lookup` for why that matters). Whatever goes wrong inside a batch
rolls it back, and it is tried again event by event inside one transaction, so that a poisoned event fails alone.
"""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec

from relay.errors import Changed, Prefix, Reject
from relay.protocol import event as events
from relay.protocol import kinds, outdated
from relay.protocol.admission import Action, Meaning, NumberIssue, ProvisionIdentity
from relay.protocol.facts import GivenToken
from relay.protocol.groups import succession
from relay.protocol.groups.state import GroupChange
from storage.base import Incoming, Logged, Missing, Outcome, RelaySigner, Status, Written
from storage.commands import (
    Command,
    Compact,
    ContinueGroups,
    DropPast,
    Dropped,
    ListMembers,
    RemoveMatching,
    SetRetention,
)
from storage.errors import StorageError
from storage.sqlite.files import committed, database_file
from storage.sqlite.files.checkpoints import Checkpoints
from storage.sqlite.groups.known import KnownGroups
from storage.sqlite.identities import writes as identities
from storage.sqlite.identities.reads import Bindings, SqliteLookups
from storage.sqlite.rows import later_rows, numbers, projections
from storage.sqlite.statements import named
from storage.sqlite.writing import maintenance, removals
from storage.sqlite.writing.groups import moving
from storage.sqlite.writing.groups.announcing import Due
from storage.sqlite.writing.groups.succeeding import VanishingKeys
from storage.sqlite.writing.operator_removal import remove_matching
from storage.sqlite.writing.own_events import OwnEvents
from storage.sqlite.writing.part_size import PartSize
from storage.sqlite.writing.passed_on import PassedOn
from storage.sqlite.writing.recent_events import RecentEvents
from storage.sqlite.writing.retaining import Retaining
from storage.sqlite.writing.transaction import Transaction, come_by

_log: Final = logging.getLogger("tidings.storage")
LISTED: Final = 1.0  # seconds between two lists of the members of a large group
_CLOSED: Final = "the log is closed"
_DUPLICATE: Final = Outcome(Status.DUPLICATE)
_POISONED: Final = Outcome(
    Status.REFUSED, refusal=Reject(Prefix.ERROR, "the relay could not process this event; its operator can see why")
)

T = TypeVar("T")


class SqliteWriter:
    """storage.base.LogWriter over SQLite. `connection` and `directory` are for the rest of the backend."""

    def __init__(
        self,
        directory: Path,
        meaning: Meaning,
        synchronous: str,
        cache_mib: int,
        *,
        is_locked: bool,
        was_there: bool,
    ) -> None:
        self._meaning = meaning
        self._lock = None if is_locked else database_file.Lock(directory)
        self.directory = directory
        self.disk_wait = 0.0
        self._closed = False
        self._recording = threading.Lock()
        self._recorded: int | None = None
        with contextlib.ExitStack() as opened:  # what a start that fails lets go of, the connection first
            opened.callback(self._let_go)
            try:
                self.connection = database_file.connect_writer(directory, synchronous, cache_mib, was_there=was_there)
                opened.callback(self.connection.close)
                self._last_seq = int(self.connection.execute(named("write")["last_seq"]).fetchone()[0])
                self._compare()
                self._committed = self._last_seq
                self._bindings = Bindings(self.connection)
                self.tables = SqliteLookups(self.connection)
                self._known = KnownGroups(self.connection)
                self._recent = RecentEvents(self.connection)
                self._passed_on = PassedOn()
                self._retaining = Retaining(self.connection)
                self._removing = PartSize()
                self._written = Written()
                self._own = OwnEvents(self.tables, self._next_seq)
                self._vanishing = VanishingKeys(self.connection, self.tables, self._own.say)
                self._files = database_file.SameFiles(directory / database_file.FILE)
                self._checkpoints = Checkpoints(self.connection, directory / database_file.FILE)
            except sqlite3.Error as error:
                raise database_file.unusable(directory / database_file.FILE, error) from error
            except OSError as error:
                raise StorageError(f"{error.filename}: {error.strerror}") from None
            opened.pop_all()

    def last_seq(self) -> int:
        """The highest number given out."""
        return self._last_seq

    @property
    def missing(self) -> Missing | None:
        """What is known to be missing of the log."""
        return self._missing

    @property
    def moving(self) -> int:
        """How many groups are."""
        return self._known.moving

    @property
    def unfinished(self) -> bool:
        """Whether changes of groups may have left something to do."""
        return self._known.unfinished

    def _compare(self) -> None:
        """Notice a log that ends before what was committed. The numbers that are missing are not given out again."""
        self._missing = database_file.missing(self.connection)
        noted = committed.read(self.directory)
        if noted is not None and noted > self._last_seq:
            self._missing = Missing(self._last_seq + 1 if self._missing is None else self._missing.first, noted)
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute(named("write")["set_missing"], (self._missing.first, noted))
            self.connection.execute(named("write")["set_last_seq"], (noted,))
            self.connection.execute("COMMIT")
            self._last_seq = noted
        if self._missing is not None:
            _log.error("%s", self._missing)

    def accept_loss(self) -> Missing | None:
        """From now on nothing is missing; what was."""
        self.transact(lambda _: self.connection.execute(named("write")["accept_loss"]))
        accepted, self._missing = self._missing, None
        return accepted

    def record(self) -> None:
        """Note outside of the database how far it is committed. For any thread. Raises StorageError."""
        with self._recording:
            seq = self._committed
            if seq == self._recorded:
                return
            try:
                committed.write(self.directory, seq)
            except OSError as error:
                raise StorageError(f"{self.directory / committed.FILE} cannot be written: {error.strerror}") from None
            self._recorded = seq

    def write(self, batch: Sequence[Incoming], now: int) -> list[Outcome]:
        """Admit and store a batch; see storage.base.LogWriter."""
        if not batch:
            return []
        try:
            return self.transact(lambda transaction: self._admit_all(transaction, batch, now), now)
        except StorageError:
            raise
        except Exception:
            _log.exception("a batch of %d events failed and is tried again event by event", len(batch))
        return self.transact(lambda transaction: self._one_by_one(batch, now, transaction.written), now)

    def execute(self, command: Command[T], now: int, token: GivenToken | None = None) -> T:
        """Carry out a command; see storage.base.LogWriter."""
        if isinstance(command, Compact):
            self._require_open()
            self._checkpoints.wait()
            maintenance.compact(self.connection)
            return cast(T, self.record())
        own = _OWN_WORK.get(type(command))
        work = identities.carry_out if type(command) in identities.COMMANDS else maintenance.carry_out

        def carry_out(transaction: Transaction) -> T:
            transaction.check_token(token, now)
            if own is not None:
                return cast(T, own(self, command, transaction, now))
            return cast(T, work(self.connection, command, transaction, now))

        begun = time.perf_counter()
        result = self.transact(carry_out, now)
        took = time.perf_counter() - begun - self.disk_wait
        if isinstance(result, Dropped):
            self._retaining.size.took(result.number, took)
        elif isinstance(command, ContinueGroups):
            self._vanishing.size.took(self._vanishing.removed, took)
        elif isinstance(command, RemoveMatching):
            self._removing.took(cast(int, result), took)
        return result

    def _continue_groups(self, transaction: Transaction, now: int) -> float | None:
        """See commands.ContinueGroups."""
        self._known.unfinished = False
        more = self._vanishing.go_on(transaction, now)
        told = self._own.announce_due(transaction, now)
        more = more or told is Due.NOW or moving.go_on(transaction, self.connection)
        more = more or later_rows.go_on(self.connection, transaction.projections, transaction.touched.keys)
        self._known.unfinished = more or told is not Due.NEVER
        return 0.0 if more else LISTED if told is Due.SOON else None

    def hand_signer(self, signer: RelaySigner) -> None:
        """From now on the relay's own key signs what is said with events and commands."""
        self._own.signer = signer

    def collect(self) -> Written:
        """What was changed since this was asked last."""
        written, self._written = self._written, Written()
        return written

    def _next_seq(self) -> int:
        self._last_seq += 1
        return self._last_seq

    def close(self) -> None:
        """Checkpoint, close and release the lock. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._checkpoints.wait()
        try:
            self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self.record()
        except (sqlite3.Error, StorageError) as error:
            _log.error("the write-ahead log could not be folded in; the next start will do it (%s)", error)
        finally:
            self.connection.close()
            self._checkpoints.close()
            self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def _require_open(self) -> None:
        if self._closed:
            raise StorageError(_CLOSED)

    def transact(self, work: Callable[[Transaction], T], now: int | None = None) -> T:
        """Run `work` and write what it changed, in one transaction at `now`, if that matters. Raises StorageError."""
        self._require_open()
        self._files.check()
        before = self._last_seq
        transaction = self._transaction()
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            result = work(transaction)
            self._finish(transaction, now)
            if self._last_seq != before:
                self.connection.execute(named("write")["set_last_seq"], (self._last_seq,))
            self._commit()
            self._committed = self._last_seq
        except BaseException as error:
            self._last_seq = before
            self._roll_back()
            self._forget()
            unusable = database_file.failure(error) if isinstance(error, sqlite3.Error) else None
            if unusable is not None:
                raise unusable from error
            raise
        self._checkpoints.after_commit()
        self._written.add(transaction.written)
        return result

    def _commit(self) -> None:
        begun, worked = time.perf_counter(), time.thread_time()
        self.connection.execute("COMMIT")
        self.disk_wait = max(0.0, time.perf_counter() - begun - (time.thread_time() - worked))

    def _transaction(self) -> Transaction:
        signer = self._own.signer
        return Transaction(
            self.connection,
            self._meaning,
            self._bindings,
            self._known,
            self._recent,
            last_seq=self.last_seq,
            relay="" if signer is None else signer.pubkey,
        )

    def _forget(self) -> None:
        """What is remembered of a transaction that was rolled back."""
        self._bindings.clear()
        self._known.clear()
        self._recent.clear()
        self._passed_on.clear()
        self._retaining.forget()
        self._own.forget()

    def _roll_back(self) -> None:
        if self.connection.in_transaction:
            try:
                self.connection.execute("ROLLBACK")
            except sqlite3.Error:
                _log.exception("the transaction could not be rolled back")

    def _finish(self, transaction: Transaction, now: int | None) -> None:
        if now is not None:
            self._own.finish(transaction, now)
        if transaction.touches_groups and transaction.groups.begun_to_move:
            moving.begin(transaction, self.connection)
        transaction.flush()
        left = projections.refresh(
            self.connection, transaction.projections, transaction.touched, transaction.owners, self._known.edited
        )
        self._known.unfinished = self._known.unfinished or left

    def _admit_all(self, transaction: Transaction, batch: Sequence[Incoming], now: int) -> list[Outcome]:
        transaction.facts.now = now
        if len(batch) > 1:
            transaction.expect(batch)
        return [self._admit(transaction, incoming, now) for incoming in batch]

    def _one_by_one(self, batch: Sequence[Incoming], now: int, written: Written) -> list[Outcome]:
        outcomes = []
        for incoming in batch:
            before = self._last_seq
            self.connection.execute("SAVEPOINT one")
            try:
                transaction = self._transaction()
                outcome = self._admit_all(transaction, [incoming], now)[0]
                self._finish(transaction, now)
            except Exception as error:
                if isinstance(error, sqlite3.Error) and database_file.failure(error) is not None:
                    raise
                _log.exception("event %s failed", incoming.event.id)
                self.connection.execute("ROLLBACK TO one")
                self._forget()
                self._last_seq, outcome = before, _POISONED
            else:
                written.add(transaction.written)
            self.connection.execute("RELEASE one")
            outcomes.append(outcome)
        return outcomes

    def _admit(self, transaction: Transaction, incoming: Incoming, now: int) -> Outcome:
        event = incoming.event
        come_by(transaction.facts, incoming)
        transaction.prepare(event)
        if transaction.holds(event.id):
            if incoming.home and self._known.any:
                transaction.group_events.brought_home(transaction.row(event.id))
            expired = outdated.expired(event, now)
            return _DUPLICATE if expired is None else Outcome(Status.REFUSED, refusal=expired)
        if self._passed_on.holds(event.id, now):
            return _DUPLICATE
        expected = incoming.expected
        if expected is not None and transaction.newest(expected.filter, expected.readers, now) != expected.id:
            return Outcome(Status.REFUSED, refusal=Changed())
        try:
            if incoming.token is not None:
                transaction.check_token(incoming.token, now)
            self._retaining.check(event, transaction, now)
            admission = self._meaning.admit(event, transaction.facts, now, incoming.door)
            expires_at = events.expiration(event) if admission.expires else None
            for action in admission.actions if admission.refusal is None else ():
                if isinstance(action, GroupChange):
                    transaction.act_on_group(action)
                elif isinstance(action, NumberIssue):
                    numbers.give(self.connection, action)
                else:
                    identities.act(self.connection, _from(incoming.origin, action), transaction, now)
        except Reject as refusal:
            return Outcome(Status.REFUSED, refusal=refusal.alone())
        kept = frozenset[int]()
        if event.kind == kinds.VANISH and admission.removals and self._known.any:
            kept = kept if self._vanishing.succeed(transaction, event, now) else frozenset(succession.KINDS)
        is_all = not kept
        for removal in admission.removals:
            is_all = removals.carry_out(self.connection, transaction, removal, kept) and is_all
        if not is_all:
            self._vanishing.note(transaction, event)
        if admission.refusal is not None:
            return Outcome(Status.REFUSED, refusal=admission.refusal)
        if admission.replaces is not None:
            transaction.take(admission.replaces, replaced=True)
        if not admission.store:
            if not admission.actions:
                self._passed_on.add(event.id, now)
            transaction.written.put(Logged(0, incoming.wire, admission.audience), event.kind)
            self._own.say(transaction, admission.emits, now)
            return Outcome(Status.EPHEMERAL, audience=admission.audience, message=admission.message)
        seq = self._next_seq()
        transaction.put(incoming, seq, admission.audience, expires_at, admission.group)
        if admission.emits:
            self._own.say(transaction, admission.emits, now)
        return Outcome(Status.STORED, seq=seq, audience=admission.audience, message=admission.message)


# Commands about what the writer itself holds in memory; the others need its connection alone.
_OWN_WORK: Final[dict[type, Callable[[SqliteWriter, Any, Transaction, int], Any]]] = {
    ListMembers: lambda writer, command, *_: writer._own.list_at_most(command.most),
    SetRetention: lambda writer, command, *_: writer._retaining.keep_to(command.rules),
    DropPast: lambda writer, _command, transaction, now: writer._retaining.drop(transaction, now),
    ContinueGroups: lambda writer, _command, transaction, now: writer._continue_groups(transaction, now),
    RemoveMatching: lambda writer, command, transaction, now: remove_matching(
        writer.connection, RemoveMatching(command.wanted, min(command.limit, writer._removing.most)), transaction, now
    ),
}


def _from(origin: str | None, action: Action) -> Action:
    """The action, for a new identity with the peer that its first event came by."""
    return (
        msgspec.structs.replace(action, origin=origin) if origin and isinstance(action, ProvisionIdentity) else action
    )
