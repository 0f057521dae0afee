"""Two fronts over one page and one writer: what is counted at one counts at the other, and health tells of all roles."""

import asyncio
import threading
from collections.abc import AsyncIterator

import msgspec
import pytest

from relay.config import Config
from relay.errors import TooFast
from relay.protocol import kinds
from relay.roles.messages import Quota, Recalled, Recollection
from relay.roles.page import SILENT
from relay.server.health import Health
from storage.commands import CountRows
from storage.errors import StorageError
from tests.factories import make_event
from tests.server.fakes import PATIENCE, Client, MemoryLog, WrittenHub

URL = "ws://relay.example/"
LIMITED = msgspec.convert({"rates": {"connections_per_address": 3}, "server": {"max_connections": 4}}, Config)


class Fronts:
    """The first front and what it stands on; `other()` is the second."""

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.first = WrittenHub(self.log, LIMITED, URL, fronts=2)
        self._second: WrittenHub | None = None

    def other(self) -> WrittenHub:
        self._second = self._second or WrittenHub(self.log, LIMITED, URL, beside=self.first)
        return self._second

    async def close(self) -> None:
        self.log.gate.set()
        if self._second is not None:
            await self._second.close()
        await self.first.close()


@pytest.fixture
async def fronts() -> AsyncIterator[Fronts]:
    made = Fronts()
    yield made
    await made.close()


def role(health: Health, name: str) -> str:
    return next(role.status for role in health.roles if role.name == name)


async def test_connections_at_both_fronts_count_together(fronts: Fronts) -> None:
    first, other = fronts.first, fronts.other()
    assert [Client(hub, "203.0.113.1").status for hub in (first, other, first)] == [101] * 3
    assert Client(other, "203.0.113.1").status != 101
    assert other.gate.enter_http("203.0.113.1") is not None
    assert Client(other, "203.0.113.2").status == 101
    assert Client(first, "203.0.113.3").status != 101  # in all
    assert first.health().connections == other.health().connections == 4


async def test_a_front_that_died_keeps_no_connections(fronts: Fronts) -> None:
    first, other = fronts.first, fronts.other()
    assert all(Client(other).status == 101 for _ in range(3))
    assert Client(first).status != 101
    first.page.clear(1)  # as the supervisor does
    assert Client(first).status == 101
    assert first.health().connections == 1


async def test_streams_at_both_fronts_count_together(fronts: Fronts) -> None:
    first, other = fronts.first, fronts.other()
    assert first.gate.streams.enter("a", 1, 0) is None
    assert "your address" in (other.gate.streams.full("a", 1, 0) or "")
    first.gate.streams.leave("a")
    assert other.gate.streams.enter("a", 1, 0) is None


async def test_health_sums_what_all_fronts_did(fronts: Fronts) -> None:
    first, other = fronts.first, fronts.other()
    for number, hub in enumerate((first, other)):
        client = Client(hub)
        client.publish(make_event(content=str(number)))
        assert (await client.next())[2] is True
        client.send("REQ", "s", {"kinds": [7]})
        assert await client.next() == ["EOSE", "s"]
    first.health(), other.health()  # each tells what it has done, as it does once a second
    for hub in (first, other):
        health = hub.health()
        assert (health.status, health.stored, health.connections, health.subscriptions) == ("ok", 2, 2, 2)


async def test_health_names_a_front_that_is_down_or_stuck(fronts: Fronts) -> None:
    assert [each.name for each in fronts.first.health().roles] == ["front", "writer"]
    fronts.first.page.clear(1)
    health = fronts.first.health()
    assert (health.status, health.takes_events, role(health, "other front")) == ("degraded", True, "down")
    assert "the other front is down" in (health.problem or "")
    fronts.other()
    assert fronts.first.health().status == "ok"
    page = fronts.first.page
    page.store(1, alive_at=page.count(1, "alive_at") - int(2000 * SILENT))
    health = fronts.first.health()
    assert (health.status, health.takes_events, role(health, "other front")) == ("degraded", True, "silent")


async def test_without_a_writer_no_events_are_taken(fronts: Fronts) -> None:
    fronts.other()
    fronts.first.page.clear(2)
    health = fronts.first.health()
    assert (health.status, health.takes_events, role(health, "writer")) == ("degraded", False, "down")


