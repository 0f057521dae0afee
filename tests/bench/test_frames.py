"""The bench's own WebSocket frames against an implementation that others use."""

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.server import ServerProtocol
from websockets.streams import StreamReader

from bench.frames import Counter, farewell, masked

SIZES = st.one_of(st.integers(0, 300), st.integers(65_530, 65_540))


def server_reads(data: bytes) -> list[Frame]:
    """The frames that a server finds in what a client sent."""
    reader = StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    frames = []
    while not _at_end(reader):
        parsing = Frame.parse(reader.read_exact, mask=True)
        try:
            next(parsing)
        except StopIteration as done:
            frames.append(done.value)
    return frames


def _at_end(reader: StreamReader) -> bool:
    try:
        next(reader.at_eof())
    except StopIteration as done:
        return bool(done.value)
    return False


def server_sends(opcode: Opcode, payload: bytes) -> bytes:
    return Frame(opcode, payload).serialize(mask=False)


def counting(*chunks: bytes) -> tuple[Counter, list[bytes], list[bytes]]:
    answers: list[bytes] = []
    replies: list[bytes] = []
    counter = Counter(answers.append, replies.append)
    for chunk in chunks:
        counter.feed(chunk)
    return counter, answers, replies


@given(SIZES)
def test_a_server_reads_what_was_masked(size: int) -> None:
    payload = bytes(n % 251 for n in range(size))
    (frame,) = server_reads(masked(payload))
    assert (frame.opcode, bytes(frame.data), frame.fin) == (Opcode.TEXT, payload, True)


def test_the_farewell_is_a_close_frame_with_code_1000() -> None:
    (frame,) = server_reads(farewell())
    assert (frame.opcode, bytes(frame.data)) == (Opcode.CLOSE, b"\x03\xe8")


@given(st.lists(st.tuples(st.booleans(), SIZES), max_size=6), st.data())
def test_counts_the_same_however_the_bytes_are_cut(messages: list[tuple[bool, int]], data: st.DataObject) -> None:
    texts = [(b'["EVENT","s",' if event else b'["OK","') + b"x" * size for event, size in messages]
    stream = b"".join(server_sends(Opcode.TEXT, text) for text in texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    counter, answers, _ = counting(*chunks)
    assert counter.events == sum(event for event, _ in messages)
    assert answers == [text for text in texts if text.startswith(b'["OK"')]


def test_only_events_are_counted_and_all_else_is_handed_over() -> None:
    texts = [
        b'["EOSE","s"]',
        b'["CLOSED","s",""]',
        b'["NOTICE",""]',
        b'["AUTH",""]',
        b'["COUNT","s",{}]',
        b'["OK", ""]',
    ]
    counter, answers, _ = counting(*(server_sends(Opcode.TEXT, text) for text in texts))
    assert counter.events == 0
    assert answers == texts


def test_a_ping_is_answered_with_its_own_payload() -> None:
    _, _, replies = counting(server_sends(Opcode.PING, b"here?"))
    (frame,) = server_reads(b"".join(replies))
    assert (frame.opcode, bytes(frame.data)) == (Opcode.PONG, b"here?")


def test_a_close_frame_leaves_its_reason() -> None:
    counter, _, _ = counting(server_sends(Opcode.CLOSE, (1008).to_bytes(2) + b"too slow"))
    assert counter.closed == "too slow"


def test_the_relays_own_protocol_accepts_the_masked_frames() -> None:
    server = ServerProtocol()
    server.receive_data(
        b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    server.send_response(server.accept(server.events_received()[0]))  # type: ignore[arg-type]
    server.receive_data(masked(b'["CLOSE","q"]'))
    (frame,) = server.events_received()
    assert isinstance(frame, Frame)
    assert bytes(frame.data) == b'["CLOSE","q"]'
