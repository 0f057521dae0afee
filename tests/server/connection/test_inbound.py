"""The short path beside websockets' own parser: the same answer on any bytes, cut anywhere."""

import logging
import struct
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from relay.server.connection.inbound import Inbound, Received

MAX = 300
MASK = b"\x01\x02\x03\x04"
silent = logging.getLogger("tests.inbound")
silent.setLevel(logging.CRITICAL)


def protocol(*, deflate: bool = False) -> ServerProtocol:
    made = ServerProtocol(max_size=MAX, state=State.OPEN, logger=silent)
    if deflate:
        made.extensions = [PerMessageDeflate(True, True, 15, 15)]
    return made


def frame(head: int, payload: bytes, *, mask: bytes = MASK, length: int | None = None, wide: int = 0) -> bytes:
    """A client's frame; `length` may lie, and `wide` is the width that its length is written in."""
    size = len(payload) if length is None else length
    if wide == 8 or (not wide and size > 65535):
        header = bytes((head, 0xFF)) + struct.pack("!Q", size)
    elif wide == 2 or (not wide and size > 125):
        header = bytes((head, 0xFE)) + struct.pack("!H", min(size, 65535))
    else:
        header = bytes((head, 0x80 | min(size, 125)))
    return header + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def said(received: list[Received]) -> list[tuple[Opcode, bytes, bool]]:
    frames = [Frame(Opcode.TEXT, one) if isinstance(one, bytes) else one for one in received]
    return [(one.opcode, bytes(one.data), one.fin) for one in frames if isinstance(one, Frame)]


def outcome(pieces: list[bytes], *, short: bool, deflate: bool, ended: bool) -> tuple[object, ...]:
    """What a client is answered: frames received, bytes sent back, and the state at the end, after every piece."""
    server = protocol(deflate=deflate)
    inbound = Inbound(server, MAX) if short else None
    received: list[Received] = []
    trace = []
    for piece in pieces:
        if inbound is not None:
            received += inbound.feed(piece)
        else:
            server.receive_data(piece)
            received += server.events_received()  # type: ignore[arg-type]
        trace.append((len(received), b"".join(server.data_to_send()), server.state))
    if ended:
        if inbound is not None:
            received += inbound.end()
        else:
            server.receive_eof()
            received += server.events_received()  # type: ignore[arg-type]
        trace.append((len(received), b"".join(server.data_to_send()), server.state))
    return said(received), trace


FRAMES = st.one_of(
    st.builds(frame, st.just(0x81), st.binary(max_size=320)),
    st.builds(frame, st.sampled_from([0x01, 0x80, 0x00, 0x82, 0x02]), st.binary(max_size=200)),
    st.builds(frame, st.sampled_from([0x88, 0x89, 0x8A]), st.binary(max_size=130)),
    st.builds(frame, st.just(0x88), st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x00"])),
    st.builds(frame, st.integers(0, 255), st.binary(max_size=20)),
    st.builds(frame, st.just(0x81), st.binary(max_size=20), wide=st.sampled_from([2, 8])),
    st.builds(frame, st.just(0x81), st.binary(max_size=5), length=st.integers(0, 2**63), wide=st.sampled_from([2, 8])),
    st.just(b"\x81\x05hello"),  # without a mask
    st.just(frame(0xC1, b"\xaa\x56\x2a\x4b\x4c\x4a\x06\x00")),
    st.binary(max_size=12),
)


@settings(max_examples=500)
@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 2000), max_size=12), st.booleans(), st.booleans())
def test_answers_as_websockets_does(frames: list[bytes], cuts: list[int], deflate: bool, ended: bool) -> None:
    data = b"".join(frames)
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    own = outcome(pieces, short=True, deflate=deflate, ended=ended)
    assert own == outcome(pieces, short=False, deflate=deflate, ended=ended)


@pytest.mark.parametrize("size", [0, 1, 125, 126, MAX])
def test_every_single_byte_may_come_alone(size: int) -> None:
    inbound = Inbound(protocol(), MAX)
    payload = b"x" * size
    pieces = [bytes((byte,)) for byte in frame(0x81, payload)]
    assert [one for piece in pieces for one in inbound.feed(piece)] == [payload]


def test_a_usual_frame_does_not_touch_the_protocol() -> None:
    server = protocol()
    inbound = Inbound(server, MAX)
    assert inbound.feed(frame(0x81, b"hello") + frame(0x81, b"y" * 200)) == [b"hello", b"y" * 200]
    assert inbound.feed(frame(0x81, b"again")) == [b"again"]
    assert server.reader.buffer == b""
    assert not server.events_received()


def test_a_message_that_is_too_long_is_refused_by_its_header() -> None:
    server = protocol()
    Inbound(server, MAX).feed(frame(0x81, b"", length=MAX + 1))
    assert b"".join(server.data_to_send())[2:4] == (1009).to_bytes(2)


@settings(max_examples=300)
@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 2000), max_size=12))
def test_where_messages_may_grow_the_protocols_bound_holds(frames: list[bytes], cuts: list[int]) -> None:
    """Beside a protocol of that bound alone."""
    data = b"".join(frames)
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    server, inbound = protocol(), Inbound(protocol(), MAX // 4, lambda: True)
    received, own = list[Received](), list[Received]()
    for a, b in pairwise(places):
        server.receive_data(data[a:b])
        received += server.events_received()  # type: ignore[arg-type]
        own += inbound.feed(data[a:b])
        assert (said(own), inbound._protocol.state) == (said(received), server.state)
        assert inbound._protocol.data_to_send() == server.data_to_send()


@pytest.mark.parametrize(
    "pieces", [[frame(0x81, b"", length=101)], [frame(0x01, b"x" * 60), frame(0x00, b"", length=41)]]
)
def test_where_messages_may_not_grow_one_is_refused_by_its_header(pieces: list[bytes]) -> None:
    server = protocol()
    inbound = Inbound(server, 100)
    for piece in pieces:
        inbound.feed(piece)
    assert b"".join(server.data_to_send())[2:4] == (1009).to_bytes(2)
    assert inbound.feed(frame(0x81, b"more")) == []


HEAD = (
    b"GET / HTTP/1.1\r\nHost: relay.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@given(st.lists(st.integers(0, 2000), max_size=6))
def test_what_follows_the_request_waits_until_that_is_answered(cuts: list[int]) -> None:
    server = ServerProtocol(max_size=MAX, logger=silent)
    inbound = Inbound(server, MAX)
    data = HEAD + frame(0x81, b"hello") + frame(0x89, b"?") + frame(0x81, b"again")
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    found: list[Received] = []
    for a, b in pairwise(places):
        came = inbound.feed(data[a:b])
        if came and isinstance(came[0], Request):
            assert len(came) == 1
            server.send_response(server.accept(came[0]))
            came = inbound.feed(b"")
        found += came
    assert said(found) == [
        (Opcode.TEXT, b"hello", True),
        (Opcode.PING, b"?", True),
        (Opcode.TEXT, b"again", True),
    ]


def test_what_follows_a_request_that_is_none_is_nothing() -> None:
    server = ServerProtocol(max_size=MAX, logger=silent)
    inbound = Inbound(server, MAX)
    assert inbound.feed(b"GET nonsense\r\n\r\n" + frame(0x81, b"hello")) == []
    assert inbound.feed(frame(0x81, b"hello")) == []
    assert server.handshake_exc is not None
