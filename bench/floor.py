"""V: what one signature check costs on one core: decode the event, compute its id, verify its signature."""

import statistics
import time
from collections.abc import Sequence
from typing import Final

from bench.client import Trouble
from keys.schnorr import fault
from relay.protocol.event import parse

_ROUNDS: Final = 7


def floor_us(wires: Sequence[bytes]) -> float:
    """CPU microseconds of this thread an event, the median of several rounds over `wires`."""
    return statistics.median(_round(wires) for _ in range(_ROUNDS))


def _round(wires: Sequence[bytes]) -> float:
    begin = time.thread_time()
    faults = [fault(parse(wire)) for wire in wires]
    spent = time.thread_time() - begin
    if any(faults):
        raise Trouble("the generator's own events do not verify; remove its cache in the temporary directory")
    return spent * 1e6 / len(wires)
