"""Comparisons by negentropy as they are begun, bounded and let go."""

import asyncio
import gc
import threading
import weakref
from typing import Any

import pytest

from relay.config import Access, Config, LimitSettings, Rates
from relay.protocol.filter import Filter
from relay.protocol.item_set import ItemSet
from relay.server.comparisons import compared_sets
from storage.errors import StorageError
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
    now += 30
    client.send("NEG-OPEN", "new", {}, BEGIN)
    assert (await client.next())[0] == "NEG-MSG"
    now += 30
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


async def test_one_may_be_closed_by_whoever_sends_too_much(relay: Relay) -> None:
    client = Client(
        relay(config=Config(rates=Rates(messages_per_address=0.001, burst=1000)))
    )  # one, and no more for a while
    client.send("NEG-OPEN", "n", {}, BEGIN)
    assert (await client.next())[0] == "NEG-MSG"
    client.send("NEG-CLOSE", "n")
    assert client.connection.session.comparisons == {}
    assert client.pending() == []


async def test_one_ends_after_so_long_however_much_is_said(relay: Relay) -> None:
    hub = relay(config=Config(limits=LimitSettings(comparison_time=100)))
    now = 100.0
    hub.comparisons._clock = lambda: now
    client = Client(hub)
    client.send("NEG-OPEN", "n", {}, BEGIN)
    for _ in range(4):
        assert (await client.next())[0] == "NEG-MSG"
        hub.comparisons.end_idle()
        now += 25
        client.send("NEG-MSG", "n", BEGIN)
    assert (await client.next())[0] == "NEG-MSG"
    hub.comparisons.end_idle()
    reason = "closed: a comparison may take 100 seconds; compare less at once, by since and until"
    assert await client.next() == ["NEG-ERR", "n", reason]


async def test_what_all_hold_together_is_bounded_and_let_go(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared_sets, "MOST_HELD", 5)
    hub = relay()
    first, second = Client(hub), Client(hub)
    for number in range(3):
        first.publish(make_event(content=f"{number}"))
    await first.gather(3)
    first.send("NEG-OPEN", "n", {}, BEGIN)
    assert (await first.next())[0] == "NEG-MSG"
    second.send("NEG-OPEN", "n", {"kinds": [1]}, BEGIN)
    assert (await second.next())[0] == "NEG-MSG"
    reason = "closed: too many are open and nothing was said here longest; begin again"
    assert await first.next() == ["NEG-ERR", "n", reason]
    second.send("NEG-OPEN", "n", {"since": 1}, BEGIN)  # in the place of the first
    assert (await second.next())[0] == "NEG-MSG"
    second.connection.connection_lost(None)
    first.send("NEG-OPEN", "n", {}, BEGIN)
    assert (await first.next())[0] == "NEG-MSG"
    assert hub.sets.held == 3  # type: ignore[attr-defined]


async def test_what_waits_for_its_answer_is_not_ended_for_room(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compared_sets, "MOST_HELD", 5)
    log = HeldLog()
    log.going_on.set()
    hub = relay(log)
    first, second = Client(hub), Client(hub)
    for number in range(3):
        first.publish(make_event(content=f"{number}"))
    await first.gather(3)
    first.send("NEG-OPEN", "n", {}, BEGIN)
    assert (await first.next())[0] == "NEG-MSG"
    log.going_on.clear()
    second.send("NEG-OPEN", "n", {"kinds": [1]}, BEGIN)
    await settle()
    going_on = threading.Event()
    hub.sets._thread._executor.submit(going_on.wait)  # type: ignore[attr-defined]
    first.send("NEG-MSG", "n", BEGIN)
    log.going_on.set()
    assert (await second.next())[2] == "rate-limited: 3 events are being compared already; try again in a minute"
    going_on.set()
    assert (await first.next())[:2] == ["NEG-MSG", "n"]


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
    assert hub.sets.held == 0  # type: ignore[attr-defined]


async def test_a_log_that_fails_is_told(relay: Relay, caplog: pytest.LogCaptureFixture) -> None:
    log = MemoryLog()
    hub = relay(log)
    log.failure = StorageError("the disk is gone")
    client = Client(hub)
    client.send("NEG-OPEN", "n", {}, BEGIN)
    assert await client.next() == ["NEG-ERR", "n", "error: the disk is gone"]
    log.failure = RuntimeError("a fault")
    client.send("NEG-OPEN", "n", {}, BEGIN)
    assert await client.next() == ["NEG-ERR", "n", "error: internal error (RuntimeError)"]
    assert [record.message for record in caplog.records].count("a set that is compared failed") == 1


