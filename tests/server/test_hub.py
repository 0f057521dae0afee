"""What the hub does as time passes; the clock is set by hand."""

import asyncio
import re
import threading

import pytest
from websockets.frames import Opcode

from relay.config import Access, Config, Server, Storage
from relay.protocol.filter import Filter
from relay.server.connection import websocket
from relay.server.connection.connections import CLOSE_TIMEOUT
from relay.server.events.follow import Applied, LiveEvent
from relay.server.hub import Hub
from storage.base import Missing
from storage.commands import Rebuild, Rebuilt
from storage.errors import StorageError
from tests.factories import make_event
from tests.server.conftest import Relay
from tests.server.fakes import PATIENCE, Client, MemoryLog, set_clock, settle

PATIENT = Config(server=Server(ping_interval=30, ping_timeout=20))


class Clock:
    """Seconds, as the hub sees them."""

    def __init__(self, hub: Hub) -> None:
        self.now = float(round(hub.clock()))  # whole seconds add up exactly
        self._hub = hub
        set_clock(hub, lambda: self.now)

    def advance(self, seconds: float) -> None:
        """Let time pass with a look at every connection each second, as the hub's ticker does."""
        for _ in range(int(seconds)):
            self.now += 1
            self._hub.connections.look_after(self.now)


def pings(client: Client) -> int:
    return client.wire.written.count(b"\x89\x00")


async def test_a_silent_client_is_pinged_and_dropped_when_it_does_not_answer(relay: Relay) -> None:
    hub = relay(config=PATIENT)
    clock, client = Clock(hub), Client(hub)
    clock.advance(30)
    assert pings(client) == 0
    clock.advance(1)
    assert pings(client) == 1
    clock.advance(20)
    assert not client.wire.aborted
    clock.advance(1)
    assert client.wire.aborted


async def test_a_client_that_answers_pings_stays(relay: Relay) -> None:
    hub = relay(config=PATIENT)
    clock, client = Clock(hub), Client(hub)
    for number in range(1, 6):
        clock.advance(31)
        assert pings(client) == number
        client.send_frame(Opcode.PONG, b"")
    assert not client.wire.aborted


async def test_a_client_that_talks_is_not_pinged(relay: Relay) -> None:
    hub = relay(config=PATIENT)
    clock, client = Clock(hub), Client(hub)
    for _ in range(5):
        clock.advance(29)
        client.send("CLOSE", "x")
    assert pings(client) == 0


async def test_no_ping_interval_is_no_pings(relay: Relay) -> None:
    hub = relay(config=Config(server=Server(ping_interval=0)))
    clock, client = Clock(hub), Client(hub)
    clock.advance(1000)
    assert pings(client) == 0
    assert not client.wire.aborted


async def test_a_client_we_do_not_read_from_is_not_held_to_its_pong(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket, "MAX_IN_FLIGHT", 1)
    log = MemoryLog()
    hub = relay(log, PATIENT)
    clock, client = Clock(hub), Client(hub)
    clock.advance(31)
    log.gate.clear()
    client.publish(make_event())
    assert not client.wire.reading
    clock.advance(300)
    assert not client.wire.aborted
    log.gate.set()
    await client.next()
    await settle()
    assert client.wire.reading
    clock.advance(20)
    assert not client.wire.aborted


async def _full(hub: Hub) -> Client:
    """A client that was sent more than it takes."""
    writer, client = Client(hub), Client(hub)
    client.send("REQ", "s", {"limit": 0})
    await client.next()
    client.wire.stalled = True
    writer.publish(make_event(content="x" * 70_000))
    await writer.next()
    assert not client.connection.writable
    return client


async def test_a_client_that_takes_nothing_is_dropped(relay: Relay) -> None:
    hub = relay(config=PATIENT)
    clock, client = Clock(hub), await _full(hub)
    clock.advance(20)
    assert not client.wire.aborted
    clock.advance(2)
    assert client.wire.aborted


async def test_a_client_that_takes_little_but_steadily_stays(relay: Relay) -> None:
    hub = relay(config=PATIENT)
    clock, client = Clock(hub), await _full(hub)
    for _ in range(20):
        clock.advance(15)
        client.wire.unread -= 100
    assert not client.connection.writable
    assert not client.wire.aborted


async def test_a_client_that_never_answers_a_close_is_dropped(relay: Relay) -> None:
    hub = relay()
    clock, client = Clock(hub), Client(hub)
    client.connection.close(1001, "bye")
    clock.advance(CLOSE_TIMEOUT)
    assert not client.wire.aborted
    clock.advance(1)
    assert client.wire.aborted


