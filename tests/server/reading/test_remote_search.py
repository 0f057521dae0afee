"""A front asks search in another process: the answers are the engine's own, and what fails, fails clearly and passes."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.protocol.filter import Filter
from relay.roles import search_messages
from relay.search_settings import Search
from relay.server.reading.remote_search import RemoteSearch, SearchAway
from relay.server.supervision import Faults
from storage.base import PUBLIC
from storage.errors import StorageError, TooCostly
from storage.search.engine import SearchHealth, SearchQuery
from tests.factories import NOW, make_event
from tests.roles.searching import PATIENCE, Door, Shelf, hit
from tests.storage.sqlite.search.test_sqlite_search import Place

HITS = [hit(number) for number in range(1, 40)]
QUERY = SearchQuery("cat", Filter(limit=500, kinds=frozenset([1]), tags={"t": frozenset(["x"])}), tags=frozenset("ab"))


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    opened = Door(tmp_path, Shelf(HITS))
    await opened.start()
    yield opened
    await opened.close()


@pytest.fixture
async def remote(door: Door) -> AsyncIterator[RemoteSearch]:
    faults = Faults()
    asking = RemoteSearch(door.path, faults)
    await here(asking)
    yield asking
    await asking.close()
    assert faults.problem() is None


async def here(remote: RemoteSearch) -> None:
    async with asyncio.timeout(PATIENCE):
        await remote.present()


async def test_answers_are_the_engines_own(door, remote):
    assert await remote.search(QUERY) == HITS
    assert (await door.service.begun.get()) == QUERY
    assert await remote.count(QUERY) == len(HITS)
    assert await remote.chunks("ab", frozenset(["me"]), 7) == await door.service.chunks("ab", frozenset(["me"]), 7)
    assert await remote.search(SearchQuery("cat", Filter(limit=0))) == []


async def test_a_long_answer_comes_in_parts_and_in_order(door, remote):
    door.service.hits = [hit(number, search_messages.PART // 3) for number in range(1, 20)]
    door.service.hits.insert(5, hit(99, 2 * search_messages.PART))
    assert await remote.search(QUERY) == door.service.hits


@pytest.mark.parametrize("trouble", [StorageError("the disk is full"), TooCostly("too much")])
async def test_what_the_engine_raises_is_raised(door, remote, trouble):
    door.service.trouble = trouble
    with pytest.raises(type(trouble), match=str(trouble)):
        await remote.search(QUERY)
    assert door.faults.count == 0


async def test_what_nobody_foresaw_is_reported_where_it_happened_and_told_without_details(door, remote):
    door.service.trouble = RuntimeError("secret")
    with pytest.raises(StorageError) as caught:
        await remote.search(QUERY)
    assert str(caught.value) == "internal error (RuntimeError)"
    assert door.faults.count == 1
    door.service.trouble = None
    assert await remote.search(QUERY) == HITS


async def test_health_is_as_last_told(door, remote):
    assert remote.health() == SearchHealth(len(HITS), 0, "toy", 64)
    door.service.state = SearchHealth(50, 3, "toy", 64, "the model is away")
    door.server.tell()
    assert await remote.count(QUERY) == len(HITS)  # what was told before this answer was heard before it
    assert remote.health() == door.service.state


async def test_going_over_to_another_model_tells_how_far_it_is(door, remote):
    reached: list[tuple[int, int]] = []
    settings = Search(embedder="minilm")
    assert await remote.reembed(settings, lambda *done: reached.append(done)) == 2
    assert reached == [(1, 2), (2, 2)]
    assert await door.service.begun.get() == settings


async def test_whoever_stops_asking_stops_the_work(door, remote):
    door.service.gate.clear()
    for ask in (remote.reembed(Search()), remote.search(QUERY)):
        asking = asyncio.create_task(ask)
        begun = await door.service.begun.get()
        asking.cancel()
        assert await door.service.cancelled.get() == begun
    door.service.gate.set()
    assert await remote.search(QUERY) == HITS


async def test_questions_are_answered_while_the_model_changes(door, remote):
    door.service.gate.clear()
    changing = [asyncio.create_task(remote.reembed(Search())) for _ in range(20)]
    for _ in changing:
        await door.service.begun.get()
    asking = asyncio.create_task(remote.search(QUERY))
    assert await door.service.begun.get() == QUERY
    door.service.gate.set()
    assert await asking == HITS
    assert await asyncio.gather(*changing) == [2] * 20


async def test_the_rest_of_what_an_operator_does_arrives(door, remote):
    await remote.purge()
    assert await door.service.begun.get() == "purge"
    remote.wake()
    async with asyncio.timeout(PATIENCE):
        await door.service.woken.get()


async def test_a_role_that_goes_away_fails_what_was_asked_and_answers_again_when_it_is_back(door, remote):
    door.service.gate.clear()
    asking = asyncio.create_task(remote.search(QUERY))
    await door.service.begun.get()
    await door.stop()
    with pytest.raises(SearchAway, match="search is starting again; try again in a moment"):
        await asking
    with pytest.raises(SearchAway):
        await remote.count(QUERY)
    remote.wake()
    health = remote.health()
    assert (health.chunks, health.problem) == (len(HITS), "search is starting again; try again in a moment")
    door.service.gate.set()
    await door.start()
    await here(remote)
    assert await remote.search(QUERY) == HITS
    assert remote.health().problem is None


async def test_a_socket_that_nobody_serves_yet_is_no_search(tmp_path):
    door = Door(tmp_path, Shelf(HITS))
    remote = RemoteSearch(door.path, Faults())
    peer, _ = await asyncio.to_thread(door.listener.accept)  # connected, and silent
    with pytest.raises(SearchAway):
        await remote.search(QUERY)
    peer.close()
    await door.start()
    await here(remote)
    assert await remote.search(QUERY) == HITS
    await remote.close()
    await door.close()


async def test_a_role_that_stands_still_costs_a_question_its_time_and_no_more(door):
    remote = RemoteSearch(door.path, Faults(), patience=0.01)
    await here(remote)
    door.service.gate.clear()
    with pytest.raises(StorageError, match="did not answer"):
        await remote.search(QUERY)
    assert await door.service.cancelled.get() == QUERY
    door.service.gate.set()
    await remote.close()


async def test_a_role_that_gives_no_sign_of_life_is_away_until_it_does(tmp_path):
    door = Door(tmp_path, Shelf(HITS))
    await door.start(says_alive=False)
    remote = RemoteSearch(door.path, Faults(), silence=0.04)
    await here(remote)
    door.service.gate.clear()
    with pytest.raises(SearchAway):
        await remote.search(QUERY)
    assert await door.service.cancelled.get() == QUERY
    await here(remote)  # on another connection it has spoken
    await remote.close()
    await door.close()


async def test_only_so_many_questions_wait(door, remote, monkeypatch):
    monkeypatch.setattr("relay.server.reading.remote_search.MOST_UNANSWERED", 3)
    door.service.gate.clear()
    asking = [asyncio.create_task(remote.search(QUERY)) for _ in range(3)]
    for _ in asking:
        await door.service.begun.get()
    with pytest.raises(StorageError, match="more questions"):
        await remote.search(QUERY)
    door.service.gate.set()
    assert await asyncio.gather(*asking) == [HITS] * 3
    assert await remote.search(QUERY) == HITS


async def test_a_question_that_is_too_long_is_refused_and_others_go_on(remote):
    ids = frozenset(f"{number:064x}" for number in range(search_messages.MOST_QUESTION // 64))
    with pytest.raises(TooCostly, match="fewer values"):
        await remote.search(SearchQuery("cat", Filter(ids=ids)))
    assert await remote.search(QUERY) == HITS


async def test_the_real_engine_says_the_same_from_afar(tmp_path):
    place = await Place(tmp_path).open()
    texts = ["the cat sat on the mat", "a dog ran over the mat", "fish swim in the sea", "cats and dogs"]
    place.put(*[make_event(n, 1, text) for n, text in enumerate(texts)])
    await place.embed()
    await place.engine.tally()
    door = Door(tmp_path, place.engine)
    await door.start()
    remote = RemoteSearch(door.path, Faults())
    await here(remote)
    for mode in ("words", "meaning", "hybrid"):
        for text in ("cat", "the mat", "dog sea", "nothing of it", ""):
            query = SearchQuery(text, now=NOW, mode=mode)  # type: ignore[arg-type]
            assert await remote.search(query) == await place.engine.search(query)
            assert await remote.count(query) == await place.engine.count(query)
    (first,) = await remote.search(SearchQuery("cat", Filter(limit=1), now=NOW))
    assert await remote.chunks(first.event_id, PUBLIC, NOW) == await place.engine.chunks(first.event_id, PUBLIC, NOW)
    assert remote.health() == place.engine.health()
    await remote.close()
    await door.close()
    await place.close()
