"""Rows as plain text tables, and runs as JSON files."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.figures import BenchRun, FigureRow, Ratio, is_met
from bench.targets import TARGETS

RESULTS = Path(__file__).parent / "results"
_HEAD = (
    "work",
    "unit",
    "units/s",
    "server CPU",
    "in V",
    "p50",
    "p99",
    "memory",
    "wire",
    "wake-ups",
    "ratio",
    "more",
    "wait",
    "target",
    "",
)
_RATIO_HEAD = ("work", "units/s", "server CPU", "in V", "p50", "p99", "memory")


def table(rows: Sequence[FigureRow]) -> str:
    """The rows of a run, each against its target."""
    return _columns([_HEAD, *map(_cells, rows)])


def ratios(rows: Sequence[Ratio]) -> str:
    """Two runs: each figure of the second divided by the first."""
    cells = [
        (r.name, *(_times(v) for v in (r.rate, r.cpu_us, r.cpu_in_v, r.p50_ms, r.p99_ms, r.memory_bytes))) for r in rows
    ]
    return _columns([_RATIO_HEAD, *cells])


def _cells(row: FigureRow) -> tuple[str, ...]:
    targets = TARGETS.get(row.name, ())
    verdict = {True: "met", False: "MISSED", None: ""}[is_met(row)]
    return (
        row.name,
        row.unit,
        f"{row.rate:,.0f}",
        _shown(row.cpu_us, " µs"),
        _shown(row.cpu_in_v, " V"),
        _shown(row.p50_ms, " ms"),
        _shown(row.p99_ms, " ms"),
        _shown(row.memory_bytes, " B"),
        "" if row.wire_bytes is None else _shown(row.wire_bytes, " B"),
        "" if row.wakes is None else _shown(row.wakes, "/s"),
        "" if row.ratio is None else _times(row.ratio),
        "" if row.more_us is None else f"{row.more_us:+,.1f} µs",
        "" if row.wait_ratio is None else _times(row.wait_ratio),
        ", ".join(f"≤ {target.at_most:,g} {target.figure.value}" for target in targets),
        verdict,
    )


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}{unit}"


def _times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}×"


def _columns(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = (
        "  ".join(
            cell.ljust(width) if n == 0 else cell.rjust(width)
            for n, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
    return "\n".join(line.rstrip() for line in padded)


def save(run: BenchRun, path: Path) -> None:
    """Write a run where `load` finds it; directories are made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(run)) + b"\n")


def load(path: Path) -> BenchRun:
    """A saved run. Raises OSError or msgspec.DecodeError."""
    return msgspec.json.decode(path.read_bytes(), type=BenchRun)
