"""A rebuild of all derived rows on a running relay, and how long other clients wait meanwhile."""

import asyncio
import contextlib
import random
import re
import time
from pathlib import Path
from typing import Final

import msgspec

from bench import corpus, feed
from bench.client import BenchConnection, Trouble, connect
from bench.figures import FigureRow, percentile
from bench.frames import masked, published
from bench.plan import BenchPlan
from bench.process import CpuMeter, Subject, command

_PACE: Final = 0.01  # seconds between two of the others' messages
_CALM: Final = 3.0  # seconds in which they are watched before the rebuild
_SEED: Final = 3_000_000  # far from any seed a person chooses


class _Others:
    """One client that publishes a note or asks for one author's newest ten, in turn, and waits for each answer."""

    def __init__(self, connection: BenchConnection, wires: list[bytes]) -> None:
        self._connection = connection
        self._wires = iter(wires)
        self._answered = asyncio.Event()
        self._chance = random.Random("others")
        self.waits: list[float] = []
        connection.listen(self._hear)

    def _hear(self, message: bytes) -> None:
        if message[2:4] == b"OK" or message.startswith(b'["EOSE"'):
            self._answered.set()

    async def run(self) -> None:
        """Until it is cancelled. Raises Trouble when its events run out."""
        for number, wire in enumerate(self._wires):
            author = corpus.pubkey(self._chance.randrange(corpus.AUTHORS))
            question = b'["REQ","q",{"authors":["%s"],"kinds":[1,11],"limit":10}]' % author.encode()
            self._answered.clear()
            begin = time.perf_counter()
            self._connection.write(published(wire) if number % 2 else masked(question))
            await self._answered.wait()
            self.waits.append(time.perf_counter() - begin)
            await asyncio.sleep(_PACE)
        raise Trouble("the rebuild took longer than there were events for the others")


async def rows(subject: Subject, data: Path, plan: BenchPlan) -> list[FigureRow]:
    """Rows "rebuild, calm" (the others before), "rebuild" and "rebuild, others", whose wait is the p99 beside the calm one's."""
    wires = list(corpus.wires(_SEED + plan.seed, 4 * corpus.CHUNK, feed.NOTES))
    half = len(wires) // 4
    connection = await connect(subject.url)
    calm = _Others(connection, wires[:half])
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_CALM):
            await calm.run()
    busy = _Others(connection, wires[half:])
    running = asyncio.create_task(busy.run())
    meter = CpuMeter(subject)
    process = await asyncio.create_subprocess_exec(
        *command("rebuild", "--data", str(data)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    spent = meter.read()
    ended = running.done() and running.exception()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    connection.close()
    if process.returncode or ended:
        raise Trouble(f"the rebuild failed: {ended or err.decode('utf-8', 'replace')[-300:]}")
    told = re.search(rb"rows: ([\d,]+)", out + err)
    if told is None:
        raise Trouble(f"the rebuild did not say how many rows it made: {(out + err).decode('utf-8', 'replace')[-300:]}")
    made = int(told[1].replace(b",", b""))
    before, during = _waits("rebuild, calm", calm.waits), _waits("rebuild, others", busy.waits)
    assert before.p99_ms is not None and during.p99_ms is not None  # noqa: PT018
    return [
        before,
        FigureRow(name="rebuild", unit="row", units=made, seconds=spent.seconds, cpu_us=spent.cpu_us(made)),
        msgspec.structs.replace(during, wait_ratio=during.p99_ms / before.p99_ms),
    ]


def _waits(name: str, waits: list[float]) -> FigureRow:
    return FigureRow(
        name=name,
        unit="message",
        units=len(waits),
        seconds=sum(waits),
        p50_ms=percentile(waits, 50) * 1000,
        p99_ms=percentile(waits, 99) * 1000,
    )
