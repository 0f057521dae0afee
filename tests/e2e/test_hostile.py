"""Frames, texts and sockets that no decent client sends: each has its answer, and the relay goes on."""

import asyncio
import contextlib
import gzip
import json
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.protocol.event import wire
from tests.e2e.harness import (
    HANDSHAKE,
    PATIENCE,
    Server,
    client,
    deaf,
    fresh_key,
    hung_up,
    masked,
    serving,
    upgraded,
)
from tests.factories import make_event

PROTOCOL_ERROR, BAD_DATA, TOO_BIG = 1002, 1007, 1009


@pytest.fixture
async def _alive(relay: Server) -> AsyncIterator[None]:
    """After each test an ordinary client is served, on the same relay."""
    yield
    event = make_event(fresh_key())
    async with client(relay) as alice:
        await alice.store(event)
        assert await alice.stored({"ids": [event.id]}) == [event.id]


pytestmark = pytest.mark.usefixtures("_alive")


async def answer_to(server: Server, data: bytes, eof: bool = False) -> bytes:
    """Everything the relay says to these bytes after the handshake, up to its hanging up."""
    reader, writer = await upgraded(server)
    with contextlib.suppress(OSError):  # it may hang up while we are still talking
        writer.write(data)
        if eof:
            writer.write_eof()
    try:
        return await asyncio.wait_for(to_the_end(reader), PATIENCE)
    finally:
        writer.transport.abort()


async def to_the_end(reader: asyncio.StreamReader) -> bytes:
    """All that comes; a reset is an end like another."""
    said = b""
    with contextlib.suppress(OSError):
        while part := await reader.read(1024):
            said += part
    return said


def close_code(data: bytes) -> int | None:
    """The code of the close frame at the end of what a server sent."""
    at = data.rfind(b"\x88")
    return None if at < 0 else struct.unpack("!H", data[at + 2 : at + 4])[0]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02[]", PROTOCOL_ERROR),
        (masked(b"[]", 0x83), PROTOCOL_ERROR),
        (masked(b"[]", 0xF1), PROTOCOL_ERROR),
        (masked(b"[]", 0xC1), PROTOCOL_ERROR),
        (masked(b"[]", 0x80), PROTOCOL_ERROR),
        (masked(b"[", 0x01) + masked(b"]", 0x81), PROTOCOL_ERROR),
        (masked(b"x" * 126, 0x89), PROTOCOL_ERROR),
        (masked(b"x", 0x09), PROTOCOL_ERROR),
        (b"\x81\xff" + b"\xff" * 8 + b"\0" * 4, None),
        (b"\x81\xff" + (2**62).to_bytes(8) + b"\0" * 4, TOO_BIG),
        (masked(b"x" * 600_000), TOO_BIG),
        (masked(b"[" * 1_000_000), TOO_BIG),
        (masked(b"x" * 300_000, 0x01) + masked(b"x" * 300_000, 0x80), TOO_BIG),
        (masked(b'["\xff\xfe"]'), BAD_DATA),
        (masked(b'["REQ","\xc3\x28",{}]'), BAD_DATA),
        (masked(b'["EVENT",{"content":"\xed\xa0\x80"}]'), BAD_DATA),
        (masked(b'["REQ","\xc3', 0x01) + masked(b'\x28",{}]', 0x80), BAD_DATA),
        (masked(b"\x03", 0x88), PROTOCOL_ERROR),
        (masked(b"\x00\x01", 0x88), PROTOCOL_ERROR),
        (masked(b"\x03\xe8\xff", 0x88), BAD_DATA),
        (masked(b"\x03\xe8", 0x88), 1000),
        (masked(b"", 0x88), None),
    ],
)
async def test_a_broken_frame_ends_its_connection_with_the_code_for_it(
    relay: Server, data: bytes, code: int | None
) -> None:
    said = await answer_to(relay, data)
    assert code is None or close_code(said) == code


