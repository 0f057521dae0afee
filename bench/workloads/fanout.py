"""Fan-out: every event matches every subscription of every subscriber, so each is delivered subscribers × subscriptions times.

The subscriptions of a subscriber are ten different filters, so a relay must look each up; none asks for history.
"""

import asyncio
import time
from typing import Final

import msgspec

from bench import corpus
from bench.client import Barrier, BenchConnection, connect, connect_many
from bench.figures import FigureRow, percentile
from bench.frames import masked, published
from bench.plan import BenchPlan
from bench.process import CpuMeter, Subject
from bench.workloads.ingest import unless_new
from relay.protocol.event import wire

KIND: Final = 1
AUTHOR: Final = 7
TAGS: Final = (("t", "fanout"), ("p", corpus.pubkey(8)), ("r", "https://example.com/fanout"))
EPOCH: Final = 1_780_000_000


def filters(subscriber: int) -> list[dict[str, object]]:
    """Ten filters that every event of this workload matches; most also name something that differs by subscriber."""
    author, other = corpus.pubkey(AUTHOR), corpus.pubkey(10 + subscriber % (corpus.AUTHORS - 10))
    mine = f"only {subscriber}"
    chosen: list[dict[str, object]] = [
        {"kinds": [KIND]},
        {"kinds": [KIND, 1000 + subscriber % 1000]},
        {"authors": [author]},
        {"authors": [author, other]},
        {"authors": [author, other], "kinds": [KIND, 7]},
        {"#t": ["fanout", mine]},
        {"#t": ["fanout"], "kinds": [KIND]},
        {"#p": [TAGS[1][1], other]},
        {"#r": [TAGS[2][1]], "authors": [author]},
        {"since": EPOCH, "kinds": [KIND]},
    ]
    return [{**item, "limit": 0} for item in chosen]


def _event(seed: int, number: int) -> bytes:
    content = f"an event of the fan-out, {seed} {number} " + "and some words that make it as long as most are " * 4
    return published(wire(corpus.signed(AUTHOR, KIND, content, TAGS, EPOCH + number)))


async def _subscribed(subject: Subject, plan: BenchPlan) -> list[BenchConnection]:
    connections = await connect_many(subject.url, plan.subscribers)
    ready = Barrier(plan.subscribers * plan.subscriptions)

    def answer(message: bytes) -> None:
        if message.startswith(b'["EOSE"'):
            ready.arrive()
        elif message.startswith(b'["CLOSED"'):
            ready.fail(f"the relay closed a subscription: {message[:300].decode('utf-8', 'replace')}")

    for number, connection in enumerate(connections):
        connection.listen(answer)
        connection.lost = ready.fail
        wanted = filters(number)
        requests = [("REQ", f"sub{n}", wanted[n % len(wanted)]) for n in range(plan.subscriptions)]
        connection.write(b"".join(masked(msgspec.json.encode(request)) for request in requests))
    await ready.wait()
    return connections


class Deliveries:
    """Counts what all subscribers have got. Each must get every event `each` times, in the order of publication.

    `arrivals` holds (subscriber's count before, after, time) of every read, from which latencies are reckoned later.
    """

    def __init__(self, connections: list[BenchConnection], each: int, events: int, window: int) -> None:
        self.arrivals: list[tuple[int, int, float]] = []
        self.finished = Barrier(len(connections) * each * events)
        self._per_event = len(connections) * each
        self._total = 0
        self._gate = asyncio.Semaphore(window)
        for connection in connections:
            self._watch(connection)

    def _watch(self, connection: BenchConnection) -> None:
        start = seen = connection.events

        def arrived() -> None:
            nonlocal seen
            count = connection.events
            self.arrivals.append((seen - start, count - start, time.perf_counter()))
            self._count(count - seen)
            seen = count

        connection.arrived = arrived
        connection.lost = self.finished.fail

    def _count(self, number: int) -> None:
        before = self._total // self._per_event
        self._total += number
        for _ in range(self._total // self._per_event - before):
            self._gate.release()
        self.finished.arrive(number)

    async def admit(self) -> None:
        """Wait until fewer than `window` events are under way."""
        await self._gate.acquire()


async def _publisher(subject: Subject, deliveries: Deliveries) -> BenchConnection:
    connection = await connect(subject.url)
    connection.lost = deliveries.finished.fail

    def answer(message: bytes) -> None:
        if message[2:4] == b"OK" and (trouble := unless_new(message)) is not None:
            deliveries.finished.fail(trouble)

    connection.listen(answer)
    return connection


async def rows(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """Rows "fan-out" (as fast as it goes, a few events under way) and "fan-out paced"."""
    connections = await _subscribed(subject, plan)
    full = await _full_speed(subject, plan, connections)
    paced = await _paced(subject, plan, connections)
    for connection in connections:
        connection.close()
    return [full, paced]


async def _full_speed(subject: Subject, plan: BenchPlan, connections: list[BenchConnection]) -> FigureRow:
    frames = [_event(plan.seed, number) for number in range(plan.burst)]
    deliveries = Deliveries(connections, plan.subscriptions, plan.burst, plan.burst_window)
    publisher = await _publisher(subject, deliveries)
    meter = CpuMeter(subject)

    async def publish() -> None:
        for frame in frames:
            await deliveries.admit()
            publisher.write(frame)

    publishing = asyncio.create_task(publish())
    try:
        await deliveries.finished.wait()
    finally:
        publishing.cancel()
    spent = meter.read()
    publisher.close()
    units = plan.burst * plan.subscribers * plan.subscriptions
    return FigureRow(name="fan-out", unit="delivery", units=units, seconds=spent.seconds, cpu_us=spent.cpu_us(units))


async def _paced(subject: Subject, plan: BenchPlan, connections: list[BenchConnection]) -> FigureRow:
    frames = [_event(plan.seed, plan.burst + number) for number in range(plan.paced)]
    deliveries = Deliveries(connections, plan.subscriptions, plan.paced, plan.paced)
    publisher = await _publisher(subject, deliveries)
    sent: list[float] = []
    meter = CpuMeter(subject)
    start = time.perf_counter()
    for number, frame in enumerate(frames):
        await asyncio.sleep(max(0.0, start + number / plan.pace - time.perf_counter()))
        sent.append(time.perf_counter())
        publisher.write(frame)
    await deliveries.finished.wait()
    spent = meter.read()
    publisher.close()
    latencies = [
        when - sent[count // plan.subscriptions]
        for before, after, when in deliveries.arrivals
        for count in range(before, after)
    ]
    return FigureRow(
        name="fan-out paced",
        unit="delivery",
        units=len(latencies),
        seconds=spent.seconds,
        cpu_us=spent.cpu_us(len(latencies)),
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
    )
