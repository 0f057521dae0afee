"""The shared page: what one process stores, the others see; counts of addresses against a plain dictionary."""

import os
import time
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.roles import metrics
from relay.roles.page import Position, SharedPage
from relay.roles.shared_limits import AddressCounts


@pytest.fixture
def page() -> SharedPage:
    return SharedPage(["front1", "front2", "writer"], fronts=2, addresses=100)


def in_child(work: object) -> None:
    """Run a function in a forked process."""
    pid = os.fork()
    if not pid:
        try:
            work()  # type: ignore[operator]
        finally:
            os._exit(0)
    os.waitpid(pid, 0)


def test_begins_empty(page: SharedPage) -> None:
    assert page.position() == Position(0, 0, 0)
    assert page.total("connections") == 0


def test_a_commit_is_seen_in_another_process(page: SharedPage) -> None:
    in_child(lambda: page.commit(7, 2**40, 5))
    assert page.position() == Position(7, 2**40, 5)
    assert (page.upto, page.primary) == (2**40, 5)


def test_counters_are_a_roles_own_and_summed(page: SharedPage) -> None:
    page.store(0, delivered=3)
    page.store(1, delivered=4)
    assert (page.count(0, "delivered"), page.count(1, "delivered"), page.total("delivered")) == (3, 4, 7)


def test_what_a_role_had_counted_stays_when_it_dies_and_begins_again(page: SharedPage) -> None:
    numbers = metrics.fresh()
    numbers[0], numbers[-1] = 2, 2**40
    page.begin(0)
    page.store(0, delivered=3, connections=9)
    page.measure(0, numbers)
    for times in (1, 2):
        page.clear(0)
        page.begin(0)
        page.store(0, delivered=3)
        page.measure(0, numbers)
        assert page.total("delivered") == 3 * (times + 1)
        assert page.total("connections") == 0
        measured = page.measured()
        assert (measured[0], measured[-1], sum(measured[1:-1])) == (2 * (times + 1), 2**40 * (times + 1), 0)


def test_a_role_that_works_says_so(page: SharedPage, monkeypatch: pytest.MonkeyPatch) -> None:
    in_child(lambda: page.begin(1))
    assert page.count(1, "pid") > 0
    assert 0 <= page.silence(1) < 60
    an_hour_later = time.monotonic() + 3600
    monkeypatch.setattr(time, "monotonic", lambda: an_hour_later)
    assert page.silence(1) > 3500


def test_a_limit_counts_the_connections_of_all_fronts(page: SharedPage) -> None:
    assert page.addresses.enter(0, "192.0.2.1", 2)
    in_child(lambda: page.addresses.enter(1, "192.0.2.1", 2))
    assert not page.addresses.enter(0, "192.0.2.1", 2)
    assert page.addresses.enter(0, "192.0.2.2", 2)
    page.addresses.leave(0, "192.0.2.1")
    assert page.addresses.enter(1, "192.0.2.1", 2)


def test_a_front_that_died_holds_no_connections(page: SharedPage) -> None:
    page.addresses.enter(0, "192.0.2.1", 0)
    page.addresses.enter(1, "192.0.2.1", 0)
    page.store(0, pid=1234)
    page.clear(0)
    assert page.addresses.total("192.0.2.1") == 1
    assert page.count(0, "pid") == 0


def test_leaving_what_never_came_changes_nothing(page: SharedPage) -> None:
    page.addresses.leave(0, "192.0.2.1")
    assert page.addresses.total("192.0.2.1") == 0


def test_places_are_used_again() -> None:
    small = SharedPage(["front"], fronts=1, addresses=1)
    for number in range(5000):
        assert small.addresses.enter(0, f"address {number}", 0)
        small.addresses.leave(0, f"address {number}")
    assert small.addresses.enter(0, "another", 1)


def test_a_full_table_lets_nobody_new_in() -> None:
    small = SharedPage(["front"], fronts=1, addresses=1)
    entered = [number for number in range(500) if small.addresses.enter(0, f"address {number}", 0)]
    assert 0 < len(entered) < 500
    assert small.addresses.enter(0, f"address {entered[0]}", 0)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 1), st.integers(0, 20)), max_size=200))
def test_counts_are_those_of_a_dictionary(steps: list[tuple[bool, int, int]]) -> None:
    page, model = SharedPage(["front1", "front2"], fronts=2, addresses=100), Counter[tuple[int, int]]()
    for comes, front, address in steps:
        if comes:
            within = model[0, address] + model[1, address] < 3
            assert page.addresses.enter(front, str(address), 3) is within
            model[front, address] += within
        else:
            page.addresses.leave(front, str(address))
            model[front, address] -= model[front, address] > 0
        assert page.addresses.total(str(address)) == model[0, address] + model[1, address]


@given(st.lists(st.tuples(st.integers(0, 400), st.sampled_from("ab")), max_size=60), st.integers(1, 5))
def test_what_a_source_does_is_paced_as_by_a_bucket_of_tokens(steps: list[tuple[int, str]], most: int) -> None:
    page, now = SharedPage(["front", "writer"], fronts=1, addresses=1), 1000.0
    tokens, when = dict.fromkeys("ab", float(most)), dict.fromkeys("ab", now)
    for wait, source in steps:
        now += wait
        tokens[source] = min(most, tokens[source] + (now - when[source]) / 100)
        when[source] = now
        allowed = tokens[source] >= 1
        seconds = page.sources.spend(source, 100.0, most, now)
        assert (seconds == 0.0) is allowed
        if allowed:
            tokens[source] -= 1
        else:
            assert seconds == pytest.approx((1 - tokens[source]) * 100)


def test_what_a_source_did_is_forgotten_in_time_and_many_sources_do_no_harm() -> None:
    page = SharedPage(["front", "writer"], fronts=1, addresses=1)
    assert page.sources.spend("a", 100.0, 1, 1000.0) == 0.0
    for number in range(5000):
        page.sources.spend(f"source {number}", 100.0, 1, 1000.0)
    assert page.sources.spend("a", 100.0, 1, 1099.0) == pytest.approx(1.0)
    assert page.sources.spend("a", 100.0, 1, 1100.0) == 0.0


@pytest.mark.parametrize("reads_first", [True, False])
@pytest.mark.parametrize(
    ("counted_by", "come"),
    [
        (lambda page: page.addresses, lambda page, front: page.addresses.enter(front, "192.0.2.1", 1)),
        (lambda page: page, lambda page, front: page.join(front, "connections", 1)),
    ],
)
def test_two_fronts_at_the_same_moment_never_let_in_one_too_many_together(
    page: SharedPage,
    monkeypatch: pytest.MonkeyPatch,
    counted_by: Callable[[SharedPage], AddressCounts | SharedPage],
    come: Callable[[SharedPage, int], bool],
    reads_first: bool,
) -> None:
    """The other front comes just before or just after the first has looked how many there are."""
    counts = counted_by(page)
    look, others = counts.total, []

    def interrupted(name: str) -> int:
        monkeypatch.setattr(counts, "total", look)
        before = look(name)
        others.append(come(page, 1))
        return int(before if reads_first else look(name))

    monkeypatch.setattr(counts, "total", interrupted)
    let_in = come(page, 0)
    assert len(others) == 1
    assert not (let_in and others[0])
    assert page.addresses.total("192.0.2.1") + page.total("connections") == let_in + others[0]
