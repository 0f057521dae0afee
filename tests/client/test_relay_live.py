"""The client against a real relay: what it publishes is found, and a line that is cut again and again loses nothing."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from relay.client import Clock, EndOfStored, Key, Refused, Relay
from relay.errors import Prefix
from relay.protocol.event import Event
from tests.e2e.harness import Server, fresh_key, now, serving
from tests.factories import make_event

PATIENCE = 30.0  # seconds until a test that waits has failed


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("relay") / "data") as running:
        yield running


class Line:
    """A wire to a server, which can be cut."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._ends: set[asyncio.StreamWriter] = set()

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end closes it."""
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._ends |= {writer, far_writer}
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(4096):
                writer.write(data)
        except ConnectionError:
            pass
        writer.close()

    def cut(self) -> None:
        """Cut whatever is connected, with what is on its way."""
        ends, self._ends = self._ends, set()
        for end in ends:
            end.transport.abort()


@asynccontextmanager
async def line_to(server: Server) -> AsyncIterator[tuple[Line, str]]:
    line = Line(server.port)
    async with await asyncio.start_server(line.connect, "127.0.0.1", 0) as wire:
        yield line, f"ws://127.0.0.1:{wire.sockets[0].getsockname()[1]}"
        line.cut()


async def no_wait(_seconds: float) -> None:
    await asyncio.sleep(0)


async def test_what_is_published_is_counted_found_and_seen_live(server: Server) -> None:
    key = fresh_key()
    made = [make_event(key, content=str(number), created_at=now() - 10 + number) for number in range(3)]
    wanted = {"authors": [key.pubkey]}
    async with Relay(server.url) as client, client.subscribe(wanted) as subscription:
        assert await anext(subscription) == EndOfStored(complete=None, resumed=False)
        assert await asyncio.gather(*map(client.publish, made)) == ["", "", ""]
        assert [await anext(subscription) for _ in made] == made
        assert [event async for event in client.stored(wanted)] == made[::-1]
        assert (await client.count(wanted)).total == 3
        assert (await client.publish(made[0])).startswith("duplicate")


async def test_a_refusal_has_its_prefix(server: Server) -> None:
    async with Relay(server.url) as client:
        with pytest.raises(Refused) as caught:
            await client.publish(make_event(fresh_key(), created_at=now() + 86400))
    assert caught.value.prefix is Prefix.INVALID


async def test_a_line_cut_again_and_again_loses_nothing_and_doubles_nothing(server: Server) -> None:
    key, chance = fresh_key(), random.Random(7)
    made = [make_event(key, content=str(number), created_at=now() - number % 5) for number in range(600)]
    clock = Clock(time.time, no_wait, chance.random)
    seen: list[str] = []
    resumed = 0

    async def watch(url: str) -> None:
        nonlocal resumed
        async with Relay(url, clock=clock).subscribe({"authors": [key.pubkey]}) as subscription:
            async for item in subscription:
                if isinstance(item, Event):
                    seen.append(item.id)
                    if len(seen) == len(made):
                        return
                elif item.resumed:
                    resumed += 1
                else:
                    ready.set()

    ready = asyncio.Event()
    async with line_to(server) as (line, url), Relay(server.url) as client:
        watcher = asyncio.create_task(watch(url))
        await asyncio.wait_for(ready.wait(), PATIENCE)
        for number, event in enumerate(made):
            await client.publish(event)
            if number % 40 == 20:
                line.cut()
        await asyncio.wait_for(watcher, PATIENCE)
    assert sorted(seen) == sorted(event.id for event in made)
    assert resumed > 0


async def test_publishing_goes_on_over_a_line_that_is_cut(server: Server) -> None:
    key = fresh_key()
    made = [make_event(key, content=str(number), created_at=now()) for number in range(100)]
    async with line_to(server) as (line, url), Relay(url, clock=Clock(time.time, no_wait)) as client:
        waiting = [asyncio.create_task(client.publish(event)) for event in made]
        await waiting[10]
        line.cut()
        answers = await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
        assert all(words == "" or words.startswith("duplicate") for words in answers)
        assert (await client.count({"authors": [key.pubkey]})).total == len(made)


async def test_a_relay_that_wants_to_know_who_we_are_is_told(tmp_path_factory: pytest.TempPathFactory) -> None:
    key = fresh_key()
    settings = ("access.auth_to_read=true", "access.auth_to_write=true")
    with serving(tmp_path_factory.mktemp("private") / "data", *settings) as server:
        event = make_event(key, created_at=now())
        async with Relay(server.url) as stranger:
            with pytest.raises(Refused, match="auth-required"):
                await stranger.publish(event)
        async with Relay(server.url, signer=Key(key.secret)) as client:
            assert await client.publish(event) == ""
            assert [one async for one in client.stored({"authors": [key.pubkey]})] == [event]
            assert (await client.count({})).total >= 1
