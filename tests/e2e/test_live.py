"""Live delivery beside history: nothing lost, nothing doubled, nobody held up by somebody else."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from relay.protocol.event import wire
from tests.e2e.harness import PATIENCE, Server, client, deaf, fresh_key, hung_up, serving
from tests.factories import Keypair, make_event

MIB = 1024 * 1024


async def _publish(server: Server, key: Keypair, total: int, begun: asyncio.Event) -> list[str]:
    """Publish events five at a time, each five acknowledged before the next; their ids."""
    made = [make_event(key, content=str(number), created_at=1000 + number) for number in range(total)]
    async with client(server) as writer:
        for start in range(0, total, 5):
            await writer.store(*made[start : start + 5])
            begun.set()
    return [event.id for event in made]


@pytest.mark.parametrize("compression", [None, "deflate"])
async def test_no_event_is_lost_or_doubled_where_history_meets_live(relay: Server, compression: str | None) -> None:
    key, total = fresh_key(), 1500
    begun = asyncio.Event()
    publishing = asyncio.create_task(_publish(relay, key, total, begun))
    await asyncio.wait_for(begun.wait(), PATIENCE)
    async with contextlib.AsyncExitStack() as stack:
        readers, seen, live = [], [], []
        while not publishing.done() and len(readers) < 20:
            reader = await stack.enter_async_context(client(relay, compression=compression))
            found, end = await reader.request({"authors": [key.pubkey], "limit": 5000})
            assert end[0] == "EOSE"
            readers.append(reader)
            seen.append([event["id"] for event in found])
            live.append(asyncio.create_task(reader.gather(total - len(found))))  # who reads nothing for long is cut off
        history = [len(ids) for ids in seen]
        expected = sorted(await publishing)
        for reader, ids, coming in zip(readers, seen, live, strict=True):
            ids += [message[2]["id"] for message in await coming]
            assert sorted(ids) == expected
            assert await reader.quiet()
    assert len(readers) >= 2
    assert 0 < history[0] < total


async def test_live_events_arrive_in_the_order_of_their_acknowledgement(relay: Server) -> None:
    key = fresh_key()
    events = [make_event(key, content=str(number)) for number in range(200)]
    async with client(relay) as reader, client(relay) as writer:
        await reader.request({"authors": [key.pubkey]})
        await writer.store(*events)
        assert [message[2]["id"] for message in await reader.gather(200)] == [event.id for event in events]


async def test_a_reader_that_never_reads_is_cut_off_while_others_go_on(tmp_path: Path) -> None:
    key = fresh_key()
    events = [make_event(key, content=f"{number} " + "x" * 20_000) for number in range(1200)]
    with serving(tmp_path / "data", f"server.send_buffer={MIB}") as server:
        async with client(server) as good, client(server) as writer:
            stuck, _ = await deaf(server, ["REQ", "s", {"limit": 0}])
            await good.request({"limit": 0})
            before = server.resident()
            publishing = asyncio.create_task(writer.store(*events))
            got = [message[2]["id"] for message in await good.gather(len(events))]
            await publishing
            assert got == [event.id for event in events]
            assert server.resident() - before < 100 * MIB  # 24 MB went through; the deaf one may hold 1 MiB of it
            await hung_up(stuck)


async def test_a_reader_that_never_reads_its_history_delays_nobody(tmp_path: Path) -> None:
    key = fresh_key()
    events = [make_event(key, content=f"{number} " + "x" * 20_000) for number in range(500)]
    with serving(tmp_path / "data", "storage.readers=1") as server:
        async with client(server) as writer:
            await writer.store(*events)
        before = server.resident()
        requests = [["REQ", str(number), {"limit": 500}] for number in range(20)]  # 10 MB each
        streams = [await deaf(server, *requests) for _ in range(5)]
        async with client(server) as good:
            assert len(await good.stored({"authors": [key.pubkey], "limit": 500})) == 500
        assert server.resident() - before < 150 * MIB  # a gigabyte was asked for
        for stream, _ in streams:
            stream.transport.abort()


async def test_twenty_thousand_pipelined_events_are_all_answered(relay: Server) -> None:
    key = fresh_key()
    events = [make_event(key, content=str(number)) for number in range(500)]
    flood = [event for _ in range(40) for event in events]  # mostly duplicates: signing 20,000 here would take longer
    async with client(relay) as writer, client(relay) as other:

        async def send() -> None:
            for event in flood:
                await writer.post(event)

        sending = asyncio.create_task(send())
        answers = [await writer.next() for _ in range(100)]
        assert (await other.request({"ids": [events[0].id]}))[1][0] == "EOSE"
        answers += [await writer.next() for _ in range(len(flood) - 100)]
        await sending
        assert all(answer[0] == "OK" and answer[2] is True for answer in answers)
        assert sorted(answer[1] for answer in answers) == sorted(event.id for event in flood)
        assert await other.count({"authors": [key.pubkey]}) == {"count": 500}


async def test_a_subscriber_reads_what_was_stored_byte_for_byte(relay: Server) -> None:
    key = fresh_key()
    event = make_event(key, content="x" * 5000)
    async with client(relay) as plain, client(relay, compression=None) as bare, client(relay) as writer:
        await plain.request({"authors": [key.pubkey]})
        await bare.request({"authors": [key.pubkey]})
        await writer.store(event)
        expected = f'["EVENT","s",{wire(event).decode()}]'
        assert await plain.connection.recv() == await bare.connection.recv() == expected
