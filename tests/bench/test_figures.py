"""The arithmetic of the bench against slow obvious definitions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import FigureRow, compare, is_met, median_rows, percentile
from bench.targets import TARGETS

SAMPLES = st.lists(st.floats(0, 1e6), min_size=1, max_size=200)


def row(name: str = "ingest", **figures: float) -> FigureRow:
    return FigureRow(name=name, unit="event", **{"units": 1000, "seconds": 2.0, "floor_us": 40.0, **figures})  # type: ignore[arg-type]


@given(SAMPLES, st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed(sample: list[float], percent: int) -> None:
    enough = [v for v in sample if sum(other <= v for other in sample) * 100 >= percent * len(sample)]
    assert percentile(sample, percent) == min(enough)


def test_the_median_of_an_even_sample_is_its_lower_middle_value() -> None:
    assert percentile([4.0, 1.0, 3.0, 2.0], 50) == 2.0


def test_refuses_the_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_rate_and_ratio_to_v_follow_from_the_figures() -> None:
    measured = row(cpu_us=100.0)
    assert measured.rate == 500.0
    assert measured.cpu_in_v == 2.5


def test_a_row_without_a_server_process_has_no_cpu_and_no_verdict() -> None:
    assert row().cpu_in_v is None
    assert is_met(row()) is None


@pytest.mark.parametrize(("cpu_us", "met"), [(2.9 * 40, True), (2.91 * 40, False)])
def test_a_target_is_met_up_to_and_including_its_figure(cpu_us: float, met: bool) -> None:
    assert is_met(row(cpu_us=cpu_us)) is met


def test_targets_on_time_and_memory_look_at_those_figures() -> None:
    assert is_met(row("ingest one at a time", p50_ms=0.6, cpu_us=1e9)) is True
    assert is_met(row("idle", memory_bytes=12_001.0)) is False


def test_a_target_on_the_slowest_looks_at_the_99th_percentile() -> None:
    assert is_met(row("feed hot page", p50_ms=1.0, p99_ms=10.1)) is False
    assert is_met(row("feed hot page", p50_ms=11.0, p99_ms=10.0)) is True


@pytest.mark.parametrize(
    ("p50", "p99", "met"), [(15.0, 40.0, True), (15.1, 40.0, False), (15.0, 40.1, False), (15.0, None, None)]
)
def test_all_targets_of_a_row_are_to_be_met(p50: float, p99: float | None, met: bool | None) -> None:
    assert is_met(row("search hybrid 1 %", p50_ms=p50, p99_ms=p99)) is met


@pytest.mark.parametrize(("ratio", "met"), [(1.3, True), (1.31, False), (None, None)])
def test_a_target_on_a_ratio_looks_at_the_row_it_is_compared_with(ratio: float | None, met: bool | None) -> None:
    assert is_met(row("small ingest 8×32", cpu_us=1.0, ratio=ratio)) is met  # type: ignore[arg-type]


@pytest.mark.parametrize(("more_us", "met"), [(48.0, True), (48.1, False), (None, None)])
def test_a_target_on_what_a_unit_costs_more_may_be_in_v(more_us: float | None, met: bool | None) -> None:
    assert is_met(row("feed post", floor_us=40.0, more_us=more_us)) is met  # type: ignore[arg-type]


@pytest.mark.parametrize(("more_us", "met"), [(40.0, True), (40.1, False)])
def test_a_target_on_what_a_unit_costs_more_may_be_in_microseconds(more_us: float, met: bool) -> None:
    assert is_met(row("small query ids", more_us=more_us)) is met


def test_a_target_on_a_rate_looks_at_the_time_that_each_unit_took() -> None:
    assert is_met(row("rebuild", units=20_000, seconds=1.0)) is True
    assert is_met(row("rebuild", units=19_999, seconds=1.0)) is False


def test_a_target_on_waiting_looks_at_the_row_it_is_compared_with() -> None:
    assert is_met(row("rebuild, others", wait_ratio=2.0)) is True
    assert is_met(row("rebuild, others", wait_ratio=2.1)) is False


def test_the_median_of_ratios_is_that_of_the_repetitions_own() -> None:
    repetitions = [
        [row("feed post", ratio=ratio, cpu_us=cpu_us)] for ratio, cpu_us in ((1.2, 9.0), (1.5, 5.0), (1.3, 1.0))
    ]
    (combined,) = median_rows(repetitions)
    assert combined.ratio == 1.3


def test_a_row_that_has_no_target_is_not_judged() -> None:
    assert "export" not in TARGETS
    assert is_met(row("export", cpu_us=1e9)) is None


def test_the_median_of_repetitions_keeps_each_repetitions_own_v() -> None:
    slow_machine, fast_machine = row(floor_us=80.0, cpu_us=160.0), row(floor_us=40.0, cpu_us=80.0)
    (combined,) = median_rows([[slow_machine], [fast_machine], [row(floor_us=50.0, cpu_us=150.0)]])
    assert combined.cpu_in_v == pytest.approx(2.0)
    assert combined.floor_us == 50.0


def test_the_median_of_repetitions_takes_each_figure_by_itself() -> None:
    repetitions = [[row(p50_ms=p50, seconds=seconds)] for p50, seconds in ((1.0, 4.0), (3.0, 1.0), (2.0, 2.0))]
    (combined,) = median_rows(repetitions)
    assert combined.p50_ms == 2.0
    assert combined.rate == pytest.approx(500.0)
    assert combined.p99_ms is None


def test_rows_keep_the_order_in_which_they_first_appear() -> None:
    combined = median_rows([[row("b"), row("a")], [row("a"), row("c")]])
    assert [one.name for one in combined] == ["b", "a", "c"]


def test_comparing_divides_the_second_run_by_the_first() -> None:
    (ratio,) = compare([row(cpu_us=100.0, seconds=2.0)], [row(cpu_us=50.0, seconds=1.0, floor_us=20.0)])
    assert (ratio.rate, ratio.cpu_us, ratio.cpu_in_v) == (2.0, 0.5, 1.0)
    assert ratio.p50_ms is None


def test_comparing_leaves_out_rows_that_only_one_run_has() -> None:
    assert [ratio.name for ratio in compare([row("a"), row("b")], [row("b"), row("c")])] == ["b"]
