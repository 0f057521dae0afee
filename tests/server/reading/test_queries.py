import asyncio
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from relay.config import Config, Server, Storage
from relay.protocol.event import Event
from relay.server.hub import Hub
from relay.server.reading import queries
from storage.errors import StorageError, TooCostly
from tests.factories import make_event
from tests.server.conftest import Relay
from tests.server.fakes import PATIENCE, Client, MemoryLog, settle

ONE_WORKER = Config(storage=Storage(readers=1))


async def filled(hub: Hub, count: int, size: int = 10) -> None:
    """Store events of `size` characters, newest last."""
    writer = Client(hub, peer="198.51.100.99")
    for number in range(count):
        writer.publish(make_event(content="x" * size, created_at=1_700_000_000 + number))
    await writer.gather(count)
    writer.connection.connection_lost(None)


async def test_connections_take_turns(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log, ONE_WORKER)
    log.reading.clear()
    greedy, modest = Client(hub), Client(hub)
    for number in range(50):
        greedy.send("REQ", f"greedy {number}", {"kinds": [1]})
    modest.send("REQ", "modest", {"kinds": [7]})
    log.reading.set()
    await modest.next()
    assert [7] in [sorted(filters[0].kinds or ()) for filters in log.asked[:3]]
    assert len(await greedy.gather(50)) == 50


@pytest.mark.parametrize("compressed", [False, True])
async def test_invites_that_wait_for_the_writer_hold_no_worker(relay: Relay, compressed: bool) -> None:
    hub = relay(MemoryLog(), ONE_WORKER)
    answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting: list[str] = []

    async def invite(_filters: object, address: str, _keys: object) -> Event:
        waiting.append(address)
        await asyncio.shield(answered)
        return make_event(kind=28935)

    hub.identities = SimpleNamespace(invite=invite)  # type: ignore[assignment]
    askers = [Client(hub, f"203.0.113.{number}", compressed=compressed) for number in range(20)]
    for asker in askers:
        asker.send("REQ", "invite", {"kinds": [28935]})
    other = Client(hub)
    other.send("REQ", "other", {"kinds": [7]})
    assert await other.next() == ["EOSE", "other"]
    assert len(waiting) == len(askers)
    answered.set_result(None)
    for asker in askers:
        assert [message[0] for message in await asker.gather(2)] == ["EVENT", "EOSE"]


@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
async def test_searches_that_get_no_answer_hold_no_worker(relay: Relay, verb: str) -> None:
    hub = relay(MemoryLog(), ONE_WORKER)
    answered = asyncio.Event()
    asked = 0

    async def search(_query: object) -> Any:
        nonlocal asked
        asked += 1
        await answered.wait()
        return [] if verb == "REQ" else 0

    hub.search = SimpleNamespace(search=search, count=search)  # type: ignore[assignment]
    askers = [Client(hub, f"203.0.113.{number}") for number in range(3 * queries.SEARCHES)]
    for asker in askers:
        asker.send(verb, "words", {"search": "words", "kinds": [11]})
    other = Client(hub)
    other.send("REQ", "other", {"kinds": [7]})
    assert await other.next() == ["EOSE", "other"]
    assert asked == queries.SEARCHES
    answered.set()
    for asker in askers:
        assert (await asker.next())[0] == ("EOSE" if verb == "REQ" else "COUNT")
    assert asked == len(askers)


async def test_all_of_one_connections_questions_are_answered(relay: Relay) -> None:
    hub = relay()
    client = Client(hub)
    for number in range(20):
        client.send("COUNT" if number % 2 else "REQ", str(number), {"kinds": [1]})
    assert sorted(int(message[1]) for message in await client.gather(20)) == list(range(20))


async def test_a_slow_question_does_not_hold_back_what_is_asked_after_it(relay: Relay) -> None:
    class Mixed(MemoryLog):
        """Answers on the spot all but questions about kind 7."""

        def try_query(self, filters: Any, *given: Any) -> Any:
            return None if filters[0].kinds == {7} else super().try_query(filters, *given)

    log = Mixed(quick=True)
    log.reading.clear()
    client = Client(relay(log, ONE_WORKER))
    client.send_all([("REQ", "slow", {"kinds": [7]}), ("REQ", "soon", {"kinds": [1]}), ("REQ", "too", {"kinds": [2]})])
    assert [await client.next(), await client.next()] == [["EOSE", "soon"], ["EOSE", "too"]]
    log.reading.set()
    assert await client.next() == ["EOSE", "slow"]


