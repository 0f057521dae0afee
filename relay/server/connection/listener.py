"""The listening side: one port for HTTP and WebSocket, served by uvicorn.

uvicorn parses HTTP and hands WebSocket upgrades to the class it is configured with. It waits for ever for the rest of a
request, so `RequestProtocol` gives every request a deadline: a half-open or trickling client costs one timer and then nothing.
"""

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import h11
import msgspec
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from relay.server.connection.acceptor import Acceptor
from relay.server.connection.shared import Shared
from relay.server.connection.websocket import Connection
from relay.server.limits import addresses

DATE = 1.0  # seconds
HANG_UP_TIME = 2.0  # seconds that a client has to read why it is hung up on
# Clients that are given this time together; those beyond are closed at once, since nothing else bounds them.
MAX_HANG_UPS = 100
_OWED = (h11.IDLE, h11.SEND_BODY)  # the client has not finished its request
_UNANSWERED = (h11.IDLE, h11.SEND_RESPONSE)  # nothing of an answer was sent
# uvicorn warns of every request that is no HTTP: anybody could fill the log with these, and they are answered with 400.
_faults_only = logging.getLogger("tidings.http.requests")
_faults_only.setLevel(logging.ERROR)

_AGAIN = b"retry-after: 10\r\n"


def _refusal(status: bytes, code: str, reason: str, hint: str, more: bytes = b"") -> bytes:
    """A whole answer, after which the connection ends; `more` are headers."""
    body = msgspec.json.encode({"success": False, "error": reason, "code": code, "message": reason, "hint": hint})
    head = b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-type: application/json\r\n%b" % (status, more)
    return head + b"content-length: %d\r\n\r\n%b" % (len(body), body)


_TOO_LATE = _refusal(
    b"408 Request Timeout",
    "request_timeout",
    "the request did not arrive in time",
    "Send it again, all of it at once.",
)
_NO_REQUEST = _refusal(
    b"400 Bad Request",
    "bad_request",
    "this is no request of HTTP/1.1",
    "Percent-encode what is not ASCII and every space in the path, send a Host header, and give a body one length.",
)
_NO_UPGRADE = _refusal(
    b"400 Bad Request",
    "bad_request",
    "a request for a WebSocket has no body",
    "Send it without one, and then messages over the WebSocket.",
)
_FULL = _refusal(
    b"503 Service Unavailable",
    "unavailable",
    "this relay has no room for more connections",
    "Try again in a while.",
    _AGAIN,
)


