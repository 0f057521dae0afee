"""A relay of several processes, seen from outside: any role may be killed at any moment, and any front may be asked."""

import asyncio
import contextlib
import itertools
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidMessage

from relay.protocol.event import Event
from tests.e2e.harness import PATIENCE, Client, Server, client, command, free_port, fresh_key, serving
from tests.factories import make_event

SETTINGS = ("server.processes=on", "server.fronts=2")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def gone(*pids: int) -> None:
    """Wait until these processes have ended."""
    deadline = time.monotonic() + PATIENCE
    while any(map(is_alive, pids)):
        assert time.monotonic() < deadline, "processes were left behind"
        await asyncio.sleep(0.01)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data", *SETTINGS) as server:
        yield server


@contextlib.asynccontextmanager
async def everywhere(server: Server) -> "contextlib.AbstractAsyncContextManager[list[Client]]":  # type: ignore[misc]
    """As many connections as reach every front."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(client(server)) for _ in range(8)]


async def test_what_is_acknowledged_on_one_connection_is_read_on_every_other(relay: Server) -> None:
    key = fresh_key()
    async with everywhere(relay) as clients:
        for number, writer in enumerate(clients):
            event = make_event(key, content=str(number))
            await writer.store(event)
            for reader in clients:
                assert await reader.stored({"ids": [event.id]}) == [event.id]
        deletion = make_event(key, 5, tags=[["e", event.id], ["k", "1"]])
        await clients[0].store(deletion)
        for reader in clients:
            assert await reader.stored({"ids": [event.id]}) == []
            assert (await reader.refused(event)).startswith("blocked: ")


async def test_live_events_reach_subscriptions_of_every_front_once_and_in_order(relay: Server) -> None:
    key = fresh_key()
    async with everywhere(relay) as clients:
        for one in clients:
            await one.request({"authors": [key.pubkey]})
        events = [make_event(key, content=str(number)) for number in range(40)]
        async with client(relay) as writer:
            await writer.store(*events)
        for one in clients:
            assert [message[2]["id"] for message in await one.gather(len(events))] == [event.id for event in events]


async def test_a_token_made_on_one_front_is_good_on_every_other_until_it_is_revoked(relay: Server) -> None:
    async with contextlib.AsyncExitStack() as stack:
        doors = [
            await stack.enter_async_context(httpx.AsyncClient(base_url=f"{relay.http}/api/v1", timeout=PATIENCE))
            for _ in range(6)
        ]
        made = (await doors[0].post("/agents/register", json={"name": "everywhere"})).json()
        first = {"authorization": f"Bearer {made['agent']['api_key']}"}
        for door in doors:
            assert (await door.get("/agents/me", headers=first)).status_code == 200
        token = (await doors[1].post("/agents/me/tokens", json={"name": "second"}, headers=first)).json()
        second = {"authorization": f"Bearer {token['api_key']}"}
        for number, door in enumerate(doors):
            answer = await door.post("/posts", json={"title": f"Post {number}", "content": "x"}, headers=second)
            assert answer.status_code == 201
            seen = [one["title"] for one in (await doors[number - 1].get("/posts?sort=new")).json()["posts"]]
            assert f"Post {number}" in seen
        listed = (await doors[2].get("/agents/me/tokens", headers=first)).json()["tokens"]
        (row,) = [one for one in listed if one["name"] == "second"]
        assert (await doors[3].delete(f"/agents/me/tokens/{row['id']}", headers=first)).status_code < 300
        for door in doors:
            assert (await door.get("/agents/me", headers=second)).status_code == 401


async def _write_until_cut(
    server: Server, events: Iterator[Event], acknowledged: set[str], stop: asyncio.Event
) -> None:
    """Publish with events on their way; a client whose front died, be it during the handshake, connects again, as clients do."""
    while not stop.is_set():
        with contextlib.suppress(ConnectionClosed, InvalidMessage, OSError, TimeoutError):
            async with client(server) as writer:
                for event in itertools.islice(events, 20):
                    await writer.post(event)
                while not stop.is_set():
                    verb, event_id, accepted, message = await writer.next()
                    assert (verb, accepted) == ("OK", True), message
                    acknowledged.add(event_id)
                    await writer.post(next(events))


async def test_any_role_may_be_killed_under_load_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    data, key = tmp_path / "data", fresh_key()
    acknowledged: set[str] = set()
    stop = asyncio.Event()
    events = (make_event(key, content=str(number)) for number in itertools.count())
    server = Server(data, *SETTINGS)
    try:
        writing = [asyncio.create_task(_write_until_cut(server, events, acknowledged, stop)) for _ in range(3)]
        for _ in range(2):
            for pid in server.children():
                known = len(acknowledged)
                os.kill(pid, signal.SIGKILL)
                deadline = time.monotonic() + PATIENCE
                while len(acknowledged) < known + 50 or len(server.children()) < 3:
                    assert time.monotonic() < deadline, "the relay did not come back"
                    await asyncio.sleep(0.02)
        stop.set()
        await asyncio.gather(*writing)
        async with client(server) as reader:
            for part in _parts(acknowledged):
                assert set(await reader.stored({"ids": list(part)})) == set(part)
    finally:
        assert server.stop() == 0
    assert command("check", data=data).returncode == 0
    assert "Traceback" not in server.log()


def _parts(ids: set[str]) -> Iterator[list[str]]:
    ordered = sorted(ids)
    for at in range(0, len(ordered), 400):
        yield ordered[at : at + 400]


async def test_connections_of_other_fronts_notice_nothing_when_the_writer_or_a_front_dies(relay: Server) -> None:
    key = fresh_key()
    async with everywhere(relay) as clients:
        for one in clients:
            await one.request({"authors": [key.pubkey], "limit": 0})
        os.kill(writer_of(relay), signal.SIGKILL)
        event = make_event(key, content="while the writer is away")
        async with client(relay) as publisher:
            await publisher.store(event)
        for one in clients:
            assert (await one.next())[2]["id"] == event.id


async def test_where_the_writer_cannot_start_again_that_is_told_and_it_is_there_once_it_can(relay: Server) -> None:
    """Its socket outlives it, so that what was sent there was never answered."""
    database, aside, stored = relay.data / "tidings.sqlite", relay.data / "aside", make_event(fresh_key())
    async with client(relay) as one, httpx.AsyncClient(base_url=relay.http, timeout=PATIENCE) as http:
        await one.store(stored)
        database.rename(aside)
        assert f"error: {database} was moved" in await one.refused(make_event(fresh_key()))
        os.kill(writer_of(relay), signal.SIGKILL)
        answer = await http.post("/api/v1/agents/register", json={"name": "alice", "description": ""})
        assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
        assert "writer is being started again" in answer.json()["error"]
        assert (await http.get("/health")).status_code == 503
        assert await one.stored({"ids": [stored.id]}) == [stored.id]
        told = f"({database} was moved, replaced or deleted while the relay runs; put back the one that was there"
        await asyncio.to_thread(until_logged, relay, told)  # it is started again after a pause
        assert not database.exists()
        aside.rename(database)
        deadline = time.monotonic() + PATIENCE
        while not (await one.publish(make_event(fresh_key())))[2]:
            assert time.monotonic() < deadline, relay.log()
        assert (await http.get("/health")).json()["status"] == "ok"


def until_logged(server: Server, words: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while words not in server.log():
        assert time.monotonic() < deadline, server.log()
        time.sleep(0.01)


def writer_of(server: Server) -> int:
    """The process that writes."""
    (writer,) = [pid for pid in server.children() if _has_open(pid, "tidings.lock") and not _listens(pid, server)]
    return writer


def _has_open(pid: int, name: str) -> bool:
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(file.readlink()).endswith(name):
                return True
    return False


def _listens(pid: int, server: Server) -> bool:
    """Whether a process holds the relay's listening socket."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    inodes = {f"socket:[{row[9]}]" for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) == server.port}
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            if str(file.readlink()) in inodes:
                return True
    return False


