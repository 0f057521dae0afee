"""The short path to a peer beside websockets' own: the same messages and answers on any bytes, cut anywhere."""

import asyncio
import logging
from itertools import pairwise
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from relay.federation.peer_socket import GATHERED, LEAST_PART, PeerSocket

MAX = 300
silent = logging.getLogger("tests.peer_socket")
silent.setLevel(logging.CRITICAL)


class HeldTransport:
    """Keeps what is written, and whether it reads."""

    def __init__(self) -> None:
        self.written = b""
        self.pieces = 0  # in which that was handed over
        self.reads = True
        self.closing = False

    def write(self, data: bytes) -> None:
        self.written += data
        self.pieces += 1

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def set_write_buffer_limits(self, *_limits: int | None) -> None:
        pass

    def can_write_eof(self) -> bool:
        return False

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True


def protocol() -> ClientProtocol:
    return ClientProtocol(parse_uri("ws://relay.example/"), max_size=MAX, state=State.OPEN, logger=silent)


def opened() -> tuple[PeerSocket, HeldTransport]:
    socket, transport = PeerSocket(protocol(), max_queue=None), HeldTransport()
    socket.connection_made(cast(asyncio.Transport, transport))
    socket.response = cast(Any, object())  # the handshake is over
    return socket, transport


def frame(head: int, payload: bytes, *, masked: bool = False, length: int | None = None, wide: int = 0) -> bytes:
    """A relay's frame; `length` may lie, and `wide` is the width that its length is written in."""
    size = len(payload) if length is None else length
    if wide == 8 or (not wide and size > 65535):
        header = bytes((head, 127 | masked << 7)) + size.to_bytes(8)
    elif wide == 2 or (not wide and size > 125):
        header = bytes((head, 126 | masked << 7)) + min(size, 65535).to_bytes(2)
    else:
        header = bytes((head, min(size, 125) | masked << 7))
    return header + (bytes(4) if masked else b"") + payload


def assembled(frames: list[Frame]) -> list[bytes]:
    """The messages of data frames, as websockets' `recv` gives them."""
    found, parts = [], b""
    for one in frames:
        if one.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            parts += bytes(one.data)
            if one.fin:
                found.append(parts)
                parts = b""
    return found


def unmasked(data: bytes) -> list[tuple[int, bytes]]:
    """What a client wrote, each frame's head and payload; its masks are of chance."""
    found, at = [], 0
    while at < len(data):
        length, body = data[at + 1] & 127, at + 2
        if length > 125:
            width = 2 if length == 126 else 8
            length, body = int.from_bytes(data[body : body + width]), body + width
        mask, payload = data[body : body + 4], data[body + 4 : body + 4 + length]
        found.append((data[at], bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))))
        at = body + 4 + length
    return found


FRAMES = st.one_of(
    st.builds(frame, st.just(0x81), st.binary(max_size=320)),
    st.builds(frame, st.sampled_from([0x01, 0x80, 0x00, 0x82, 0x02]), st.binary(max_size=200)),
    st.builds(frame, st.sampled_from([0x88, 0x89, 0x8A]), st.binary(max_size=130)),
    st.builds(frame, st.just(0x88), st.sampled_from([b"", b"\x03\xe8", b"\x03\xe8bye", b"\x00"])),
    st.builds(frame, st.integers(0, 255), st.binary(max_size=20), masked=st.booleans()),
    st.builds(frame, st.just(0x81), st.binary(max_size=20), wide=st.sampled_from([2, 8])),
    st.builds(frame, st.just(0x81), st.binary(max_size=5), length=st.integers(0, 2**64 - 1), wide=st.just(8)),
    st.binary(max_size=12),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(FRAMES, max_size=8), st.lists(st.integers(0, 2000), max_size=12))
async def test_gives_what_websockets_gives(frames: list[bytes], cuts: list[int]) -> None:
    data = b"".join(frames)
    places = sorted({cut % (len(data) + 1) for cut in cuts} | {0, len(data)})
    socket, transport = opened()
    for a, b in pairwise(places):
        socket.data_received(data[a:b])
    slow = protocol()
    slow.receive_data(data)
    expected = assembled(cast(list[Frame], slow.events_received()))
    assert list(socket._messages) == expected
    assert unmasked(transport.written) == unmasked(b"".join(slow.data_to_send()))
    assert socket.protocol.state is slow.state


async def test_what_costs_work_and_says_nothing_is_told_of() -> None:
    socket, _ = opened()
    told: list[str] = []
    socket.empty = told.append
    for head, payload in (
        (0x81, b"[]"),
        (0x89, b""),
        (0x8A, b""),
        (0x01, b"["),
        (0x80, b"]"),
        (0x01, b" " * LEAST_PART),
    ):
        socket.data_received(frame(head, payload))
    assert told == ["sent a ping", "sent a pong", "sent a small part of a message"]


