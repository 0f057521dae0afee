"""`tidings sync` between two relays, as an operator runs it."""

import json
from pathlib import Path

from relay.protocol.event import Event
from tests.e2e.harness import Server, client, command, fresh_key, serving
from tests.factories import Keypair, make_event


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
