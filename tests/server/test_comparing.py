"""Comparisons by negentropy as they are begun, bounded and let go."""

import pytest

from relay.config import Config, LimitSettings
from relay.server import comparing
from storage.base import StorageError
from tests.factories import make_event
from tests.server.conftest import Relay
from tests.server.fakes import Client, MemoryLog, settle

BEGIN = "6100000200"  # "I have nothing; what do you have?"


async def test_one_in_which_nothing_is_said_for_a_minute_ends(relay: Relay) -> None:
    hub = relay()
    now = 100.0
    hub.comparisons._clock = lambda: now
    client = Client(hub)
    client.send("NEG-OPEN", "old", {}, BEGIN)
    assert (await client.next())[0] == "NEG-MSG"
    now += comparing.IDLE / 2
    client.send("NEG-OPEN", "new", {}, BEGIN)
    assert (await client.next())[0] == "NEG-MSG"
    now += comparing.IDLE / 2
    hub.comparisons.end_idle()
    assert await client.next() == ["NEG-ERR", "old", "closed: nothing was said for 60 seconds"]
    client.send("NEG-MSG", "new", BEGIN)
    assert (await client.next())[:2] == ["NEG-MSG", "new"]


async def test_one_has_one_unanswered_message(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    log.reading.clear()
    client = Client(hub)
    client.send("NEG-OPEN", "n", {}, BEGIN)
    client.send("NEG-MSG", "n", BEGIN)
    assert await client.next() == ["NEG-ERR", "n", "invalid: wait for the answer to one message before the next"]
    log.reading.set()
    client.send("NEG-OPEN", "m", {}, BEGIN)
    assert (await client.next())[:2] == ["NEG-MSG", "m"]  # and nothing of the other


async def test_what_all_hold_together_is_bounded_and_let_go(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "MOST_HELD", 5)
    hub = relay()
    first, second = Client(hub), Client(hub)
    for number in range(3):
        first.publish(make_event(content=f"{number}"))
    await first.gather(3)
    first.send("NEG-OPEN", "n", {}, BEGIN)
    assert (await first.next())[0] == "NEG-MSG"
    second.send("NEG-OPEN", "n", {}, BEGIN)
    assert (await second.next())[2] == "rate-limited: 3 events are being compared already; try again in a minute"
    first.connection.connection_lost(None)
    second.send("NEG-OPEN", "n", {}, BEGIN)
    assert (await second.next())[0] == "NEG-MSG"
    second.send("NEG-OPEN", "n", {}, BEGIN)  # in the place of the first
    assert (await second.next())[0] == "NEG-MSG"


async def test_one_that_is_closed_while_it_is_made_is_not_answered(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    log.reading.clear()
    client = Client(hub)
    client.send("NEG-OPEN", "n", {}, BEGIN)
    await settle()
    client.send("NEG-CLOSE", "n")
    log.reading.set()
    client.send("NEG-OPEN", "m", {}, BEGIN)
    assert (await client.next())[:2] == ["NEG-MSG", "m"]
    assert hub.comparisons._held == 0


async def test_a_log_that_fails_is_told(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    log.failure = StorageError("the disk is gone")
    client = Client(hub)
    client.send("NEG-OPEN", "n", {}, BEGIN)
    assert await client.next() == ["NEG-ERR", "n", "error: the disk is gone"]
    log.failure = RuntimeError("a fault")
    client.send("NEG-OPEN", "n", {}, BEGIN)
    assert await client.next() == ["NEG-ERR", "n", "error: internal error (RuntimeError)"]
    assert hub.faults.count == 1


async def test_too_much_is_told_with_the_bound(relay: Relay) -> None:
    hub = relay(config=Config(limits=LimitSettings(max_compared=1)))
    client = Client(hub)
    for number in range(2):
        client.publish(make_event(content=f"{number}"))
    await client.gather(2)
    client.send("NEG-OPEN", "n", {}, BEGIN)
    assert await client.next() == ["NEG-ERR", "n", "blocked: too many", 1]
