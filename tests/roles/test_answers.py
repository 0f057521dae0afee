"""Requests that come again, at whichever front: what is done once, who waits for it, and what is forgotten."""

from hypothesis import given
from hypothesis import strategies as st

from relay.roles.answers import BEGIN, DIFFERS, LIFETIME, MAX_ANSWERS, MAX_BYTES, Answers
from relay.roles.messages import Recalled, Recollection

HERE, THERE = 1, 2  # links


def answer(body: bytes = b"done") -> Recalled:
    return Recalled(Recollection.ANSWERED, 201, [], body)


def held(answers: Answers, name: str, body: bytes = b"", now: float = 0.0) -> None:
    answers.ask(name.encode(), b"digest", (HERE, 0), now)
    answers.end(name.encode(), HERE, answer(body))


def is_held(answers: Answers, name: str, now: float = 0.0) -> bool:
    told = answers.ask(name.encode(), b"digest", (HERE, 0), now)
    answers.end(name.encode(), HERE, None)
    return told[0][1] != BEGIN


def test_whoever_asks_for_the_same_waits_and_is_told_what_came_of_it() -> None:
    answers = Answers()
    assert answers.ask(b"a", b"x", (HERE, 1), 0.0) == [((HERE, 1), BEGIN)]
    assert answers.ask(b"a", b"x", (THERE, 1), 0.0) == []
    assert answers.ask(b"a", b"y", (THERE, 2), 0.0) == [((THERE, 2), DIFFERS)]
    assert answers.end(b"a", HERE, answer()) == [((THERE, 1), answer())]
    assert answers.ask(b"a", b"x", (HERE, 2), 1.0) == [((HERE, 2), answer())]


def test_what_failed_is_begun_again_by_the_next_who_waits() -> None:
    answers = Answers()
    answers.ask(b"a", b"x", (HERE, 1), 0.0)
    answers.ask(b"a", b"x", (THERE, 1), 0.0)
    answers.ask(b"a", b"x", (HERE, 2), 0.0)
    assert answers.end(b"a", HERE, None) == [((THERE, 1), BEGIN)]
    assert answers.end(b"a", HERE, answer()) == []  # it is not its own any more
    assert answers.end(b"a", THERE, answer()) == [((HERE, 2), answer())]


def test_what_a_front_that_died_was_doing_is_begun_again() -> None:
    answers = Answers()
    answers.ask(b"a", b"x", (HERE, 1), 0.0)
    answers.ask(b"a", b"x", (HERE, 2), 0.0)
    answers.ask(b"a", b"x", (THERE, 1), 0.0)
    assert answers.hang_up(HERE) == [((THERE, 1), BEGIN)]
    assert answers.hang_up(THERE) == []
    assert answers.ask(b"a", b"x", (3, 1), 0.0) == [((3, 1), BEGIN)]


def test_what_was_under_way_when_all_was_forgotten_is_not_held_either() -> None:
    answers = Answers()
    held(answers, "done")
    answers.ask(b"a", b"x", (HERE, 1), 0.0)
    answers.clear()
    assert answers.end(b"a", HERE, answer()) == []
    assert not is_held(answers, "a")
    assert not is_held(answers, "done")


def test_answers_are_bounded_in_time_number_and_bytes() -> None:
    answers = Answers()
    held(answers, "first")
    assert is_held(answers, "first", LIFETIME - 1)
    assert not is_held(answers, "first", LIFETIME)

    for n in range(MAX_ANSWERS + 1):
        held(answers, str(n), now=LIFETIME)
    assert not is_held(answers, "0", LIFETIME)
    assert is_held(answers, "2", LIFETIME)

    held(answers, "large", b"x" * (MAX_BYTES - 10), now=LIFETIME)
    held(answers, "more", b"x" * 20, now=LIFETIME)
    assert not is_held(answers, "large", LIFETIME)
    assert is_held(answers, "more", LIFETIME)


steps = st.tuples(st.sampled_from(["ask", "well", "badly", "hang up", "clear"]), st.integers(1, 3))


@given(st.lists(steps, max_size=60))
def test_one_front_at_a_time_does_a_request_and_nobody_waits_for_ever(given_steps: list[tuple[str, int]]) -> None:
    answers = Answers()
    doing: int | None = None  # the link that does it
    waiting: set[tuple[int, int]] = set()
    for token, (step, link) in enumerate(given_steps):
        told = []
        if step == "ask":
            waiting.add((link, token))
            told = answers.ask(b"a", b"x", (link, token), 0.0)
        elif step == "clear":
            answers.clear()
        elif step == "hang up":
            waiting = {asker for asker in waiting if asker[0] != link}
            doing = None if doing == link else doing
            told = answers.hang_up(link)
        elif doing == link:
            doing = None
            told = answers.end(b"a", link, answer() if step == "well" else None)
        for asker, recalled in told:
            waiting.remove(asker)  # each is told once, and only who asked
            if recalled == BEGIN:
                assert doing is None
                doing = asker[0]
        assert not waiting or doing is not None