async def test_a_long_answer_arrives_whole_and_in_order(relay: Relay) -> None:
    hub = relay(MemoryLog(first_part=7))
    await filled(hub, 450)
    reader = Client(hub)
    reader.send("REQ", "s", {"limit": 450})
    messages = await reader.gather(451)
    times = [message[2]["created_at"] for message in messages[:-1]]
    assert times == sorted(times, reverse=True)
    assert messages[-1] == ["EOSE", "s"]


async def test_a_slow_reader_holds_no_worker_and_goes_on_when_it_reads(relay: Relay) -> None:
    hub = relay(MemoryLog(first_part=1), ONE_WORKER)
    await filled(hub, 300, size=2000)
    slow, quick = Client(hub), Client(hub)
    slow.wire.stalled = True
    slow.send("REQ", "slow", {"limit": 300})
    await slow.until(lambda: not slow.connection.writable)
    assert not any(message[0] == "EOSE" for message in slow.pending())
    quick.send("REQ", "quick", {"limit": 1})
    assert [message[0] for message in await quick.gather(2)] == ["EVENT", "EOSE"]
    unread = slow.wire.unread
    await settle()
    assert slow.wire.unread == unread
    slow.wire.stalled = False
    slow.wire.drain()
    await slow.until(lambda: any(message[0] == "EOSE" for message in slow.messages))
    assert sum(message[0] == "EVENT" for message in slow.messages) == 300


