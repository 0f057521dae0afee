"""A rebuild of all derived rows on a running relay, and how long other clients wait meanwhile."""

import asyncio
import re
from pathlib import Path
from typing import Final

import msgspec

from bench import corpus, feed
from bench.client import Trouble, connect
from bench.figures import FigureRow
from bench.others import Others, calm, waits
from bench.plan import BenchPlan
from bench.process import CpuMeter, Subject, command

_CALM: Final = 3.0  # seconds in which they are watched before the rebuild
_SEED: Final = 3_000_000  # far from any seed a person chooses


async def rows(subject: Subject, data: Path, plan: BenchPlan) -> list[FigureRow]:
    """Rows "rebuild, calm" (the others before), "rebuild" and "rebuild, others", whose wait is the p99 beside the calm one's."""
    wires = list(corpus.wires(_SEED + plan.seed, 4 * corpus.CHUNK, feed.NOTES))
    half = len(wires) // 4
    connection = await connect(subject.url)
    quiet = await calm(connection, wires[:half], _CALM)
    busy = Others(connection, wires[half:])
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
    before, during = waits("rebuild, calm", quiet.waits), waits("rebuild, others", busy.waits)
    assert before.p99_ms is not None and during.p99_ms is not None  # noqa: PT018
    return [
        before,
        FigureRow(name="rebuild", unit="row", units=made, seconds=spent.seconds, cpu_us=spent.cpu_us(made)),
        msgspec.structs.replace(during, wait_ratio=during.p99_ms / before.p99_ms),
    ]
