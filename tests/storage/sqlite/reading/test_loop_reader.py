import sqlite3
from collections.abc import Iterator

import pytest

from storage.errors import StorageError
from storage.sqlite.reading.loop_reader import LoopReader, is_small
from tests.storage.contract import of

ENDLESS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) SELECT count(*) FROM n"


class Clock:
    """Goes on by `step` seconds whenever it is looked at."""

    def __init__(self, step: float) -> None:
        self.now = 1000.0
        self.step = step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture(autouse=True)
def opened() -> Iterator[None]:
    yield
    while _OPEN:
        _OPEN.pop().close()


_OPEN: list[sqlite3.Connection] = []


def quick(cpu: Clock, wall: Clock | None = None) -> LoopReader:
    _OPEN.append(sqlite3.connect(":memory:"))
    return LoopReader(_OPEN[-1], cpu, wall or Clock(step=cpu.step))  # never slower than the other


def ask(asked: LoopReader, sql: str = "SELECT 42") -> int | None:
    return asked.run(lambda connection: int(connection.execute(sql).fetchone()[0]))


def test_answers_what_takes_a_moment() -> None:
    assert ask(quick(Clock(step=0))) == 42


def test_breaks_off_what_takes_longer() -> None:
    assert ask(quick(Clock(step=0.0006)), ENDLESS) is None


def test_goes_on_while_the_moment_lasts() -> None:
    assert ask(quick(Clock(step=0)), ENDLESS) == 1_000_000


def test_waiting_for_a_core_does_not_count() -> None:
    assert ask(quick(Clock(step=0), wall=Clock(step=0.000001))) == 42


def test_asks_for_cpu_time_only_where_so_much_may_have_passed() -> None:
    cpu = Clock(step=0.0006)
    assert ask(quick(cpu, wall=Clock(step=0)), ENDLESS) == 1_000_000
    assert cpu.now == 1000.0006


def test_breaks_off_what_waits_long_for_the_disk() -> None:
    assert ask(quick(Clock(step=0), wall=Clock(step=0.026)), ENDLESS) is None


def test_pauses_in_proportion_after_what_took_longer() -> None:
    cpu, wall = Clock(step=0.0006), Clock(step=0.0006)
    asked = quick(cpu, wall)
    begun = cpu.now + cpu.step
    assert ask(asked, ENDLESS) is None
    cpu.step = wall.step = 0
    pause = 20 * (cpu.now - begun)
    wall.now += 0.9 * pause
    assert ask(asked) is None
    wall.now += 0.2 * pause
    assert ask(asked) == 42


def test_gives_nothing_where_the_database_fails() -> None:
    assert ask(quick(Clock(step=0)), "SELECT 1 FROM nowhere") is None


def test_lets_other_errors_through() -> None:
    with pytest.raises(ZeroDivisionError):
        quick(Clock(step=0)).run(lambda connection: 1 // 0)


@pytest.mark.parametrize(
    ("asked", "small"),
    [
        ([of()], True),
        ([of(kinds=[1], limit=5000)], True),
        ([of(authors=[f"{n:064x}" for n in range(200)])], True),
        ([of(authors=[f"{n:064x}" for n in range(200)], kinds=[1])], False),
        ([of(t=[f"{n}" for n in range(150)]), of(ids=[f"{n:064x}" for n in range(51)])], False),
    ],
)
def test_a_question_is_small_by_the_values_it_names(asked: list, small: bool) -> None:
    assert is_small(asked) is small


def test_what_must_be_known_is_looked_up_to_the_end_even_in_a_pause() -> None:
    asked = quick(Clock(step=0.0006))
    assert ask(asked, ENDLESS) is None
    assert ask(asked) is None
    counted = asked.run_to_end(lambda connection: int(connection.execute(ENDLESS).fetchone()[0]))
    assert counted == 1_000_000


def test_a_database_that_fails_says_so_where_it_must_be_known() -> None:
    asked = quick(Clock(step=0))
    with pytest.raises(StorageError):
        asked.run_to_end(lambda connection: connection.execute("SELECT * FROM nothing").fetchone())
