"""The pipeline: from an event that passed the cheap checks to its `OK`.

    loop --(line)--> verifier thread --(batches of 64)--> writer thread --(one call back per commit)--> loop

The verifier takes from each client in turn, so that a flood of one delays no other (`line`). It checks ids and signatures and
builds the wire form; libsecp256k1 works without the GIL. The writer takes whatever has queued as one transaction (group
commit), and while more stands before the verifier it waits for that a little: an event of a large transaction costs less than
one of a small one, and one that comes alone waits for nobody. Results come back to the loop once per commit: answers first,
then fan-out. Nothing is acknowledged before its commit; the queue is bounded by `room()`, which the sockets ask before they
read on.

Whatever raises what nobody foresaw fails its item: an event is answered with an error, a listener misses that event. The
threads go on, what else the batch holds is delivered, and `pending` comes down all the same.
"""

import asyncio
import logging
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from keys.schnorr import fault
from relay.errors import Prefix, Reject
from relay.protocol.admission import Door
from relay.protocol.event import Event, compute_id, has_tag, wire
from relay.protocol.facts import GivenToken
from relay.protocol.kinds import DELETION, VANISH, has_address
from relay.server.line import Line
from relay.server.supervision import Faults, plain
from storage import failures
from storage.base import Emitted, Incoming, Outcome, Status, StorageError, Writer
from storage.commands import Command

VERIFY_BATCH: Final = 64
COMMIT_BATCH: Final = 1000
LINGER: Final = 0.02  # seconds that a transaction waits at most for what is about to be verified
RECENT: Final = 50_000
MAX_BYTES: Final = 64 * 1024 * 1024  # of events under way; what is at hand when that is reached comes on top
REMOVING: Final = frozenset((DELETION, VANISH))

T = TypeVar("T")
Answer = Callable[[Event, Outcome], None]  # called on the loop once the outcome is known and durable
Publish = Callable[[Event, bytes, Outcome], None]  # called on the loop for what is to be sent to subscribers
Pace = Callable[[Event], Reject | None]  # called on the verifier's thread: why a sound event comes too fast

log = logging.getLogger("tidings.ingest")


class Submission(msgspec.Struct, gc=False):
    """An event under way. `answer` gets its outcome; `fault` is set when id, signature or pace are wrong."""

    event: Event
    door: Door
    received_at: int
    answer: Answer
    size: int
    token: GivenToken | None = None
    fault: Reject | None = None


class _Verified(msgspec.Struct, gc=False):
    """A batch the verifier is done with: `incoming` are the sound ones, in the order of `sound`."""

    sound: list[Submission]
    incoming: list[Incoming]
    faulty: list[Submission]


class _Ordered(msgspec.Struct):
    """A command for the writer."""

    command: Command[Any]
    token: GivenToken | None
    future: "asyncio.Future[Any]"


class _Batch(msgspec.Struct, gc=False):
    """Events that are verified already (import): one outcome each."""

    incoming: list[Incoming]
    future: "asyncio.Future[list[Outcome]]"


_DUPLICATE: Final = Outcome(Status.DUPLICATE)
_STOP: Final = None