async def test_a_connection_that_ends_in_the_middle_of_a_frame_is_let_go(relay: Server) -> None:
    for cut in (1, 3, 5, 7):
        await answer_to(relay, masked(b'["REQ","s",{}]')[:cut], eof=True)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 100_000,
        b'["REQ","s",' + b"[" * 100_000,
        b'["REQ","s",' + b'{"a":' * 20_000,
        b'["EVENT",' + b'{"tags":' * 10_000,
        b'["EVENT",{"tags":' + b"[" * 100_000,
        b'["REQ","s",{"limit":' + b"9" * 100_000 + b"}]",
        b'["REQ","s",{"limit":1e999999}]',
        b'["REQ","s",{"since":-' + b"9" * 5000 + b"}]",
        b'["REQ","s",{"#t":["\\ud800"]}]',
        b'["REQ","\\udfff",{}]',
        b'["SH\\u0000UT"]',
        b"\0" * 1000,
        b"9" * 100_000,
        b'"' + b"\\" * 99_999,
    ],
)
async def test_a_hostile_text_gets_an_answer_and_the_connection_goes_on(relay: Server, text: bytes) -> None:
    async with client(relay) as alice:
        await alice.connection.send(text, text=True)
        assert (await alice.next())[0] in ("NOTICE", "CLOSED", "OK")
        assert (await alice.request({"ids": []}))[1][0] == "EOSE"


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udfff\\ud800"', '"\\u12"', '"\n"', '"\\x41"'])
async def test_an_event_with_what_is_no_unicode_or_no_json_is_refused(relay: Server, text: str) -> None:
    event = wire(make_event(fresh_key(), content="$")).decode().replace('"$"', text)
    async with client(relay) as alice:
        await alice.raw(f'["EVENT",{event}]')
        answer = await alice.next()
        assert answer[0] == "NOTICE" or answer[2] is False


async def test_binary_messages_get_a_notice(relay: Server) -> None:
    async with client(relay) as alice:
        await alice.connection.send(b'["REQ","s",{}]')
        assert (await alice.next())[0] == "NOTICE"


async def test_a_message_in_many_fragments_is_one(relay: Server) -> None:
    event = make_event(fresh_key(), content="in pieces")
    text = f'["EVENT",{wire(event).decode()}]'
    async with client(relay) as alice:
        await alice.raw(iter(text))
        assert await alice.next() == ["OK", event.id, True, ""]


