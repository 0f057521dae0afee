"""Following people to the relays they write to (NIP-65)."""

import json
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from keys import encoding
from keys.encoding import AddressPointer
from relay.federation import follow
from relay.federation.addresses import normal_or_empty
from relay.federation.follow import MOST_LOOKED_AT, MOST_OF_ONE, Watched, choose, followed, write_relays
from relay.loading import load
from relay.peer_settings import Federation
from relay.protocol.event import Event
from relay.setting_parts import ConfigError
from tests.e2e.harness import command, fresh_key, now, serving
from tests.factories import NOW, Keypair, keypair, make_event
from tests.federation.fake_peer import FakePeer
from tests.federation.test_peers import settings, until
from tests.federation.test_sync import ids, notes, store
from tests.server.fakes import MemoryLog

HERE = "wss://here.example"


def relay_list(key: Keypair | int, *urls: str, created_at: int = NOW) -> Event:
    return make_event(key, 10002, tags=[["r", url] for url in urls], created_at=created_at)


def npub(key: Keypair) -> str:
    return encoding.encode("npub", key.pubkey)


def log_of(*events: Event) -> MemoryLog:
    log = MemoryLog()
    log.rows = [(seq, event, None) for seq, event in enumerate(events, 1)]
    return log


def test_a_relay_is_written_to_unless_it_is_only_read() -> None:
    event = make_event(
        1,
        10002,
        tags=[["r", "wss://a.example/"], ["r", "wss://b.example", "write"], ["r", "wss://c.example", "read"], ["r"]]
        + [["r", "http://no.example"], ["r", "wss://a.example"]]
        + [["r", f"wss://{n}.example"] for n in range(9)],
    )
    found = write_relays(event)
    assert found[:2] == ["wss://a.example", "wss://b.example"]
    assert len(found) == MOST_OF_ONE


def test_the_relays_that_reach_most_people_are_joined_first() -> None:
    named = {"a": ["big", "one"], "b": ["big"], "c": ["big", "two"], "d": ["one"], "e": ["far"]}
    chosen = choose(named, 3)
    assert list(chosen) == ["big", "one", "far"]
    assert chosen["one"] == ["a", "d"]


def test_a_relay_at_which_nobody_answers_keeps_no_other_from_being_joined() -> None:
    named = {"a": ["big", "one"], "b": ["big"], "c": ["big", "two"], "d": ["one"], "e": ["far"]}
    assert list(choose(named, 3, {"big"})) == ["one", "far", "two"]
    assert list(choose(named, 4, {"big"})) == ["one", "far", "two", "big"]
    assert list(choose(named, 3, {"one", "two"})) == ["big", "far", "one"]


@pytest.mark.parametrize("seed", range(20))
def test_relays_are_chosen_as_if_all_were_counted_anew_for_each(seed: int) -> None:
    chance = random.Random(seed)
    relays = [f"r{n}" for n in range(12)]
    named = {f"k{n}": chance.sample(relays, chance.randrange(5)) for n in range(chance.randrange(30))}
    lost = set(chance.sample(relays, 3))
    left = {url: {key for key, urls in named.items() if url in urls} for urls in named.values() for url in urls}
    unreached, expected = {key for key, urls in named.items() if urls}, {}
    while left and len(expected) < 9:
        places = {
            url: (not keys & unreached, url in lost, -len(keys & unreached), -len(keys), url)
            for url, keys in left.items()
        }
        best = min(left, key=places.__getitem__)
        expected[best] = sorted(left.pop(best))
        unreached -= set(expected[best])
    assert list(choose(named, 9, lost).items()) == list(expected.items())


def test_of_a_list_without_end_only_the_first_are_looked_at() -> None:
    """It took seconds for a few people whose lists name two thousand that are none."""
    looked_at: list[str] = []

    def noting(url: str) -> str:
        looked_at.append(url)
        return normal_or_empty(url)

    assert write_relays(relay_list(1, *(f"no relay {n}" for n in range(2000)), "wss://a.example"), noting) == []
    assert len(looked_at) == MOST_LOOKED_AT
    assert write_relays(relay_list(1, "wss://a.example/" + 3000 * "a", "wss://b.example")) == ["wss://b.example"]


