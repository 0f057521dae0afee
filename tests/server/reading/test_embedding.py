"""The worker makes vectors when something was stored, tries again when that fails, and stops when it is told to."""

import asyncio

import pytest

from relay.protocol.event import Event, wire
from relay.server.events.follow import Applied, LiveEvent
from relay.server.reading import embedding
from relay.server.reading.embedding import Worker
from storage.search.engine import SearchHealth
from tests.factories import make_event


class Passages:
    """Something with passages to embed; `down` makes it fail."""

    def __init__(self, waiting: int = 0) -> None:
        self.waiting, self.down, self.asked = waiting, False, 0
        self.idle = asyncio.Event()

    async def embed_some(self) -> bool:
        self.asked += 1
        if self.down:
            self.idle.set()
            raise RuntimeError("the model is away")
        is_full = self.waiting >= 10
        self.waiting = max(self.waiting - 10, 0)
        return is_full

    async def tally(self) -> SearchHealth:
        self.idle.set()
        return SearchHealth(0, self.waiting, "toy", 1)

    async def rest(self) -> None:
        async with asyncio.timeout(30):
            await self.idle.wait()
        self.idle.clear()


def committed(event: Event) -> Applied:
    return Applied([LiveEvent(1, event, wire(event), None)], removed=[])


@pytest.fixture(autouse=True)
def _at_once(monkeypatch):
    monkeypatch.setattr(embedding, "SETTLE", 0)
    monkeypatch.setattr(embedding, "APART", 0)
    monkeypatch.setattr(embedding, "REST", 0)


async def test_what_waits_at_the_start_is_made():
    passages = Passages(25)
    worker = Worker(passages, frozenset([1]))
    await passages.rest()
    assert passages.waiting == 0
    await worker.close()


async def test_what_comes_meanwhile_waits_for_the_next_round():
    passages = Passages(25)
    worker = Worker(passages, frozenset([1]))
    await passages.rest()
    assert passages.asked == 3
    passages.waiting = 3
    worker.wake()
    worker.wake()
    await passages.rest()
    assert (passages.waiting, passages.asked) == (0, 4)
    await worker.close()


async def test_an_event_that_is_searched_wakes_it_and_others_do_not():
    passages = Passages()
    worker = Worker(passages, frozenset([1]))
    await passages.rest()
    asked = passages.asked
    worker.notice(committed(make_event(kind=6)))
    for _ in range(20):
        await asyncio.sleep(0)
    assert passages.asked == asked
    passages.waiting = 5
    worker.notice(committed(make_event(kind=1)))
    await passages.rest()
    assert passages.waiting == 0
    await worker.close()


@pytest.mark.parametrize(
    "applied",
    [
        Applied([], removed=["00" * 32]),
        Applied([], removed=None),
        Applied([], removed=[], changes=[("identities", "")]),
        Applied([], anew=True),
    ],
)
async def test_what_left_or_changed_wakes_it(applied: Applied):
    passages = Passages()
    worker = Worker(passages, frozenset([1]))
    await passages.rest()
    passages.waiting = 5
    worker.notice(applied)
    await passages.rest()
    assert passages.waiting == 0
    await worker.close()


async def test_it_outlives_a_model_that_goes_away_and_comes_back():
    passages = Passages(5)
    passages.down = True
    worker = Worker(passages, frozenset([1]), pause=0)
    await passages.rest()
    passages.down = False
    await passages.rest()
    while passages.waiting:
        await passages.rest()
    assert passages.waiting == 0
    await worker.close()
    await worker.close()
