"""Shares of a turn, and what may be sent in vain; counted, not timed."""

import asyncio
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Opcode

from relay.config import Config, LimitSettings, Rates, Server
from relay.protocol import messages
from relay.protocol.admission import Door
from relay.protocol.event import wire
from relay.protocol.session import Effect, Rules, Session
from relay.server.events import ingest
from relay.server.hub import Hub
from relay.server.limits import intake
from storage.base import Incoming
from tests.factories import NOW, make_event
from tests.server.conftest import Relay
from tests.server.fakes import Client, MemoryLog, make_hub, set_clock, settle

LARGE = 128 * 1024
BLANKS = b" " * (LARGE - 2)
NESTED = b"[" * (LARGE - 2)
PADDED = b'["REQ","x",{"kinds":[9]}' + b" " * (LARGE - 40) + b"]"


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Session, int]]:
    """Whose messages reached the decoder, with the bytes of each, in order."""
    seen: list[tuple[Session, int]] = []
    receive = Session.receive

    def counted(self: Session, data: bytes, rules: Rules) -> Effect:
        seen.append((self, len(data)))
        return receive(self, data, rules)

    monkeypatch.setattr(Session, "receive", counted)
    return seen


def frames_of(client: Client, message: bytes, count: int) -> bytes:
    """So many frames with this message, as the client would send them at once."""
    for _ in range(count):
        client.protocol.send_text(message)
    return b"".join(client.protocol.data_to_send())


@pytest.mark.parametrize(
    "junk",
    [BLANKS, NESTED, b'["REQ","x",' + NESTED[:-11], b'["CLOSE","x"' + b" " * (LARGE - 20) + b"]"],
    ids=["blanks", "nested", "in a REQ", "a CLOSE"],
)
async def test_compressed_junk_is_cut_off_before_it_is_unpacked(
    relay: Relay, received: list[tuple[Session, int]], junk: bytes
) -> None:
    client = Client(relay(), compressed=True)
    data = frames_of(client, junk, 1600)
    assert len(data) < 0.4 * 2**20 < 0.19 * 2**30 < 1600 * len(junk)
    client.send_raw(data)
    for _ in range(10):
        await settle()
    client.read()
    assert client.closed_with == 1008
    assert sum(size for _, size in received) < 2 * 2**20
    assert not client.connection.unread
    client.send_raw(data)
    assert sum(size for _, size in received) < 2 * 2**20


async def test_another_client_waits_for_a_share_and_not_for_what_a_flood_sent(
    relay: Relay, received: list[tuple[Session, int]]
) -> None:
    """Messages that are no rubbish, only unpacked to much, from four clients at once."""
    hub = relay()
    floods = [Client(hub, peer=f"203.0.113.{number}", compressed=True) for number in range(4)]
    other = Client(hub, peer="198.51.100.1")
    for flood in floods:
        flood.send_raw(frames_of(flood, PADDED, 400))
    event = make_event()
    other.publish(event)
    assert await other.next() == ["OK", event.id, True, ""]
    before = [session for session, _ in received].index(other.connection.session)
    unpacked = sum(size for _, size in received[:before])
    share = intake.SHARE * 1024 + intake.PACKED_SLICE // 100 * LARGE  # and the slice at hand
    assert unpacked <= 2 * len(floods) * share
    assert unpacked < 0.1 * 4 * 400 * LARGE
    for flood in floods:
        while flood.connection.unread or flood.connection.jobs:
            await settle()
    assert len(received) == 4 * 400 + 1  # late, but nothing is lost
    assert all(flood.wire.reading and flood.closed_with is None for flood in floods)


async def test_a_client_is_not_read_from_while_something_of_it_waits(relay: Relay) -> None:
    client = Client(relay(), compressed=True)
    client.send_raw(frames_of(client, PADDED, 50))
    assert client.connection.unread
    assert not client.wire.reading
    while client.connection.unread:
        await settle()
    assert client.wire.reading


