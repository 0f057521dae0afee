"""What was acknowledged is there after a kill -9 in the middle of work."""

import asyncio
import contextlib
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
from websockets.exceptions import ConnectionClosed

from relay.protocol.event import Event
from relay.roles.supervisor import FAILED
from storage.sqlite.files import committed
from tests.e2e.harness import PATIENCE, Client, Server, check_ok, client, command, fresh_key, serving
from tests.factories import make_event

ROUNDS = 4


async def _write_until_killed(writer: Client, events: Iterator[Event], acknowledged: set[str]) -> None:
    """Publish with a hundred events on their way; every id that got its OK goes into `acknowledged`."""
    with contextlib.suppress(ConnectionClosed):
        for event in itertools.islice(events, 100):
            await writer.post(event)
        for event in events:
            verb, event_id, accepted, message = await writer.next()
            assert (verb, accepted, message) == ("OK", True, "")
            acknowledged.add(event_id)
            await writer.post(event)


async def test_every_acknowledged_event_survives_being_killed_under_load(tmp_path: Path) -> None:
    data, key = tmp_path / "data", fresh_key()
    acknowledged: set[str] = set()
    events = (make_event(key, content=str(number), tags=[["t", str(number % 5)]]) for number in itertools.count())
    for _ in range(ROUNDS):
        server = Server(data)
        known = len(acknowledged)
        async with client(server) as reader, client(server) as one, client(server) as two:
            await reader.request({"authors": [key.pubkey], "limit": 0})
            writing = [asyncio.create_task(_write_until_killed(each, events, acknowledged)) for each in (one, two)]
            await reader.gather(300)
            await asyncio.to_thread(server.kill)
            await asyncio.gather(*writing)
        assert len(acknowledged) > known
    assert command("check", data=data).returncode == 0
    exported = command("export", data=data)
    assert exported.returncode == 0
    stored = {line.split(b'"id":"', 1)[1][:64].decode() for line in exported.stdout.splitlines()}
    assert acknowledged <= stored


async def test_a_log_that_is_cut_off_after_a_crash_is_told_until_the_loss_is_accepted(tmp_path: Path) -> None:
    data, key = tmp_path / "data", fresh_key()
    with serving(data):
        pass  # the tables are in the database, and only what follows in its write-ahead log
    server = Server(data)
    async with client(server) as writer, httpx.AsyncClient(timeout=PATIENCE) as http:
        for number in range(20):
            event = make_event(key, content=str(number))
            await writer.post(event)
            check_ok(await writer.next(), event.id)
        last = (await http.get(f"{server.http}/health")).json()["last_seq"]
        note = data / committed.FILE
        while committed.read(data) != last:  # noqa: ASYNC110, another process writes it, within a second
            await asyncio.sleep(0.05)
        await asyncio.to_thread(server.kill)
    wal = data / "tidings.sqlite-wal"
    with wal.open("r+b") as file:
        file.truncate(wal.stat().st_size // 2)
    told = command("check", "--quick", data=data)
    assert told.returncode == 1
    assert f"to {last} of the log are missing".encode() in told.stdout
    with serving(data) as server:
        assert f"to {last} of the log are missing" in server.log()
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            answer = await http.get(f"{server.http}/health")
        assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
        assert "--accept-loss" in answer.json()["problem"]
        async with client(server) as writer:
            event = make_event(key, content="after the loss")
            await writer.post(event)
            check_ok(await writer.next(), event.id)
        assert command("check", "--accept-loss", data=data).returncode != 0  # the relay runs
    assert command("check", "--accept-loss", "--quick", data=data).returncode == 0
    with serving(data) as server:
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            figures = (await http.get(f"{server.http}/health")).json()
        assert (figures["status"], figures["last_seq"]) == ("ok", last + 1)
        assert "missing" not in server.log()
    assert note.exists()


_FAILING = """
from relay.roles.writer import WriterRole
take = WriterRole._take
def fail_at(role, link, body):
    if b"unforeseen" in body:
        raise ZeroDivisionError
    take(role, link, body)
WriterRole._take = fail_at
from relay.cli import main
main(prog_name="tidings")
"""


async def test_a_relay_of_one_process_ends_with_its_writer_and_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    data, key = tmp_path / "data", fresh_key()
    server = Server(data, "server.processes=off", program=(sys.executable, "-c", _FAILING))
    kept = make_event(key, content="kept")
    async with client(server) as writer:
        await writer.store(kept)
        await writer.post(make_event(key, content="unforeseen"))
        assert await writer.closed() == 1006
    assert server.ended() == FAILED
    assert "the writer failed" in server.log()
    with serving(data) as server:
        async with client(server) as reader:
            assert await reader.stored({"authors": [key.pubkey]}) == [kept.id]