async def test_which_relays_are_joined_is_found_out_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """With five thousand people it held everything up for 0.3 s, for 6 s where a hundred relays may be joined."""
    beside = []

    def noting(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            beside.append(threading.current_thread() is not threading.main_thread())
            return work(*given)

        return run

    for name in ("write_relays", "choose"):
        monkeypatch.setattr(follow, name, noting(getattr(follow, name)))
    log = log_of(relay_list(1, "wss://a.example"))
    await followed(Federation(follow=[npub(keypair(1))]), log, HERE)  # type: ignore[arg-type]
    assert beside == [True, True]


def test_who_is_followed_is_looked_at_again_only_after_what_may_change_it() -> None:
    address = encoding.encode_pointer(AddressPointer(30000, keypair(3).pubkey, "friends"))
    people, members = Watched.of([f"list:{address}", npub(keypair(1))]), Watched.of(["members"])
    friends, note, moved = (
        make_event(3, 30000, tags=[["d", "friends"]]),
        make_event(3),
        relay_list(5, "wss://a.example"),
    )
    assert [people.is_moved([one], []) for one in (friends, note, moved)] == [True, False, True]
    assert [members.is_moved([one], []) for one in (friends, note, moved)] == [False, False, True]
    somebody_came, other = ("identities", ""), ("webhooks", "1")
    assert [people.is_moved([], [one]) for one in (somebody_came, other)] == [False, False]
    assert [members.is_moved([], [one]) for one in (somebody_came, other)] == [True, False]


async def test_whose_lists_are_here_are_followed_to_their_relays() -> None:
    ann, ben = keypair(1), keypair(2)
    people = make_event(3, 30000, tags=[["d", "friends"], ["p", ben.pubkey]])
    address = encoding.encode_pointer(AddressPointer(30000, keypair(3).pubkey, "friends"))
    log = log_of(people, relay_list(1, "wss://a.example", HERE), relay_list(2, "wss://a.example", "wss://b.example"))
    federation = Federation(follow=[npub(ann), f"list:{address}"], lookup=["wss://lists.example"])
    joined = await followed(federation, log, HERE)  # type: ignore[arg-type]
    assert set(joined) == {"wss://a.example", "wss://b.example", "wss://lists.example"}
    assert joined["wss://a.example"].filters == [{"authors": sorted([ann.pubkey, ben.pubkey])}]
    assert joined["wss://b.example"].filters == [{"authors": [ben.pubkey]}]
    assert joined["wss://lists.example"].filters == [{"kinds": [10002], "authors": sorted([ann.pubkey, ben.pubkey])}]
    assert {one.direction for one in joined.values()} == {"down"}
    assert await followed(Federation(), log, HERE) == {}  # type: ignore[arg-type]


NOTE = encoding.encode_pointer(AddressPointer(1, keypair(1).pubkey, ""))  # of a kind that is no list


@pytest.mark.parametrize("one", ["npub1xyz", "list:naddr1xyz", f"list:{NOTE}", "everybody", "nsec1abc"])
def test_whom_nobody_can_follow_stops_the_start(one: str) -> None:
    with pytest.raises(ConfigError, match=r"federation\.follow"):
        load(None, {}, {"federation.follow": one})


async def test_what_somebody_writes_elsewhere_comes_here(tmp_path: Path) -> None:
    ann, stranger = fresh_key(), fresh_key()
    theirs = notes(ann, 20)
    async with FakePeer([*theirs, *notes(stranger, 20)]).serving() as elsewhere:
        listed = relay_list(ann, elsewhere.url, created_at=now())
        async with FakePeer([listed]).serving() as lookup:
            more = f'[federation]\nfollow = ["{npub(ann)}"]\nlookup = ["{lookup.url}"]\nfollow_private = true\n'
            with serving(tmp_path / "here", file=settings(tmp_path / "here.toml", more=more)) as here:

                async def arrived() -> bool:
                    return await ids(here, 1) == {event.id for event in theirs}

                await until(arrived)
                await store(here, make_event(stranger, content="here", created_at=now()))
                assert len(await ids(here, 1)) == 21


async def test_a_list_that_changes_while_the_relay_runs_is_followed(tmp_path: Path) -> None:
    """Also where no relay is joined yet: nothing but the list leads to the first one."""
    ann, ben, lister = fresh_key(), fresh_key(), fresh_key()
    address = encoding.encode_pointer(AddressPointer(30000, lister.pubkey, "friends"))
    more = f'[federation]\nfollow = ["list:{address}"]\nfollow_private = true\n'

    def friends(one: Keypair, created_at: int) -> Event:
        return make_event(lister, 30000, tags=[["d", "friends"], ["p", one.pubkey]], created_at=created_at)

    async with FakePeer(notes(ann, 5)).serving() as first, FakePeer(notes(ben, 5)).serving() as second:
        with serving(tmp_path / "here", file=settings(tmp_path / "here.toml", more=more)) as here:
            await store(
                here, *(relay_list(key, peer.url, created_at=now()) for key, peer in ((ann, first), (ben, second)))
            )
            for one, peer, made in ((ann, first, now() - 1), (ben, second, now())):
                await store(here, friends(one, made))
                expected = set(peer.events)

                async def arrived(expected: set[str] = expected) -> bool:
                    return await ids(here, 1) >= expected

                await until(arrived)

            async def left() -> bool:  # the first is joined no more
                shown = command("peers", "--json", "--config", str(tmp_path / "here.toml"), data=here.data).stdout
                told = {one["url"]: one["origin"] for one in map(json.loads, shown.splitlines())}
                return told == {first.url: "", second.url: "follow"}

            await until(left)
            lines = (
                command("peers", "--config", str(tmp_path / "here.toml"), data=here.data).stdout.decode().split("\n")
            )
            assert lines[0].endswith(", joined by follow")
            assert lines[-2].startswith(f"{first.url}  no peer now, in step ")
