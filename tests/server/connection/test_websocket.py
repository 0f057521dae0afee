import gc
import json
import random
import time
import weakref

import msgspec
import pytest
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode

from relay.config import Access, Config, LimitSettings, Rates, Server, Storage
from relay.protocol.event import Event, wire
from relay.server.connection import effects, websocket
from tests.factories import keypair, make_event
from tests.server.conftest import Relay
from tests.server.fakes import Client, MemoryLog, make_hub, settle

ALICE, BOB = keypair(1).pubkey, keypair(2).pubkey


def proof(client: Client, key: int = 1, **changes: object) -> Event:
    """An AUTH event for this connection."""
    tags = [["relay", "ws://relay.example/"], ["challenge", client.challenge]]
    return make_event(key, 22242, tags=tags, created_at=int(time.time()))


def authenticate(client: Client, key: int = 1) -> Event:
    if not client.challenge:
        client.ask_for_challenge()
    event = proof(client, key)
    client.send_bytes(b'["AUTH",' + wire(event) + b"]")
    return event


CHALLENGED = [Config(access=Access(challenge="always")), Config(access=Access(auth_to_read=True))]


@pytest.mark.parametrize("config", CHALLENGED)
async def test_a_challenge_is_the_first_message_where_reading_needs_a_key_or_a_setting_asks(
    relay: Relay, config: Config
) -> None:
    hub = relay(config=config)
    first, second = Client(hub), Client(hub)
    assert first.messages == [["AUTH", first.challenge]]
    assert first.challenge != second.challenge
    assert len(first.challenge) >= 16
    first.send("REQ", "s", {"kinds": [1059]})
    assert (await first.next())[0] == "CLOSED"


async def test_who_asks_for_nothing_private_is_not_challenged(relay: Relay) -> None:
    client = Client(relay())
    client.send("REQ", "s", {"kinds": [1]})
    client.publish(make_event())
    assert sorted(message[0] for message in await client.gather(3)) == ["EOSE", "EVENT", "OK"]
    assert client.challenge == ""


async def test_the_challenge_comes_before_the_answer_that_needs_it(relay: Relay) -> None:
    hub = relay(config=Config(access=Access(auth_to_write=True)))
    reader, writer, counter, mixed = (Client(hub) for _ in range(4))
    reader.send("REQ", "s", {"kinds": [1059]})
    counter.send("COUNT", "s", {"kinds": [4]})
    writer.publish(make_event())
    mixed.send("REQ", "s", {"kinds": [1, 1059]})
    for client, answer in ((reader, "CLOSED"), (counter, "CLOSED"), (writer, "OK"), (mixed, "EOSE")):
        assert [message[0] for message in await client.gather(2)] == ["AUTH", answer]


async def test_a_proof_without_a_challenge_is_refused_and_challenged(relay: Relay) -> None:
    client = Client(relay())
    event = proof(client)
    client.send_bytes(b'["AUTH",' + wire(event) + b"]")
    assert await client.next() == ["AUTH", client.challenge]
    assert (await client.next())[:3] == ["OK", event.id, False]
    authenticate(client)
    assert (await client.next())[2] is True


@pytest.mark.parametrize(("path", "status"), [("/", 101), ("/nostr", 101), ("/nostr/", 101), ("/?a=/x", 101)])
async def test_a_relay_is_at_the_root_and_at_the_path_of_its_url(path: str, status: int) -> None:
    log = MemoryLog()
    hub = make_hub(log, url="wss://example.com/nostr")
    assert Client(hub, path=path).status == status
    await hub.close()


@pytest.mark.parametrize("path", ["/other", "/nostrich", "/nostr/x", "//", "/feed", "/api/v1", "/health"])
async def test_at_any_other_path_there_is_none(path: str) -> None:
    log = MemoryLog()
    hub = make_hub(log, url="wss://example.com/nostr")
    client = Client(hub, path=path)
    assert client.status == 404
    assert client.messages == []
    assert hub.gate.websockets.total == 0
    await hub.close()


