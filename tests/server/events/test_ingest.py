import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest

from relay.errors import Changed, Prefix, Reject
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from relay.roles import metrics
from relay.roles.inside import WriterThread
from relay.roles.page import SharedPage
from relay.server.events import ingest as ingests
from relay.server.events import verify
from relay.server.events.follow import Applied
from relay.server.events.ingest import Ingest, Pace
from relay.server.supervision import Faults
from storage.base import Incoming, Outcome, Status
from storage.command_codec import decode
from storage.commands import CountRows, RemoveMatching
from storage.errors import StorageError, TooCostly
from storage.identities.types import ChangeRefused, Why
from storage.search.engine import ModelMismatch
from tests.factories import NOW, make_event
from tests.server.fakes import PATIENCE, MemoryLog

EVENTS = [make_event(content=str(number)) for number in range(200)]


class Bench:
    """An Ingest with its answers and what it published."""

    def __init__(self, log: MemoryLog, capacity: int, pace: Pace) -> None:
        self.log = log
        self.answers: list[tuple[Event, Outcome]] = []
        self.published: list[bytes] = []
        self.order: list[str] = []
        self.flushes = 0
        self.faults = Faults()
        self.page = SharedPage(("front", "writer"), fronts=1, addresses=10)
        self.writer = WriterThread(log, self.page, decode, self.faults.report)  # type: ignore[arg-type]
        self.ingest = Ingest(0, self.page, log, capacity, self.faults, flush=self._flush, pace=pace)  # type: ignore[arg-type]
        self.ingest.log.add(self._applied)

    async def start(self) -> None:
        sock = self.writer.connect()
        await asyncio.get_running_loop().create_unix_connection(lambda: self.ingest.link, sock=sock)
        self.writer.start()

    async def close(self) -> None:
        await self.ingest.close()
        await asyncio.to_thread(self.writer.close)

    def _applied(self, applied: Applied) -> None:
        for live in applied.events:
            self.published.append(live.wire)
            self.order.append(f"publish {live.event.id}")

    def _flush(self) -> None:
        self.flushes += 1

    def submit(self, event: Event, source: str = "") -> None:
        self.ingest.submit(event, Door.CLIENT, NOW, self._answer, source)

    def _answer(self, event: Event, outcome: Outcome) -> None:
        self.answers.append((event, outcome))
        self.order.append(f"answer {event.id}")

    async def outcome(self, event: Event) -> Outcome:
        self.submit(event)
        await self.drained()
        return next(outcome for answered, outcome in reversed(self.answers) if answered == event)

    async def drained(self) -> None:
        await asyncio.wait_for(self.ingest.drained(), PATIENCE)


Make = Callable[..., Awaitable[Bench]]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    benches: list[Bench] = []

    async def build(log: MemoryLog | None = None, capacity: int = 20_000, pace: Pace = lambda _event: None) -> Bench:
        benches.append(Bench(log or MemoryLog(), capacity, pace))
        await benches[-1].start()
        return benches[-1]

    yield build
    for bench in benches:
        bench.log.gate.set()
        await bench.close()


async def test_an_event_is_stored_published_and_then_answered(make: Make) -> None:
    bench = await make()
    outcome = await bench.outcome(EVENTS[0])
    assert outcome.status is Status.STORED
    assert bench.published == [wire(EVENTS[0])]
    assert bench.order == [f"publish {EVENTS[0].id}", f"answer {EVENTS[0].id}"]
    assert bench.ingest.last_seq == 1


async def test_nothing_is_answered_before_it_is_written(make: Make) -> None:
    bench = await make()
    bench.log.gate.clear()
    bench.submit(EVENTS[0])
    waiting = asyncio.create_task(bench.ingest.drained())
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    assert not bench.answers
    bench.log.gate.set()
    await asyncio.wait_for(waiting, PATIENCE)
    assert len(bench.answers) == 1


async def test_what_waits_for_the_disk_is_written_together(make: Make) -> None:
    bench = await make()
    bench.log.gate.clear()
    for event in EVENTS:
        bench.submit(event)
    bench.log.gate.set()
    await bench.drained()
    assert sum(bench.log.batches) == len(EVENTS)
    assert [event for event, _ in bench.answers] == EVENTS
    assert [row[1] for row in bench.log.rows] == EVENTS


async def test_a_flood_of_one_client_delays_another_by_one_round(make: Make) -> None:
    verified: list[Event] = []
    bench = await make(pace=verified.append)
    for event in EVENTS[:-1]:
        bench.submit(event, "flood")
    bench.submit(EVENTS[-1], "other")
    await bench.drained()
    assert verified.index(EVENTS[-1]) < verify.BATCH
    assert [event for event in verified if event != EVENTS[-1]] == EVENTS[:-1]


