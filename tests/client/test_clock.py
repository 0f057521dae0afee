"""How long a client waits before it tries again."""

from functools import partial

from relay.client.clock import Backoff


def test_delays_double_up_to_a_minute() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next() for _ in range(9)] == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]


def test_chance_cuts_a_delay_by_a_half_at_most() -> None:
    for chance, delay in ((0.0, 0.25), (0.5, 0.375), (1.0, 0.5)):
        assert Backoff(partial(float, chance)).next() == delay


def test_delays_start_over_once_it_worked() -> None:
    backoff = Backoff(lambda: 1.0)
    assert [backoff.next(), backoff.next()] == [0.5, 1]
    backoff.reset()
    assert backoff.next() == 0.5