async def test_a_compressed_message_that_inflates_beyond_the_limit_is_not_read(relay: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(HANDSHAKE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
    assert b"permessage-deflate" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    bomb = compressor.compress(b"[" * 100_000_000) + compressor.flush(zlib.Z_SYNC_FLUSH)
    before = relay.resident()
    writer.write(masked(bomb.removesuffix(b"\x00\x00\xff\xff"), 0xC1))
    assert close_code(await asyncio.wait_for(reader.read(-1), PATIENCE)) == TOO_BIG
    writer.close()
    assert relay.resident() - before < 20 * 1024 * 1024


async def test_a_frame_that_says_compressed_and_is_not_ends_its_connection(relay: Server) -> None:
    for junk in (b"\xff" * 50, gzip.compress(b"[]"), b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        writer.write(HANDSHAKE[:-2] + b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
        writer.write(masked(junk, 0xC1) + masked(b"", 0x88))
        await asyncio.wait_for(reader.read(-1), PATIENCE)
        writer.close()


@pytest.mark.parametrize(
    "request_head",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        HANDSHAKE.replace(b"Version: 13", b"Version: 8"),
        HANDSHAKE.replace(b"dGhlIHNhbXBsZSBub25jZQ==", b"short"),
        HANDSHAKE.replace(b"GET", b"POST"),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-Y: z\r\n" * 50_000 + b"\r\n",
    ],
)
async def test_a_request_that_is_no_handshake_is_refused(relay: Server, request_head: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    with contextlib.suppress(OSError):  # it may hang up in the middle of so much
        writer.write(request_head)
        writer.write_eof()
    said = await asyncio.wait_for(to_the_end(reader), PATIENCE)
    writer.transport.abort()
    assert b" 101 " not in said[:20]


async def test_who_asks_for_another_version_of_websocket_is_told_which_one_is_spoken(relay: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(HANDSHAKE.replace(b"Version: 13", b"Version: 8"))
    said = await asyncio.wait_for(to_the_end(reader), PATIENCE)
    writer.transport.abort()
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"\r\nsec-websocket-version: 13\r\n" in said.lower()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
verbs = st.sampled_from(["EVENT", "REQ", "CLOSE", "COUNT", "AUTH", "NEG-OPEN"])
filter_fields = st.sampled_from(["ids", "authors", "kinds", "#e", "#t", "since", "until", "limit", "search"])
filters = st.dictionaries(filter_fields, json_values | st.lists(st.integers(-1, 70_000), max_size=3), max_size=4)
event_fields = st.sampled_from(["id", "pubkey", "created_at", "kind", "tags", "content", "sig"])


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(verbs, st.text(max_size=70) | json_values, filters | json_values).map(list)
        | st.tuples(verbs, st.dictionaries(event_fields, json_values)).map(list)
        | json_values,
        max_size=8,
    )
)
async def test_any_json_leaves_the_connection_usable(relay: Server, messages: list[object]) -> None:
    async with client(relay) as alice:
        for message in messages:
            await alice.send(*message) if isinstance(message, list) else await alice.send(message)
        await alice.send("REQ", "the last question", {"ids": []})
        for _ in range(10_000):
            answer = await alice.next()
            if answer[:2] == ["EOSE", "the last question"] or answer[:2] == ["CLOSED", "the last question"]:
                break
        else:
            pytest.fail("the last question was not answered")


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\r\n\r\n"
        + bytes(4_000_000),  # a socket with something unread is reset when it is closed
        b"GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ],
    ids=["TLS", "much of it", "two lengths", "another protocol"],
)
async def test_what_is_no_request_of_this_relay_is_answered_and_fills_no_log(relay: Server, sent: bytes) -> None:
    before = relay.log()
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(sent)
    assert (await asyncio.wait_for(reader.read(-1), PATIENCE)).startswith(b"HTTP/1.1 ")
    writer.close()
    await writer.wait_closed()
    assert relay.log() == before


async def test_a_body_that_is_no_http_any_more_ends_the_answer_that_is_under_way(relay: Server) -> None:
    before = relay.log()
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(b"GET /api/v1/stream HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), PATIENCE)
    writer.write(b"no chunk\r\n\r\n")
    assert b" 400 " not in await asyncio.wait_for(to_the_end(reader), PATIENCE)
    writer.close()
    assert relay.log() == before


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.binary(max_size=60)
        | st.tuples(st.binary(max_size=200), st.integers(0, 255)).map(lambda made: masked(made[0], made[1])),
        max_size=8,
    )
)
async def test_any_bytes_after_the_handshake_end_at_most_their_own_connection(
    relay: Server, parts: list[bytes]
) -> None:
    await answer_to(relay, b"".join(parts), eof=True)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A relay that waits a second for requests and pings every second; who answers has three, on a busy machine."""
    given = ("server.open_timeout=1", "server.ping_interval=1", "server.ping_timeout=3")
    with serving(tmp_path_factory.mktemp("impatient") / "data", *given) as server:
        yield server


async def given_up(impatient: Server, begun: bytes) -> tuple[bytes, bytes]:
    """The head and the body of what a client is answered that begins a request and never ends it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.port)
    writer.write(begun)
    head, _, body = (await asyncio.wait_for(reader.read(-1), PATIENCE)).partition(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return head, body


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"G",
        b"GET / HTTP/1.1\r\n",
        b"POST /api/v1/agents/register HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{",
    ],
)
async def test_a_request_that_does_not_come_to_an_end_is_given_up_and_told_so(impatient: Server, begun: bytes) -> None:
    head, body = await given_up(impatient, begun)
    assert head.startswith(b"HTTP/1.1 408 ")
    told = json.loads(body)
    assert (told["success"], told["code"]) == (False, "request_timeout")


