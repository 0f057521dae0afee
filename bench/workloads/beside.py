"""Two works measured beside each other, in turns: the second one's row has its cost as a multiple of the first one's, and what
it costs more, each the median over the turns."""

import statistics
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from bench.figures import FigureRow, percentile
from bench.process import Spent, Subject

TURNS: Final = 9

Send = Callable[[Subject, Sequence[bytes]], Awaitable[tuple[Spent, list[float]]]]


class BesideWork:
    """Events to be sent in TURNS parts by `send` to `subject`, every one of them new, and what they have cost so far."""

    def __init__(self, name: str, unit: str, subject: Subject, wires: Sequence[bytes], send: Send) -> None:
        self._name = name
        self._unit = unit
        self._subject = subject
        size = -(-len(wires) // TURNS)
        self._parts = [wires[at : at + size] for at in range(0, len(wires), size)]
        self._units = len(wires)
        self._send = send
        self._spent: list[Spent] = []
        self._latencies: list[float] = []

    async def take_turn(self, turn: int) -> None:
        """Send a part."""
        spent, latencies = await self._send(self._subject, self._parts[turn])
        self._spent.append(spent)
        self._latencies += latencies

    def costs(self) -> list[float]:
        """Server CPU microseconds a unit, of each turn."""
        costs = [spent.cpu_us(len(part)) for spent, part in zip(self._spent, self._parts, strict=True)]
        return [cost for cost in costs if cost is not None]

    def row(self) -> FigureRow:
        """What all parts cost together."""
        cpu = [spent.cpu_seconds for spent in self._spent if spent.cpu_seconds is not None]
        return FigureRow(
            name=self._name,
            unit=self._unit,
            units=self._units,
            seconds=sum(spent.seconds for spent in self._spent),
            cpu_us=sum(cpu) * 1e6 / self._units if cpu else None,
            p50_ms=percentile(self._latencies, 50) * 1000,
            p99_ms=percentile(self._latencies, 99) * 1000,
        )


async def beside(base: BesideWork, other: BesideWork) -> list[FigureRow]:
    """Both rows, the second with its ratio to the first. They take turns, so that the machine's moods meet both."""
    for turn in range(TURNS):
        for work in (base, other) if turn % 2 == 0 else (other, base):
            await work.take_turn(turn)
    one, two = base.row(), other.row()
    pairs = list(zip(base.costs(), other.costs(), strict=True))
    if not pairs:
        return [one, two]
    ratio = statistics.median(second / first for first, second in pairs)
    more = statistics.median(second - first for first, second in pairs)
    return [one, msgspec.structs.replace(two, ratio=ratio, more_us=more)]