async def test_who_is_far_ahead_while_it_waits_for_its_turn_is_not_read_from(relay: Relay) -> None:
    limits = LimitSettings(max_message_bytes=2 * LARGE, max_comparison_bytes=0)
    hub = relay(config=Config(server=Server(receive_buffers=800_000), limits=limits))
    flood = Client(hub, peer="203.0.113.1", compressed=True)
    first, *others = [Client(hub, peer=f"198.51.100.{number}") for number in range(12)]
    flood.send_raw(frames_of(flood, PADDED, 80))
    first.send_raw(frames_of(first, b'["CLOSE","x"]', 1))
    assert first.connection.in_line
    assert first.wire.reading
    first.send_raw(frames_of(first, b'["CLOSE","x"]' + b" " * 1000, 70))
    assert not first.wire.reading
    for other in others:  # what waits is bounded for all together, too
        other.send_raw(frames_of(other, b'["REQ","x",{"limit":0}]' + b" " * 1000, 200))
    cut = [other.wire.aborted for other in others]
    assert 0 < sum(cut) < len(cut)
    assert not first.wire.aborted
    while first.connection.unread:
        await settle()
    assert first.wire.reading


async def test_what_comes_after_a_goodbye_waits_where_there_is_much_before_it(relay: Relay) -> None:
    client = Client(relay(), compressed=True)
    client.send_raw(frames_of(client, PADDED, 50))
    assert not client.wire.reading
    client.connection.say_goodbye(1001, "bye")
    assert not client.wire.reading
    while client.connection.unread:
        await settle()
    assert client.wire.reading


@pytest.mark.parametrize("compressed", [False, True])
async def test_what_comes_in_one_read_is_acted_on_in_order(relay: Relay, compressed: bool) -> None:
    hub = relay()
    client = Client(hub, compressed=compressed)
    events = [make_event(content=f"{number} " + "x" * number) for number in range(400)]
    data = b""
    for event in events:
        client.protocol.send_text(b'["EVENT",' + wire(event) + b"]")
        data += b"".join(client.protocol.data_to_send())
    client.send_raw(data)
    answers = await client.gather(len(events))
    assert [answer[1] for answer in answers] == [event.id for event in events]
    assert all(answer[2] for answer in answers)


