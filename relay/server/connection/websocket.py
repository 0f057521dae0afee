"""One WebSocket connection: bytes in, and what they complete.

uvicorn hands the upgrade request over and from then on this protocol owns the transport. websockets' Sans-I/O `ServerProtocol`
does the handshake and answers control frames, `Inbound` takes frames apart; what a message means is `Session`, what is done about
it stands in `effects`. What comes in is acted on in shares (`intake`). Back-pressure goes both ways: a client that sends more than
it lets us finish, or that does not read its answers, is not read from.
"""

import asyncio
import logging
import secrets
from typing import Any, Final, cast

from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request

from relay.errors import Reject
from relay.protocol import messages
from relay.protocol.admission import Door
from relay.protocol.session import Session
from relay.roles import metrics
from relay.server.connection import effects, handshake
from relay.server.connection.inbound import Inbound, Received
from relay.server.connection.sending import SendingConnection
from relay.server.connection.shared import Shared
from relay.server.events.fanout import LiveSubscription
from relay.server.limits import intake
from relay.server.reading.queries import MAX_WAITING, Job

MAX_IN_FLIGHT: Final = 1000  # events of one connection that have no answer yet
MAX_IN_FLIGHT_BYTES: Final = 1024 * 1024  # of memory for them

_CODES: Final = metrics.places("disconnections")

log = logging.getLogger("tidings.websocket")


