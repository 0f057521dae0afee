import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from relay.server import frames

LENGTHS = [0, 1, 125, 126, 127, 255, 256, 65535, 65536, 70000]


def client(compressed: bool = False) -> ClientProtocol:
    """A client of the websockets library after its handshake, ready to read what a server sends."""
    from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

    offered: list[Any] = [ClientPerMessageDeflateFactory(server_no_context_takeover=True)] if compressed else []
    accepted: list[Any] = [ServerPerMessageDeflateFactory(server_no_context_takeover=True)] if compressed else []
    reader = ClientProtocol(parse_uri("ws://localhost/"), extensions=offered)
    server = ServerProtocol(extensions=accepted)
    reader.send_request(reader.connect())
    server.receive_data(b"".join(reader.data_to_send()))
    server.send_response(server.accept(server.events_received()[0]))  # type: ignore[arg-type]
    reader.receive_data(b"".join(server.data_to_send()))
    assert isinstance(reader.events_received()[0], Response)
    assert bool(reader.extensions) == compressed
    return reader


def read(reader: ClientProtocol, data: bytes) -> list[bytes]:
    """The messages in these bytes; each must be a single, final text frame."""
    reader.receive_data(data)
    found = []
    for frame in reader.events_received():
        assert isinstance(frame, Frame)
        assert frame.opcode is Opcode.TEXT
        assert frame.fin
        found.append(bytes(frame.data))
    assert reader.parser_exc is None
    return found


@pytest.mark.parametrize("length", LENGTHS)
def test_a_text_frame_is_read_back(length: int) -> None:
    payload = b"x" * length
    assert read(client(), frames.text(payload)) == [payload]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_compressed_frame_is_read_back(length: int) -> None:
    payload = bytes(itertools.islice(itertools.cycle(b"every message stands alone "), length))
    assert read(client(compressed=True), frames.deflated(payload)) == [payload]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_frame_is_what_websockets_itself_would_send(length: int) -> None:
    payload = b"x" * length
    assert frames.text(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(st.lists(st.binary(max_size=700), max_size=6))
def test_any_order_of_compressed_frames_is_read_back(payloads: list[bytes]) -> None:
    made = [frames.deflated(payload) for payload in payloads]
    assert read(client(compressed=True), b"".join(made)) == payloads
    assert read(client(compressed=True), b"".join(reversed(made))) == payloads[::-1]


@given(st.binary(max_size=40), st.lists(st.binary(max_size=300), max_size=5))
def test_a_run_of_events_is_one_message_each(prefix: bytes, wires: list[bytes]) -> None:
    expected = [prefix + wire + b"]" for wire in wires]
    assert read(client(), frames.events(prefix, wires)) == expected
    assert read(client(compressed=True), frames.deflated_events(prefix, wires)) == expected


def test_compression_makes_repetitive_messages_smaller_and_leaves_short_ones_alone() -> None:
    assert len(frames.deflated(b"x" * 10_000)) < 200
    short = b"x" * (frames.COMPRESS_FROM - 1)
    assert frames.deflated(short) == frames.text(short)