class Ingest:
    """Owns the two threads. All methods are called on the event loop."""

    def __init__(
        self,
        writer: Writer,
        publish: Publish,
        flush: Callable[[], None],
        capacity: int,
        faults: Faults,
        *,
        pace: Pace = lambda _event: None,
    ) -> None:
        self._writer = writer
        self._faults = faults
        self._pace = pace
        self._publish = publish
        self._flush = flush
        self._capacity = capacity
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[Hashable, Submission]] = []
        self._scheduled = False
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._to_verify: Line[Submission] = Line()
        self._to_write: queue.SimpleQueue[_Verified | _Batch | _Ordered | None] = queue.SimpleQueue()
        self._ahead: list[_Ordered | None] = []  # taken from the queue while a transaction was gathered
        self._idle = asyncio.Event()
        self._idle.set()
        self.pending = 0
        self.pending_bytes = 0
        self.stored = 0
        self.refused = 0
        self.failure: str | None = None  # the last storage error, None once a batch went through again
        self.last_seq = writer.last_seq()
        self._threads = [
            threading.Thread(target=self._verify_loop, name="verifier", daemon=True),
            threading.Thread(target=self._write_loop, name="writer", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def room(self) -> bool:
        """Whether clients may go on sending; False asks them to wait."""
        return self.pending < self._capacity and self.pending_bytes < MAX_BYTES

    def submit(
        self,
        event: Event,
        door: Door,
        received_at: int,
        answer: Answer,
        source: Hashable = None,
        *,
        size: int | None = None,
        token: GivenToken | None = None,
    ) -> None:
        """Take an event that passed the policies; `answer` follows. Its signature has not been checked yet.

        The events of each `source` stand in a line of their own. `size` is in bytes, counted here where it is not given;
        `token` is the one that it was sent with over HTTP.
        """
        if event.id in self._recent and compute_id(event) == event.id:
            answer(event, _DUPLICATE)
            return
        size = len(wire(event)) if size is None else size
        self._begin(1, size)
        self._waiting.append((source, Submission(event, door, received_at, answer, size, token)))
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._hand_over)

    async def write(self, incoming: Sequence[Incoming]) -> list[Outcome]:
        """Store events whose signatures the caller has checked; one outcome each, in order, durable.

        Raises StorageError when the database cannot be written: then nothing of it is stored.
        """
        self._begin(len(incoming), _bytes_of(incoming))
        future: asyncio.Future[list[Outcome]] = self._loop.create_future()
        self._to_write.put(_Batch(list(incoming), future))
        return await future

    async def execute(self, command: Command[T], token: GivenToken | None = None) -> T:
        """Have the writer carry out a command between two batches; see `storage.base.Writer.execute`."""
        future: asyncio.Future[T] = self._loop.create_future()
        self._to_write.put(_Ordered(command, token, future))
        return await future

    async def drained(self) -> None:
        """Returns when nothing is under way any more."""
        await self._idle.wait()

    async def close(self) -> None:
        """Finish what is under way and end the threads. The writer itself stays open."""
        await self.drained()
        self._to_verify.close()
        await asyncio.to_thread(self._threads[0].join)
        self._to_write.put(_STOP)
        await asyncio.to_thread(self._threads[1].join)

    def _begin(self, count: int, size: int) -> None:
        self.pending += count
        self.pending_bytes += size
        self._idle.clear()

    def _end(self, count: int, size: int) -> None:
        self.pending -= count
        self.pending_bytes -= size
        if not self.pending:
            self._idle.set()

    def _hand_over(self) -> None:
        self._scheduled = False
        waiting, self._waiting = self._waiting, []
        self._to_verify.put(waiting)

    # on the verifier's thread

    def _verify_loop(self) -> None:
        while batch := self._to_verify.take(VERIFY_BATCH):
            self._to_write.put(self._verify(batch))

    def _verify(self, batch: list[Submission]) -> _Verified:
        """Whose event it is, is known only after the signature: a forged one must not use up its supposed author's rate."""
        done = _Verified([], [], [])
        for submission in batch:
            event = submission.event
            try:
                submission.fault = fault(event) or self._pace(event)
                if submission.fault is None:
                    sound = Incoming(
                        event, wire(event), submission.door, submission.received_at, token=submission.token
                    )
                    done.incoming.append(sound)
                    done.sound.append(submission)
            except BaseException as error:
                self._faults.report("the verifier", error)
                submission.fault = _internal(error)
            if submission.fault is not None:
                done.faulty.append(submission)
        return done

    # on the writer's thread

    def _write_loop(self) -> None:
        while (job := self._ahead.pop() if self._ahead else self._to_write.get()) is not _STOP:
            if isinstance(job, _Ordered):
                self._run(job)
            else:
                self._commit(self._gather(job))

    def _gather(self, first: "_Verified | _Batch") -> list["_Verified | _Batch"]:
        """What goes into one transaction."""
        batches = [first]
        total = len(first.incoming)
        end = time.monotonic() + LINGER
        while total < COMMIT_BATCH:
            patience = 0.0 if self._to_verify.is_empty() else max(0.0, end - time.monotonic())
            try:
                job = self._to_write.get(timeout=patience)
            except queue.Empty:
                break
            if job is _STOP or isinstance(job, _Ordered):
                self._ahead.append(job)
                break
            batches.append(job)
            total += len(job.incoming)
        return batches

    def _commit(self, batches: list["_Verified | _Batch"]) -> None:
        incoming = [item for batch in batches for item in batch.incoming]
        failure = None
        try:
            outcomes = self._writer.write(incoming, int(time.time())) if incoming else []
            if len(outcomes) != len(incoming):
                raise RuntimeError(f"{len(outcomes)} outcomes of {len(incoming)} events")
        except StorageError as error:
            failure = str(error)
        except BaseException as error:
            self._faults.report("the writer", error)
            failure = _internal(error).message
        if failure is not None:
            outcomes = [Outcome(Status.REFUSED, refusal=Reject(Prefix.ERROR, failure))] * len(incoming)
        emitted = self._writer.emitted() if failure is None else []
        self._loop.call_soon_threadsafe(self._deliver, batches, outcomes, failure, emitted)

    def _run(self, job: _Ordered) -> None:
        result, known = None, None
        emitted: list[Emitted] = []
        try:
            result = self._writer.execute(job.command, int(time.time()), job.token)
            emitted = self._writer.emitted()
        except BaseException as error:
            found = failures.failure(error)
            if found is None:
                self._faults.report("the writer", error)
            known = plain(error) if found is None else found.error()
        self._loop.call_soon_threadsafe(self._executed, job, result, known, emitted)

    # on the loop again

    def _executed(self, job: _Ordered, result: object, error: Exception | None, emitted: list[Emitted]) -> None:
        _settle(job.future, result, error)
        self._tell(emitted)
        self._flush()

    def _tell(self, emitted: list[Emitted]) -> None:
        """Send what the relay itself said to those who listen."""
        for one in emitted:
            self._deliver_one(one.incoming, one.outcome, works=True)

    def _deliver_one(self, item: Incoming, outcome: Outcome, works: bool) -> None:
        try:
            self._account(item, outcome, works)
        except Exception as error:
            self._faults.report("live delivery", error)

    def _deliver(
        self,
        batches: list["_Verified | _Batch"],
        outcomes: list[Outcome],
        failure: str | None,
        emitted: list[Emitted],
    ) -> None:
        if failure != self.failure:
            self.failure = failure
            log.log(logging.INFO if failure is None else logging.ERROR, "storage: %s", failure or "works again")
        position = 0
        for batch in batches:
            own = outcomes[position : position + len(batch.incoming)]
            position += len(own)
            if isinstance(batch, _Verified):
                self._answer(batch, own)
            else:
                _settle(batch.future, own, None if failure is None else StorageError(failure))
            for item, outcome in zip(batch.incoming, own, strict=True):
                self._deliver_one(item, outcome, failure is None)
            if isinstance(batch, _Verified):
                taken = [*batch.sound, *batch.faulty]
                self._end(len(taken), sum([submission.size for submission in taken]))
            else:
                self._end(len(own), _bytes_of(batch.incoming))
        self._tell(emitted)
        self._flush()

    def _answer(self, batch: _Verified, outcomes: list[Outcome]) -> None:
        for submission, outcome in zip(batch.sound, outcomes, strict=True):
            try:
                submission.answer(submission.event, outcome)
            except Exception as error:
                self._faults.report("an answer", error)
        for submission in batch.faulty:
            try:
                submission.answer(submission.event, Outcome(Status.REFUSED, refusal=submission.fault))
            except Exception as error:
                self._faults.report("an answer", error)
        self.refused += len(batch.faulty)

    def _account(self, item: Incoming, outcome: Outcome, works: bool) -> None:
        status = outcome.status
        if status is Status.STORED:
            self.stored += 1
            self.last_seq = max(self.last_seq, outcome.seq)
            self._remember(item.event)
        if status is Status.STORED or status is Status.EPHEMERAL:
            self._publish(item.event, item.wire, outcome)
        elif status is Status.REFUSED:
            self.refused += 1
            if works and outcome.refusal is not None and outcome.refusal.prefix is Prefix.ERROR:
                self._faults.report("the handler of an event", outcome.refusal)

    def forget(self) -> None:
        """Events have left the log by another way than an event: answer duplicates from the store again."""
        self._recent.clear()

    def _remember(self, event: Event) -> None:
        """Answer a duplicate without the store, as long as nothing can have taken the event out of it."""
        if event.kind in REMOVING:
            self._recent.clear()
        elif not has_address(event.kind) and not has_tag(event, "expiration"):
            self._recent[event.id] = None
            if len(self._recent) > RECENT:
                self._recent.popitem(last=False)


def _bytes_of(incoming: Sequence[Incoming]) -> int:
    return sum([len(item.wire) for item in incoming])


def _internal(error: BaseException) -> Reject:
    """What a stranger is told of a fault of the relay's: that it is one."""
    return Reject(Prefix.ERROR, f"internal error ({type(error).__name__})")


def _settle(future: "asyncio.Future[Any]", result: object, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
