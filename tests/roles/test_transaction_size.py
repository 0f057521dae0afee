"""How large transactions become: bounded by work where the disk is fast, by the disk where it is slow."""

from hypothesis import given
from hypothesis import strategies as st

from relay.roles.transaction_size import LEAST, MOST, TRANSACTION, TransactionSize

EVENT = 0.0001  # seconds

times = st.floats(0, 100)


def settled(event: float, disk_wait: float) -> tuple[int, float]:
    """How many events a transaction has in the end, and how long it takes, where an event and the disk take this long."""
    size = TransactionSize()
    for _ in range(200):
        events = size.most()
        size.took(events, events * event + disk_wait, disk_wait)
    return events, events * event + disk_wait


def test_on_a_fast_disk_a_transaction_works_for_so_long() -> None:
    events, seconds = settled(EVENT, 0.0002)
    assert 190 <= events <= 200
    assert seconds < 1.1 * TRANSACTION


def test_waiting_for_the_disk_is_no_work() -> None:
    """It was counted as an event's own time: with 20 ms for the disk, only LEAST events were stored at once."""
    events, _ = settled(EVENT, 0.02)
    assert 190 <= events <= 200


def test_half_of_the_time_goes_into_events_however_slow_the_disk() -> None:
    for disk_wait in (0.03, 0.05, 0.08):
        events, seconds = settled(EVENT, disk_wait)
        assert events * EVENT >= 0.45 * seconds
        assert seconds <= 2 * disk_wait + EVENT


def test_dear_events_make_small_transactions() -> None:
    assert settled(1.0, 0.0002)[0] == LEAST


@given(st.lists(st.tuples(st.integers(1, MOST), times, times)))
def test_it_is_always_within_its_bounds(taken: list[tuple[int, float, float]]) -> None:
    size = TransactionSize()
    for events, seconds, disk_wait in taken:
        size.took(events, seconds, disk_wait)
        assert LEAST <= size.most() <= MOST