async def test_too_much_is_told_with_the_bound(relay: Relay) -> None:
    hub = relay(config=Config(limits=LimitSettings(max_compared=1)))
    client = Client(hub)
    for number in range(2):
        client.publish(make_event(content=f"{number}"))
    await client.gather(2)
    client.send("NEG-OPEN", "n", {}, BEGIN)
    assert await client.next() == ["NEG-ERR", "n", "blocked: too many", 1]


class HeldLog(MemoryLog):
    """Answers everything at once but what is to be compared: that waits for `going_on`, and is counted."""

    def __init__(self) -> None:
        super().__init__()
        self.going_on = asyncio.Event()
        self.begun: list[int | None] = []  # the limit of each filter
        self.at_once = self.most_at_once = 0

    async def items(self, wanted: Filter, *others: Any) -> ItemSet:
        self.begun.append(wanted.limit)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.going_on.wait()
        self.at_once -= 1
        return await super().items(wanted, *others)


async def test_however_many_compare_a_count_is_answered_and_one_set_is_in_the_making(relay: Relay) -> None:
    log = HeldLog()
    hub = relay(log)
    comparing_ones = [Client(hub) for _ in range(10)]
    for number, client in enumerate(comparing_ones):
        client.send("NEG-OPEN", "n", {"limit": number}, BEGIN)
    await settle()
    asking = Client(hub)
    asking.send("COUNT", "c", {})
    assert (await asking.next())[:2] == ["COUNT", "c"]
    log.going_on.set()
    for client in comparing_ones:
        assert (await client.next())[:2] == ["NEG-MSG", "n"]
    assert (len(log.begun), log.most_at_once) == (10, 1)


async def test_connections_take_turns(relay: Relay) -> None:
    log = HeldLog()
    hub = relay(log)
    greedy, modest = Client(hub), Client(hub)
    for number in range(4):
        greedy.send("NEG-OPEN", f"{number}", {"limit": number}, BEGIN)
    await settle()
    modest.send("NEG-OPEN", "n", {"limit": 99}, BEGIN)
    log.going_on.set()
    assert (await modest.next())[:2] == ["NEG-MSG", "n"]
    for number in range(4):
        assert (await greedy.next())[:2] == ["NEG-MSG", f"{number}"]
    assert log.begun == [0, 1, 99, 2, 3]  # two were before it when it asked: one under way, one in its turn


async def test_what_is_closed_before_its_answer_is_not_kept(relay: Relay) -> None:
    log = HeldLog()
    hub = relay(log)
    Client(hub).send("NEG-OPEN", "n", {}, BEGIN)  # is in the making
    await settle()
    client = Client(hub)
    closed = []
    for number in range(20):
        client.send("NEG-OPEN", f"{number}", {}, BEGIN)
        closed.append(weakref.ref(client.connection.session.comparisons[f"{number}"]))
        client.send("NEG-CLOSE", f"{number}")
    gc.collect()
    assert [one() for one in closed] == [None] * 20
    log.going_on.set()
    client.send("NEG-OPEN", "last", {}, BEGIN)
    assert (await client.next())[:2] == ["NEG-MSG", "last"]
    assert len(log.begun) <= 2  # the first, and the last where it came too late for that one


@pytest.mark.parametrize("replaced", [False, True])
async def test_long_messages_that_are_taken_back_unanswered_are_sent_in_vain(relay: Relay, replaced: bool) -> None:
    hub = relay(HeldLog())
    client = Client(hub)
    long = "61" + "010000" * 80_000
    for _ in range(200):
        client.send("NEG-OPEN", "n", {}, long)
        if not replaced:
            client.send("NEG-CLOSE", "n")
        if client.connection.ignored:
            break
        await settle()
    client.read()
    assert client.closed_with == 1008


async def test_those_of_clients_without_a_key_end_when_the_relay_comes_to_ask_for_one(relay: Relay) -> None:
    hub = relay()
    client = Client(hub)
    client.send("NEG-OPEN", "n", {}, BEGIN)
    assert (await client.next())[0] == "NEG-MSG"
    hub.configure(Config(access=Access(auth_to_read=True)))
    assert await client.next() == ["AUTH", client.challenge]
    verb, name, reason = await client.next()
    assert (verb, name) == ("NEG-ERR", "n")
    assert reason.startswith("auth-required: ")
    client.send("NEG-MSG", "n", BEGIN)
    assert (await client.next())[2].startswith("closed: ")