async def test_refuses_an_event_whose_id_is_not_its_hash(make: Make) -> None:
    forged = msgspec.structs.replace(EVENTS[0], content="not what was signed")
    outcome = await (await make()).outcome(forged)
    assert outcome.status is Status.REFUSED
    assert outcome.refusal is not None
    assert outcome.refusal.prefix is Prefix.INVALID


async def test_refuses_a_signature_of_another_event(make: Make) -> None:
    bench = await make()
    outcome = await bench.outcome(msgspec.structs.replace(EVENTS[0], sig=EVENTS[1].sig))
    assert outcome.status is Status.REFUSED
    assert not bench.log.rows
    assert sum(metrics.of("refused", bench.ingest.numbers)) == 1


async def test_a_faulty_event_does_not_touch_its_neighbours(make: Make) -> None:
    bench = await make()
    bad = {3, 7, 150}
    for number, event in enumerate(EVENTS):
        bench.submit(msgspec.structs.replace(event, sig="0" * 128) if number in bad else event)
    await bench.drained()
    assert len(bench.answers) == len(EVENTS)
    statuses = {event.id: outcome.status for event, outcome in bench.answers}
    assert [statuses[event.id] is Status.REFUSED for event in EVENTS] == [n in bad for n in range(len(EVENTS))]


async def test_a_duplicate_is_answered_as_one_and_published_once(make: Make) -> None:
    bench = await make()
    await bench.outcome(EVENTS[0])
    assert (await bench.outcome(EVENTS[0])).status is Status.DUPLICATE
    assert len(bench.published) == 1


async def test_a_forged_event_with_a_known_id_is_no_duplicate(make: Make) -> None:
    bench = await make()
    await bench.outcome(EVENTS[0])
    forged = msgspec.structs.replace(EVENTS[0], content="something else")
    assert (await bench.outcome(forged)).status is Status.REFUSED


async def test_an_ephemeral_event_is_published_and_not_remembered(make: Make) -> None:
    bench, event = await make(), make_event(kind=20001)
    assert [(await bench.outcome(event)).status for _ in range(2)] == [Status.EPHEMERAL] * 2
    assert len(bench.published) == 2


@pytest.mark.parametrize("error", [StorageError("the disk is full"), RuntimeError("a bug")])
async def test_a_failing_storage_is_answered_with_an_error_and_recovers(make: Make, error: Exception) -> None:
    bench = await make()
    bench.log.failure = error
    outcome = await bench.outcome(EVENTS[0])
    assert outcome.status is Status.REFUSED
    assert outcome.refusal is not None
    assert outcome.refusal.prefix is Prefix.ERROR
    assert bench.ingest.failure is not None
    assert not bench.published
    bench.log.failure = None
    assert (await bench.outcome(EVENTS[0])).status is Status.STORED
    assert bench.ingest.failure is None


async def test_what_a_bug_says_is_not_told_to_strangers(make: Make) -> None:
    bench = await make()
    bench.log.failure = RuntimeError("secret detail")
    assert "secret" not in str((await bench.outcome(EVENTS[0])).refusal)


async def test_a_full_queue_has_no_room_until_it_is_worked_off(make: Make) -> None:
    bench = await make(capacity=2)
    bench.log.gate.clear()
    assert bench.ingest.room()
    bench.submit(EVENTS[0])
    bench.submit(EVENTS[1])
    assert not bench.ingest.room()
    bench.log.gate.set()
    await bench.drained()
    assert bench.ingest.room()


async def test_a_command_runs_between_transactions_in_its_turn(make: Make) -> None:
    bench = await make()
    await bench.ingest.execute(CountRows())  # the writer has been heard of: until then nothing is sent
    bench.log.gate.clear()
    first = asyncio.create_task(bench.ingest.write([Incoming(EVENTS[0], wire(EVENTS[0]), Door.IMPORT, NOW)]))
    call = asyncio.create_task(bench.ingest.execute(CountRows()))
    second = asyncio.create_task(bench.ingest.write([Incoming(EVENTS[1], wire(EVENTS[1]), Door.IMPORT, NOW)]))
    done, _ = await asyncio.wait([first, call, second], timeout=0.05)
    assert not done
    bench.log.gate.set()
    assert await asyncio.wait_for(call, PATIENCE) == 1
    assert [outcome.seq for outcome in await first + await second] == [1, 2]


@pytest.mark.parametrize(
    "error",
    [
        StorageError("no"),
        TooCostly("no"),
        Reject(Prefix.RATE_LIMITED, "no"),
        ChangeRefused(Why.TAKEN, "no"),
        ModelMismatch("no"),
    ],
)
async def test_why_a_command_is_not_carried_out_is_raised_to_its_sender(make: Make, error: Exception) -> None:
    bench = await make()

    def fail(_command: object) -> None:
        raise error

    bench.log.carry_out = fail
    with pytest.raises(Exception, match="no") as raised:
        await bench.ingest.execute(CountRows())
    assert isinstance(error, type(raised.value))
    assert raised.value is not error
    assert getattr(raised.value, "why", None) is getattr(error, "why", None)
    assert (await bench.outcome(EVENTS[0])).status is Status.STORED