async def test_what_is_answered_before_its_body_came_to_an_end_is_given_up_too(impatient: Server) -> None:
    head, _ = await given_up(impatient, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\nx")
    assert head.startswith(b"HTTP/1.1 415 ")


async def test_a_trickling_request_does_not_get_more_time(impatient: Server) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", impatient.port)
    ended = asyncio.create_task(reader.read(-1))
    writer.write(b"GET / HTTP/1.1\r\n")
    while not ended.done():
        writer.write(b"X-Y: z\r\n")
        await asyncio.wait([ended], timeout=0.1)
    assert ended.exception() is None or isinstance(ended.exception(), ConnectionError)
    writer.transport.abort()


async def test_a_silent_peer_is_pinged_and_dropped_when_it_does_not_answer(impatient: Server) -> None:
    reader, writer = await upgraded(impatient)
    said = await asyncio.wait_for(to_the_end(reader), PATIENCE)
    assert b"\x89\x00" in said
    writer.transport.abort()


async def test_a_peer_that_answers_pings_is_kept(impatient: Server) -> None:
    async with client(impatient) as quiet:
        reader, writer = await upgraded(impatient)
        await asyncio.wait_for(
            to_the_end(reader), PATIENCE
        )  # long enough for a peer that does not answer to be dropped
        writer.transport.abort()
        assert (await quiet.request({"ids": []}))[1][0] == "EOSE"


async def test_a_reader_that_takes_nothing_of_its_answer_is_dropped(impatient: Server) -> None:
    key = fresh_key()
    events = [make_event(key, content=f"{number} " + "x" * 50_000) for number in range(200)]
    async with client(impatient) as writer:
        await writer.store(*events)
    stream, _ = await deaf(impatient, ["REQ", "s", {"authors": [key.pubkey]}])
    await hung_up(stream)


async def test_a_peer_that_never_answers_a_close_is_dropped(impatient: Server) -> None:
    reader, writer = await upgraded(impatient)
    writer.write(b"\x81\x02[]")  # not masked: the relay sends a close frame
    await asyncio.wait_for(to_the_end(reader), PATIENCE)
    writer.transport.abort()


async def test_a_thousand_connections_that_reset_leave_nothing_behind(relay: Server) -> None:
    for _ in range(1000):
        with socket.create_connection(("127.0.0.1", relay.port)) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            sock.sendall(HANDSHAKE + masked(b'["REQ","s",{}]'))
    async with client(relay) as alice:
        assert (await alice.request({"ids": []}))[1][0] == "EOSE"


async def test_of_many_that_end_no_request_those_that_sent_most_are_disconnected(tmp_path):
    small = ("server.receive_buffers=1048576", "limits.max_message_bytes=200000", "limits.max_comparison_bytes=0")
    begun = b"POST /api/v1/agents/register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 190000\r\n\r\n"
    with serving(tmp_path / "data", *small, "server.fronts=1", "server.open_timeout=0") as server:
        many = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(12)]
        try:
            for _, writer in many:
                writer.write(begun + b" " * 180_000)
            ended = [asyncio.ensure_future(reader.read()) for reader, _ in many]
            await asyncio.wait(ended, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
            assert 0 < sum(one.done() for one in ended) < len(many)
            async with httpx.AsyncClient() as client:
                made = await client.post(
                    f"{server.http}/api/v1/agents/register", json={"name": "knot", "description": "x" * 400}
                )
            assert made.status_code == 201
        finally:
            for _, writer in many:
                writer.transport.abort()
            await asyncio.gather(*ended, return_exceptions=True)