async def test_messages_of_one_turn_of_the_loop_go_out_in_one_piece() -> None:
    socket, transport = opened()
    messages = [b"one", b"", b"x" * 126, b"y" * 300]
    assert all(socket.write(message) for message in messages)
    await asyncio.sleep(0)
    assert unmasked(transport.written) == [(0x81, message) for message in messages]
    assert transport.pieces == 1
    await asyncio.sleep(0)
    assert transport.pieces == 1


async def test_messages_are_gathered_up_to_a_bound() -> None:
    socket, transport = opened()
    message = b"x" * (GATHERED // 4)
    assert all(socket.write(message) for _ in range(10))
    assert unmasked(transport.written) == [(0x81, message)] * 8
    await asyncio.sleep(0)
    assert unmasked(transport.written) == [(0x81, message)] * 10


async def test_what_was_written_goes_out_before_an_answer_to_a_ping_and_before_the_goodbye() -> None:
    socket, transport = opened()
    socket.write(b"one")
    socket.data_received(frame(0x89, b"are you there?"))
    socket.write(b"two")
    socket.data_received(frame(0x88, b"\x03\xe8"))
    assert not socket.write(b"three")
    await asyncio.sleep(0)
    said = unmasked(transport.written)
    assert said == [(0x81, b"one"), (0x8A, b"are you there?"), (0x81, b"two"), (0x88, b"\x03\xe8")]


async def test_what_was_written_just_before_the_connection_is_cut_is_let_go() -> None:
    socket, transport = opened()
    socket.write(b"one")
    transport.close()
    await asyncio.sleep(0)
    assert transport.written == b""


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536, 300_000])
async def test_messages_of_any_size_go_both_ways(size: int) -> None:
    message = (b"\xc3\xa9x" * size)[: size // 3 * 3]

    async def echo(connection: ServerConnection) -> None:
        async for data in connection:
            assert isinstance(data, str)
            await connection.send(data)

    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        url = f"ws://127.0.0.1:{port}"
        async with connect(url, create_connection=PeerSocket, compression=None) as socket:
            assert isinstance(socket, PeerSocket)
            assert socket.write(message)
            assert await socket.messages(5) == [message]


async def test_what_came_before_the_end_is_given_and_then_the_end_is_told() -> None:
    async def greet(connection: ServerConnection) -> None:
        await connection.send("one")
        await connection.send(["t", "w", "o"])  # in fragments
        await connection.close(4000, "that was all")

    async with serve(greet, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        socket: ClientConnection = await connect(f"ws://127.0.0.1:{port}", create_connection=PeerSocket)
        assert isinstance(socket, PeerSocket)
        assert [(await socket.messages(1))[0] for _ in range(2)] == [b"one", b"two"]
        with pytest.raises(ConnectionClosed, match="that was all"):
            await socket.messages(1)
        assert not socket.write(b"more")


@pytest.mark.parametrize(
    "message", [frame(0x81, b"x" * MAX), frame(0x81, b""), frame(0x82, b"")], ids=["long", "empty", "empty binary"]
)
async def test_a_peer_whose_messages_nobody_takes_is_not_read_from(message: bytes) -> None:
    socket, transport = opened()

    def come() -> int:
        """Until it is not read from any more; how many came."""
        for number in range(1, 10_000):
            socket.data_received(message)
            if not transport.reads:
                return number
        raise AssertionError("it is read from without end")

    number = come()
    assert len(await socket.messages(1)) == 1
    assert transport.reads
    assert come() == 1
    assert len(await socket.messages(number)) == number
    assert come() == number


async def test_of_many_small_messages_no_more_are_taken_at_once_than_are_kept() -> None:
    """A quarter of a megabyte, which is read at once, may be a hundred thousand of them: that took a second and a half."""
    socket, transport = opened()
    messages = [str(number).encode() for number in range(20_000)]
    closing = frame(0x88, b"")
    socket.data_received(b"".join(frame(0x81 + number % 2, one) for number, one in enumerate(messages)) + closing)
    assert not transport.reads
    assert not transport.written  # the end is behind them
    found: list[bytes] = []
    for _ in range(20):
        found += await socket.messages(20_000)
        assert len(found) <= 20 * 5000
        if transport.reads:
            break
    assert len(found) > 5000
    found += await socket.messages(20_000)
    assert found == messages
    assert transport.written


async def test_a_message_that_is_too_long_is_refused_by_its_header() -> None:
    socket, transport = opened()
    socket.data_received(frame(0x81, b"", length=MAX + 1))
    assert unmasked(transport.written)[0][1][:2] == (1009).to_bytes(2)
