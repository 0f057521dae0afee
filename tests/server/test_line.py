"""Against the obvious: what comes out is what went in, in the order of each source, and nobody gets more than a fair share."""

import threading
from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from relay.server.line import Line

Item = tuple[str, int]
_puts = st.lists(st.text("abcd", min_size=1, max_size=1), max_size=30).map(list)
_most = st.integers(1, 12)


@given(st.lists(st.tuples(_puts, _most), max_size=8))
def test_everything_comes_out_once_in_the_order_of_its_source(history: list[tuple[list[str], int]]) -> None:
    line: Line[Item] = Line()
    number: Counter[str] = Counter()
    standing: dict[str, list[Item]] = defaultdict(list)

    def take(most: int) -> None:
        before = {source: len(items) for source, items in standing.items() if items}
        taken = line.take(most)
        assert len(taken) == min(most, sum(before.values()))
        for item in taken:
            assert standing[item[0]].pop(0) == item
        shares = Counter(source for source, _ in taken)
        for source, items in before.items():
            assert shares[source] >= min(items, most // len(before))

    for sources, most in history:
        items = []
        for source in sources:
            items.append((source, (source, number[source])))
            standing[source].append((source, number[source]))
            number[source] += 1
        line.put(items)
        if not line.is_empty():
            take(most)
    while not line.is_empty():
        take(5)
    assert not any(standing.values())


def test_of_more_sources_than_there_is_room_for_those_left_out_come_next() -> None:
    line: Line[str] = Line()
    line.put((name, name) for name in "abcdeabcde")
    line.put([])
    assert line.take(3) == ["a", "b", "c"]
    assert line.take(3) == ["d", "e", "a"]
    assert line.take(9) == ["b", "c", "d", "e"]


def test_whoever_takes_waits_for_the_first() -> None:
    line: Line[int] = Line()
    found: list[list[int]] = []
    taker = threading.Thread(target=lambda: found.append(line.take(2)))
    taker.start()
    line.put([("a", 1)])
    taker.join(10)
    assert found == [[1]]


def test_a_closed_line_gives_what_stands_in_it_and_then_nothing() -> None:
    line: Line[int] = Line()
    line.put([("a", number) for number in range(3)])
    line.close()
    assert line.take(2) == [0, 1]
    assert line.take(2) == [2]
    assert line.take(2) == []
    assert line.is_empty()


def test_closing_an_empty_line_lets_whoever_waits_go() -> None:
    line: Line[int] = Line()
    found: list[list[int]] = []
    taker = threading.Thread(target=lambda: found.append(line.take(2)))
    taker.start()
    line.close()
    taker.join(10)
    assert found == [[]]
