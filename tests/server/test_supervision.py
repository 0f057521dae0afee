"""What nobody foresaw is logged, told for a while, and ends nothing else."""

import asyncio
import contextlib
import inspect

import pytest

from relay.server import supervision
from relay.server.supervision import QUIET, TOLD, Faults, Tasks
from tests.server.fakes import PATIENCE


class Clock:
    """Seconds, set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_fault_is_told_for_a_while() -> None:
    clock = Clock()
    faults = Faults(clock)
    assert faults.problem() is None
    faults.report("the verifier", ValueError("secret"))
    assert "the verifier" in (faults.problem() or "")
    assert "secret" not in (faults.problem() or "")
    clock.now += TOLD
    assert faults.problem() is not None
    clock.now += 1
    assert faults.problem() is None


def test_a_fault_of_every_event_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    faults = Faults(clock)
    for _ in range(100):
        faults.report("a listener", ValueError("x"))
    faults.report("the verifier", ValueError("x"))
    assert [record.getMessage() for record in caplog.records] == ["a listener failed", "the verifier failed"]
    assert all(record.exc_info for record in caplog.records)
    assert faults.count == 101
    clock.now += QUIET
    faults.report("a listener", ValueError("x"))
    assert len(caplog.records) == 3


def test_what_is_remembered_of_places_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "_PLACES", 3)
    faults = Faults(Clock())
    for number in range(10):
        faults.report(f"place {number}", ValueError("x"))
    assert len(faults._logged) == 3


async def test_a_callback_of_the_loop_that_fails_is_reported() -> None:
    faults = Faults()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(faults.handle)
    loop.call_soon(lambda: 1 // 0)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert "ZeroDivisionError" in (faults.problem() or "")


async def test_a_task_that_fails_is_reported_and_forgotten() -> None:
    faults = Faults()
    tasks = Tasks(faults)

    async def fails() -> None:
        raise LookupError("x")

    tasks.start(fails(), "the sweep")
    await tasks.settle()
    assert "the sweep" in (faults.problem() or "")
    assert len(tasks) == 0


async def test_what_runs_for_ever_begins_again_with_longer_and_longer_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    enough = asyncio.Event()
    asleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 12:
            enough.set()
        await asleep(0)

    async def fails() -> None:
        raise LookupError("x")

    tasks = Tasks(Faults())
    monkeypatch.setattr(asyncio, "sleep", sleep)
    tasks.repeat(fails, "the ticker")
    await asyncio.wait_for(enough.wait(), PATIENCE)
    await tasks.close()
    assert pauses[:3] == [0.1, 0.2, 0.4]
    assert pauses[11] == supervision.LAST_PAUSE
    assert len(tasks) == 0


async def test_what_is_ended_before_it_began_leaves_nothing_behind() -> None:
    tasks = Tasks(Faults())

    async def never() -> None:
        raise AssertionError("it was begun")

    work = never()
    tasks.start(work, "what never begins").cancel()
    await tasks.close()
    assert inspect.getcoroutinestate(work) == inspect.CORO_CLOSED


async def test_closing_ends_what_runs_for_ever() -> None:
    tasks = Tasks(Faults())
    tasks.repeat(lambda: asyncio.sleep(PATIENCE), "the ticker")
    await asyncio.sleep(0)
    await asyncio.wait_for(tasks.close(), PATIENCE)
    assert len(tasks) == 0


async def test_closing_ends_what_forgot_that_it_was_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `asyncio.wait_for` does at times."""
    monkeypatch.setattr(supervision, "AGAIN", 0.0)
    begun = asyncio.Event()

    async def forgets() -> None:
        begun.set()
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(PATIENCE)
        await asyncio.sleep(PATIENCE)

    tasks = Tasks(Faults())
    tasks.start(forgets(), "a query worker")
    await begun.wait()
    await asyncio.wait_for(tasks.close(), PATIENCE)
    assert len(tasks) == 0