async def test_a_command_that_failed_leaves_nothing_in_memory(make: Make) -> None:
    bench = await make()

    class Held:
        """What the work has at hand."""

    async def fail() -> weakref.ref[Held]:
        held = Held()

        def work(_command: object) -> None:
            raise StorageError(f"no {held}")

        bench.log.carry_out = work
        with pytest.raises(StorageError):
            await bench.ingest.execute(CountRows())
        bench.log.carry_out = None
        return weakref.ref(held)

    left = await fail()
    await bench.outcome(EVENTS[0])  # the writer holds its next job
    gc.collect()
    assert left() is None


async def test_whoever_wants_no_events_hears_of_none_until_it_does(make: Make) -> None:
    bench = await make()
    bench.ingest.hear(False)
    assert (await bench.outcome(EVENTS[0])).status is Status.STORED
    bench.ingest.hear(True)
    assert (await bench.outcome(EVENTS[1])).status is Status.STORED
    assert bench.published == [wire(EVENTS[1])]


async def test_imported_events_are_published_too(make: Make) -> None:
    bench = await make()
    batch = [Incoming(event, wire(event), Door.IMPORT, NOW) for event in EVENTS[:3]]
    assert [outcome.status for outcome in await bench.ingest.write(batch)] == [Status.STORED] * 3
    assert bench.published == [item.wire for item in batch]


async def test_an_empty_import_is_answered(make: Make) -> None:
    assert await asyncio.wait_for((await make()).ingest.write([]), PATIENCE) == []


async def test_what_the_operator_removed_is_no_duplicate(make: Make) -> None:
    bench = await make()
    await bench.outcome(EVENTS[0])
    await bench.ingest.execute(RemoveMatching(Filter(), 10))
    assert (await bench.outcome(EVENTS[0])).status is Status.STORED


@pytest.mark.parametrize("named", [True, False])
async def test_what_left_the_log_is_no_duplicate_whether_it_is_named_or_too_many_left(make: Make, named: bool) -> None:
    bench = await make()
    for event in EVENTS[:2]:
        await bench.outcome(event)
    bench.log.rows = [(bench.log.last_seq(), EVENTS[1], None)]  # as a deletion of the first would
    assert (await bench.outcome(EVENTS[0])).status is Status.DUPLICATE
    bench.log.written.removed = [EVENTS[0].id] if named else None
    await bench.outcome(EVENTS[2])
    assert (await bench.outcome(EVENTS[0])).status is Status.STORED
    assert (await bench.outcome(EVENTS[1])).status is Status.DUPLICATE


@pytest.mark.parametrize("event", [make_event(tags=[["expiration", str(NOW)]]), make_event(kind=0)])
async def test_what_may_leave_by_itself_is_never_taken_for_a_duplicate_unasked(make: Make, event: Event) -> None:
    bench = await make()
    await bench.outcome(event)
    bench.log.rows.clear()
    assert (await bench.outcome(event)).status is Status.STORED


async def test_the_memory_of_recent_ids_is_bounded(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingests, "RECENT", 5)
    bench = await make()
    for event in EVENTS[:6]:
        await bench.outcome(event)
    bench.log.rows.clear()
    assert (await bench.outcome(EVENTS[5])).status is Status.DUPLICATE
    assert (await bench.outcome(EVENTS[0])).status is Status.STORED


async def test_closing_finishes_what_is_queued() -> None:
    bench = Bench(MemoryLog(), 20_000, lambda _event: None)
    await bench.start()
    bench.log.gate.clear()
    for event in EVENTS:
        bench.submit(event)
    closing = asyncio.create_task(bench.close())
    bench.log.gate.set()
    await asyncio.wait_for(closing, PATIENCE)
    assert len(bench.answers) == len(EVENTS)
    assert len(bench.log.rows) == len(EVENTS)


# what nobody foresaw


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), StopIteration(), SystemExit(1), MemoryError()])
async def test_an_exception_in_the_verifier_fails_its_event_and_nothing_else(make: Make, fault: BaseException) -> None:
    def pace(event: Event) -> None:
        if event == EVENTS[1]:
            raise fault

    bench = await make(pace=pace)
    for event in EVENTS[:3]:
        bench.submit(event)
    await bench.drained()
    answers = {event.id: outcome for event, outcome in bench.answers}
    assert [answers[event.id].status for event in EVENTS[:3]] == [Status.STORED, Status.REFUSED, Status.STORED]
    refusal = answers[EVENTS[1].id].refusal
    assert refusal is not None
    assert refusal.prefix is Prefix.ERROR
    assert "bug" not in refusal.message
    assert "verifier" in (bench.faults.problem() or "")
    assert bench.ingest.pending == 0
    assert (await bench.outcome(EVENTS[4])).status is Status.STORED


