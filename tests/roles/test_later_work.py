"""What changes of groups left to do is done by the writer between other work."""

from typing import Any

import pytest

from relay.roles import later_work
from relay.roles.later_work import SHARE, LaterWork
from storage.commands import ContinueGroups
from storage.errors import StorageError


class Store:
    """Says `answers`, one after the other, to whoever has it go on."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.unfinished = True

    def execute(self, command: object, _now: int) -> Any:
        assert command == ContinueGroups()
        answer = self.answers.pop(0)
        self.unfinished = bool(self.answers)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Clock:
    """Each part takes a second."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(later_work, "time", made)
    return made


def work(store: Store, faults: list[str] | None = None) -> LaterWork:
    return LaterWork(store, lambda place, _error: (faults if faults is not None else []).append(place))  # type: ignore[arg-type]


@pytest.mark.usefixtures("clock")
def test_what_takes_long_is_told_once_as_it_goes_on_and_once_as_it_is_done(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tidings.writer")
    later = work(Store(0.0, 0.0, 0.0, 7.0, None))
    parts = []
    for _ in range(4):
        assert later.go_on(5, others_wait=False)
        parts.append(later.parts)
    assert parts == [0, 2, 3, 0]
    begun, done = [record.getMessage() for record in caplog.records]
    assert begun.endswith("it goes on between other work")
    assert "is done: 4 parts in " in done


def test_what_is_done_within_a_moment_is_not_told(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later_work, "LONG", 60.0)
    caplog.set_level("INFO", "tidings.writer")
    later = work(Store(0.0, 0.0, None))
    for _ in range(3):
        later.go_on(5, others_wait=False)
        assert later.parts == 0
    assert caplog.records == []


@pytest.mark.usefixtures("clock")
def test_part_follows_part_until_nothing_is_left() -> None:
    store = Store(0.0, 0.0, None)
    later = work(store)
    assert [later.go_on(5, others_wait=False) for _ in range(4)] == [True, True, True, False]
    assert later.due == float("inf")


def test_while_others_wait_they_get_most_of_the_time(clock: Clock) -> None:
    later = work(Store(0.0, None))
    assert later.go_on(5, others_wait=True)
    assert later.due == pytest.approx(clock.now + SHARE)
    assert not later.go_on(5, others_wait=True)
    clock.now += SHARE
    assert later.go_on(5, others_wait=True)


def test_it_waits_as_long_as_it_is_told(clock: Clock) -> None:
    later = work(Store(7.0, None))
    assert later.go_on(5, others_wait=False)
    assert later.due == pytest.approx(clock.now + 7)


@pytest.mark.parametrize(("error", "told"), [(StorageError("full"), 0), (ValueError("a fault"), 1)])
def test_what_fails_is_tried_again(clock: Clock, error: Exception, told: int) -> None:
    faults: list[str] = []
    later = work(Store(error, None), faults)
    assert later.go_on(5, others_wait=False)
    assert len(faults) == told
    assert clock.now < later.due < float("inf")
    clock.now = later.due
    assert later.go_on(5, others_wait=False)
    assert later.due == float("inf")
