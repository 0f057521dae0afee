"""The arithmetic of a run: rows, percentiles, medians over repetitions, ratios between runs. No clocks, no sockets."""

import statistics
from collections.abc import Sequence

import msgspec

from bench.targets import TARGETS, Figure


class FigureRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one workload gave. A figure that could not be had is None.

    `units` of `unit` in `seconds`; `cpu_us` is server CPU microseconds per unit (user and system, all threads);
    `p50_ms` and `p99_ms` are what the workload says they are; `memory_bytes` is server memory per unit; `floor_us` is V,
    measured around this row's section. `wire_bytes` is what came over the network per unit; `wakes` is how
    often a second the server's threads waited for something, per unit. Of a row that is compared with
    another: `ratio` is `cpu_us` divided by the other's, `more_us` is what it is above the other's, `wait_ratio` is the time
    waited (`p50_ms`, or what the workload says) divided by the other's.
    """

    name: str
    unit: str
    units: int
    seconds: float
    floor_us: float = 0.0
    cpu_us: float | None = None
    p50_ms: float | None = None
    p99_ms: float | None = None
    memory_bytes: float | None = None
    ratio: float | None = None
    more_us: float | None = None
    wait_ratio: float | None = None
    wire_bytes: float | None = None
    wakes: float | None = None

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds if self.seconds else 0.0

    @property
    def cpu_in_v(self) -> float | None:
        """Server CPU per unit as a multiple of V."""
        return self.cpu_us / self.floor_us if self.cpu_us is not None and self.floor_us else None

    def figure(self, wanted: Figure) -> float | None:
        """The figure that a target names."""
        return {
            Figure.CPU: self.cpu_in_v,
            Figure.CPU_US: self.cpu_us,
            Figure.P50: self.p50_ms,
            Figure.P99: self.p99_ms,
            Figure.MEMORY: self.memory_bytes,
            Figure.RATIO: self.ratio,
            Figure.MORE_US: self.more_us,
            Figure.MORE_V: self.more_us / self.floor_us if self.more_us is not None and self.floor_us else None,
            Figure.WAIT_RATIO: self.wait_ratio,
            Figure.WIRE: self.wire_bytes,
            Figure.WAKES: self.wakes,
            Figure.EACH: self.seconds * 1e6 / self.units if self.units else None,
        }[wanted]


class BenchRun(msgspec.Struct, frozen=True):
    """One invocation: when (ISO 8601), against what, with which settings, and its rows, the median of all repetitions."""

    started: str
    subject: str
    settings: dict[str, float]
    rows: list[FigureRow]
    repetitions: list[list[FigureRow]]


class Ratio(msgspec.Struct, frozen=True):
    """A row of two runs: the second divided by the first, None where one has no such figure."""

    name: str
    rate: float | None
    cpu_us: float | None
    cpu_in_v: float | None
    p50_ms: float | None
    p99_ms: float | None
    memory_bytes: float | None


def percentile(sample: Sequence[float], percent: float) -> float:
    """The nearest-rank percentile: the smallest value that at least `percent` of the sample do not exceed.

    Raises ValueError for an empty sample.
    """
    if not sample:
        raise ValueError("no percentile of nothing")
    ordered = sorted(sample)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def median_rows(repetitions: Sequence[Sequence[FigureRow]]) -> list[FigureRow]:
    """One row a name, in order of first appearance; each figure is the median over the repetitions that have it."""
    grouped: dict[str, list[FigureRow]] = {}
    for rows in repetitions:
        for row in rows:
            grouped.setdefault(row.name, []).append(row)
    return [_median_row(rows) for rows in grouped.values()]


def _median_row(rows: Sequence[FigureRow]) -> FigureRow:
    if len(rows) == 1:
        return rows[0]
    floor = statistics.median(row.floor_us for row in rows)
    in_v = _median([row.cpu_in_v for row in rows])
    return msgspec.structs.replace(
        rows[0],
        units=round(statistics.median(row.units for row in rows)),
        seconds=statistics.median(row.units for row in rows) / statistics.median(row.rate for row in rows),
        floor_us=floor,
        cpu_us=None
        if in_v is None
        else in_v * floor,  # each repetition counts by its own V: the machine's speed varies
        p50_ms=_median([row.p50_ms for row in rows]),
        p99_ms=_median([row.p99_ms for row in rows]),
        memory_bytes=_median([row.memory_bytes for row in rows]),
        ratio=_median([row.ratio for row in rows]),
        more_us=_median([row.more_us for row in rows]),
        wait_ratio=_median([row.wait_ratio for row in rows]),
        wire_bytes=_median([row.wire_bytes for row in rows]),
        wakes=_median([row.wakes for row in rows]),
    )


def _median(values: Sequence[float | None]) -> float | None:
    present = [value for value in values if value is not None]
    return statistics.median(present) if present else None


def is_met(row: FigureRow) -> bool | None:
    """Whether the row reaches all its targets; None when it has none or a figure could not be had."""
    values = [(row.figure(target.figure), target.at_most) for target in TARGETS.get(row.name, ())]
    known = [value <= at_most for value, at_most in values if value is not None]
    return all(known) if known and len(known) == len(values) else None


def compare(before: Sequence[FigureRow], after: Sequence[FigureRow]) -> list[Ratio]:
    """The rows that both have, in the order of `before`."""
    later = {row.name: row for row in after}
    return [_ratio(row, later[row.name]) for row in before if row.name in later]


def _ratio(one: FigureRow, two: FigureRow) -> Ratio:
    def of(first: float | None, second: float | None) -> float | None:
        return second / first if first and second is not None else None

    return Ratio(
        name=one.name,
        rate=of(one.rate, two.rate),
        cpu_us=of(one.cpu_us, two.cpu_us),
        cpu_in_v=of(one.cpu_in_v, two.cpu_in_v),
        p50_ms=of(one.p50_ms, two.p50_ms),
        p99_ms=of(one.p99_ms, two.p99_ms),
        memory_bytes=of(one.memory_bytes, two.memory_bytes),
    )