class RequestProtocol(H11Protocol):
    """HTTP/1.1 with a deadline of `server.open_timeout` seconds for each request, head and body together.

    A client that takes nothing of an answer for `server.ping_timeout` seconds is cut off, as on the WebSocket. The connection
    counts by its address with the WebSockets there; not a trusted proxy's, which carries the requests of many.
    """

    def __init__(self, shared: Shared, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.logger = _faults_only
        self._gate = shared.gate
        self._connections = shared.connections
        self.unfinished = 0  # bytes of a request that has not come to its end
        self.address = ""  # that it is counted by
        self._is_websocket = False  # the connection is another protocol's from here on, and its end is told to that
        self._seconds = shared.settings.config.server.open_timeout
        self._deadline: asyncio.TimerHandle | None = None
        self._patience = shared.settings.config.server.ping_timeout
        self._stalled: asyncio.TimerHandle | None = None
        self._last: asyncio.TimerHandle | None = None  # the end, once the last word was said

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        if peer and not addresses.is_trusted(peer[0], self._gate.networks):
            address = addresses.client_address(peer[0], (), ())
            reason = self._gate.enter_http(address)
            if reason is not None:
                self._hang_up(
                    _refusal(b"429 Too Many Requests", "rate_limited", reason, "Close what you do not use.", _AGAIN)
                )
                return
            self.address = address
        self._arm()

    def _leave(self) -> None:
        if self.address:
            self._gate.http_connections.leave(self.address)
            self.address = ""

    def _hang_up(self, words: bytes) -> None:
        """Say this and nothing more. What still comes is passed over: a reset, for that, would keep it from the client."""
        self.transport.write(words)
        self._disarm()
        self._finished()
        if len(self._connections.leaving) < MAX_HANG_UPS:
            self._connections.leaving.add(self)
            self.transport.write_eof()
            self._last = self.loop.call_later(HANG_UP_TIME, self.transport.abort)
        else:
            self.transport.close()
        if self.cycle is not None:  # its answer would come too late
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def shutdown(self) -> None:
        if self._last is None:
            super().shutdown()
        else:
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if self._last is not None:
            return
        super().data_received(data)
        if self._is_websocket:
            return
        if self._last is None and self.conn.their_state in _OWED and not self.transport.is_closing():
            self._arm()
            self.unfinished += len(data)
            self._connections.requesting.add(self)
            self._connections.requests.note(len(data))
        else:
            self._disarm()
            self._finished()

    def _finished(self) -> None:
        """Nothing of a request is under way."""
        self.unfinished = 0
        self._connections.requesting.discard(self)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's name, and its text, which says less
        """What came is no HTTP: say so, unless an answer is under way, and hang up."""
        if self.conn.our_state in _UNANSWERED:
            self._hang_up(_NO_REQUEST)
        else:
            self.transport.close()

    def untaken(self) -> int:
        """Bytes of an answer that the client has not taken yet."""
        return self.transport.get_write_buffer_size()

    def abort(self) -> None:
        """Cut the connection now."""
        self.transport.abort()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        if any(
            name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
            for name, value in event.headers
        ):
            self._hang_up(_NO_UPGRADE)
            return
        self._leave()  # it enters again as a WebSocket, by the address that a proxy tells
        super().handle_websocket_upgrade(event)
        self._finished()
        self._is_websocket = True
        self._seconds = 0.0  # a WebSocket has deadlines of its own
        self._disarm()
        self._unstall()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._disarm()
        self._finished()
        self._unstall()
        if self._last is not None:
            self._last.cancel()
            self._connections.leaving.discard(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._connections.answering.add(self)
        self._connections.answers.note(self.untaken())
        if self._patience:
            self._stalled = self.loop.call_later(self._patience, self.transport.abort)

    def resume_writing(self) -> None:
        self._unstall()
        super().resume_writing()

    def _unstall(self) -> None:
        self._connections.answering.discard(self)
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _arm(self) -> None:
        if self._deadline is None and self._seconds:
            self._deadline = self.loop.call_later(self._seconds, self._expire)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expire(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            if self.conn.our_state in _UNANSWERED:
                self._hang_up(_TOO_LATE)
            else:
                self.transport.close()


class Listener(uvicorn.Server):
    """uvicorn without its signal handlers, since `relay.app` decides when to stop, and with an Acceptor on each socket."""

    def __init__(self, config: uvicorn.Config, has_more: Callable[[], bool]) -> None:
        super().__init__(config)
        self.has_more = has_more
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Take nothing more, and let `serve` return once what is under way is done."""
        self.should_exit = True
        self._stopping.set()

    async def main_loop(self) -> None:
        """Once a second the date that answers tell; uvicorn would wake an idle process ten times for it."""
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DATE):
                    await self._stopping.wait()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self.servers = [Acceptor(sock, self._protocol, self.has_more, _FULL) for sock in sockets or ()]  # type: ignore[misc]

    def _protocol(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return made


def make(shared: Shared, application: Any) -> Listener:
    """A server for these connections; `application` is the ASGI application that answers HTTP."""
    settings = shared.settings.config.server
    return Listener(
        uvicorn.Config(
            application,
            http=partial(RequestProtocol, shared),  # type: ignore[arg-type]
            ws=partial(Connection, shared),  # type: ignore[arg-type]
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=int(settings.open_timeout) or 5,
            timeout_graceful_shutdown=max(1, int(settings.drain_timeout)),
        ),
        shared.gate.has_more,
    )
