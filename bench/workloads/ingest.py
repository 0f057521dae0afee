"""Ingest: events over several connections with many under way, and over one connection one at a time."""

import time
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Final

from bench import corpus
from bench.client import Barrier, BenchConnection, connect, connect_many
from bench.figures import FigureRow, percentile
from bench.frames import published
from bench.plan import BenchPlan
from bench.process import CpuMeter, Spent, Subject

_BLOCK: Final = 64  # events written at once, and timed as one
_SINGLES_SEED: Final = 1_000_000  # far from any seed a person chooses


class Pump:
    """Sends a connection's share in blocks, with at most `window` events unanswered.

    `latencies` holds, for each block, seconds from its write to the answer of its last event. `judge` says what is wrong
    with an OK, None when nothing is; what is wrong breaks `finished`.
    """

    def __init__(
        self,
        connection: BenchConnection,
        wires: Iterable[bytes],
        window: int,
        finished: Barrier,
        judge: Callable[[bytes], str | None],
    ) -> None:
        self._connection = connection
        frames = [published(wire) for wire in wires]
        self._total = len(frames)
        self._blocks = [b"".join(frames[at : at + _BLOCK]) for at in range(0, len(frames), _BLOCK)]
        self._ahead = max(1, window // _BLOCK)
        self._finished = finished
        self._judge = judge
        self._sent: list[float] = []
        self._answered = 0
        self.latencies: list[float] = []
        connection.listen(self._answer)
        connection.lost = finished.fail

    def start(self) -> None:
        """Fill the window."""
        for _ in range(min(self._ahead, len(self._blocks))):
            self._send()

    def _send(self) -> None:
        self._connection.write(self._blocks[len(self._sent)])
        self._sent.append(time.perf_counter())

    def _answer(self, message: bytes) -> None:
        if message[2:4] != b"OK":
            return
        trouble = self._judge(message)
        if trouble is not None:
            self._finished.fail(trouble)
            return
        self._answered += 1
        if self._answered % _BLOCK == 0 or self._answered == self._total:
            self.latencies.append(time.perf_counter() - self._sent[(self._answered - 1) // _BLOCK])
            if len(self._sent) < len(self._blocks):
                self._send()
        if self._answered == self._total:
            self._finished.arrive()


def refusal(message: bytes) -> str | None:
    """Why this OK refuses its event, None when it does not; `true` stands right behind the id.

    Of two versions sent over two connections the newer may come first, and the older is then no more wanted.
    """
    if b"true" in message[70:82] or b"newer version" in message[80:120]:
        return None
    return f"the relay refused an event: {message[:300].decode('utf-8', 'replace')}"


def unless_new(message: bytes) -> str | None:
    """What is wrong with this OK if its event had to be new: a duplicate costs the server less and would flatter it."""
    if b"duplicate:" in message[70:100]:
        return "the relay has these events already; start it empty or choose another --seed"
    return refusal(message)


async def pour(
    subject: Subject, wires: Sequence[bytes], plan: BenchPlan, judge: Callable[[bytes], str | None]
) -> tuple[Spent, list[float]]:
    """Send all events, dealt out evenly, and wait for every answer; what it took, and the blocks' latencies."""
    connections = plan.connections
    opened = await connect_many(subject.url, connections)
    finished = Barrier(min(connections, len(wires)))
    shares = [(connection, wires[n::connections]) for n, connection in enumerate(opened)]
    pumps = [Pump(connection, share, plan.window, finished, judge) for connection, share in shares if share]
    meter = CpuMeter(subject)
    for pump in pumps:
        pump.start()
    await finished.wait(60 + len(wires) / 500)
    spent = meter.read()
    for connection in opened:
        connection.close()
    return spent, [latency for pump in pumps for latency in pump.latencies]


async def pipelined(subject: Subject, plan: BenchPlan) -> FigureRow:
    """Row "ingest"."""
    spent, latencies = await pour(subject, list(corpus.wires(plan.seed, plan.events)), plan, unless_new)
    return FigureRow(
        name="ingest",
        unit="event",
        units=plan.events,
        seconds=spent.seconds,
        cpu_us=spent.cpu_us(plan.events),
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
    )


async def one_at_a_time(subject: Subject, plan: BenchPlan) -> FigureRow:
    """Row "ingest one at a time"."""
    wires = list(corpus.wires(_SINGLES_SEED + plan.seed, plan.singles))
    spent, latencies = await drip(subject, wires)
    return FigureRow(
        name="ingest one at a time",
        unit="event",
        units=plan.singles,
        seconds=spent.seconds,
        cpu_us=spent.cpu_us(plan.singles),
        p50_ms=percentile(latencies, 50) * 1000,
        p99_ms=percentile(latencies, 99) * 1000,
    )


async def drip(subject: Subject, wires: Sequence[bytes]) -> tuple[Spent, list[float]]:
    """Send new events, each when the one before it is acknowledged; what it took, and how long each waited in seconds."""
    frames = [published(wire) for wire in wires]
    connection = await connect(subject.url)
    finished = Barrier(len(frames))
    connection.lost = finished.fail
    times: list[float] = []

    def answer(message: bytes) -> None:
        if message[2:4] != b"OK":
            return
        times.append(time.perf_counter())
        trouble = unless_new(message)
        if trouble is not None:
            finished.fail(trouble)
        elif len(times) <= len(frames):
            connection.write(frames[len(times) - 1])
        finished.arrive()

    connection.listen(answer)
    meter = CpuMeter(subject)
    times.append(time.perf_counter())
    connection.write(frames[0])
    await finished.wait()
    spent = meter.read()
    connection.close()
    return spent, [after - before for before, after in pairwise(times)]
