"""When the bench counts again what came to a relay that catches up."""

from bench.workloads.federation import LOOKED, _until_next_look


def test_the_end_is_approached_by_halves() -> None:
    assert _until_next_look(90_000, 100_000, 9.0) == 0.5


def test_a_wait_has_bounds() -> None:
    assert _until_next_look(0, 100_000, 0.1) == LOOKED[1]
    assert _until_next_look(99_999, 100_000, 7.0) == LOOKED[0]