class Connection(SendingConnection):
    """One client. Built by uvicorn for every upgrade request (`ws=partial(Connection, shared)`)."""

    __slots__ = (
        "address",
        "allowance",
        "asked",
        "asking",
        "author",
        "heard_at",
        "ignored",
        "in_flight",
        "in_flight_bytes",
        "in_line",
        "inbound",
        "jobs",
        "lined_up",
        "parts",
        "server_state",
        "session",
        "unread",
        "url",
        "writable",
    )

    def __init__(self, shared: Shared, server_state: Any, **_given: Any) -> None:
        super().__init__(shared)
        self.server_state = server_state
        self.inbound = Inbound(self.protocol, shared.settings.config.limits.max_message_bytes, self.may_grow)
        self.session = Session(secrets.token_hex(16))
        self.author = shared.publisher.author(Door.CLIENT)
        self.address = ""
        self.url = shared.settings.relay_url  # under which this client knows the relay
        self.heard_at = shared.clock()
        self.writable = True
        self.in_flight = self.in_flight_bytes = 0
        self.unread: bytes | memoryview = b""  # came in and was not acted on yet
        # Lists, since an empty deque takes 600 bytes of every idle connection; they hold MAX_WAITING at most.
        self.asked: list[LiveSubscription] = []  # REQs that were not tried on the loop yet
        self.jobs: list[Job] = []  # for the query workers
        self.lined_up = False  # waiting for, or being served by, a query worker
        self.asking = False  # waiting for a turn of the loop to try what it asked
        self.in_line = False  # waiting for its turn to be read
        self.ignored = False  # nothing more of what comes in is looked at
        self.allowance = intake.Allowance(shared.clock())
        # Of a fragmented text; websockets bounds their sum, empty ones take no room.
        self.parts: bytearray | None = None

    # what the transport calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.server_state.connections.add(self)
        self.shared.connections.open.add(self)

    def connection_lost(self, _exc: Exception | None) -> None:
        self.connected = False
        self.server_state.connections.discard(self)
        self.shared.connections.forget(self)
        self.unread = b""
        self.parts = None
        self.inbound.let_go()
        self.asked.clear()
        self.jobs.clear()
        self.out.clear()
        for subscription in self.session.subscriptions.values():
            effects.drop(self, subscription)
        self.session.subscriptions.clear()
        self.shared.access.leave(self)
        self.shared.comparisons.close_all(self)
        self.shared.long_messages.leave(self)
        if self.address:
            said = self.protocol.close_sent or self.protocol.close_rcvd
            code = str(said.code if said else CloseCode.ABNORMAL_CLOSURE.value)
            self.shared.numbers[_CODES.get(code, _CODES[metrics.OTHER])] += 1
            self.shared.gate.websockets.leave(self.address)
            self.address = ""

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.shared.clock()
        if not self.ignored:
            self.unread = bytes(self.unread) + data if self.unread else data
            self.shared.intake.arrived(self)
            if self.unread:
                self.shared.connections.unfinished.note(len(data))
                if len(self.unread) > intake.AHEAD:
                    self.consider_reading()

    def eof_received(self) -> None:
        self.read_some(intake.LAST)
        self.unread = b""
        self._take(self.inbound.end())
        self.pump()
        self.flush()

    def pause_writing(self) -> None:
        self.writable = False
        self.progress.seen_at = self.shared.clock()

    def resume_writing(self) -> None:
        self.writable = True
        self.shared.queries.wake(self)
        self.consider_reading()

    def shutdown(self) -> None:
        """Called by uvicorn when it stops: the hub closes every connection once what they sent is answered."""
        self.transport.pause_reading()
        self.shared.begin_drain()

    # coming in

    def read_some(self, most: int) -> int:
        """Act on what was received, in slices, until that took `most` units or there is reason to wait; how many it took."""
        used = taken = 0
        inbound = self.inbound
        size = intake.PACKED_SLICE if self.deflate else intake.SLICE
        while self.unread and used < most and not self._must_wait():
            part = self.unread
            if len(part) > size:
                view = memoryview(part)
                part, self.unread = view[:size], view[size:]
            else:
                self.unread = b""
            taken += len(part)
            used += 1 + self._take(inbound.feed(bytes(part)))
        if inbound.touched:
            inbound.touched = False
            if isinstance(self.protocol.parser_exc, PayloadTooBig):
                self.send(messages.notice(self.shared.too_long))  # before the close frame that is on its way
            self.pump()
        unfinished = self.unfinished()
        if unfinished:
            self.shared.connections.unfinished.note(min(taken, unfinished))
        self.flush()
        self.consider_reading()
        return used

    def unfinished(self) -> int:
        """Bytes that are kept of a message that has not come to its end, and of what waits to be acted on."""
        return len(self.unread) + self.inbound.unfinished + (len(self.parts) if self.parts is not None else 0)

    def _take(self, received: list[Received]) -> int:
        """Act on what came; how many units that took."""
        used = 0
        for item in received:
            if type(item) is bytes:
                used += intake.units(len(item))
                if self.connected and not self.ignored:
                    effects.receive(self, item)
            elif type(item) is Frame:
                used += intake.units(len(item.data))
                self._frame(item)
            elif isinstance(item, Request):
                self._handshake(item)
                used += self._take(self.inbound.feed(b""))
        return used

    def _handshake(self, request: Request) -> None:
        shared = self.shared
        peer = self.transport.get_extra_info("peername")
        answer = handshake.answer(self.protocol, request, peer[0] if peer else "", shared)
        self.protocol.send_response(answer.response)
        if answer.response.status_code == 101:
            self.address, self.url = answer.address, answer.url
            self.author = shared.publisher.author(Door.CLIENT, url=self.url, address=answer.told_address)
            self.deflate = bool(self.protocol.extensions)
            self.connected = True
            self.pump()
            if shared.challenges_all:
                effects.challenge(self)
        else:
            self.closing_at = shared.clock()
        request.headers.clear()  # the protocol holds the request as long as it lives

    def _frame(self, frame: Frame) -> None:
        if not self.connected or self.ignored:
            return  # a close frame went out: what still comes in could not be answered
        opcode = frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            effects.receive(self, bytes(frame.data))
        elif opcode is Opcode.TEXT:
            self.parts = bytearray(frame.data)
        elif opcode is Opcode.CONT and self.parts is not None:
            self.parts += frame.data
            if len(self.parts) > self.shared.settings.config.limits.max_message_bytes and not self.may_grow():
                self.parts = None
                self.refuse_long()
            elif frame.fin:
                message, self.parts = bytes(self.parts), None
                effects.receive(self, message)
        elif opcode is Opcode.BINARY:
            self.send(messages.notice("invalid: this relay reads text frames only (NIP-01)"))
            self.sent_in_vain(len(frame.data), True)

    def may_grow(self) -> bool:
        """Whether a message may be longer than others: where something is compared, and few others send such ones."""
        return self.shared.long_messages.enter(self, bool(self.session.comparisons))

    def refuse_long(self) -> None:
        """A message was too long."""
        self.shared.long_messages.leave(self)
        self.send(messages.notice(self.shared.too_long))
        self.close(CloseCode.MESSAGE_TOO_BIG, "a message was too long")

    def sent_in_vain(self, size: int, meaningless: bool = False) -> None:
        """A message of so many bytes was refused: who sends little else is cut off."""
        shared = self.shared
        cost = intake.waste(size) + meaningless
        if cost and not self.ignored:
            allowed = self.allowance.spend(cost, shared.clock())
            if not (shared.gate.may_waste(self.address, cost) and allowed):
                log.info("a client that sent little but rubbish was cut off")
                self.close(CloseCode.POLICY_VIOLATION, "too many messages that this relay cannot use; read its answers")
                self.ignored = True
                self.unread = b""

    def consider_reading(self) -> None:
        """Read on, or stop reading, by how much of what this client sent is unfinished."""
        busy = self._must_wait()
        if self.unread and not busy:
            self.shared.intake.line_up(self)
        wait = busy or bool(self.unread)
        if wait == self.paused or self.transport.is_closing():
            return
        self.paused = wait
        if wait:
            self.shared.connections.paused.add(self)
            self.transport.pause_reading()
        else:
            self.shared.connections.paused.discard(self)
            self.heard_at = self.shared.clock()  # a pong may have waited unread
            self.transport.resume_reading()

    def _must_wait(self) -> bool:
        """Whether too much of what this client sent is unfinished; once a close frame went out, only its answer matters."""
        return self.connected and (
            self.in_flight >= MAX_IN_FLIGHT
            or self.in_flight_bytes >= MAX_IN_FLIGHT_BYTES
            or len(self.jobs) + len(self.asked) >= MAX_WAITING
            or not self.writable
            or not self.shared.ingest.room()
        )

    # what others end

    def hang_up(self) -> None:
        """End it as lost connections end: what was queued goes out, no close frame does, and its peer has time to notice."""
        if not self.connected:
            self.close(CloseCode.GOING_AWAY, "this relay is shutting down")
            return
        self.flush()
        self.connected, self.ignored, self.unread = False, True, b""
        self.closing_at = self.shared.clock()
        if not self.transport.is_closing():
            self.transport.write_eof()
        self.transport.resume_reading()  # a reset, for what it still sends, would keep our last words from it

    def end(self, subscription: LiveSubscription, reason: Reject) -> None:
        """Close a subscription from this side and say why (NIP-01 CLOSED)."""
        effects.prepare(self, reason)
        effects.cancel(self, subscription.name)
        self.send(messages.closed(subscription.name, reason))

    def challenge(self) -> None:
        """Send the challenge (NIP-42), if one is due."""
        if self.session.challenge_due:
            effects.challenge(self)

    def refuse(self, name: str, reason: Reject) -> None:
        """Say why a COUNT is not answered (NIP-01 CLOSED)."""
        effects.prepare(self, reason)
        self.send(messages.closed(name, reason))

    def end_comparison(self, name: str, reason: Reject) -> None:
        """Close a comparison from this side and say why (NIP-77 NEG-ERR)."""
        effects.prepare(self, reason)
        self.shared.comparisons.close(self, name)
        self.send(messages.neg_error(name, reason))