async def test_a_writer_that_runs_and_cannot_be_reached_takes_no_events(fronts: Fronts) -> None:
    """As where its socket was deleted before it was started again."""
    first = fronts.first
    event = make_event()
    client = Client(first)
    client.publish(event)
    assert (await client.next())[:3] == ["OK", event.id, True]
    transport = first.ingest.link._transport
    assert transport is not None
    transport.abort()
    await first.ingest.link.gone()
    health = first.health()
    assert (health.status, health.takes_events, role(health, "writer")) == ("degraded", False, "ok")
    assert "cannot be reached" in (health.problem or "")


async def test_a_writer_that_is_at_a_long_command_takes_events_later(fronts: Fronts) -> None:
    fronts.other()
    page = fronts.first.page
    begun, go_on = threading.Event(), threading.Event()

    def long(_command: object) -> int:
        begun.set()
        assert go_on.wait(PATIENCE)
        return 0

    fronts.log.carry_out = long
    command = asyncio.create_task(fronts.first.ingest.execute(CountRows()))
    await asyncio.to_thread(begun.wait, PATIENCE)
    page.store(2, alive_at=page.count(2, "alive_at") - int(2000 * SILENT))
    health = fronts.first.health()
    assert (health.status, health.takes_events, role(health, "writer")) == ("degraded", True, "busy")
    go_on.set()
    await command
    page.say_alive(2)
    assert fronts.first.health().status == "ok"


async def test_a_disk_that_is_full_is_told_at_every_front_and_so_is_that_it_has_room_again(fronts: Fronts) -> None:
    first, other = fronts.first, fronts.other()
    client, there = Client(first), Client(other)
    fronts.log.failure = StorageError("the disk is full")
    for number, one in enumerate((client, there)):
        one.publish(make_event(content=str(number)))
        assert (await one.next())[2] is False
    assert first.health().problem == other.health().problem == "the disk is full"
    fronts.log.failure = None
    client.publish(make_event(content="again"))
    assert (await client.next())[2] is True
    for hub in (first, other):
        assert (hub.health().status, hub.health().takes_events) == ("ok", True)


async def test_what_an_address_registers_at_one_front_counts_at_the_other(fronts: Fronts) -> None:
    first, other = fronts.first, fronts.other()
    quota = Quota("203.0.113.1", "registrations", 2, 3600)
    await first.ingest.execute(CountRows(), quota=quota)
    await other.ingest.execute(CountRows(), quota=quota)
    for hub in (first, other):
        with pytest.raises(TooFast, match="too many registrations from your address") as refused:
            await hub.ingest.execute(CountRows(), quota=quota)
        assert 1700 < refused.value.seconds <= 1800
    await other.ingest.execute(CountRows(), quota=Quota("203.0.113.2", "registrations", 2, 3600))


async def test_a_request_that_comes_again_at_the_other_front_is_answered_as_at_the_first(fronts: Fronts) -> None:
    here, there = fronts.first.ingest.link, fronts.other().ingest.link
    assert (await here.recall(b"name", b"digest")).known is Recollection.BEGIN
    again = asyncio.create_task(there.recall(b"name", b"digest"))
    assert (await there.recall(b"name", b"another")).known is Recollection.DIFFERS
    assert not again.done()
    answer = Recalled(Recollection.ANSWERED, 201, [(b"x", b"y")], b"body")
    here.answered(b"name", answer)
    assert await again == await there.recall(b"name", b"digest") == answer


async def test_a_client_that_went_while_it_waited_does_not_hold_up_the_next(fronts: Fronts) -> None:
    here, there = fronts.first.ingest.link, fronts.other().ingest.link
    await here.recall(b"name", b"digest")
    gone = asyncio.create_task(there.recall(b"name", b"digest"))
    assert (await there.recall(b"name", b"another")).known is Recollection.DIFFERS  # so the one before has arrived
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    here.answered(b"name", None)
    async with asyncio.timeout(PATIENCE):
        assert (await there.recall(b"name", b"digest")).known is Recollection.BEGIN


async def test_what_a_vanished_author_was_answered_is_forgotten(fronts: Fronts) -> None:
    link = fronts.first.ingest.link
    await link.recall(b"name", b"digest")
    link.answered(b"name", Recalled(Recollection.ANSWERED, 201, [], b"body"))
    client = Client(fronts.first)
    client.publish(make_event(kind=kinds.VANISH, tags=[["relay", "ALL_RELAYS"]]))
    assert (await client.next())[2] is True
    assert (await fronts.other().ingest.link.recall(b"name", b"digest")).known is Recollection.BEGIN
