"""The writer: the only role that changes the database. It takes events and commands from every link, makes transactions of them,
answers, and sends what it committed to every follower.

One turn of its loop: take what has arrived; make one transaction of it, of each client as much as of any other (how many events
it may have: `transaction_size`); store the page's numbers; append the commit to every link, then the answers; send what the
sockets take. So whoever has an answer can see on the page that it is committed, and a front hears of a commit before it hears
that its own events are done.

Nothing here waits for a client: sockets do not block (`role_links`), and what is unanswered is bounded by the credits of
whoever sends. An exception fails its batch or its command; the loop goes on.
"""

import logging
import math
import time
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any, Final

import msgspec

from relay.errors import Changed, Prefix, Reject, TooFast, internal
from relay.protocol import kinds
from relay.protocol.event import parse_known
from relay.roles import metrics
from relay.roles.answers import Answers, Told
from relay.roles.fair_queue import FairQueue
from relay.roles.later_work import LaterWork
from relay.roles.messages import (
    Answered,
    Ask,
    Behind,
    CommandResult,
    Entry,
    Follow,
    Other,
    Outcomes,
    Quota,
    Recall,
    Submit,
    encode,
    to_writer,
)
from relay.roles.page import ALIVE_INTERVAL, FAULTY, UNWRITABLE, SharedPage
from relay.roles.role_links import RoleLink, RoleLinks
from relay.roles.transaction_size import TransactionSize
from storage import failures
from storage.base import Commit, Incoming, Outcome, Status, TransactionWriter, Written
from storage.commands import TryRoom
from storage.errors import StorageError
from storage.failures import CommandFailure

RECORDED: Final = 1.0  # seconds between two notes of how far the log is committed
ROOM: Final = 1024 * 1024  # bytes that are written to see whether there is room: more than most transactions have
ROOM_INTERVAL: Final = 5.0  # seconds between two such tries
TOLD: Final = 300.0  # seconds that it is told of a fault after the last one
_TOOK: Final = metrics.Timer("transaction_seconds").took
SENT_WITHIN: Final = 2.0  # seconds in which what is unsent may still go out at the end

Report = Callable[[str, BaseException], None]  # what nobody foresaw: where, and what

log = logging.getLogger("tidings.writer")


class _Job(msgspec.Struct, gc=False):
    """An event or a command that waits, and whose it is."""

    link: RoleLink
    wanted: Entry | Ask


