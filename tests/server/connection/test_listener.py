"""The listening side as such; what it answers is tested over sockets too, in tests/e2e and tests/http."""

import asyncio
import re
from typing import Any, cast

import pytest
import uvicorn

from relay.config import Config, Server
from relay.server.connection import listener
from relay.server.connection.listener import Listener
from relay.server.hub import Hub
from tests.server.conftest import Relay
from tests.server.fakes import Connection, Wire


async def _nothing(_scope: Any, _receive: Any, _send: Any) -> None:
    """Answers nobody."""


async def _answering(_scope: Any, _receive: Any, send: Any) -> None:
    """Answers without a look at the body."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Visitor(Wire):
    """A client of HTTP, which takes nothing of its answer while `stalled`."""

    def __init__(self, hub: Hub, application: Any = _nothing, peer: str = "203.0.113.1") -> None:
        super().__init__(peer)
        made = listener.make(hub.shared, application)
        made.config.load()
        self.request = listener.RequestProtocol(
            hub.shared, config=made.config, server_state=made.server_state, app_state={}
        )
        self.protocol = cast(Connection, self.request)
        self.hung_up = asyncio.Event()
        self.ended = False
        self.request.connection_made(cast(asyncio.Transport, self))

    def close(self) -> None:
        super().close()
        self.hung_up.set()

    def write_eof(self) -> None:
        self.ended = True
        self.hung_up.set()

    def answer(self, size: int) -> None:
        """So much is written to it."""
        self.stalled = True
        self.write(b"x" * size)

    def leave(self) -> None:
        self.request.connection_lost(None)


async def test_of_many_that_take_nothing_of_their_answers_those_with_most_are_disconnected(relay: Relay) -> None:
    hub = relay(config=Config(server=Server(send_buffers=1_000_000)))
    many = [Visitor(hub) for _ in range(20)]
    for number, visitor in enumerate(many):
        visitor.answer(200_000 if number % 2 else 70_000)
    cut = [visitor.aborted for visitor in many]
    assert any(cut)
    assert not any(cut[::2])
    for visitor in many[::2]:
        visitor.drain()
    assert len(hub.connections.answering) == 10
    for visitor in many:
        visitor.leave()
    assert not hub.connections.answering


async def test_who_has_many_connections_does_not_fill_the_room_of_others_with_them(relay: Relay) -> None:
    hub = relay(config=Config(server=Server(send_buffers=1_000_000)))
    single = Visitor(hub, peer="203.0.113.2")
    single.answer(300_000)
    many = [Visitor(hub) for _ in range(20)]
    for visitor in many:
        visitor.answer(70_000)
    assert not single.aborted
    assert any(visitor.aborted for visitor in many)
    for visitor in (single, *many):
        visitor.leave()


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\r\n\r\n", b"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n"]
)
async def test_what_is_no_http_is_told_so_and_what_to_do(relay: Relay, sent: bytes) -> None:
    hub = relay()
    visitor = Visitor(hub)
    visitor.request.data_received(sent)
    head, _, body = b"".join(visitor.written).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b'"hint":"Percent-encode ' in body
    assert visitor.ended
    assert not hub.connections.requesting
    visitor.leave()


async def test_what_comes_after_the_last_word_is_passed_over_for_a_moment(
    relay: Relay, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A socket that is closed before it is read to its end is reset, and the client may never see why."""
    monkeypatch.setattr(listener, "HANG_UP_TIME", 0.0)
    visitor = Visitor(relay())
    visitor.request.data_received(b"\x16\x03\x01\r\n\r\n")
    assert visitor.ended
    written = list(visitor.written)
    visitor.request.data_received(b"more of it\r\n\r\n")
    assert (visitor.written, visitor.aborted) == (written, False)
    await asyncio.sleep(0.01)
    assert visitor.aborted
    visitor.request.shutdown()
    visitor.leave()


async def test_of_those_who_are_told_why_so_many_are_waited_for(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "MAX_HANG_UPS", 2)
    hub = relay()
    visitors = [Visitor(hub) for _ in range(3)]
    for visitor in visitors:
        visitor.request.data_received(b"\x16\x03\x01\r\n\r\n")
    assert [(visitor.ended, visitor.closed) for visitor in visitors] == [(True, False), (True, False), (False, True)]
    assert all(visitor.written == visitors[0].written for visitor in visitors)
    visitors[0].leave()
    later = Visitor(hub)
    later.request.data_received(b"\x16\x03\x01\r\n\r\n")
    assert later.ended
    for visitor in (*visitors[1:], later):
        visitor.leave()
    assert not hub.connections.leaving


async def test_what_became_a_websocket_is_no_unfinished_request(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is told to the WebSocket alone, so it would be kept, and counted among what fills the buffers, for ever."""
    hub = relay()
    visitor = Visitor(hub)
    monkeypatch.setattr(visitor, "set_protocol", lambda protocol: setattr(visitor, "protocol", protocol), raising=False)
    visitor.request.data_received(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    assert b"".join(visitor.written).startswith(b"HTTP/1.1 101 ")
    assert not hub.connections.requesting
    assert visitor.request.unfinished == 0
    visitor.protocol.connection_lost(None)


@pytest.mark.parametrize("body", [b"Content-Length: 1\r\n\r\nx", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
async def test_a_request_for_a_websocket_with_a_body_is_told_so(relay: Relay, body: bytes) -> None:
    hub = relay()
    visitor = Visitor(hub)
    visitor.request.data_received(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        + body
    )
    assert b"".join(visitor.written).startswith(b"HTTP/1.1 400 ")
    assert b'"hint":"Send it without one' in visitor.written[-1]
    assert visitor.ended
    assert not hub.connections.requesting
    visitor.leave()


@pytest.mark.parametrize(
    ("sent", "answers"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", [b"204"]),  # its body never comes
        (b"GET / HTTP/1.1\r\nHost: x\r\n", [b"408"]),
    ],
)
async def test_what_has_its_answer_is_not_told_that_it_came_too_late(
    relay: Relay, sent: bytes, answers: list[bytes]
) -> None:
    visitor = Visitor(relay(config=Config(server=Server(open_timeout=0.05))), _answering)
    visitor.request.data_received(sent)
    await visitor.hung_up.wait()
    assert re.findall(rb"HTTP/1.1 (\d+) ", b"".join(visitor.written)) == answers
    visitor.leave()


async def test_a_stop_is_noticed_at_once_though_nothing_is_looked_at_for_an_hour(monkeypatch):
    monkeypatch.setattr(listener, "DATE", 3600.0)
    server = Listener(uvicorn.Config("no:app", lifespan="off", log_config=None), lambda: False)
    running = asyncio.create_task(server.main_loop())
    await asyncio.sleep(0)  # it has told the date
    assert server.server_state.default_headers[0][0] == b"date"
    assert not running.done()
    server.stop()
    async with asyncio.timeout(5):
        await running
