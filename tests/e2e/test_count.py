"""COUNT (NIP-45) and the hints of NIP-67."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.harness import Client, Server, client, fresh_key, serving
from tests.factories import Keypair, keypair, make_event


def registers(keys: list[Keypair], offset: int) -> str:
    """NIP-45's algorithm, word for word."""
    values = [0] * 256
    for key in keys:
        pubkey = bytes.fromhex(key.pubkey)
        register = pubkey[offset]
        bits = "".join(f"{byte:08b}" for byte in pubkey[offset + 1 :])
        zeros = len(bits) - len(bits.lstrip("0"))
        values[register] = max(values[register], zeros + 1)
    return bytes(values).hex()


async def test_filters_of_one_count_are_counted_together_and_events_once(relay: Server) -> None:
    key = fresh_key()
    events = [make_event(key, kind, str(n)) for kind in (1, 7) for n in range(3)]
    mine = {"authors": [key.pubkey]}
    async with client(relay) as alice:
        await alice.store(*events)
        assert await alice.count(mine) == {"count": 6}
        assert await alice.count(mine | {"kinds": [1]}, mine | {"kinds": [7]}) == {"count": 6}
        assert await alice.count(mine | {"kinds": [1]}, mine, {"ids": [events[0].id]}) == {"count": 6}
        assert await alice.count(mine | {"limit": 1}) == {"count": 6}
        assert await alice.count(mine | {"kinds": [9]}) == {"count": 0}


@pytest.mark.parametrize("name", ["e", "p", "t", "a", "q"])
async def test_registers_are_those_of_the_nips_text(relay: Server, name: str) -> None:
    keys = [keypair(2000 + n) for n in range(40)]
    target = fresh_key().pubkey
    value = {"t": f"topic {target}", "a": f"30023:{target}:page"}.get(name, target)
    source = hashlib.sha256(value.encode()).hexdigest() if name == "t" else target
    offset = int(source[32], 16) + 8
    async with client(relay) as alice:
        await alice.store(*[make_event(key, 7, tags=[[name, value]]) for key in keys])
        await alice.store(make_event(keys[0], 7, "again", tags=[[name, value]]))
        counted = await alice.count({f"#{name}": [value], "kinds": [7]})
    assert counted == {"count": 41, "hll": registers(keys, offset)}


async def test_nothing_counted_has_empty_registers(relay: Server) -> None:
    async with client(relay) as alice:
        assert await alice.count({"#e": ["f" * 64], "kinds": [7]}) == {"count": 0, "hll": "0" * 512}


async def test_the_end_of_history_says_whether_there_is_more(sparing: Server) -> None:
    key = fresh_key()
    mine = {"authors": [key.pubkey]}
    async with client(sparing) as alice:
        await alice.store(*[make_event(key, content=str(n), created_at=1000 + n) for n in range(3)])
        assert (await alice.request(mine))[1] == ["EOSE", "s", ["finish"]]
        assert (await alice.request(mine | {"limit": 2}))[1] == ["EOSE", "s", ["more"]]
        assert (await alice.request(mine | {"limit": 3}))[1] == ["EOSE", "s", ["finish"]]
        assert (await alice.request(mine | {"limit": 4}))[1] == ["EOSE", "s", ["finish"]]
        assert (await alice.request(mine, mine | {"kinds": [1], "limit": 1}))[1][0] == "EOSE"
        assert (await alice.request({"ids": []}))[1] == ["EOSE", "s", ["finish"]]
        assert (await alice.request({"authors": [fresh_key().pubkey]}))[1] == ["EOSE", "s", ["finish"]]


@pytest.fixture(scope="module")
def sparing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A relay that gives ten events at a time."""
    with serving(
        tmp_path_factory.mktemp("sparing") / "data",
        "limits.default_limit=10",
        "limits.max_limit=10",
        "server.eose_hints=always",
    ) as server:
        yield server


async def test_a_hint_is_given_only_where_the_relays_own_limit_gave_less_than_was_asked(tmp_path: Path) -> None:
    key = fresh_key()
    mine = {"authors": [key.pubkey]}
    with serving(tmp_path / "data", "limits.default_limit=2", "limits.max_limit=3") as server:
        async with client(server) as alice:
            await alice.store(*[make_event(key, content=str(n), created_at=1000 + n) for n in range(4)])
            for limit in (0, 1, 2, 3):
                assert (await alice.request(mine | {"limit": limit}))[1] == ["EOSE", "s"]
            for cut in (mine | {"limit": 4}, mine):
                assert (await alice.request(cut))[1] == ["EOSE", "s", ["more"]]
                assert (await alice.request(cut | {"since": 1002}))[1] == ["EOSE", "s"]
                assert (await alice.request(cut, {"ids": []}))[1] == ["EOSE", "s", ["more"]]
            assert (await alice.request({"ids": []}))[1] == ["EOSE", "s"]


async def _pages_of(alice: Client, wanted: dict[str, Any]) -> tuple[set[str], int]:
    """What a client finds that goes on from its oldest event until nothing new comes; and how many pages that took."""
    found: set[str] = set()
    until: dict[str, int] = {}
    for page in range(1, 100):
        events, end = await alice.request(wanted | until)
        assert end == ["EOSE", "s"]
        new = {event["id"] for event in events} - found
        if not new:
            return found, page
        found |= new
        until = {"until": min(event["created_at"] for event in events)}
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("share", [1, 3, 9, 10, 11, 47])
@pytest.mark.parametrize("ids", [False, True])
async def test_paging_with_a_limit_of_ones_own_loses_nothing_where_seconds_are_shared(
    relay: Server, share: int, ids: bool
) -> None:
    key = fresh_key()
    events = [make_event(key, content=str(n), created_at=1000 + n // share) for n in range(47)]
    async with client(relay) as alice:
        await alice.store(*events)
        wanted = {"ids": [event.id for event in events]} if ids else {"authors": [key.pubkey]}
        found, pages = await _pages_of(alice, wanted | {"limit": 10})
        assert found == {event.id for event in events}
        assert pages <= 25
        first = await alice.request(wanted | {"limit": 10, "until": 5000})
        assert len(first[0]) == 10  # otherwise a limit is what it says


async def _pages(alice: Client, wanted: dict[str, Any]) -> tuple[list[str], int]:
    found: dict[str, None] = {}
    until: dict[str, int] = {}
    for page in range(1, 100):
        events, end = await alice.request(wanted | until)
        known = len(found)
        found.update(dict.fromkeys(event["id"] for event in events))
        if end == ["EOSE", "s", ["finish"]]:
            return list(found), page
        oldest = min(event["created_at"] for event in events)
        until = {"until": oldest if len(found) > known else oldest - 1}  # a second that fills a page is there whole
    raise AssertionError("the pages do not end")


@pytest.mark.parametrize("share", [1, 3, 15])
async def test_paging_by_until_loses_nothing_where_seconds_are_shared(sparing: Server, share: int) -> None:
    key = fresh_key()
    events = [make_event(key, content=str(n), created_at=1000 + n // share) for n in range(47)]
    expected = [event.id for event in sorted(events, key=lambda event: (-event.created_at, event.id))]
    async with client(sparing) as alice:
        await alice.store(*events)
        found, pages = await _pages(alice, {"authors": [key.pubkey]})
    assert found == expected
    assert pages <= 9
