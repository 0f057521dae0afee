"""What anybody can cause again and again fills no disk."""

import logging

import pytest

from relay.commands import logs
from relay.commands.logs import MOST, PERIOD, LogLimit


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> LogLimit:
    return LogLimit(clock)


def written(limit: LogLimit, message: str, *given: object, logger: str = "tidings.x") -> str | None:
    record = logging.LogRecord(logger, logging.INFO, "x.py", 1, message, given, None)
    return record.getMessage() if limit.filter(record) else None


def test_lines_of_one_kind_end_at_a_limit_whatever_is_put_into_them(limit: LogLimit) -> None:
    lines = [written(limit, "client %d was cut off", number) for number in range(10 * MOST)]
    assert lines == [f"client {number} was cut off" for number in range(MOST)] + [None] * 9 * MOST


def test_another_kind_and_another_logger_are_written_meanwhile(limit: LogLimit) -> None:
    for _ in range(2 * MOST):
        written(limit, "again")
    assert written(limit, "something else") == "something else"
    assert written(limit, "again", logger="tidings.y") == "again"


def test_after_the_period_the_next_line_says_how_many_were_left_out(limit: LogLimit, clock: Clock) -> None:
    for _ in range(MOST + 7):
        written(limit, "%s again", "x")
    clock.now += PERIOD
    assert written(limit, "%s again", "x") == "x again (7 more like it were left out)"
    assert written(limit, "%s again", "x") == "x again"


def test_messages_without_end_are_one_kind_in_the_end(limit: LogLimit) -> None:
    lines = [written(limit, f"message {number}") for number in range(10_000)]
    assert sum(line is not None for line in lines) == logs._KINDS + MOST
    assert len(limit._kinds) == logs._KINDS + 1
