"""Pools of threads: bounded, and each kind of work has its own."""

import asyncio
import threading
from collections.abc import Iterator
from itertools import pairwise

import pytest

from relay.server.pools import WITHOUT_REST, Pool, PoolFull, Rests
from tests.server.fakes import PATIENCE


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds work back until it is set."""
    event = threading.Event()
    yield event
    event.set()


async def test_gives_what_the_work_gives_and_raises_what_it_raises() -> None:
    pool = Pool("test", 1, 1)
    assert await pool.run(lambda: 5) == 5
    with pytest.raises(ZeroDivisionError):
        await pool.run(lambda: 1 // 0)
    assert await pool.run(lambda: 6) == 6
    pool.close()


async def test_one_job_too_many_is_not_taken(gate: threading.Event) -> None:
    pool = Pool("test", 1, 2)
    jobs = [asyncio.create_task(pool.run(lambda: gate.wait(PATIENCE))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(PoolFull):
        await pool.run(lambda: True)
    gate.set()
    assert await asyncio.gather(*jobs) == [True] * 3
    await asyncio.sleep(0)
    assert await pool.run(lambda: True)
    pool.close()


async def test_a_job_that_nobody_waits_for_any_more_counts_until_it_ends(gate: threading.Event) -> None:
    pool, begun = Pool("test", 1, 0), threading.Event()
    job = asyncio.create_task(pool.run(lambda: (begun.set(), gate.wait(PATIENCE))))
    await asyncio.to_thread(begun.wait, PATIENCE)
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    with pytest.raises(PoolFull):
        await pool.run(lambda: True)
    gate.set()

    async def has_room() -> None:
        while pool._taken:  # noqa: ASYNC110, a callback of the loop lowers it
            await asyncio.sleep(0)

    await asyncio.wait_for(has_room(), PATIENCE)
    assert await pool.run(lambda: True)
    pool.close()


def test_a_long_calculation_rests_after_a_while_and_not_before() -> None:
    now, rests = [100.0], list[float]()

    def sleep(seconds: float) -> None:
        rests.append(now[0])
        now[0] += seconds

    rest = Rests(lambda: now[0], sleep)
    for _ in range(20):
        now[0] += WITHOUT_REST * 0.51
        rest()
    assert len(rests) == 10
    assert min(after - before for before, after in pairwise([100.0, *rests])) >= WITHOUT_REST