@pytest.mark.parametrize("fragments", [1, 2])
async def test_a_text_that_is_no_utf_8_ends_the_connection(relay: Relay, fragments: int) -> None:
    client = Client(relay())
    text = b'["REQ","s",{"#t":["\xc3\x28"]}]'
    client.send_frame(Opcode.TEXT, text[:21] if fragments == 2 else text, fin=fragments == 1)
    if fragments == 2:
        client.send_frame(Opcode.CONT, text[21:])
    client.read()
    assert client.closed_with == 1007
    assert client.pending() == []


async def test_a_character_may_lie_in_two_fragments(relay: Relay) -> None:
    client = Client(relay())
    text = '["REQ","é",{"limit":0}]'.encode()
    client.send_frame(Opcode.TEXT, text[:9], fin=False)
    client.send_frame(Opcode.CONT, text[9:])
    assert await client.next() == ["EOSE", "é"]


@pytest.mark.parametrize("bits", range(9, 16))
async def test_who_cannot_read_our_windows_is_sent_nothing_compressed(relay: Relay, bits: int) -> None:
    hub = relay()
    client = Client(hub, offer=ClientPerMessageDeflateFactory(server_max_window_bits=bits))
    assert bool(client.protocol.extensions) is (bits == 15)
    client.send("REQ", "s", {"limit": 0})
    await client.next()
    content = "".join(random.Random(1).choices("abcdef", k=20_000)) * 4
    client.publish(make_event(content=content))
    assert {message[0] for message in await client.gather(2)} == {"OK", "EVENT"}


@pytest.mark.parametrize("bits", range(9, 16))
async def test_who_sends_smaller_windows_is_read(relay: Relay, bits: int) -> None:
    client = Client(relay(), offer=ClientPerMessageDeflateFactory(client_max_window_bits=bits))
    assert client.protocol.extensions
    event = make_event(content="tidings " * 1000)
    client.publish(event)
    assert await client.next() == ["OK", event.id, True, ""]


async def test_keys_add_up_and_each_auth_is_answered(relay: Relay) -> None:
    client = Client(relay())
    for key in (1, 2, 1):
        event = authenticate(client, key)
        assert await client.next() == ["OK", event.id, True, ""]
    assert client.connection.session.keys == {ALICE, BOB}
    client.publish(make_event(1, tags=[["-"]]))
    client.publish(make_event(2, tags=[["-"]]))
    assert [message[2] for message in await client.gather(2)] == [True, True]


async def test_the_keys_of_a_connection_are_bounded(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "MAX_KEYS", 2)
    client = Client(relay())
    for key in (1, 2, 3, 1):
        authenticate(client, key)
    answers = await client.gather(4)
    assert [message[2] for message in answers] == [True, True, False, True]
    assert answers[2][3].startswith("restricted: ")


async def test_a_fragmented_message_is_put_together(relay: Relay) -> None:
    client = Client(relay())
    client.send_frame(Opcode.TEXT, b"", fin=False)
    client.send_frame(Opcode.CONT, b'["REQ","s",', fin=False)
    client.send_frame(Opcode.PING, b"in between")
    client.send_frame(Opcode.CONT, b"", fin=False)
    client.send_frame(Opcode.CONT, b'{"limit":0}]', fin=True)
    assert await client.next() == ["EOSE", "s"]


async def test_fragments_without_content_take_no_memory(relay: Relay) -> None:
    client = Client(relay())
    client.send_frame(Opcode.TEXT, b"[", fin=False)
    for _ in range(2000):
        client.send_frame(Opcode.CONT, b"", fin=False)
    assert client.connection.parts == b"["
    client.send_frame(Opcode.CONT, b'"CLOSE"]', fin=True)
    assert (await client.next())[0] == "NOTICE"
    assert client.connection.parts is None