async def test_connections_are_spread_evenly_over_the_fronts(relay: Server) -> None:
    fronts = [pid for pid in relay.children() if _listens(pid, relay)]
    before = {pid: _sockets(pid) for pid in fronts}
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(40):
            await stack.enter_async_context(client(relay))
        held = [_sockets(pid) - before[pid] for pid in fronts]
        assert sum(held) == 40
        assert all(15 <= number <= 25 for number in held), held


def _sockets(pid: int) -> int:
    """How many sockets a process has open."""
    number = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            number += str(file.readlink()).startswith("socket:")
    return number


async def test_the_writer_may_be_stopped_for_a_while(relay: Server) -> None:
    """What was sent waits for it, and readers are served meanwhile."""
    key = fresh_key()
    before, after = make_event(key, content="before"), make_event(key, content="after")
    async with client(relay) as writer, client(relay) as reader:
        await writer.store(before)
        pid = writer_of(relay)
        os.kill(pid, signal.SIGSTOP)
        try:
            await writer.post(after)
            assert await reader.stored({"authors": [key.pubkey]}) == [before.id]
        finally:
            os.kill(pid, signal.SIGCONT)
        assert (await writer.next())[:3] == ["OK", after.id, True]


async def test_a_relay_whose_supervisor_is_killed_leaves_nobody_and_starts_again(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = Server(data, *SETTINGS, port=free_port())
    pids = server.children()
    server.process.kill()  # nobody tells the others
    assert server.ended() == -signal.SIGKILL
    with serving(data, *SETTINGS, port=server.port) as again:
        await gone(*pids)
        event = make_event(fresh_key())
        async with client(again) as one:
            await one.store(event)
    assert {path.name for path in data.glob("*.sock")} == set()


async def test_a_second_relay_on_the_same_directory_or_port_is_refused(relay: Server) -> None:
    same_data = command("serve", "--listen", "127.0.0.1:0", *_set(), data=relay.data)
    assert same_data.returncode == 1
    assert b"writes the data directory" in same_data.stderr
    same_port = command("serve", "--listen", f"127.0.0.1:{relay.port}", *_set(), data=relay.data.parent / "other")
    assert same_port.returncode != 0
    assert b"cannot listen" in same_port.stderr


def _set() -> list[str]:
    return [word for setting in SETTINGS for word in ("--set", setting)]


async def test_a_role_that_cannot_start_ends_the_relay_with_its_reason(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "tidings.sqlite").write_bytes(b"not a database" * 100)
    ended = command("serve", "--listen", "127.0.0.1:0", *_set(), data=data)
    assert ended.returncode == 1
    assert b"Traceback" not in ended.stderr
    assert b"no SQLite database" in ended.stderr or b"another program" in ended.stderr


async def test_settings_are_taken_again_by_every_front(tmp_path: Path) -> None:
    file = tmp_path / "tidings.toml"
    file.write_text('[server]\nprocesses = "on"\nfronts = 2\n[relay]\nname = "before"\n')
    with serving(tmp_path / "data", file=file) as server:
        file.write_text('[server]\nprocesses = "on"\nfronts = 2\n[relay]\nname = "after"\n')
        server.reload()
        deadline = time.monotonic() + PATIENCE
        seen: list[str] = []
        while seen[-8:] != ["after"] * 8:
            assert time.monotonic() < deadline, seen
            async with httpx.AsyncClient(
                headers={"accept": "application/nostr+json"}, timeout=PATIENCE
            ) as http:  # a new connection
                seen.append((await http.get(server.http)).json()["name"])


async def test_a_rotated_master_secret_is_known_to_every_front(relay: Server) -> None:
    async with httpx.AsyncClient(base_url=f"{relay.http}/api/v1", timeout=PATIENCE) as http:
        made = (await http.post("/agents/register", json={"name": "rotated"})).json()
    token = {"authorization": f"Bearer {made['agent']['api_key']}"}
    assert command("keys", "rotate-master", data=relay.data).returncode == 0
    for number in range(8):
        async with httpx.AsyncClient(base_url=f"{relay.http}/api/v1", timeout=PATIENCE) as http:  # a new connection
            answer = await http.post("/posts", json={"title": f"Post {number}", "content": "x"}, headers=token)
            assert answer.status_code == 201, answer.text
            answer = await http.post("/agents/register", json={"name": f"agent{number}"})
            assert answer.status_code == 201, answer.text