async def test_what_was_sent_before_hanging_up_is_still_taken(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    client = Client(hub)
    data = b"".join(
        b"".join((client.protocol.send_text(b'["EVENT",' + wire(event) + b"]"), client.protocol.data_to_send())[1])
        for event in (make_event(content=str(number)) for number in range(300))
    )
    client.send_raw(data)
    client.connection.eof_received()
    await hub.ingest.drained()
    assert len(log.rows) == 300


class Clock:
    """Seconds, set by hand."""

    def __init__(self, hub: Hub) -> None:
        self.now = float(round(hub.clock()))
        set_clock(hub, lambda: self.now)


async def notices_until_closed(client: Client, most: int) -> int:
    """How many senseless messages are answered before the relay closes."""
    for number in range(most):
        client.send_bytes(b'"nonsense"')
        client.read()
        if client.closed_with is not None:
            return number
        await settle()
    return most


async def test_who_sends_only_rubbish_is_closed_with_the_reason(relay: Relay) -> None:
    hub = relay()
    Clock(hub)
    client = Client(hub)
    assert await notices_until_closed(client, 1000) == intake.ALLOWED
    assert client.closed_with == 1008
    assert b"cannot use" in client.wire.written[-1]


def test_what_was_of_use_earns_little_and_never_more_than_there_was() -> None:
    allowance = intake.Allowance(0.0)
    allowance.earn()
    assert allowance.spend(intake.ALLOWED, 0.0)
    allowance.earn()
    assert allowance.spend(intake.EARNED, 0.0)
    assert not allowance.spend(0.5, 0.0)


async def test_what_was_sent_in_vain_is_forgiven_in_time(relay: Relay) -> None:
    hub = relay()
    clock = Clock(hub)
    client = Client(hub)
    assert await notices_until_closed(client, 200) == 200
    clock.now += 10
    assert await notices_until_closed(client, 1000) == 10 * intake.PER_SECOND


async def test_an_event_that_was_taken_makes_up_for_one_in_vain(relay: Relay) -> None:
    hub = relay()
    Clock(hub)
    client = Client(hub)
    for number in range(300):
        client.send_bytes(b'"nonsense"')
        client.publish(make_event(content=str(number)))
        while (await client.next())[0] != "OK":
            pass
    assert client.closed_with is None


async def test_a_duplicate_makes_up_for_nothing(relay: Relay) -> None:
    hub = relay()
    Clock(hub)
    client, event = Client(hub), make_event()
    client.publish(event)
    await client.next()
    for _ in range(int(intake.ALLOWED)):
        client.send_bytes(b'"nonsense"')
        client.publish(event)
        await settle()
    assert await notices_until_closed(client, 1000) == 0


async def test_an_address_has_a_budget_too(relay: Relay) -> None:
    hub = relay()
    Clock(hub)
    spent = 0
    for _ in range(20):
        answered = await notices_until_closed(Client(hub), 150)
        spent += answered
        if answered < 150:
            break
    assert spent == intake.PER_ADDRESS * intake.ALLOWED
    assert await notices_until_closed(Client(hub), 150) == 0
    assert await notices_until_closed(Client(hub, peer="198.51.100.7"), 150) == 150


async def test_forged_events_are_rubbish(relay: Relay) -> None:
    hub = relay()
    Clock(hub)
    client = Client(hub)
    sent = 0
    while client.closed_with is None and sent < 1000:
        client.publish(msgspec.structs.replace(make_event(content=str(sent)), sig="0" * 128))
        sent += 1
        await hub.ingest.drained()
        client.read()
    assert sent == intake.ALLOWED + 1


@pytest.mark.parametrize(
    "message",
    [
        ["REQ", "s", {"kinds": ["x"]}],
        ["COUNT", "s", {"kinds": ["x"]}],
        ["EVENT", {"id": "0" * 64}],
        ["CLOSE", "nothing"],
    ],
)
async def test_a_small_message_that_is_refused_by_its_name_costs_nothing(relay: Relay, message: list[object]) -> None:
    """A client that asks for too much, or for what it may not have, is answered and not cut off."""
    hub = relay()
    Clock(hub)
    client = Client(hub)
    for _ in range(1000):
        client.send_bytes(json.dumps(message).encode())
    await settle()
    client.read()
    assert client.closed_with is None


async def test_large_messages_that_are_refused_count_by_their_bytes(relay: Relay) -> None:
    hub = relay(config=Config(rates=Rates(messages_per_address=0)))
    Clock(hub)
    client = Client(hub)
    event = msgspec.structs.replace(make_event(), content="x" * 100_000, created_at=2**40)
    for _ in range(20):
        client.publish(event)
        await settle()
    client.read()
    assert client.closed_with == 1008


async def test_binary_frames_are_rubbish(relay: Relay) -> None:
    hub = relay()
    Clock(hub)
    client = Client(hub)
    for _ in range(int(intake.ALLOWED) + 1):
        client.send_frame(Opcode.BINARY, b"x")
        await settle()
    client.read()
    assert client.closed_with == 1008


async def test_events_under_way_are_bounded_in_bytes(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "MAX_BYTES", 10_000)
    log = MemoryLog()
    hub = relay(log)
    log.gate.clear()
    client = Client(hub)
    for fields in ({"content": "x" * 4000}, {"tags": [["a"]] * 15 + [["a"] * 15]}, {"content": "y" * 4000}):
        assert hub.ingest.room()
        client.publish(make_event(**fields))
    assert not hub.ingest.room()
    assert not client.wire.reading
    log.gate.set()
    await client.gather(3)
    await settle()
    assert (hub.ingest.pending_bytes, client.wire.reading) == (0, True)


async def test_clients_read_on_when_what_filled_the_queue_came_by_another_door(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ingest, "MAX_BYTES", 1000)
    log = MemoryLog()
    hub = relay(log)
    log.gate.clear()
    imported = make_event(content="x" * 1000)
    writing = asyncio.create_task(hub.ingest.write([Incoming(imported, wire(imported), Door.IMPORT, NOW)]))
    await settle()
    client = Client(hub)
    event = make_event(content="waits")
    client.publish(event)
    assert not client.wire.reading
    log.gate.set()
    await writing
    await settle()
    assert client.wire.reading
    assert await client.next() == ["OK", event.id, True, ""]


@pytest.mark.parametrize("data", [BLANKS, NESTED, b'{"a":' + BLANKS, b'["' + b"A" * LARGE, b"\x00" * LARGE])
def test_what_does_not_begin_as_a_message_is_not_decoded(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "_decode_parts", None)
    with pytest.raises(messages.Malformed) as refused:
        messages.decode(data)
    assert refused.value.reply.startswith(b'["NOTICE","invalid: ')


def test_a_long_message_that_begins_as_one_is_decoded() -> None:
    filters = [{"ids": [f"{number:064x}" for number in range(100)]}]
    for text in (["REQ", "x", *filters], ["COUNT", "x", *filters]):
        assert isinstance(messages.decode(json.dumps(text, indent=1).encode()), messages.Req | messages.Count)


async def test_large_messages_above_the_rate_of_an_address_count_by_their_bytes(relay: Relay) -> None:
    hub = relay(config=Config(rates=Rates(messages_per_address=1, burst=1)))
    Clock(hub)
    client = Client(hub, compressed=True)
    client.send_raw(frames_of(client, PADDED, 50))
    for _ in range(5):
        await settle()
    client.read()
    assert client.closed_with == 1008
    patient = Client(hub, peer="198.51.100.7")
    for _ in range(1000):
        patient.send("REQ", "x", {"kinds": [9]})
    await settle()
    patient.read()
    assert patient.closed_with is None


@given(st.lists(st.integers(1, 5000), max_size=30), st.booleans())
def test_however_what_a_client_sends_is_cut_the_answers_are_the_same(cuts: list[int], compressed: bool) -> None:
    """One message a frame or in fragments, empty and large ones, in reads of any size."""

    async def answers(sizes: list[int]) -> list[object]:
        log = MemoryLog(quick=True)
        hub = make_hub(log)
        try:
            client = Client(hub, compressed=compressed)
            client.challenge = ""
            data = b""
            for number in range(40):
                match number % 4:
                    case 0:
                        event = make_event(content="x" * (37 * number % 3000), created_at=NOW + number)
                        client.protocol.send_text(b'["EVENT",' + wire(event) + b"]")
                    case 1:
                        client.protocol.send_text(b'["CLOSE",', fin=False)
                        client.protocol.send_continuation(b'"x"]', fin=True)
                    case 2:
                        client.protocol.send_text(b'["NOTHING"]')
                    case _:
                        client.protocol.send_ping(b"%d" % number)
                data += b"".join(client.protocol.data_to_send())
            before = len(client.wire.written)
            place = 0
            for size in (*sizes, len(data)):
                client.send_raw(data[place : place + size])
                place += size
                await settle()
            await hub.ingest.drained()
            await settle()
            client.read()
            assert client.closed_with is None
            pongs = b"".join(client.wire.written[before:]).count(b"\x8a")
            return [sorted(map(str, client.messages)), pongs >= 10]
        finally:
            await hub.close()

    async def compare() -> None:
        assert await answers(cuts) == await answers([])

    asyncio.run(compare())
