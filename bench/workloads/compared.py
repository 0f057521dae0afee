"""Comparing a million events with as many (NIP-77): what it costs the relay that answers, and what others feel of it.

The directory is filled without signatures, since a comparison is of ids and times alone.
"""

import asyncio
import hashlib
import multiprocessing
import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from bench import corpus
from bench.client import Trouble, connect
from bench.figures import FigureRow
from bench.others import Others, calm, waits
from bench.plan import BenchPlan
from bench.process import CpuMeter, Subject, started
from relay import opening
from relay.config import Config, Server
from relay.federation.comparison import Differences, compare
from relay.federation.connection import PeerConnection
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from relay.protocol.item_set import ItemSet
from storage.base import Incoming

DIFFERING: Final = 1000  # events that one side lacks, half of them on either
LEAST: Final = 300  # waits of another client that are measured while sets are made and compared
NOTES: Final = Filter(kinds=frozenset((1,)))  # the relay has a few events of its own, too
_SETTLED: Final = 10.0  # seconds until what a relay does at its start is done
_CALM: Final = 4.0  # seconds in which they are watched before
_FIRST: Final = 1_700_000_000  # the time of the first event, one a second from there
_BATCH: Final = 1000  # events of a transaction
_LIVE_SEED: Final = 4_000_000  # far from any seed a person chooses


async def rows(scratch: Path, plan: BenchPlan) -> list[FigureRow]:
    """Rows "compare made", "compare kept", "compare equal" and "compare, others", each with "federation" in front."""
    data = scratch / "compared"
    await asyncio.to_thread(_fill, data, plan.compared)
    ours = list(_items(plan.compared))
    equal, other = ItemSet(ours), ItemSet(_differing(ours))
    del ours
    with started(data, "limits.max_compared=2000000") as subject:  # another client adds some
        await asyncio.sleep(_SETTLED)
        return [
            await _row(subject, "made", other, plan.compared),
            await _row(subject, "kept", other, plan.compared),
            await _row(subject, "equal", equal, plan.compared),
            await _others(subject, plan),
        ]


def _event(number: int) -> Event:
    event_id = hashlib.sha256(b"compared %d" % number).hexdigest()
    return Event(event_id, corpus.pubkey(number % corpus.AUTHORS), _FIRST + number, 1, [], f"event {number}", "0" * 128)


def _items(count: int) -> Iterator[tuple[int, bytes]]:
    return ((_FIRST + number, hashlib.sha256(b"compared %d" % number).digest()) for number in range(count))


def _differing(items: list[tuple[int, bytes]]) -> list[tuple[int, bytes]]:
    """The same but for some events that it lacks, all over, and others in their places."""
    some = random.Random("differing").sample(range(len(items)), DIFFERING // 2)
    found = dict.fromkeys(items)
    for at in some:
        created_at, event_id = items[at]
        del found[items[at]]
        found[created_at, event_id[::-1]] = None
    return list(found)


def _fill(data: Path, count: int) -> None:
    writer = opening.open_writer(Config(server=Server(data=str(data))))
    try:
        events = map(_event, range(count))
        while batch := [Incoming(one, wire(one), Door.IMPORT, _FIRST) for one in islice(events, _BATCH)]:
            writer.write(batch, _FIRST)
            writer.collect()
    finally:
        writer.close()


async def _row(subject: Subject, name: str, items: ItemSet, events: int) -> FigureRow:
    """One comparison; the memory is what the relay has more of it right after."""
    before = subject.memory_bytes()
    meter = CpuMeter(subject)
    differences = await _compared(subject, NOTES, items)
    spent, after = meter.read(), subject.memory_bytes()
    lacking = 0 if name == "equal" else DIFFERING // 2
    if (len(differences.have), len(differences.need)) != (lacking, lacking) or (not lacking and differences.rounds > 1):
        raise Trouble(
            f"the comparison found {len(differences.have)} and {len(differences.need)} in {differences.rounds} rounds"
        )
    return FigureRow(
        name=f"federation compare {name}",
        unit="event",
        units=events,
        seconds=spent.seconds,
        cpu_us=spent.cpu_us(events),
        memory_bytes=None if before is None or after is None else (after - before) / events,
    )


async def _compared(subject: Subject, wanted: Filter, items: ItemSet) -> Differences:
    connection = await PeerConnection.open(subject.url, allow_private=True)
    try:
        return await compare(connection, wanted, items)
    finally:
        await connection.close()


_items_here: ItemSet  # in the process that compares


def _prepare(count: int) -> None:
    """Begin the process that compares."""
    global _items_here  # noqa: PLW0603, a process that is started for this alone
    _items_here = ItemSet(_differing(list(_items(count))))


def _is_prepared() -> bool:
    return len(_items_here) > 0


def _compare(url: str, number: int) -> None:
    """One comparison of what no other has compared, so that the relay makes a set for it."""
    asyncio.run(_compared(Subject(url), msgspec.structs.replace(NOTES, since=number), _items_here))


async def _others(subject: Subject, plan: BenchPlan) -> FigureRow:
    """Another client's waits while sets are made and compared one after another; the ratio is to its waits before.

    Whoever compares is a process of its own, since what it works out would hold up the client whose waits are measured.
    """
    wires = list(corpus.wires(_LIVE_SEED + plan.seed, 4 * corpus.CHUNK))
    connection = await connect(subject.url)
    half = len(wires) // 2
    loop = asyncio.get_running_loop()
    with ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), initializer=_prepare, initargs=(plan.compared,)
    ) as another:
        await loop.run_in_executor(another, _is_prepared)
        quiet = await calm(connection, wires[:half], _CALM)
        busy = Others(connection, wires[half:])
        running = asyncio.create_task(busy.run())
        number = 0
        while len(busy.waits) < LEAST and not running.done():
            number += 1
            await loop.run_in_executor(another, _compare, subject.url, number)
        if running.done():
            running.result()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    connection.close()
    before, during = waits("federation compare, calm", quiet.waits), waits("federation compare, others", busy.waits)
    assert before.p99_ms is not None and during.p99_ms is not None  # noqa: PT018
    return msgspec.structs.replace(during, wait_ratio=during.p99_ms / before.p99_ms)
