"""Queries: each connection asks, waits for EOSE, closes and asks the next; a row runs for a fixed time."""

import random
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from bench import corpus
from bench.client import Barrier, BenchConnection, Trouble, connect_many
from bench.figures import FigureRow, percentile
from bench.frames import masked
from bench.plan import BenchPlan
from bench.process import CpuMeter, Subject
from relay.protocol.event import Event, first_value, parse

_DISTINCT: Final = 400  # different queries of a shape, asked in turn
_PAGE: Final = 100
_SAMPLE: Final = 4 * corpus.CHUNK  # stored events that the queries are drawn from

Filters = list[dict[str, object]]
Ask = Callable[[random.Random, Sequence[Event]], Filters]


def _by_ids(chance: random.Random, stored: Sequence[Event]) -> Filters:
    return [{"ids": [event.id for event in chance.sample(stored, 20)]}]


def _by_author_and_kind(chance: random.Random, stored: Sequence[Event]) -> Filters:
    return [{"authors": [chance.choice(stored).pubkey], "kinds": [1], "limit": _PAGE}]


def _by_tag(chance: random.Random, _stored: Sequence[Event]) -> Filters:
    return [{"#t": [chance.choice(corpus.TOPICS)], "limit": _PAGE}]


def _thread(chance: random.Random, stored: Sequence[Event]) -> Filters:
    while True:
        root = first_value(chance.choice(stored), "e")
        if root is not None:
            return [{"ids": [root]}, {"#e": [root], "kinds": [1]}]


def _feed_page(_chance: random.Random, _stored: Sequence[Event]) -> Filters:
    return [{"kinds": [1, 6], "limit": _PAGE}]


def _home_feed(chance: random.Random, stored: Sequence[Event]) -> Filters:
    return [{"authors": sorted({event.pubkey for event in chance.sample(stored, 50)}), "kinds": [1, 6], "limit": _PAGE}]


SHAPES: Final[dict[str, tuple[Ask, ...]]] = {
    "query ids": (_by_ids,),
    "query author and kind": (_by_author_and_kind,),
    "query tag": (_by_tag,),
    "query thread": (_thread,),
    "query feed page": (_feed_page,),
    "query mixed": (_by_ids, _by_author_and_kind, _by_tag, _thread, _feed_page),
    "query home feed": (_home_feed,),
}


class Asker:
    """One connection that asks one query after another until `deadline`; `latencies` are seconds from REQ to EOSE."""

    def __init__(self, connection: BenchConnection, requests: Sequence[bytes], first: int, finished: Barrier) -> None:
        self._connection = connection
        self._requests = requests
        self._next = first
        self._finished = finished
        self._asked = 0.0
        self.deadline = 0.0
        self.latencies: list[float] = []
        connection.listen(self._answer)
        connection.lost = finished.fail

    def ask(self) -> None:
        """Send the next query; the one before is closed in the same write."""
        self._asked = time.perf_counter()
        self._connection.write(self._requests[self._next % len(self._requests)])
        self._next += 1

    def _answer(self, message: bytes) -> None:
        if message.startswith(b'["EOSE"'):
            now = time.perf_counter()
            self.latencies.append(now - self._asked)
            if now < self.deadline:
                self.ask()
            else:
                self._finished.arrive()
        elif message.startswith(b'["CLOSED"'):
            self._finished.fail(f"the relay refused a query: {message[:300].decode('utf-8', 'replace')}")


async def rows(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """One row a shape; the units are events returned, p50 and p99 the time from REQ to EOSE."""
    stored = [parse(wire) for wire in corpus.wires(plan.seed, min(plan.stored, _SAMPLE))]
    connections = await connect_many(subject.url, plan.connections)
    found = [await _row(name, _requests(name, plan.seed, stored), subject, plan, connections) for name in SHAPES]
    for connection in connections:
        connection.close()
    return found


def _requests(name: str, seed: int, stored: Sequence[Event]) -> list[bytes]:
    chance = random.Random(f"{seed} {name}")
    asks = SHAPES[name]
    close = masked(b'["CLOSE","q"]')
    wanted = (asks[number % len(asks)](chance, stored) for number in range(_DISTINCT))
    return [close + masked(msgspec.json.encode(("REQ", "q", *filters))) for filters in wanted]


async def _row(
    name: str, requests: list[bytes], subject: Subject, plan: BenchPlan, connections: list[BenchConnection]
) -> FigureRow:
    await _asked(connections, requests, plan.query_time / 10)  # a relay that is up has warm caches
    before = sum(connection.events for connection in connections)
    meter = CpuMeter(subject)
    latencies = await _asked(connections, requests, plan.query_time)
    spent = meter.read()
    events = sum(connection.events for connection in connections) - before
    if not events:
        raise Trouble(f"{name}: the relay returned nothing; does it hold the events of this --seed?")
    return FigureRow(
        name=name,
        unit="event",
        units=events,
        seconds=spent.seconds,
        cpu_us=spent.cpu_us(events),
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
    )


async def _asked(connections: list[BenchConnection], requests: Sequence[bytes], seconds: float) -> list[float]:
    finished = Barrier(len(connections))
    step = len(requests) // len(connections) + 1  # so that no two ask the same shape at the same time
    askers = [Asker(connection, requests, number * step, finished) for number, connection in enumerate(connections)]
    for asker in askers:
        asker.deadline = time.perf_counter() + seconds
        asker.ask()
    await finished.wait(seconds + 60)
    return [latency for asker in askers for latency in asker.latencies]