async def test_a_subscription_closed_meanwhile_gets_neither_rest_nor_eose(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    await filled(hub, 3)
    log.reading.clear()
    client = Client(hub)
    client.send("REQ", "gone", {})
    await settle()
    client.send("CLOSE", "gone")
    log.reading.set()
    client.send("REQ", "here", {"limit": 0})
    assert await client.next() == ["EOSE", "here"]


async def test_a_subscription_replaced_meanwhile_is_answered_once(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    await filled(hub, 3)
    log.reading.clear()
    client = Client(hub)
    client.send("REQ", "s", {})
    client.send("REQ", "s", {"limit": 1})
    log.reading.set()
    assert [message[0] for message in await client.gather(2)] == ["EVENT", "EOSE"]
    await settle()
    assert client.pending() == []


@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
@pytest.mark.parametrize("error", [StorageError("the disk is gone"), TooCostly("narrow it"), RuntimeError("secret")])
async def test_a_query_that_fails_is_closed_with_an_error_and_others_go_on(
    relay: Relay, verb: str, error: Exception
) -> None:
    log = MemoryLog()
    hub = relay(log)
    client = Client(hub)
    log.failure = error
    client.send(verb, "s", {})
    closed = await client.next()
    assert closed[:2] == ["CLOSED", "s"]
    assert closed[2].startswith("error: ")
    assert "secret" not in closed[2]
    assert hub.fanout.count == 0
    log.failure = None
    client.send(verb, "s", {})
    assert (await client.next())[0] in ("EOSE", "COUNT")


async def test_a_connection_lost_while_it_is_read_for_harms_nobody(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log, ONE_WORKER)
    log.reading.clear()
    gone, other = Client(hub), Client(hub)
    gone.send("REQ", "s", {})
    await settle()
    gone.connection.connection_lost(None)
    log.reading.set()
    other.send("REQ", "s", {})
    assert await other.next() == ["EOSE", "s"]


async def test_a_client_with_too_many_questions_is_not_read_from_until_they_are_answered(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    log.reading.clear()
    client = Client(hub)
    for number in range(queries.MAX_WAITING + 2):
        client.send("COUNT" if number else "REQ", str(number), {})
    assert not client.wire.reading
    log.reading.set()
    await client.gather(queries.MAX_WAITING + 2)
    await settle()
    assert client.wire.reading


async def test_a_client_that_never_reads_is_disconnected_when_live_events_pile_up(relay: Relay) -> None:
    hub = relay(config=Config(server=Server(send_buffer=65536)))
    stuck, writer = Client(hub), Client(hub)
    stuck.send("REQ", "s", {"limit": 0})
    await stuck.next()
    stuck.wire.stalled = True
    for number in range(30):
        writer.publish(make_event(content=json.dumps([number, "x" * 5000])))
        await writer.next()
        assert stuck.wire.unread < 65536 * 2
    assert stuck.wire.aborted
    await settle()
    assert hub.fanout.count == 0


async def test_of_many_that_read_little_those_that_left_most_are_disconnected(relay: Relay) -> None:
    hub = relay(config=Config(server=Server(send_buffers=400_000)))
    *stuck, good, writer = (Client(hub) for _ in range(10))
    for number, client in enumerate((*stuck, good)):
        client.send("REQ", "s", {"limit": 0})
        await client.next()
        client.wire.stalled = client is not good
        if number % 2:  # leaves twice as much
            client.send("REQ", "t", {"limit": 0})
            await settle()
    events = [make_event(content=json.dumps([number, "x" * 5000])) for number in range(40)]
    for event in events:
        writer.publish(event)
        await writer.next()
        assert sum(client.wire.unread for client in stuck if not client.wire.aborted) < 450_000
    got = [(await good.next())[2]["id"] for _ in events]
    assert got == [event.id for event in events]
    cut = [client.wire.aborted for client in stuck]
    assert 0 < sum(cut) < len(stuck)
    assert all(cut[1::2])


HINTS = {
    ("auto", False, False): [],
    ("auto", False, True): [["more"]],
    ("auto", True, False): [],
    ("always", False, False): [["more"]],
    ("always", False, True): [["more"]],
    ("always", True, False): [["finish"]],
    ("never", False, True): [],
    ("never", True, False): [],
}


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize(("case", "hint"), HINTS.items())
async def test_an_end_of_what_is_stored_has_a_hint_where_the_setting_says(
    relay: Relay, case: tuple[Any, bool, bool], hint: list[list[str]], quick: bool
) -> None:
    setting, complete, cut = case
    log = MemoryLog(quick=quick, first_part=1)
    log.told = (complete, cut)
    hub = relay(log, Config(server=Server(eose_hints=setting)))
    await filled(hub, 3)
    client = Client(hub)
    client.send("REQ", "s", {"kinds": [1]})
    assert (await client.gather(4))[-1] == ["EOSE", "s", *hint]


class TestAnsweredAtOnce:
    """What storage answers on the spot does not wait for a worker."""

    async def test_a_question_is_answered_in_the_turn_it_came_in(self, relay: Relay) -> None:
        client = Client(relay(MemoryLog(quick=True)))
        client.send("REQ", "s", {"kinds": [1]})
        assert client.pending() == [["EOSE", "s"]]

    async def test_answers_keep_the_order_of_the_questions(self, relay: Relay) -> None:
        client = Client(relay(MemoryLog(quick=True)))
        client.send_all(("REQ", str(number), {"kinds": [1]}) for number in range(20))
        assert [message[1] for message in await client.gather(20)] == [str(number) for number in range(20)]

    async def test_a_turn_answers_for_a_bounded_time_and_the_next_goes_on(
        self, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queries, "SHARE", 0)
        log = MemoryLog(quick=True)
        client = Client(relay(log))
        client.send("REQ", "s", {"kinds": [1]})
        assert client.pending() == []
        monkeypatch.setattr(queries, "SHARE", 60)
        assert await client.next() == ["EOSE", "s"]
        assert log.asked == []

    async def test_however_many_come_at_once_a_turn_answers_few(
        self, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticks = itertools.count()
        monkeypatch.setattr(queries, "thread_time", lambda: next(ticks) * queries.SHARE / 4)
        client = Client(relay(MemoryLog(quick=True)))
        client.send_all(("REQ", str(number), {"kinds": [1]}) for number in range(100))
        answered = len(client.pending())
        assert 1 <= answered <= 4
        assert [message[1] for message in await client.gather(100 - answered)] == [
            str(number) for number in range(answered, 100)
        ]

    async def test_connections_take_turns_on_the_loop(self, relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
        ticks = itertools.count()
        monkeypatch.setattr(queries, "thread_time", lambda: next(ticks) * queries.SHARE / 4)
        log = MemoryLog(quick=True)
        hub = relay(log)
        greedy, modest = Client(hub), Client(hub)
        greedy.send_all(("REQ", str(number), {"kinds": [1]}) for number in range(100))
        modest.send("REQ", "modest", {"kinds": [7]})
        assert await modest.next() == ["EOSE", "modest"]
        assert len(greedy.pending()) < 25
        assert modest.connection.asking is False
        await greedy.until(lambda: ["EOSE", "99"] in greedy.messages)

    async def test_a_few_answers_go_out_in_one_piece_however_many_clients_ask(
        self, relay: Relay, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ticks = itertools.count()
        monkeypatch.setattr(queries, "thread_time", lambda: next(ticks) * queries.SHARE / 16)
        hub = relay(MemoryLog(quick=True))
        clients = [Client(hub) for _ in range(20)]
        for client in clients:
            client.send_all(("REQ", str(number), {"kinds": [1]}) for number in range(4))
        waiting = [client for client in clients if not client.pending()]
        assert len(waiting) > 10
        before = [len(client.wire.written) for client in waiting]
        for client in waiting:
            assert await client.gather(4) == [["EOSE", str(number)] for number in range(4)]
        assert [len(client.wire.written) for client in waiting] == [written + 1 for written in before]

    async def test_whoever_does_not_read_its_answers_is_asked_about_no_more(self, relay: Relay) -> None:
        hub = relay(MemoryLog(quick=True))
        await filled(hub, 30, size=5000)
        slow, other = Client(hub), Client(hub)
        slow.wire.stalled = True
        slow.send_all(("REQ", str(number), {"kinds": [1]}) for number in range(20))
        await settle()
        assert slow.wire.unread < 3 * 30 * 6000
        other.send("REQ", "s", {"kinds": [7]})
        assert await other.next() == ["EOSE", "s"]
        slow.wire.stalled = False
        slow.wire.drain()
        await slow.until(lambda: ["EOSE", "19"] in slow.messages)

    async def test_a_small_answer_is_compressed_there_and_then_and_a_large_one_is_not(self, relay: Relay) -> None:
        hub = relay(MemoryLog(quick=True))
        await filled(hub, 30, size=500)
        client = Client(hub, compressed=True)
        client.send("REQ", "small", {"kinds": [1], "limit": 2})
        assert [message[0] for message in client.pending()] == ["EVENT", "EVENT", "EOSE"]
        client.send("REQ", "large", {"kinds": [1]})
        assert client.pending() == []
        assert [message[0] for message in await client.gather(31)] == ["EVENT"] * 30 + ["EOSE"]

    async def test_a_long_answer_goes_on_behind(self, relay: Relay) -> None:
        hub = relay(MemoryLog(first_part=7, quick=True))
        await filled(hub, 250)
        reader = Client(hub)
        reader.send("REQ", "s", {"limit": 250})
        messages = reader.pending()
        assert len(messages) == 7
        messages += await reader.gather(244)
        assert [message[0] for message in messages] == ["EVENT"] * 250 + ["EOSE"]
        assert len({message[2]["id"] for message in messages[:-1]}) == 250

    async def test_a_question_that_fails_is_closed(self, relay: Relay) -> None:
        log = MemoryLog(quick=True)
        hub = relay(log)
        client = Client(hub)
        log.failure = RuntimeError("secret")
        client.send("REQ", "s", {})
        closed = await client.next()
        assert closed[:2] == ["CLOSED", "s"]
        assert "secret" not in closed[2]
        assert hub.fanout.count == 0


async def test_a_compressed_answer_waits_for_no_other_work_in_threads(relay: Relay) -> None:
    """Whoever renders pages, exports keys or describes the API takes none of the threads that compress answers."""
    gate = threading.Event()
    executor = ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(executor)
    held = asyncio.create_task(asyncio.to_thread(gate.wait, PATIENCE))
    try:
        client = Client(relay(), compressed=True)
        client.publish(make_event())
        assert (await client.next())[0] == "OK"
        client.send("REQ", "s", {"kinds": [1]})
        assert [message[0] for message in await client.gather(2)] == ["EVENT", "EOSE"]
    finally:
        gate.set()
        await held