@pytest.mark.parametrize("fault", [RuntimeError("a bug"), StopIteration(), SystemExit(1), MemoryError()])
async def test_an_exception_in_the_writer_fails_its_batch_and_nothing_else(make: Make, fault: Exception) -> None:
    bench = await make()
    bench.log.failure = fault
    assert (await bench.outcome(EVENTS[0])).status is Status.REFUSED
    with pytest.raises(StorageError):
        await bench.ingest.write([Incoming(EVENTS[1], wire(EVENTS[1]), Door.IMPORT, NOW)])
    assert "writer" in (bench.faults.problem() or "")
    bench.log.failure = None
    assert (await bench.outcome(EVENTS[0])).status is Status.STORED
    assert bench.ingest.pending == 0


async def test_a_writer_that_answers_for_too_few_events_has_failed(make: Make) -> None:
    bench = await make()
    bench.log.write = lambda _batch, _now: []  # type: ignore[method-assign]
    assert (await bench.outcome(EVENTS[0])).status is Status.REFUSED
    assert bench.ingest.pending == 0


@pytest.mark.parametrize("fault", [StopIteration(), SystemExit(1), KeyError("x"), asyncio.CancelledError()])
async def test_whatever_a_command_raises_ends_neither_the_writer_nor_the_wait(make: Make, fault: BaseException) -> None:
    bench = await make()

    def fail(_command: object) -> None:
        raise fault

    bench.log.carry_out = fail
    with pytest.raises(Exception):  # noqa: B017, PT011, any but what would end the loop
        await asyncio.wait_for(bench.ingest.execute(CountRows()), PATIENCE)
    assert (await bench.outcome(EVENTS[0])).status is Status.STORED


async def test_an_answer_that_fails_keeps_nothing_back(make: Make) -> None:
    bench = await make()

    def fails(event: Event, _outcome: Outcome) -> None:
        raise LookupError(event.id)

    bench.log.gate.clear()
    forged = msgspec.structs.replace(EVENTS[3], sig="0" * 128)
    for event in (EVENTS[0], forged):
        bench.ingest.submit(event, Door.CLIENT, NOW, fails)
    bench.submit(EVENTS[1])
    bench.log.gate.set()
    await bench.drained()
    assert [event for event, _ in bench.answers] == [EVENTS[1]]
    assert bench.published == [wire(EVENTS[0]), wire(EVENTS[1])]
    assert bench.ingest.pending == 0
    assert "answer" in (bench.faults.problem() or "")


async def test_a_follower_that_fails_keeps_no_other_from_hearing(make: Make) -> None:
    bench = await make()

    def fails(_applied: Applied) -> None:
        raise LookupError("a fault")

    heard: list[Event] = []
    bench.ingest.log.add(fails)
    bench.ingest.log.add(lambda applied: heard.extend(live.event for live in applied.events))
    for event in EVENTS[:3]:
        bench.submit(event)
    await bench.drained()
    assert heard == EVENTS[:3]
    assert (bench.ingest.pending, bench.flushes > 0) == (0, True)
    assert "follower" in (bench.faults.problem() or "")


async def test_an_event_that_its_handler_failed_on_is_told_of(make: Make) -> None:
    bench = await make()
    poisoned = Outcome(Status.REFUSED, refusal=Reject(Prefix.ERROR, "the relay could not process this event"))
    bench.log.write = lambda batch, _now: [poisoned] * len(batch)  # type: ignore[method-assign]
    await bench.outcome(EVENTS[0])
    assert "handler" in (bench.faults.problem() or "")
    assert bench.ingest.failure is None


async def test_that_somebody_else_was_faster_is_no_failure(make: Make) -> None:
    bench = await make()
    late = Outcome(Status.REFUSED, refusal=Changed())
    bench.log.write = lambda batch, _now: [late] * len(batch)  # type: ignore[method-assign]
    assert isinstance((await bench.outcome(EVENTS[0])).refusal, Changed)
    assert bench.faults.problem() is None


async def test_what_came_and_left_in_one_transaction_is_no_duplicate(make: Make) -> None:
    bench = await make()
    bench.log.written.removed = [EVENTS[0].id]  # as a deletion in the same transaction does
    await bench.outcome(EVENTS[0])
    bench.log.rows.clear()
    bench.log.rows.append((5, EVENTS[1], None))
    assert (await bench.outcome(EVENTS[0])).status is Status.STORED