def unfinished(kind: str, size: int) -> bytes:
    """The beginning of a text message of so many bytes, which is not ended."""
    if kind == "fragments":
        return Frame(Opcode.TEXT, b"x" * (size // 2), fin=False).serialize(mask=True) + Frame(
            Opcode.CONT, b"x" * (size // 2), fin=False
        ).serialize(mask=True)
    return Frame(Opcode.TEXT, b"x" * size, fin=kind == "frame").serialize(mask=True)[:-10]


@pytest.mark.parametrize("kind", ["frame", "fragments", "first fragment"])
async def test_of_many_that_end_no_message_those_that_sent_most_are_disconnected(relay: Relay, kind: str) -> None:
    limits = LimitSettings(max_message_bytes=50_000, max_comparison_bytes=0)
    hub = relay(config=Config(server=Server(receive_buffers=300_000), limits=limits))
    *many, good = (Client(hub) for _ in range(21))
    for number, client in enumerate(many):
        client.send_raw(unfinished(kind, 40_000 if number % 2 else 4_000))
        assert sum(one.connection.unfinished() for one in many if not one.wire.aborted) <= 300_000
    cut = [client.wire.aborted for client in many]
    assert 0 < sum(cut) < 10
    assert not any(cut[::2])
    for event in (make_event(content=json.dumps([number, "x" * 40_000])) for number in range(20)):
        data = Frame(Opcode.TEXT, b'["EVENT",' + wire(event) + b"]").serialize(mask=True)
        good.send_raw(data[:30_000])
        good.send_raw(data[30_000:])
        assert (await good.next())[:3] == ["OK", event.id, True]


@pytest.mark.parametrize("kind", ["frame", "fragments", "first fragment"])
async def test_nothing_is_kept_of_a_message_whose_sender_left(relay: Relay, kind: str) -> None:
    client = Client(relay())
    client.send_raw(unfinished(kind, 40_000))
    assert client.connection.unfinished() > 30_000
    client.connection.connection_lost(None)
    assert client.connection.unfinished() == 0


async def test_two_of_the_longest_messages_always_fit(relay: Relay) -> None:
    limits = LimitSettings(max_message_bytes=50_000, max_comparison_bytes=200_000)
    hub = relay(config=Config(server=Server(receive_buffers=10_000), limits=limits))
    many = [Client(hub) for _ in range(8)]
    for client in many:
        client.send_raw(unfinished("frame", 49_000))
    assert not any(client.wire.aborted for client in many)
    Client(hub).send_raw(unfinished("frame", 49_000))
    assert any(client.wire.aborted for client in many)


async def test_binary_messages_are_not_read_and_say_so(relay: Relay) -> None:
    client = Client(relay())
    client.send_frame(Opcode.BINARY, b'["REQ","s",{}]')
    client.send_frame(Opcode.BINARY, b'["REQ",', fin=False)
    client.send_frame(Opcode.CONT, b'"s",{}]', fin=True)
    answers = await client.gather(2)
    assert [message[0] for message in answers] == ["NOTICE", "NOTICE"]
    assert "text" in answers[0][1]


async def test_fragments_together_may_not_exceed_a_message(relay: Relay) -> None:
    client = Client(relay(config=Config(limits=LimitSettings(max_message_bytes=1024))))
    client.send_frame(Opcode.TEXT, b"x" * 1000, fin=False)
    client.send_frame(Opcode.CONT, b"x" * 25, fin=True)
    assert "1024" in (await client.next())[1]
    assert client.closed_with == 1009


@pytest.mark.parametrize("compressed", [False, True])
async def test_a_message_at_the_limit_is_read_and_one_over_it_ends_the_connection(
    relay: Relay, compressed: bool
) -> None:
    client = Client(relay(config=Config(limits=LimitSettings(max_message_bytes=2000))), compressed=compressed)
    client.send_bytes(b'["REQ","s",{"limit":0}]'.ljust(2000))
    assert await client.next() == ["EOSE", "s"]
    client.send_bytes(b'["REQ","s",{"limit":0}]'.ljust(2001))
    verb, text = await client.next()
    assert verb == "NOTICE"
    assert "2000" in text
    assert client.closed_with == 1009
    assert client.pending() == []


async def test_unmasked_frames_end_the_connection(relay: Relay) -> None:
    client = Client(relay())
    client.send_raw(b'\x81\x05["x"]')
    client.read()
    assert client.closed_with == 1002


async def test_answers_to_what_came_before_a_close_are_still_sent(relay: Relay) -> None:
    client = Client(relay())
    client.protocol.send_text(b'["SHOUT"]')
    client.protocol.send_close(1000)
    client.send_raw(b"".join(client.protocol.data_to_send()))
    assert (await client.next())[0] == "NOTICE"
    assert client.closed_with == 1000


async def test_nothing_is_done_for_a_client_that_has_been_sent_a_close(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log)
    client = Client(hub)
    client.connection.close(1001, "bye")
    client.publish(make_event())
    client.send("REQ", "s", {})
    await hub.ingest.drained()
    assert not log.rows
    assert hub.fanout.count == 0


async def test_connections_that_left_are_forgotten_though_nobody_writes(relay: Relay) -> None:
    hub = relay()
    left = []
    for _ in range(20):
        client = Client(hub)
        client.send("REQ", "s", {})
        await client.next()
        client.connection.connection_lost(None)
        left.append(weakref.ref(client.wire))
    await settle()
    del client
    gc.collect()
    assert [wire() for wire in left if wire() is not None] == []


@pytest.mark.parametrize(("bound", "most", "size"), [("MAX_IN_FLIGHT", 5, 1), ("MAX_IN_FLIGHT_BYTES", 50_000, 10_000)])
async def test_a_client_with_too_many_unanswered_events_is_not_read_from(
    relay: Relay, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, size: int
) -> None:
    monkeypatch.setattr(websocket, bound, most)
    log = MemoryLog()
    client = Client(relay(log))
    log.gate.clear()
    for number in range(5):
        assert client.wire.reading
        client.publish(make_event(content=str(number) * size))
    assert not client.wire.reading
    log.gate.set()
    await client.gather(5)
    await settle()
    assert client.wire.reading


async def test_messages_of_an_address_are_limited_and_refused_in_their_own_form(relay: Relay) -> None:
    hub = relay(config=Config(rates=Rates(messages_per_address=0.001, burst=2000)))  # two, and no more for a while
    client, same, other = Client(hub), Client(hub), Client(hub, peer="203.0.113.2")
    client.send("REQ", "s", {"limit": 0})
    same.send("REQ", "s", {"limit": 0})
    assert (await client.next())[0] == (await same.next())[0] == "EOSE"
    event = make_event()
    client.publish(event)
    assert (await client.next())[:3] == ["OK", event.id, False]
    same.send("COUNT", "c", {})
    answer = await same.next()
    assert answer[:2] == ["CLOSED", "c"]
    assert answer[2].startswith("rate-limited: ")
    same.send("SHOUT")
    assert (await same.next())[1].startswith("rate-limited: ")
    same.send("COUNT", "", {})
    assert (await same.next())[:2] == ["CLOSED", ""]
    same.send("EVENT", {"id": "x"})
    assert (await same.next())[:3] == ["OK", "x", False]
    other.send("REQ", "s", {"limit": 0})
    assert (await other.next())[0] == "EOSE"


async def test_requests_refused_for_their_rate_leave_nothing_behind(relay: Relay) -> None:
    hub = relay(config=Config(rates=Rates(messages_per_address=0.001, burst=2000)))
    client, writer = Client(hub), Client(hub, peer="203.0.113.2")
    client.send("REQ", "open", {})
    client.send("REQ", "second", {"limit": 0})
    for name in ("open", *map(str, range(100))):
        client.send("REQ", name, {"kinds": [1]})
    answers = await client.gather(102)
    assert sorted(answer[0] for answer in answers) == ["CLOSED"] * 101 + ["EOSE"]
    assert list(client.connection.session.subscriptions) == ["second"]
    assert list(client.connection.session._weights) == ["second"]
    writer.publish(make_event())
    await writer.next()
    assert [message[1] for message in client.pending()] == ["second"]


async def test_events_of_a_key_are_limited(relay: Relay) -> None:
    hub = relay(config=Config(rates=Rates(events_per_key=60, burst=2)))
    client = Client(hub)
    for number in range(3):
        client.publish(make_event(1, content=str(number)))
    client.publish(make_event(2))
    answers = {message[1]: message for message in await client.gather(4)}
    assert [answers[make_event(1, content=str(number)).id][2] for number in range(3)] == [True, True, False]
    assert answers[make_event(1, content="2").id][3].startswith("rate-limited: ")
    assert answers[make_event(2).id][2] is True


async def test_forged_events_do_not_use_up_the_rate_of_the_key_they_name(relay: Relay) -> None:
    hub = relay(config=Config(rates=Rates(events_per_key=60, burst=2)))
    forger, victim = Client(hub), Client(hub)
    for number in range(20):
        forger.publish(msgspec.structs.replace(make_event(1, content=str(number)), sig="0" * 128))
    assert all(message[3].startswith("invalid: ") for message in await forger.gather(20))
    victim.publish(make_event(1))
    assert (await victim.next())[2] is True


async def test_connections_of_an_address_are_limited(relay: Relay) -> None:
    hub = relay(config=Config(rates=Rates(connections_per_address=1)))
    first, second = Client(hub), Client(hub)
    assert (first.status, second.status) == (101, 429)
    assert second.messages == []
    assert Client(hub, peer="203.0.113.2").status == 101
    first.connection.connection_lost(None)
    assert Client(hub).status == 101


async def test_a_refused_connection_gives_nothing_back_that_it_did_not_take(relay: Relay) -> None:
    hub = relay(config=Config(rates=Rates(connections_per_address=1)))
    kept, refused = Client(hub), Client(hub)
    refused.connection.connection_lost(None)
    assert kept.status == 101
    assert Client(hub).status == 429


async def test_behind_a_trusted_proxy_the_header_says_who_it_is(relay: Relay) -> None:
    config = Config(
        server=Server(trusted_proxies=["127.0.0.0/8"], address_header="x-real-ip"),
        rates=Rates(connections_per_address=1),
    )
    hub = relay(config=config)

    def status(address: str, peer: str = "127.0.0.1") -> int:
        return Client(hub, peer=peer, headers={"X-Real-IP": address}).status

    assert status("198.51.100.1") == 101
    assert status("198.51.100.1") == 429
    assert status("198.51.100.2") == 101
    assert status("198.51.100.3", peer="203.0.113.7") == 101
    assert status("198.51.100.4", peer="203.0.113.7") == 429


async def test_a_protected_event_needs_its_author(relay: Relay) -> None:
    client = Client(relay())
    event = make_event(1, tags=[["-"]])
    client.publish(event)
    assert (await client.next())[0] == "AUTH"
    assert (await client.next())[3].startswith("auth-required: ")
    authenticate(client, 2)
    await client.next()
    client.publish(event)
    assert (await client.next())[3].startswith("restricted: ")


async def test_writing_needs_authentication_where_the_relay_says_so(relay: Relay) -> None:
    client = Client(relay(config=Config(access=Access(auth_to_write=True))))
    client.publish(make_event(3))
    assert (await client.next())[0] == "AUTH"
    assert (await client.next())[3].startswith("auth-required: ")
    authenticate(client, 1)
    await client.next()
    client.publish(make_event(3))
    assert (await client.next())[2] is True


async def test_a_full_queue_pauses_the_reading_of_those_who_send(relay: Relay) -> None:
    log = MemoryLog()
    hub = relay(log, Config(storage=Storage(queue=3)))
    log.gate.clear()
    clients = [Client(hub, peer=f"203.0.113.{number}") for number in range(3)]
    for number, client in enumerate(clients):
        assert client.wire.reading
        client.publish(make_event(content=str(number)))
    assert not clients[-1].wire.reading
    late = Client(hub, peer="203.0.113.9")
    late.publish(make_event(content="late"))  # what is in already is kept, and nothing more is taken
    late.publish(make_event(content="later"))
    assert not late.wire.reading
    assert hub.ingest.pending == 3
    log.gate.set()
    for client, answers in zip((*clients, late), (1, 1, 1, 2), strict=True):
        assert all(answer[2] for answer in await client.gather(answers))
    await settle()
    assert all(client.wire.reading for client in (*clients, late))