async def test_draining_answers_what_is_under_way_and_then_closes(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    client = Client(hub)
    client.send("REQ", "s", {"kinds": [9]})
    await client.next()
    log.gate.clear()
    client.publish(make_event())
    hub.begin_drain()
    assert hub.health().status == "draining"
    assert Client(hub).status == 503
    log.gate.set()
    assert (await client.next())[0] == "OK"
    await client.until(lambda: client.wire.lost)
    assert client.pending() == []  # a CLOSED would end the subscription for good
    assert client.closed_with is None  # and so would a close frame, for one library


async def test_a_client_that_does_not_see_the_end_is_not_heard_any_more_and_cut(relay: Relay) -> None:
    hub = relay()
    clock, client, quick = Clock(hub), Client(hub), Client(hub)
    client.wire.stalled = True
    hub.begin_drain()
    await client.until(lambda: client.wire.ended)
    client.publish(make_event())
    client.send_frame(Opcode.PING, b"there?")
    await quick.until(lambda: quick.wire.lost)
    assert client.pending() == []
    clock.advance(CLOSE_TIMEOUT + 1)
    assert client.wire.aborted


async def test_what_the_operator_removes_is_not_taken_for_a_duplicate(relay: Relay) -> None:
    hub = relay()
    client = Client(hub)
    event = make_event()
    for _ in range(2):
        client.publish(event)
        assert (await client.next()) == ["OK", event.id, True, ""]
        assert await hub.remove(Filter(), 10) == 1


async def test_health_tells_of_a_failing_storage_and_of_its_recovery(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    client = Client(hub)
    log.failure = StorageError("the disk is full")
    client.publish(make_event())
    await client.next()
    health = hub.health()
    assert (health.status, health.takes_events, health.problem) == ("degraded", False, "the disk is full")
    log.failure = None
    client.publish(make_event())
    await client.next()
    health = hub.health()
    assert (health.status, health.stored, health.connections) == ("ok", 1, 1)


async def test_a_reload_that_asks_readers_to_authenticate_ends_the_subscriptions_of_those_who_have_not(
    relay: Relay,
) -> None:
    hub = relay()
    client = Client(hub)
    client.send("REQ", "s", {"kinds": [1]})
    assert (await client.next())[0] == "EOSE"
    hub.configure(Config(access=Access(auth_to_read=True)))
    assert await client.next() == ["AUTH", client.challenge]
    verb, name, reason = await client.next()
    assert (verb, name) == ("CLOSED", "s")
    assert reason.startswith("auth-required: ")
    assert hub.fanout.count == 0


async def test_a_follower_that_fails_loses_nobody_elses_events(relay: Relay) -> None:
    hub = relay()
    heard: list[str] = []

    def fails(_applied: Applied) -> None:
        raise LookupError

    hub.follow(fails)
    hub.follow(lambda applied: heard.extend(live.event.id for live in applied.events))
    reader, writer = Client(hub), Client(hub)
    reader.send("REQ", "s", {"kinds": [1]})
    await reader.next()
    events = [make_event(content=str(number)) for number in range(3)]
    for event in events:
        writer.publish(event)
    assert [answer[2] for answer in await writer.gather(3)] == [True] * 3
    assert [message[2]["id"] for message in await reader.gather(3)] == [event.id for event in events]
    assert heard == [event.id for event in events]
    health = hub.health()
    assert (health.status, health.takes_events, health.waiting) == ("degraded", True, 0)
    assert "fails" in (health.problem or "")


async def test_live_delivery_that_fails_for_one_event_goes_on_with_the_next(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    hub = relay(log)
    reader, writer = Client(hub), Client(hub)
    reader.send("REQ", "s", {"kinds": [1]})
    await reader.next()
    first, second = make_event(content="1"), make_event(content="2")
    publish = hub.fanout.publish

    def fails_once(live: LiveEvent) -> None:
        if live.event == first:
            raise LookupError("a fault of the matcher")
        publish(live)

    monkeypatch.setattr(hub.fanout, "publish", fails_once)
    log.gate.clear()  # both in one transaction
    writer.publish(first)
    writer.publish(second)
    log.gate.set()
    assert [answer[2] for answer in await writer.gather(2)] == [True] * 2
    assert (await reader.next())[2]["id"] == second.id
    assert hub.health().waiting == 0


async def test_a_connection_whose_socket_fails_is_cut_and_the_others_are_answered(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = relay()
    broken, sound = Client(hub), Client(hub)
    for client in (broken, sound):
        client.send("REQ", "s", {"kinds": [1]})
        await client.next()

    def fails(_data: bytes) -> None:
        raise RuntimeError("the transport is gone")

    monkeypatch.setattr(broken.wire, "write", fails)
    event = make_event()
    sound.publish(event)
    assert {message[0] for message in await sound.gather(2)} == {"OK", "EVENT"}
    assert broken.wire.aborted
    assert hub.health().status == "degraded"


async def test_the_tick_does_not_wait_for_the_sweep(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer that is busy for a minute must not keep the relay from looking after its connections."""
    monkeypatch.setattr("relay.server.hub.TICK", 0.0)
    log = MemoryLog()
    busy = threading.Event()
    log.carry_out = lambda _command: int(not busy.wait(PATIENCE))
    hub = relay(log, Config(storage=Storage(sweep_interval=1)))
    hub.sweeping.swept_at -= 1
    visits = 0

    def visit(_now: float) -> None:
        nonlocal visits
        visits += 1

    monkeypatch.setattr(hub.connections, "look_after", visit)
    try:
        for _ in range(50):
            await asyncio.sleep(0)
        assert hub.sweeping.task is not None
        assert not hub.sweeping.task.done()
        seen = visits
        for _ in range(50):
            await asyncio.sleep(0)
        assert visits > seen
    finally:
        busy.set()


async def test_nobody_is_cut_off_because_the_relay_stood_still(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """What clients sent meanwhile is read before it is looked whether they have answered."""
    monkeypatch.setattr("relay.server.hub.TICK", 0.0)
    hub, ticks = relay(config=PATIENT), list[float]()
    monkeypatch.setattr(hub.sweeping, "tick", ticks.append)

    async def tick() -> None:
        seen = len(ticks)
        while len(ticks) == seen:  # noqa: ASYNC110
            await asyncio.sleep(0)

    clock, alive, dead = Clock(hub), Client(hub), Client(hub)
    clock.advance(31)
    assert pings(alive) == pings(dead) == 1
    await tick()
    await tick()
    clock.now += 600
    await tick()
    assert not dead.wire.aborted
    alive.send("CLOSE", "s")
    await tick()
    assert (alive.wire.aborted, dead.wire.aborted) == (False, True)


async def test_a_ticker_that_fails_goes_on(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.server.hub.TICK", 0.0)
    monkeypatch.setattr("relay.server.supervision.FIRST_PAUSE", 0.0)
    hub = relay()
    again = asyncio.Event()
    calls = 0

    def visit(_now: float) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise LookupError("a fault")
        again.set()

    monkeypatch.setattr(hub.connections, "look_after", visit)
    await asyncio.wait_for(again.wait(), PATIENCE)
    assert hub.health().status == "degraded"


async def test_events_are_taken_between_the_parts_of_a_rebuild(relay: Relay, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "tidings.hub")
    log, event = MemoryLog(), make_event(content="meanwhile")
    hub = relay(log)
    client = Client(hub)
    begun = threading.Event()

    def carry_out(command: object) -> object:
        if not isinstance(command, Rebuild):
            return 7
        begun.set()
        assert command.stage < 100_000, "nothing was written beside the rebuild"
        return Rebuilt(1, None if log.rows else Rebuild(stage=command.stage + 1))

    log.carry_out = carry_out
    rebuilding = asyncio.create_task(hub.rebuild())
    await asyncio.to_thread(begun.wait, PATIENCE)
    assert hub.health().rebuilding > 0
    client.publish(event)
    assert await asyncio.wait_for(rebuilding, PATIENCE) == 7
    assert [row[1] for row in log.rows] == [event]
    assert hub.health().rebuilding == 0
    told = [record.getMessage() for record in caplog.records if "derived rows" in record.getMessage()]
    assert [re.sub(r"[\d.]+", "N", line) for line in told] == [
        "making all derived rows again, between other work",
        "derived rows are made again: N looked at in N s",
    ]


async def test_how_far_the_log_is_committed_is_noted_as_it_grows(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.roles.writer.RECORDED", 0.0)
    log = MemoryLog()
    hub = relay(log)
    client = Client(hub)
    for number in range(2):
        client.publish(make_event(content=str(number)))
        await client.next()
        await asyncio.to_thread(log.recorded.acquire)
    client.publish(make_event(content="0"))  # a duplicate
    await client.next()
    assert log.records == 2  # not while nothing comes in


async def test_a_log_that_misses_something_is_told_by_health(relay: Relay) -> None:
    log = MemoryLog()
    log.missing = Missing(41, 50)
    health = relay(log).health()
    assert (health.status, health.takes_events) == ("degraded", True)
    assert "events 41 to 50" in (health.problem or "")
    assert "--accept-loss" in (health.problem or "")
