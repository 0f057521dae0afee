import time

import pytest

from relay.server.events import fanout
from relay.server.hub import Hub
from tests.factories import keypair, make_event
from tests.server.conftest import Relay
from tests.server.fakes import Client, MemoryLog

ALICE, BOB = keypair(1).pubkey, keypair(2).pubkey


async def subscribed(hub: Hub, *filters: dict[str, object], name: str = "s", compressed: bool = False) -> Client:
    """A client whose subscription is past its EOSE."""
    client = Client(hub, compressed=compressed)
    client.send("REQ", name, *filters)
    assert await client.next() == ["EOSE", name]
    return client


async def test_an_event_reaches_a_subscription_once_however_many_filters_match(relay: Relay) -> None:
    hub = relay()
    event = make_event(1)
    reader = await subscribed(hub, {"kinds": [1]}, {"authors": [ALICE]}, {})
    writer = Client(hub)
    writer.publish(event)
    assert await writer.next() == ["OK", event.id, True, ""]
    assert [message[:2] for message in reader.pending()] == [["EVENT", "s"]]


async def test_every_matching_subscription_of_a_connection_gets_its_own_copy(relay: Relay) -> None:
    hub = relay()
    reader = await subscribed(hub, {"kinds": [1]}, name="a")
    reader.send("REQ", "b", {"authors": [ALICE]})
    reader.send("REQ", "c", {"authors": [BOB]})
    await reader.gather(2)
    writer = Client(hub)
    writer.publish(make_event(1))
    await writer.next()
    assert sorted(message[1] for message in reader.pending()) == ["a", "b"]


async def test_an_event_is_on_open_subscriptions_before_its_author_is_told(relay: Relay) -> None:
    client = await subscribed(relay(), {})
    client.publish(make_event())
    assert [message[0] for message in await client.gather(2)] == ["EVENT", "OK"]


@pytest.mark.parametrize("compressed", [False, True])
async def test_compressed_and_plain_subscribers_read_the_same(relay: Relay, compressed: bool) -> None:
    hub = relay()
    reader = await subscribed(hub, {}, compressed=compressed)
    assert reader.connection.deflate is compressed
    writer = Client(hub)
    event = make_event(content="tidings " * 200)
    writer.publish(event)
    await writer.next()
    assert reader.pending()[0][2]["content"] == event.content


async def test_a_private_event_reaches_only_its_authenticated_reader(relay: Relay) -> None:
    hub = relay()
    stranger, other, reader = [await subscribed(hub, {}) for _ in range(3)]
    other.connection.session.authenticated(BOB)
    reader.connection.session.authenticated(ALICE)
    writer = Client(hub)
    writer.publish(make_event(3, kind=1059, tags=[["p", ALICE]]))
    writer.publish(make_event(3, kind=21059, tags=[["p", ALICE]]))
    await writer.gather(2)
    assert stranger.pending() == other.pending() == []
    assert [message[2]["kind"] for message in reader.pending()] == [1059, 21059]


async def test_what_comes_while_history_is_read_follows_its_eose(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    writer = Client(hub)
    writer.publish(make_event(content="old"))
    await writer.next()
    log.reading.clear()
    reader = Client(hub)
    reader.send("REQ", "s", {})
    for number in range(5):
        writer.publish(make_event(content=f"new {number}"))
    await writer.gather(5)
    assert reader.pending() == []
    log.reading.set()
    messages = await reader.gather(7)
    assert [message[2]["content"] if message[0] == "EVENT" else "EOSE" for message in messages] == [
        "old",
        "EOSE",
        *(f"new {number}" for number in range(5)),
    ]


async def test_a_subscription_that_holds_back_too_much_is_closed(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "MAX_HELD", 3)
    log = MemoryLog()
    hub = relay(log)
    log.reading.clear()
    reader, writer = Client(hub), Client(hub)
    reader.send("REQ", "s", {})
    for number in range(5):
        writer.publish(make_event(content=str(number)))
    await writer.gather(5)
    [closed] = reader.pending()
    assert closed[:2] == ["CLOSED", "s"]
    assert closed[2].startswith("error: ")
    assert hub.fanout.count == 0
    log.reading.set()
    reader.send("REQ", "t", {"limit": 0})
    assert await reader.next() == ["EOSE", "t"]


async def test_what_is_held_back_is_bounded_in_bytes(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "MAX_HELD_BYTES", 10_000)
    log = MemoryLog()
    hub = relay(log)
    log.reading.clear()
    reader, writer = Client(hub), Client(hub)
    reader.send("REQ", "s", {})
    writer.publish(make_event(content="x" * 12_000))
    await writer.next()
    assert reader.pending()[0][0] == "CLOSED"


@pytest.mark.parametrize("from_log", [False, True])  # where the log was caught up with meanwhile
async def test_what_expired_while_it_was_held_back_is_not_sent(
    relay: Relay, from_log: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MemoryLog()
    hub = relay(log)
    if not from_log:
        await subscribed(hub, {"limit": 0})
    log.reading.clear()
    reader, writer = Client(hub), Client(hub)
    reader.send("REQ", "s", {"limit": 0})
    clock = time.time()
    lasting = [make_event(tags=tags) for tags in ([], [["expiration", str(int(clock) + 5000)]])]
    passing = make_event(tags=[["expiration", str(int(clock) + 1000)]])
    for event in (lasting[0], passing, lasting[1]):
        writer.publish(event)
    await writer.gather(3)
    monkeypatch.setattr(time, "time", lambda: clock + 1000)
    log.reading.set()
    end, *live = await reader.gather(3)
    assert end == ["EOSE", "s"]
    assert [message[2]["id"] for message in live] == [event.id for event in lasting]
    assert reader.pending() == []


async def test_a_closed_or_replaced_subscription_gets_nothing_more(relay: Relay) -> None:
    hub = relay()
    closed, replaced = await subscribed(hub, {}), await subscribed(hub, {})
    closed.send("CLOSE", "s")
    replaced.send("REQ", "s", {"kinds": [7]})
    assert await replaced.next() == ["EOSE", "s"]
    writer = Client(hub)
    writer.publish(make_event(kind=1))
    writer.publish(make_event(kind=7))
    await writer.gather(2)
    assert closed.pending() == []
    assert [message[2]["kind"] for message in replaced.pending()] == [7]


async def test_a_lost_connection_leaves_no_subscription_behind(relay: Relay) -> None:
    hub = relay()
    client = await subscribed(hub, {}, name="a")
    client.send("REQ", "b", {"ids": []})
    await client.next()
    assert hub.fanout.count == 2
    client.connection.connection_lost(None)
    assert hub.fanout.count == 0


async def test_a_subscription_that_is_closed_before_an_event_comes_never_enters_the_matcher(relay: Relay) -> None:
    hub = relay()
    reader = await subscribed(hub, {"kinds": [1]})
    assert (len(hub.fanout._matcher), hub.fanout.count) == (0, 1)
    reader.send("CLOSE", "s")
    assert (len(hub.fanout._matcher), hub.fanout.count) == (0, 0)


async def test_many_new_subscriptions_are_entered_before_they_become_too_many(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "MAX_NEW", 2)
    hub = relay()
    reader = await subscribed(hub, {"kinds": [1]}, name="a")
    for name in ("b", "c"):
        reader.send("REQ", name, {"kinds": [1]})
        await reader.next()
    assert len(hub.fanout._matcher) == 3
