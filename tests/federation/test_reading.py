"""A peer of which hardly anything is here: it is read page by page while that is stored, and compared where that does not pay."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.server import ServerConnection

from relay.client.errors import ClientError
from relay.federation.link import Misbehaved
from relay.federation.sync import Direction
from relay.federation.transfers import STORING
from relay.federation.windows import PAGE, WindowDifference
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from storage.base import Outcome
from tests.e2e.harness import PATIENCE
from tests.factories import make_event
from tests.federation.fake_peer import FakePeer, MemoryEvents
from tests.federation.test_synchronization import notes, synchronized

NOTES = Filter(kinds=frozenset([1]))


class Slow(MemoryEvents):
    """Stores a page when the next but one was asked for, of `pages` in all: something is being stored whenever a page comes."""

    def __init__(self, peer: FakePeer, pages: int, events: Sequence[Event] = ()) -> None:
        super().__init__(events)
        self.under_way = 0
        self.most_under_way = 0
        self._number = 0
        self._peer = peer
        self._pages = pages

    async def take(self, events: Sequence[Event]) -> list[Outcome]:
        self._number += 1
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        until = min(self._number + 2, self._pages)
        async with asyncio.timeout(PATIENCE):
            while self._peer.verbs().count("REQ") < until:  # noqa: ASYNC110  # the peer tells nobody
                await asyncio.sleep(0)
        self.under_way -= 1
        return await super().take(events)


def asked_by_id(peer: FakePeer) -> int:
    return sum(len(said[2].get("ids", ())) for said in peer.said if said[0] == "REQ")


@pytest.mark.parametrize("here", [0, 30])
async def test_a_peer_of_which_hardly_anything_is_here_is_read_and_asked_for_nothing_by_id(here: int) -> None:
    theirs, ours = notes(3000), notes(here, 10_000)
    async with FakePeer(theirs).serving() as peer:
        peer.hints = True
        local = Slow(peer, 7, ours)
        found, counts = await synchronized(peer, local, wanted=NOTES, reads_first=True)
        assert local.events.keys() == peer.events.keys() == {one.id for one in theirs + ours}
        assert "NEG-OPEN" not in peer.verbs()
        assert asked_by_id(peer) == 0
    assert (found.need, found.have, found.compares, found.lost) == (3000, here, True, 0)
    assert (counts.received, counts.stored, counts.duplicates, counts.taken) == (3000, 3000, 0, here)
    assert 1 < local.most_under_way <= STORING


async def test_without_being_told_so_nothing_is_read() -> None:
    async with FakePeer(notes(600)).serving() as peer:
        await synchronized(peer, MemoryEvents(), wanted=NOTES)
        assert asked_by_id(peer) == 600


@pytest.mark.parametrize("plan", [{"dry": True}, {"direction": Direction.UP}])
async def test_what_is_not_wanted_here_is_compared(plan: dict[str, object]) -> None:
    async with FakePeer(notes(600)).serving() as peer:
        await synchronized(peer, MemoryEvents(), wanted=NOTES, reads_first=True, **plan)
        assert "NEG-OPEN" in peer.verbs()
        assert "REQ" not in peer.verbs()


async def test_a_peer_that_gives_later_than_is_stored_is_asked_for_ids_several_at_a_time() -> None:
    local = MemoryEvents()  # it stores at once
    async with FakePeer(notes(3000)).serving() as peer:
        found, counts = await synchronized(peer, local, wanted=NOTES, reads_first=True)
        assert local.events.keys() == peer.events.keys()
        assert asked_by_id(peer) >= 3000 - 2 * PAGE
    assert (found.need, counts.received) == (3000, 3000)


async def test_a_peer_of_which_most_is_passed_over_is_compared() -> None:
    theirs = notes(3000)
    passed = {one.id for one in theirs[600:]}
    async with FakePeer(theirs).serving() as peer:
        local = Slow(peer, 1)
        found, _ = await synchronized(peer, local, wanted=NOTES, reads_first=True, skip_down=passed.__contains__)
        assert local.events.keys() == {one.id for one in theirs} - passed
        assert [said for said in peer.verbs() if said in ("REQ", "NEG-OPEN")][:2] == ["REQ", "NEG-OPEN"]
    assert found.need == 600


async def test_a_second_that_is_cut_in_a_page_is_compared() -> None:
    theirs = [*notes(PAGE + 300, step=PAGE + 300), *notes(300, 5 * PAGE)]
    async with FakePeer(theirs).serving() as peer:
        local = Slow(peer, 2)
        found, _ = await synchronized(peer, local, wanted=NOTES, reads_first=True)
        assert local.events.keys() == peer.events.keys()
    assert (found.lost, found.compares) == (0, True)


@pytest.mark.parametrize("compares", ["error", "closed"])
async def test_a_peer_that_does_not_compare_is_read_all_the_same(compares: str) -> None:
    async with FakePeer(notes(1200)).serving() as peer:
        peer.compares = compares
        local = MemoryEvents()
        found, counts = await synchronized(peer, local, wanted=NOTES, reads_first=True)
        assert local.events.keys() == peer.events.keys()
    assert not found.compares
    assert counts.stored == 1200


async def test_a_page_is_done_when_those_before_it_are() -> None:
    """Whoever goes on after an interruption must not pass over what was still being stored."""
    done: list[WindowDifference] = []
    first = asyncio.Event()
    told_early: list[int] = []

    class FirstIsLast(MemoryEvents):
        calls = 0

        async def take(self, events: Sequence[Event]) -> list[Outcome]:
            self.calls += 1
            if self.calls == 1:
                async with asyncio.timeout(PATIENCE):
                    await first.wait()
            elif self.calls == 3:
                told_early.append(len(done))
                first.set()
            return await super().take(events)

    async with FakePeer(notes(3000)).serving() as peer:
        local = FirstIsLast()
        await synchronized(peer, local, wanted=NOTES, reads_first=True, done=done.append)
        assert local.events.keys() == peer.events.keys()
    assert told_early == [0]
    assert [one.since for one in done] == sorted((one.since for one in done), reverse=True)
    assert done[-1].since == 0


async def test_what_fails_while_another_page_is_read_ends_it_and_what_was_not_stored_is_not_done() -> None:
    done: list[WindowDifference] = []

    class Full(MemoryEvents):
        async def take(self, events: Sequence[Event]) -> list[Outcome]:
            if len(self.taken) >= PAGE:
                raise Misbehaved("enough")
            return await super().take(events)

    local = Full()
    async with FakePeer(notes(3000)).serving() as peer:
        with pytest.raises(ClientError, match="enough"):
            await synchronized(peer, local, wanted=NOTES, reads_first=True, done=done.append)
    assert {one.id for one in notes(3000) if any(one.created_at >= page.since for page in done)} <= local.events.keys()


@settings(max_examples=25, deadline=None)
@given(
    times=st.lists(st.integers(0, 60), max_size=120),
    here=st.sets(st.integers(0, 119)),
    ours=st.lists(st.integers(0, 60), max_size=10),
    page=st.integers(5, 40),
    is_slow=st.booleans(),
)
def test_both_sides_have_everything_that_either_had(
    times: list[int], here: set[int], ours: list[int], page: int, is_slow: bool
) -> None:
    """However many events a second has, how large pages are, and whatever is here of it already."""
    theirs = [make_event(content=f"{n}", created_at=1_700_000_000 + at) for n, at in enumerate(times)]
    mine = [make_event(2, content=f"{n}", created_at=1_700_000_000 + at) for n, at in enumerate(ours)]
    shared = [one for n, one in enumerate(theirs) if n in here]

    async def play() -> None:
        async with FakePeer(theirs).serving() as peer:
            peer.page, peer.hints = page, not page % 2
            local = Slow(peer, 1, mine + shared) if is_slow else MemoryEvents(mine + shared)
            found, counts = await synchronized(peer, local, wanted=NOTES, reads_first=True)
            everything = {one.id for one in theirs + mine}
            assert local.events.keys() == peer.events.keys() == everything
            assert (found.need, counts.stored, counts.duplicates) == (len(theirs) - len(shared),) * 2 + (0,)

    asyncio.run(play())


class Busy(FakePeer):
    """Refuses every other question for now, telling for how long."""

    def __init__(self, events: Sequence[Event], words: str) -> None:
        super().__init__(events)
        self.words = words
        self._asked = 0

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        self._asked += 1
        if self._asked % 2:
            await self.send(connection, "CLOSED", name, self.words)
        else:
            await super().answer(connection, name, wanted)


@pytest.mark.parametrize("plan", [{"reads_first": True}, {"pages_only": True}, {}])
async def test_a_peer_that_is_asked_too_fast_is_asked_again_when_it_says(plan: dict[str, object]) -> None:
    async with Busy(notes(700), "rate-limited: wait 0 seconds").serving() as peer:
        local = MemoryEvents()
        await synchronized(peer, local, wanted=NOTES, **plan)
        assert local.events.keys() == peer.events.keys()


async def test_a_peer_that_refuses_for_good_is_asked_once() -> None:
    async with Busy(notes(700), "blocked: you do not pay").serving() as peer:
        with pytest.raises(ClientError, match="you do not pay"):
            await synchronized(peer, MemoryEvents(), wanted=NOTES, reads_first=True)
        assert peer.verbs().count("REQ") == 1
