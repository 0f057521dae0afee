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
LOOKED: Final = (0.02, 1.0)  # seconds between two counts of what came, see _until_next_look
SETTLED: Final = 3.0  # seconds until what was begun is done
_LIVE_SEED: Final = 2_000_000  # far from any seed a person chooses


async def rows(scratch: Path, plan: BenchPlan) -> list[FigureRow]:
    """Rows "federation down", "federation up", "federation live" and "federation idle peer", and those of comparisons."""
    wires = list(corpus.wires(plan.seed, plan.moved))
    one_data, two_data = scratch / "peer-one", scratch / "peer-two"
    with started(one_data) as one:
        before, _ = await ingest.pour(one, wires, plan, ingest.unless_new)
        with started(two_data) as two:
            down = await _caught_up("down", two, two_data, one.url, plan.moved)
            live = await _live(one, two, plan)
        with started(scratch / "peer-three") as three:
            up = await _caught_up("up", three, one_data, three.url, plan.moved)
    with started(scratch / "peer-four") as four:  # the machine may have become faster or slower meanwhile
        after, _ = await ingest.pour(four, wires, plan, ingest.unless_new)
    clients = (before.seconds + after.seconds) / 2
    found = [msgspec.structs.replace(row, wait_ratio=row.seconds / clients) for row in (down, up)]
    return [*found, live, await _idle(scratch, plan), *await compared.rows(scratch, plan)]


def _join(data: Path, url: str, direction: str) -> None:
    """The relay of this directory is in step with the one at `url` from now on."""
    added = command("peer", "add", url, "--dir", direction, "--allow-private", "--data", str(data))
    run(added, data.with_name(f"{data.name}.peer"))


async def _caught_up(direction: str, empty: Subject, data: Path, peer: str, events: int) -> FigureRow:
    """All events come to a relay that has none, `empty`, once that of `data` has `peer` as a peer; the CPU is that of `empty`."""
    await asyncio.to_thread(_join, data, peer, direction)
    meter = CpuMeter(empty)
    begun = time.perf_counter()
    async with Relay(empty.url) as relay:
        while (came := (await relay.count(Filter())).total) < events:
            spent = time.perf_counter() - begun
            if spent > WITHIN:
                raise Trouble(f"{direction}: not every event came within {WITHIN:.0f} s")
            await asyncio.sleep(_until_next_look(came, events, spent))
    total = meter.read()
    return FigureRow(
        name=f"federation {direction}", unit="event", units=events, seconds=total.seconds, cpu_us=total.cpu_us(events)
    )


def _until_next_look(came: int, events: int, seconds: float) -> float:
    """Half of the time that the rest will take at this rate: a count of all events costs the relay as much as some hundred of them,
    and the last is to be seen soon after it came."""
    rest = seconds * (events - came) / max(1, came)
    return min(max(rest / 2, LOOKED[0]), LOOKED[1])


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


async def _idle(scratch: Path, plan: BenchPlan) -> FigureRow:
    """What a relay holds for each peer with which nothing happens, and how often each wakes it."""
    with started(scratch / "peer-idle") as other:
        url = other.url.removesuffix("/")
        data = scratch / "peer-many"
        with started(data) as subject:
            await asyncio.to_thread(_join, data, url, "both")
            await asyncio.sleep(SETTLED)
            before = subject.memory_bytes(), await _waits(subject, plan.idle_watched)
            for number in range(IDLE_PEERS):
                await asyncio.to_thread(_join, data, f"{url}/?peer={number}", "both")
            await asyncio.sleep(2 * SETTLED)
            after = subject.memory_bytes(), await _waits(subject, plan.idle_watched)
    memory, wakes = (
        None if one is None or two is None else (two - one) / IDLE_PEERS for one, two in zip(before, after, strict=True)
    )
    return FigureRow(
        name="federation idle peer",
        unit="peer",
        units=IDLE_PEERS,
        seconds=2 * SETTLED,
        memory_bytes=memory,
        wakes=wakes,
    )


async def _waits(subject: Subject, seconds: float) -> float | None:
    """How often a second the relay waits for something."""
    before = subject.waits()
    await asyncio.sleep(seconds)
    after = subject.waits()
    return None if before is None or after is None else (after - before) / seconds
