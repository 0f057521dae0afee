"""Two relays of ours on one machine: catching up both ways, the lag of what is live, what an idle peer costs."""

import asyncio
import time
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from bench import corpus
from bench.client import Barrier, BenchConnection, Trouble, connect
from bench.figures import FigureRow, percentile
from bench.frames import masked, published
from bench.plan import BenchPlan
from bench.process import CpuMeter, Subject, command, run, started
from bench.workloads import compared, ingest
from relay.client import Relay
from relay.protocol.filter import Filter

PACE: Final = 1000  # live events a second
BLOCK: Final = 20  # live events sent at once
WITHIN: Final = 300.0  # seconds until a catch-up that is not done has failed
IDLE_PEERS: Final = 50
SETTLED: Final = 3.0  # seconds until what was begun is done
_LIVE_SEED: Final = 2_000_000  # far from any seed a person chooses


async def rows(scratch: Path, plan: BenchPlan) -> list[FigureRow]:
    """Rows "federation down", "federation up", "federation live" and "federation idle peer", and those of comparisons."""
    wires = list(corpus.wires(plan.seed, plan.events))
    one_data, two_data = scratch / "peer-one", scratch / "peer-two"
    with started(one_data) as one:
        spent, _ = await ingest.pour(one, wires, plan, ingest.unless_new)
        with started(two_data) as two:
            begin = _Catching("down", two, two_data, one.url)
            found = [await begin.row(plan.events, spent.seconds)]
            found.append(await _live(one, two, plan))
        with started(scratch / "peer-three") as three:
            begin = _Catching("up", three, one_data, three.url)
            found.append(await begin.row(plan.events, spent.seconds))
    return [*found, await _idle(scratch), *await compared.rows(scratch, plan)]


def _join(data: Path, url: str, direction: str) -> None:
    """The relay of this directory is in step with the one at `url` from now on."""
    added = command("peer", "add", url, "--dir", direction, "--allow-private", "--data", str(data))
    run(added, data.with_name(f"{data.name}.peer"))


class _Catching(msgspec.Struct, frozen=True):
    """All events come to a relay that has none, `empty`, once that of `data` has `peer` as a peer."""

    direction: str
    empty: Subject
    data: Path
    peer: str

    async def row(self, events: int, ingest_seconds: float) -> FigureRow:
        """The time is also told as a multiple of what clients take to publish as many."""
        await asyncio.to_thread(_join, self.data, self.peer, self.direction)
        meter = CpuMeter(self.empty)
        begun = time.perf_counter()
        async with Relay(self.empty.url) as relay:
            while (await relay.count(Filter())).total < events:
                if time.perf_counter() - begun > WITHIN:
                    raise Trouble(f"{self.direction}: not every event came within {WITHIN:.0f} s")
                await asyncio.sleep(0.1)
        seconds = time.perf_counter() - begun
        return FigureRow(
            name=f"federation {self.direction}",
            unit="event",
            units=events,
            seconds=seconds,
            cpu_us=meter.read().cpu_us(events),
            wait_ratio=seconds / ingest_seconds,
        )


async def _live(source: Subject, target: Subject, plan: BenchPlan) -> FigureRow:
    """Events published at one relay, at a steady pace, until a subscriber of the other has them.

    The wait is beside that of a subscriber of the first: each relay makes an event durable before it tells anybody.
    """
    await asyncio.sleep(SETTLED)
    wires = list(islice(corpus.wires(_LIVE_SEED, plan.live), plan.live))
    sent: list[float] = []
    finished = Barrier(2 * plan.live)
    readers = [await _listening(subject, sent, finished) for subject in (source, target)]
    writer = await connect(source.url)
    meter, begun = CpuMeter(target), time.perf_counter()
    for at in range(0, plan.live, BLOCK):
        await asyncio.sleep(max(0.0, begun + at / PACE - time.perf_counter()))
        block = wires[at : at + BLOCK]
        sent += [time.perf_counter()] * len(block)
        writer.write(b"".join(map(published, block)))
    await finished.wait(WITHIN)
    spent = meter.read()
    for reader, _ in readers:
        reader.close()
    writer.close()
    (_, first), (_, delays) = readers
    return FigureRow(
        name="federation live",
        unit="event",
        units=plan.live,
        seconds=spent.seconds,
        cpu_us=spent.cpu_us(plan.live),
        p50_ms=percentile(delays, 50) * 1000,
        p99_ms=percentile(delays, 99) * 1000,
        wait_ratio=percentile(delays, 50) / percentile(first, 50),
    )


async def _listening(subject: Subject, sent: list[float], finished: Barrier) -> tuple[BenchConnection, list[float]]:
    """A subscriber of everything that comes, and how long each event took to reach it since it was `sent`, in seconds."""
    ready = Barrier(1)
    reader, delays = await connect(subject.url), list[float]()
    reader.listen(lambda message: ready.arrive() if message.startswith(b'["EOSE"') else None)
    reader.lost = finished.fail

    def arrived() -> None:
        now = time.perf_counter()
        while len(delays) < reader.events:
            delays.append(now - sent[min(len(delays), len(sent) - 1)])
            finished.arrive()

    reader.arrived = arrived
    reader.write(masked(b'["REQ","live",{"limit":0}]'))
    await ready.wait()
    return reader, delays


async def _idle(scratch: Path) -> FigureRow:
    """What a relay holds for each peer with which nothing happens."""
    with started(scratch / "peer-idle") as other:
        url = other.url.removesuffix("/")
        data = scratch / "peer-many"
        with started(data) as subject:
            await asyncio.to_thread(_join, data, url, "both")
            await asyncio.sleep(SETTLED)
            before = subject.memory_bytes()
            for number in range(IDLE_PEERS):
                await asyncio.to_thread(_join, data, f"{url}/?peer={number}", "both")
            await asyncio.sleep(2 * SETTLED)
            after = subject.memory_bytes()
    memory = None if before is None or after is None else (after - before) / IDLE_PEERS
    return FigureRow(
        name="federation idle peer", unit="peer", units=IDLE_PEERS, seconds=2 * SETTLED, memory_bytes=memory
    )
