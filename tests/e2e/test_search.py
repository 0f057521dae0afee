"""Search (NIP-50) over real sockets."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.e2e.harness import PATIENCE, Server, client, fresh_key, now, serving
from tests.factories import Keypair, make_event


@pytest.fixture(scope="module", params=["off", "on"])
def relay(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A running relay that searches notes too, in one process and in several; its end is checked."""
    settings = ("search.kinds=1,11,1111,30023", f"server.processes={request.param}")
    with serving(tmp_path_factory.mktemp("relay") / "data", *settings) as server:
        yield server


def word(key: Keypair) -> str:
    """A word that nothing else on this relay has."""
    return f"w{key.pubkey[:12]}"


async def test_finds_by_words_with_all_other_fields_of_the_filter(relay: Server) -> None:
    key, other = fresh_key(), fresh_key()
    mine = word(key)
    note = make_event(key, 1, f"{mine} tide")
    tagged = make_event(key, 1, f"{mine} tide tide", tags=[["t", "sea"]])
    article = make_event(other, 30023, f"{mine} ebb", tags=[["d", "x"], ["title", "Tides"]])
    reaction = make_event(key, 7, mine)
    async with client(relay) as alice:
        await alice.store(note, tagged, article, reaction)
        by_words = {"search": f"{mine} mode:words"}
        assert set(await alice.stored(by_words)) == {note.id, tagged.id, article.id}
        assert set(await alice.stored(by_words | {"kinds": [1, 7]})) == {note.id, tagged.id}
        assert await alice.stored(by_words | {"authors": [other.pubkey]}) == [article.id]
        assert await alice.stored(by_words | {"#t": ["sea"]}) == [tagged.id]
        assert await alice.stored(by_words | {"ids": [note.id, reaction.id]}) == [note.id]
        assert await alice.stored(by_words | {"until": note.created_at - 1}) == []
        assert len(await alice.stored(by_words | {"limit": 2})) == 2
        assert await alice.stored({"search": f'"{mine} ebb" mode:words'}) == [article.id]
        assert await alice.stored({"search": f"{mine} tid* mode:words", "kinds": [30023]}) == [article.id]
        assert await alice.count(by_words) == {"count": 3}
        assert await alice.count(by_words | {"kinds": [30023]}) == {"count": 1}


async def test_the_end_of_what_was_found_has_no_hint(relay: Server) -> None:
    async with client(relay) as alice:
        _, end = await alice.request({"search": "nothing at all mode:words"})
        assert end == ["EOSE", "s"]


async def test_what_comes_is_found_by_its_words(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice, client(relay) as bob:
        await alice.request({"search": f'"{word(key)} rises"', "limit": 0})
        other = make_event(key, 1, f"rises {word(key)}", created_at=now())
        wanted = make_event(key, 1, f"{word(key)} RISES!", created_at=now())
        await bob.store(other, wanted)
        verb, name, event = await alice.next()
        assert (verb, name, event["id"]) == ("EVENT", "s", wanted.id)


async def test_what_is_deleted_is_found_no_more(relay: Server) -> None:
    key = fresh_key()
    note = make_event(key, 1, word(key))
    async with client(relay) as alice:
        await alice.store(note)
        assert await alice.stored({"search": word(key)}) != []
        await alice.store(make_event(key, 5, tags=[["e", note.id]]))
        assert note.id not in await alice.stored({"search": word(key)})
        assert await alice.count({"search": word(key)}) == {"count": 0}


async def test_nobody_finds_what_they_may_not_read(relay: Server) -> None:
    key, recipient = fresh_key(), fresh_key()
    wrap = make_event(key, 1059, word(key), tags=[["p", recipient.pubkey]])
    async with client(relay) as alice:
        await alice.store(wrap)
        assert await alice.stored({"search": f"{word(key)} mode:words"}) == []
        await alice.authenticate(recipient)
        assert await alice.stored({"search": f"{word(key)} mode:words"}) == []  # it is sealed: nobody searches in it


async def test_a_text_is_found_by_its_meaning_soon_after_it_came(relay: Server) -> None:
    key = fresh_key()
    near = make_event(key, 1, "The cat sleeps on the sofa all afternoon.")
    far = make_event(key, 1, "Interest rates rose by half a percent.")
    question = {"search": "pets napping on furniture mode:meaning", "authors": [key.pubkey]}
    async with client(relay) as alice:
        await alice.store(near, far)
        async with asyncio.timeout(PATIENCE):
            while not (found := await alice.stored(question)):
                continue
        assert found == [near.id]


@pytest.mark.parametrize(
    "search", ["🌊", "a" * 1000, "NEAR(", "x OR", "NOT", "x\x00", "\ufdfa" * 1000, "error:timeout"]
)
async def test_any_search_has_an_answer(relay: Server, search: str) -> None:
    async with client(relay) as alice:
        found, end = await alice.request({"search": search, "limit": 3})
        assert end == ["EOSE", "s"]
        assert len(found) <= 3
        assert set(await alice.count({"search": search})) == {"count"}


@pytest.mark.parametrize("search", ["a" * 1001, 1, None, ["a"], "", "   ", "!?", '"', "\x00", "language:xx"])
async def test_what_is_no_search_is_refused(relay: Server, search: object) -> None:
    async with client(relay) as alice:
        _, end = await alice.request({"search": search})
        assert end[0] == "CLOSED"
        assert str(end[2]).startswith("invalid: ")
