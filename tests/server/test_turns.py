import asyncio

from relay.server.supervision import Faults
from relay.server.turns import Turns


async def test_what_waits_is_called_once_in_the_next_turn_in_order() -> None:
    turns, called = Turns(Faults()), []
    turns.after(lambda: called.append(1))
    turns.after(lambda: called.append(2))
    assert called == []
    await asyncio.sleep(0)
    assert called == [1, 2]
    await asyncio.sleep(0)
    assert called == [1, 2]


async def test_what_is_asked_for_meanwhile_comes_in_the_turn_after() -> None:
    turns, called = Turns(Faults()), []

    def again() -> None:
        called.append(len(called))
        turns.after(again)

    turns.after(again)
    for turn in range(1, 4):
        await asyncio.sleep(0)
        assert called == list(range(turn))


async def test_one_that_fails_keeps_no_other_from_its_turn() -> None:
    faults = Faults()
    turns, called = Turns(faults), []
    turns.after(lambda: called[0])
    turns.after(lambda: called.append(1))
    await asyncio.sleep(0)
    assert (called, faults.count) == ([1], 1)