class WriterRole:
    """Owns the store while it runs. `commands` decodes what `Ask` carries.

    Roles are served through `links`: attached, or by what they connect to.
    """

    def __init__(
        self,
        store: TransactionWriter,
        page: SharedPage,
        commands: Callable[[bytes], Any],
        report: Report,
    ) -> None:
        self._store = store
        self._page = page
        self._commands = commands
        self._reported = report
        self._queue: FairQueue[_Job] = FairQueue()
        self._answers = Answers()
        self.links = RoleLinks(self._take, self._dropped)
        self._role = page.roles.index("writer")
        self._numbers = metrics.fresh()
        self._faults = 0
        self._faulty_until = 0.0
        self._unwritable = False
        self._room_due = 0.0
        self._alive_due = 0.0
        page.begin(self._role)
        self._size = TransactionSize()
        self._later = LaterWork(store, self._report)
        self._stopping = False
        position = page.position()
        self._number = position.number + 1  # whoever kept something from before this start looks again
        page.move(store.moving)
        page.commit(self._number, store.last_seq(), self._number)
        if store.missing is not None:
            page.miss(store.missing.first, store.missing.last)
        self._recorded = store.last_seq()
        self._record_due = 0.0

    def stop(self) -> None:
        """Finish what has been sent so far and end `run`. For any thread and for signal handlers."""
        self._stopping = True
        self.links.wake()

    def run(self, ends: Sequence[int] = ()) -> None:
        """Work until `stop`, or until one of the descriptors `ends` becomes readable."""
        self.links.watch(ends)
        try:
            while not self._stopping and not self.links.ended:
                self.links.receive(0.0 if self._queue else self._patience())
                self._work()
                if self._later.go_on(int(time.time()), others_wait=bool(self._queue)):
                    self._page.store(self._role, later_parts=self._later.parts)
                    self._commit()
                    self._send()
                self._record()
                self._say_alive()
                if self._unwritable:
                    self._try_room()
            self._finish()
        finally:
            self.links.drop_all()

    def close(self) -> None:
        """Let go of what `stop` uses; when nobody calls that any more."""
        self.links.close()

    def _patience(self) -> float:
        """Seconds until there is something to do by itself."""
        due = self._alive_due if self._page.upto == self._recorded else min(self._alive_due, self._record_due)
        return max(0.0, min(due, self._later.due) - time.monotonic())

    def _say_alive(self) -> None:
        """Tell on the page that the writer works, and how it does."""
        now = time.monotonic()
        if now >= self._alive_due:
            self._alive_due = now + ALIVE_INTERVAL
            self._page.say_alive(self._role)
            self._tell_state()

    def _tell_state(self) -> None:
        state = UNWRITABLE if self._unwritable else FAULTY if time.monotonic() < self._faulty_until else 0
        self._page.store(self._role, degraded=state, faults=self._faults, applied=self._number)
        self._page.measure(self._role, self._numbers)

    def _try_room(self) -> None:
        """Find out whether the database can be written, once in ROOM_INTERVAL.

        It does not wait for an event to find out: a load balancer may send nobody while `/health` says that it cannot.
        """
        if time.monotonic() < self._room_due:
            return
        self._room_due = time.monotonic() + ROOM_INTERVAL
        trouble = ""
        try:
            for size in (ROOM, 0):
                self._store.execute(TryRoom(size), int(time.time()))
        except StorageError as error:
            trouble = str(error)
        except BaseException as error:
            self._report("the look for room", error)
        if self._unwritable is not bool(trouble):
            self._unwritable = bool(trouble)
            log.log(logging.ERROR if trouble else logging.INFO, "%s", trouble or "the database can be written again")
            self._tell_state()

    def _report(self, place: str, error: BaseException) -> None:
        self._faults += 1
        self._faulty_until = time.monotonic() + TOLD
        self._tell_state()
        self._reported(place, error)

    def _record(self) -> None:
        """Note outside of the database how far it is committed, once a second while something comes in."""
        upto = self._page.upto
        if upto == self._recorded or time.monotonic() < self._record_due:
            return
        self._recorded, self._record_due = upto, time.monotonic() + RECORDED
        try:
            self._store.record()
        except StorageError as error:
            log.error("%s", error)
        except Exception as error:
            self._report("the note of what is committed", error)

    def _finish(self) -> None:
        """What arrived is done and answered, as far as it can be sent."""
        self.links.receive(0.0)
        while self._queue:
            self._work()
            self.links.receive(0.0)
        deadline = time.monotonic() + SENT_WITHIN
        while any(not link.outbox.is_empty() for link in self.links) and time.monotonic() < deadline:
            self.links.receive(0.05)

    # receiving

    def _take(self, link: RoleLink, body: bytes) -> None:
        message = to_writer(body)
        if isinstance(message, Submit):
            for entry in message.entries:
                self._queue.put((link.number, entry.client), _Job(link, entry))
        elif isinstance(message, Ask):
            self._queue.put((link.number, message.client), _Job(link, message))
        elif isinstance(message, Recall):
            asker = (link.number, message.token)
            self._tell(self._answers.ask(message.name, message.digest, asker, time.monotonic()))
        elif isinstance(message, Answered):
            self._tell(self._answers.end(message.name, link.number, message.answer))
        elif isinstance(message, Follow):
            link.follows = True
            link.kinds = None if message.kinds is None else frozenset(message.kinds)
            link.outbox.answer(encode(Behind(self._number, self._page.upto)))  # the rest comes as it is committed
            self.links.flush(link)

    def _dropped(self, number: int) -> None:
        self._tell(self._answers.hang_up(number))

    def _tell(self, told: Told) -> None:
        for (number, token), recalled in told:
            link = self.links.get(number)
            if link is not None:
                link.outbox.answer(encode(CommandResult(token, encode(recalled))))
                self.links.flush(link)

    # working

    def _work(self) -> None:
        jobs = self._queue.take(self._size.most())
        for are_events, run in groupby(jobs, lambda job: isinstance(job.wanted, Entry)):
            if are_events:
                self._store_events(list(run))
            else:
                for job in run:
                    self._carry_out(job)

    def _store_events(self, jobs: list[_Job]) -> None:
        begun = time.perf_counter()
        refusal, outcomes = None, []
        try:
            batch = [_incoming(job.wanted) for job in jobs]
            outcomes = self._store.write(batch, int(time.time()))
            if len(outcomes) != len(jobs):
                raise RuntimeError(f"{len(outcomes)} outcomes of {len(jobs)} events")
        except StorageError as error:
            refusal = Reject(Prefix.ERROR, str(error))
        except BaseException as error:
            self._report("the writer", error)
            refusal = internal(error)
        if refusal is not None:
            outcomes = [Outcome(Status.REFUSED, refusal=refusal)] * len(jobs)
        taken = time.perf_counter() - begun
        _TOOK(self._numbers, taken)
        self._size.took(len(jobs), taken, self._store.disk_wait)
        self._commit()
        if self._unwritable is not (refusal is not None):
            self._unwritable = refusal is not None
            self._tell_state()
        self._answer(jobs, outcomes, failed=refusal is not None)
        self._send()

    def _carry_out(self, job: _Job) -> None:
        assert isinstance(job.wanted, Ask)
        value, reason = b"", None
        self._page.store(self._role, busy=1)
        try:
            if job.wanted.quota is not None:
                self._count(job.wanted.quota)
            command = self._commands(job.wanted.command)
            value = encode(self._store.execute(command, int(time.time()), job.wanted.sent_with))
        except BaseException as error:
            reason = failures.failure(error)
            if reason is None:
                self._report("a command", error)
                reason = CommandFailure("storage", "", internal(error).message)
            elif reason.kind == "storage":
                self._try_room()
        self._say_alive()
        self._page.store(self._role, busy=0)
        self._commit()
        job.link.outbox.answer(encode(CommandResult(job.wanted.token, value, reason)))
        self._send()

    def _send(self) -> None:
        """Send what was appended to any link: a commit and its answers in one, so that a front is woken once."""
        for link in self.links:
            if not link.outbox.is_empty():
                self.links.flush(link)

    def _count(self, quota: Quota) -> None:
        """Raises TooFast where there were too many of these from there."""
        wait = self._page.sources.spend(quota.source, quota.seconds / quota.most, quota.most, time.monotonic())
        if wait:
            raise TooFast(f"too many {quota.what} from your address; come back later", math.ceil(wait))

    def _commit(self) -> None:
        """Tell of what the last transaction changed: the page first, then every follower."""
        written = self._store.collect()
        self._page.move(self._store.moving)
        if written.is_nothing():
            return
        if kinds.VANISH in written.kinds:
            self._answers.clear()  # nobody is told again what somebody who vanished had written (NIP-62)
        self._number += 1
        primary = self._number if written.changes else self._page.primary
        upto = self._store.last_seq()
        self._page.commit(self._number, upto, primary)
        body = encode(Commit(self._number, upto, written.events, written.removed, written.changes))
        for link in self.links:
            if link.follows and link.kinds is None:
                link.outbox.commit(body)
            elif link.kinds is not None and _concerns(written, link.kinds):
                link.outbox.commit(encode(Commit(self._number, upto, [], written.removed, written.changes)))

    def _answer(self, jobs: list[_Job], outcomes: Sequence[Outcome], failed: bool) -> None:
        answers: dict[int, Outcomes] = {}
        for job, outcome in zip(jobs, outcomes, strict=True):
            answer = answers.get(job.link.number)
            if answer is None:
                answer = answers[job.link.number] = Outcomes([], [], [], failed)
            token = job.wanted.token
            if outcome.status is Status.STORED and not outcome.message:
                answer.stored.append(token)
                answer.seqs.append(outcome.seq)
            else:
                answer.others.append(_other(token, outcome))
        for number, answer in answers.items():
            link = self.links.get(number)
            if link is not None:
                link.outbox.answer(encode(answer))


def _concerns(written: Written, wanted: frozenset[int]) -> bool:
    """Whether somebody who names these kinds is told."""
    return bool(written.changes) or (bool(wanted) and (written.removed != [] or not wanted.isdisjoint(written.kinds)))


def _incoming(wanted: Entry | Ask) -> Incoming:
    assert isinstance(wanted, Entry)
    return Incoming(
        parse_known(wanted.wire),
        wanted.wire,
        wanted.door,
        wanted.received_at,
        wanted.expected,
        wanted.sent_with,
        wanted.origin,
        wanted.home,
    )


def _other(token: int, outcome: Outcome) -> Other:
    refusal = outcome.refusal
    if refusal is None:
        return Other(token, outcome.status, outcome.seq, None, outcome.message)
    return Other(token, outcome.status, outcome.seq, refusal.prefix, refusal.message, isinstance(refusal, Changed))
