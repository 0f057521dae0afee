"""What no relay can be below: V, one signature check on one core (decode, id, verify), and one write made durable.

V is made of its parts here, with the key as its bytes every time: it means the same whatever the relay learns to remember.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from coincurve import PublicKeyXOnly

from bench.client import Trouble
from bench.figures import FigureRow, percentile
from relay.protocol.event import Event, compute_digest, parse

_ROUNDS: Final = 7
_SYNCS: Final = 200
_PAGES: Final = bytes(8192)  # about what a commit of one event appends to a write-ahead log


def floor_us(wires: Sequence[bytes]) -> float:
    """CPU microseconds of this thread an event, the median of several rounds over `wires`."""
    return statistics.median(_round(wires) for _ in range(_ROUNDS))


def _round(wires: Sequence[bytes]) -> float:
    begin = time.thread_time()
    sound = [_is_sound(parse(wire)) for wire in wires]
    spent = time.thread_time() - begin
    if not all(sound):
        raise Trouble("the generator's own events do not verify; remove its cache in the temporary directory")
    return spent * 1e6 / len(wires)


def _is_sound(event: Event) -> bool:
    digest = compute_digest(event)
    if digest.hex() != event.id:
        return False
    return bool(PublicKeyXOnly(bytes.fromhex(event.pubkey)).verify(bytes.fromhex(event.sig), digest))


def sync(directory: Path) -> FigureRow:
    """Row "disk sync": appending two pages to a file in `directory` and fdatasync, one after another."""
    times: list[float] = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_SYNCS):
            begin = time.perf_counter()
            file.write(_PAGES)
            file.flush()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    return FigureRow(
        name="disk sync",
        unit="write",
        units=_SYNCS,
        seconds=sum(times),
        p50_ms=percentile(times, 50) * 1000,
        p99_ms=percentile(times, 99) * 1000,
    )
