"""What was acknowledged is there after a kill -9 in the middle of work."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

from websockets.exceptions import ConnectionClosed

from relay.protocol.event import Event
from tests.e2e.harness import Client, Server, client, command, fresh_key
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
