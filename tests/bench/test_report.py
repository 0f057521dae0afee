"""What a reader of the table and of the saved file gets."""

from pathlib import Path

from bench import report
from bench.figures import BenchRun, FigureRow, compare

MEASURED = FigureRow(
    name="ingest", unit="event", units=14_000, seconds=1.0, floor_us=44.0, cpu_us=106.0, p50_ms=12.3, p99_ms=0.451
)
MISSED = FigureRow(name="idle", unit="connection", units=1000, seconds=0.5, floor_us=44.0, memory_bytes=77_000.0)


def test_the_table_shows_each_figure_with_its_unit_and_the_verdict() -> None:
    head, ingest, idle = report.table([MEASURED, MISSED]).splitlines()
    assert head.split()[:3] == ["work", "unit", "units/s"]
    assert ingest.split("  ")[0] == "ingest"
    for shown in ("14,000", "106 µs", "2.41 V", "12.3 ms", "0.451 ms", "≤ 2.9 V", "met"):
        assert shown in ingest
    for shown in ("2,000", "77,000 B", "≤ 12,000 B", "MISSED"):
        assert shown in idle


def test_columns_stand_under_each_other() -> None:
    head, *lines = report.table([MEASURED, MISSED]).splitlines()
    end = head.index("units/s") + len("units/s")
    assert [line[:end].split()[-1] for line in lines] == ["14,000", "2,000"]


def test_a_figure_that_could_not_be_had_is_a_dash() -> None:
    assert "–" in report.table([MISSED]).splitlines()[1]


def test_a_ratio_is_shown_beside_what_it_may_be() -> None:
    event = FigureRow(
        name="small ingest 8×32",
        unit="event",
        units=1000,
        seconds=1.0,
        floor_us=44.0,
        cpu_us=150.0,
        ratio=1.5,
        more_us=50.0,
        wait_ratio=1.25,
    )
    _, line = report.table([event]).splitlines()
    assert line.split()[-8:] == ["1.50×", "+50.0", "µs", "1.25×", "≤", "1.3", "×", "MISSED"]


def test_a_comparison_shows_ratios() -> None:
    faster = FigureRow(name="ingest", unit="event", units=28_000, seconds=1.0, floor_us=44.0, cpu_us=53.0)
    _, line = report.ratios(compare([MEASURED], [faster])).splitlines()
    assert line.split() == ["ingest", "2.00×", "0.50×", "0.50×", "–", "–", "–"]


def test_a_saved_run_loads_as_it_was(tmp_path: Path) -> None:
    run = BenchRun("2026-01-02T03:04:05+00:00", "tidings", {"seed": 1, "query_time": 0.3}, [MEASURED], [[MEASURED]])
    report.save(run, tmp_path / "new" / "run.json")
    assert report.load(tmp_path / "new" / "run.json") == run
