"""What is remembered of ephemeral events is bounded in number and time."""

from storage.sqlite.writing import passed_on
from storage.sqlite.writing.passed_on import PassedOn


def test_the_oldest_is_forgotten_where_there_are_too_many() -> None:
    lately = PassedOn()
    for number in range(passed_on.MOST):
        lately.add(str(number), 0)
    lately.add("0", 1)  # is the newest now
    assert lately.holds("1", 1)
    lately.add("one more", 1)
    assert [lately.holds(one, 1) for one in ("0", "1", "2", "one more")] == [True, False, True, True]


def test_it_is_remembered_for_a_minute_after_it_was_passed_on_last() -> None:
    lately = PassedOn()
    lately.add("a", 100)
    assert [lately.holds("a", now) for now in (100, 159, 160)] == [True, True, False]
    lately.add("a", 160)
    assert lately.holds("a", 219)
    lately.clear()
    assert not lately.holds("a", 160)
