"""`tidings sync` between two relays, as an operator runs it."""

import asyncio
import json
from pathlib import Path

from relay.protocol.event import Event
from tests.e2e.harness import Server, client, command, fresh_key, serving
from tests.e2e.test_group_reading import group_at
from tests.factories import Keypair, make_event
from tests.federation.fake_peer import FakePeer


def notes(key: Keypair, count: int, start: int = 0) -> list[Event]:
    return [make_event(key, content=f"{n}", created_at=1_700_000_000 + n // 3) for n in range(start, start + count)]


async def ids(server: Server, *kinds: int) -> set[str]:
    wanted = {"limit": 5000} | ({"kinds": list(kinds)} if kinds else {})
    async with client(server) as asking:
        return set(await asking.stored(wanted))


async def store(server: Server, *events: Event) -> None:
    async with client(server) as writing:
        await writing.store(*events)


async def test_both_relays_have_everything_afterwards(tmp_path: Path) -> None:
    key = fresh_key()
    both, ours, theirs = notes(key, 300), notes(key, 150, 300), notes(key, 1200, 450)
    with serving(tmp_path / "here") as here, serving(tmp_path / "there") as there:
        await store(here, *both, *ours)
        await store(there, *both, *theirs)
        done = command("sync", there.url, '{"kinds":[1]}', "--json", data=here.data)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["have"], told["need"], told["compares"], told["complete"]) == (150, 1200, True, True)
        assert (told["counts"]["stored"], told["counts"]["taken"]) == (1200, 150)
        assert await ids(here, 1) == await ids(there, 1) == {event.id for event in both + ours + theirs}
        again = json.loads(command("sync", there.url, '{"kinds":[1]}', "--json", data=here.data).stdout)
        assert (again["have"], again["need"], again["counts"]["received"]) == (0, 0, 0)


async def test_what_is_done_in_a_group_is_its_own_relays(tmp_path: Path) -> None:
    with serving(tmp_path / "here") as here, serving(tmp_path / "there") as there:
        async with group_at(here) as group:
            await group.say(content="Hello")
        done = command("sync", there.url, "--dir", "up", "--json", data=here.data)
        assert done.returncode == 0, done.stdout
        counts = json.loads(done.stdout)["counts"]
        assert (counts["rejected"], counts["of_groups"]) == (0, 1)
        assert counts["withheld"]
        assert await ids(there, *range(9000, 9023)) == set()


async def test_how_much_of_a_relay_cannot_be_seen_is_told(tmp_path: Path) -> None:
    events = [make_event(fresh_key(), content=f"{number}", created_at=1_700_000_000) for number in range(600)]
    peer = FakePeer(events)
    peer.compares = "closed"
    async with peer.serving():
        with serving(tmp_path / "here") as here:
            done = await asyncio.to_thread(command, "sync", peer.url, '{"kinds":[1]}', "--json", data=here.data)
        told = json.loads(done.stdout)
        assert (told["unseen"], told["compares"], told["counts"]["stored"]) == (1, False, 500)
