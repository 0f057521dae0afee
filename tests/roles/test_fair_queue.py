from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from relay.roles.fair_queue import FairQueue


def filled(items: list[tuple[str, int]]) -> FairQueue[tuple[str, int]]:
    queue: FairQueue[tuple[str, int]] = FairQueue()
    for client, number in items:
        queue.put(client, (client, number))
    return queue


def test_each_client_gets_its_share_of_a_round() -> None:
    queue = filled([("flood", n) for n in range(1000)] + [("other", 0)])
    assert ("other", 0) in queue.take(2)


def test_what_a_client_does_not_use_goes_to_the_others() -> None:
    queue = filled([("a", 0), *[("b", n) for n in range(10)]])
    assert len(queue.take(8)) == 8
    assert len(queue) == 3


def test_clients_are_served_in_turn_over_several_rounds() -> None:
    queue = filled([(client, n) for client in "abc" for n in range(3)])
    assert [client for client, _ in queue.take(1) + queue.take(1) + queue.take(1)] == ["a", "b", "c"]


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.integers())), st.lists(st.integers(1, 20)))
def test_everything_comes_once_and_each_clients_in_order(items: list[tuple[str, int]], rounds: list[int]) -> None:
    queue = filled(items)
    taken = [item for most in rounds for item in queue.take(most)] + queue.take(len(items))
    assert Counter(taken) == Counter(items)
    for client in "abcd":
        assert [item for item in taken if item[0] == client] == [item for item in items if item[0] == client]
    assert len(queue) == 0


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1), st.integers(1, 40))
def test_nobody_gets_more_than_one_above_a_client_that_still_waits(waiting: dict[str, int], most: int) -> None:
    queue = filled([(client, n) for client, number in waiting.items() for n in range(number)])
    got = Counter(client for client, _ in queue.take(most))
    left = [client for client, number in waiting.items() if got[client] < number]
    assert all(max(got.values()) <= got[client] + 1 for client in left)
