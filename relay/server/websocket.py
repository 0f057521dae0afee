"""The pump: one WebSocket connection, bytes in and bytes out.

uvicorn hands the upgrade request over and from then on this protocol owns the transport. websockets' Sans-I/O `ServerProtocol`
does the handshake and answers control frames, `Inbound` takes frames apart; what a message means is `Session`. What comes in is
acted on in shares (`intake`); what goes out is queued as ready frames and written once per turn. Back-pressure goes both ways: a
client that sends more than it lets us finish, or that does not read its answers, is not read from; one that leaves too much
unread is disconnected.
"""

import asyncio
import logging
import secrets
import time
from collections import deque
from typing import Any, Final, cast

from websockets.exceptions import PayloadTooBig
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from keys.nip42 import authenticated_key
from keys.schnorr import verify_event
from relay.errors import Prefix, Reject
from relay.protocol import messages
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.messages import NegClose, NegMsg, NegOpen, Publish
from relay.protocol.session import Authenticate, Cancel, CountRequest, Open, Refuse, Session, refusal_of
from relay.server import frames, handshake, intake
from relay.server.compression import DEFLATE
from relay.server.fanout import LiveSubscription
from relay.server.inbound import Inbound, Received
from relay.server.peer_progress import PeerProgress
from relay.server.queries import MAX_WAITING, Job
from relay.server.shared import Shared
from storage.base import Outcome, Status

MAX_IN_FLIGHT: Final = 1000  # events of one connection that have no answer yet
MAX_KEYS: Final = 32  # keys one connection may authenticate

log = logging.getLogger("tidings.websocket")
# websockets logs every frame at DEBUG through its logger; a shared silent one keeps that off the hot path.
_silent = logging.getLogger("tidings.websocket.frames")
_silent.setLevel(logging.CRITICAL)


class Connection(asyncio.Protocol):
    """One client. Built by uvicorn for every upgrade request (`ws=partial(Connection, shared)`)."""

    __slots__ = (
        "address",
        "allowance",
        "asked",
        "asking",
        "author",
        "closing_at",
        "connected",
        "deflate",
        "fanout",
        "heard_at",
        "ignored",
        "in_flight",
        "in_line",
        "inbound",
        "jobs",
        "lined_up",
        "out",
        "parts",
        "paused",
        "pinged_at",
        "progress",
        "protocol",
        "server_state",
        "session",
        "shared",
        "transport",
        "unread",
        "url",
        "writable",
    )

    def __init__(self, shared: Shared, server_state: Any, **_given: Any) -> None:
        self.shared = shared
        self.fanout = shared.fanout
        self.server_state = server_state
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        settings = shared.settings.config
        self.protocol = ServerProtocol(
            extensions=[DEFLATE] if settings.server.compression else None,
            max_size=settings.limits.max_message_bytes,
            logger=_silent,
        )
        self.inbound = Inbound(self.protocol, settings.limits.max_message_bytes)
        self.session = Session(secrets.token_hex(16))
        self.author = shared.publisher.author(Door.CLIENT)
        self.address = ""
        self.url = shared.settings.relay_url  # under which this client knows the relay
        self.deflate = False
        self.connected = False  # the handshake is done and no close was sent or received
        self.writable = True
        self.paused = False
        self.lined_up = False  # waiting for, or being served by, a query worker
        self.in_flight = 0
        self.unread: bytes | memoryview = b""  # came in and was not acted on yet
        self.in_line = False  # waiting for its turn to be read
        self.ignored = False  # sent so much rubbish that nothing more is looked at
        self.allowance = intake.Allowance(shared.clock())
        self.asked: deque[LiveSubscription] = deque()  # REQs that were not tried on the loop yet
        self.asking = False  # waiting for a turn of the loop to try them
        self.jobs: deque[Job] = deque()  # for the query workers
        self.out: list[bytes] = []
        self.parts: bytearray | None = (
            None  # of a fragmented text; websockets bounds their sum, empty ones take no room
        )
        self.heard_at = shared.clock()
        self.pinged_at = 0.0
        self.closing_at = 0.0
        self.progress = PeerProgress()

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
        self.asked.clear()
        self.jobs.clear()
        self.out.clear()
        for subscription in self.session.subscriptions.values():
            self.fanout.remove(subscription)
        self.session.subscriptions.clear()
        self.shared.comparisons.close_all(self)
        if self.address:
            self.shared.gate.websockets.leave(self.address)
            self.address = ""

    def data_received(self, data: bytes) -> None:
        self.heard_at = self.shared.clock()
        if not self.ignored:
            self.unread = bytes(self.unread) + data if self.unread else data
            self.shared.intake.arrived(self)

    def read_some(self, most: int) -> int:
        """Act on what was received, in slices, until that took `most` units or there is reason to wait; how many it took."""
        used = 0
        inbound = self.inbound
        size = intake.PACKED_SLICE if self.deflate else intake.SLICE
        while self.unread and used < most and not self._must_wait():
            part = self.unread
            if len(part) > size:
                view = memoryview(part)
                part, self.unread = view[:size], view[size:]
            else:
                self.unread = b""
            used += 1 + self._take(inbound.feed(bytes(part)))
        if inbound.touched:
            inbound.touched = False
            if isinstance(self.protocol.parser_exc, PayloadTooBig):
                self.send(messages.notice(self.shared.too_long))  # before the close frame that is on its way
            self._pump()
        self.flush()
        self.consider_reading()
        return used

    def _take(self, received: list[Received]) -> int:
        """Act on what came; how many units that took."""
        used = 0
        for item in received:
            if type(item) is bytes:
                used += intake.units(len(item))
                if self.connected and not self.ignored:
                    self._message(item)
            elif type(item) is Frame:
                used += intake.units(len(item.data))
                self._frame(item)
            elif isinstance(item, Request):
                self._handshake(item)
                used += self._take(self.inbound.feed(b""))
        return used

    def eof_received(self) -> None:
        self.read_some(intake.LAST)
        self.unread = b""
        self._take(self.inbound.end())
        self._pump()
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

    def _handshake(self, request: Request) -> None:
        shared = self.shared
        peer = self.transport.get_extra_info("peername")
        answer = handshake.answer(self.protocol, request, peer[0] if peer else "", shared)
        self.protocol.send_response(answer.response)
        if answer.response.status_code == 101:
            self.address, self.url = answer.address, answer.url
            self.author = shared.publisher.author(Door.CLIENT, url=self.url)
            self.deflate = bool(self.protocol.extensions)
            self.connected = True
            self._pump()
            if shared.challenges_all:
                self._challenge()
        else:
            self.closing_at = shared.clock()

    def _frame(self, frame: Frame) -> None:
        if not self.connected or self.ignored:
            return  # a close frame went out: what still comes in could not be answered
        opcode = frame.opcode
        if opcode is Opcode.TEXT and frame.fin:
            self._message(bytes(frame.data))
        elif opcode is Opcode.TEXT:
            self.parts = bytearray(frame.data)
        elif opcode is Opcode.CONT and self.parts is not None:
            self.parts += frame.data
            if frame.fin:
                message, self.parts = bytes(self.parts), None
                self._message(message)
        elif opcode is Opcode.BINARY:
            self.send(messages.notice("invalid: this relay reads text frames only (NIP-01)"))
            self._in_vain(len(frame.data), True)

    def _in_vain(self, size: int, meaningless: bool = False) -> None:
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

    def _message(self, data: bytes) -> None:
        if not (data.isascii() or frames.is_utf8(data)):
            self.close(CloseCode.INVALID_DATA, "a text message must be UTF-8 (RFC 6455)")
            return
        shared = self.shared
        effect = self.session.receive(data, shared.rules)
        if self.session.challenge_due:
            self._challenge()
        kind = type(effect)
        if shared.gate.limits_messages and not isinstance(effect, Cancel) and not shared.gate.may_send(self.address):
            reason = Reject(Prefix.RATE_LIMITED, "too many messages from your address; slow down")
            refusal = refusal_of(effect, reason)
            if isinstance(effect, Open | Refuse):
                self._cancel(effect.subscription)
            self.send(refusal or messages.notice(str(reason)))
            self._in_vain(len(data))
        elif kind is Publish:
            self._publish(cast(Publish, effect).event, len(data))
        elif isinstance(effect, bytes):
            self.send(effect)
            self._in_vain(len(data), messages.is_notice(effect))
        elif isinstance(effect, Open):
            self._open(effect)
        elif isinstance(effect, Refuse):
            self._cancel(effect.subscription)
            self.send(effect.reply)
            self._in_vain(len(data))
        elif isinstance(effect, CountRequest):
            shared.queries.count(self, effect)
        elif isinstance(effect, Cancel):
            self._cancel(effect.subscription)
            self._in_vain(len(data))  # nothing, unless it is all padding
        elif isinstance(effect, Authenticate):
            self._authenticate(effect.event, len(data))
        elif isinstance(effect, NegClose):
            self._in_vain(len(data) + 2 * shared.comparisons.close(self, effect.subscription))
        elif isinstance(effect, NegOpen | NegMsg):
            self._compare(effect, len(data))

    def _publish(self, event: Event, size: int) -> None:
        now = int(time.time())
        refusal = self.shared.publisher.refuse(event, self.author, now)
        if refusal is not None:
            self._prepare(refusal)
            self.send(messages.ok(event.id, False, str(refusal)))
            self._in_vain(size)
            return
        self.in_flight += 1
        self.shared.ingest.submit(event, Door.CLIENT, now, self._answer, self, size=size)

    def _answer(self, event: Event, outcome: Outcome) -> None:
        self.in_flight -= 1
        if outcome.message:
            self.send(messages.ok(event.id, True, outcome.message))
        elif outcome.status is Status.STORED or outcome.status is Status.EPHEMERAL:
            self.queue(frames.text(b'["OK","%b",true,""]' % event.id.encode()))
            self.allowance.earn()
        elif outcome.status is Status.DUPLICATE:
            self.send(messages.ok(event.id, True, "duplicate: already have this event"))
        else:
            refusal = outcome.refusal
            so_already = refusal is not None and refusal.prefix is Prefix.DUPLICATE
            self.send(messages.ok(event.id, so_already, str(refusal)))
            if refusal is not None and refusal.prefix is Prefix.INVALID:
                self._in_vain(len(event.content), True)

    def _compare(self, message: NegOpen | NegMsg, size: int) -> None:
        comparisons = self.shared.comparisons
        try:
            if isinstance(message, NegOpen):
                self._in_vain(2 * comparisons.close(self, message.subscription))
                comparisons.open(self, message)
            else:
                comparisons.go_on(self, message)
        except Reject as refusal:
            self.send(messages.neg_error(message.subscription, refusal))
            self._in_vain(size, True)

    def _open(self, request: Open) -> None:
        self._drop(request.subscription)
        upto = self.shared.ingest.last_seq
        subscription = LiveSubscription(self, request.subscription, request.filters, upto)
        self.session.opened(request.subscription, subscription, request.filters)
        self.fanout.add(subscription)
        self.shared.queries.ask(self, subscription)

    def _cancel(self, name: str) -> None:
        self._drop(name)
        self.session.cancel(name)

    def _drop(self, name: str) -> None:
        subscription = self.session.subscriptions.get(name)
        if subscription is not None:
            self.fanout.remove(subscription)

    def _authenticate(self, event: Event, size: int) -> None:
        shared = self.shared
        try:
            pubkey = authenticated_key(event, self.session.challenge, self.url, int(time.time()))
            if len(self.session.keys | {pubkey}) > MAX_KEYS:
                raise Reject(Prefix.RESTRICTED, f"{MAX_KEYS} keys are authenticated on this connection; open another")
            shared.checks.run(self.address, shared.settings.config.rates.wrong_proofs, lambda: verify_event(event))
        except Reject as refusal:
            self.send(messages.ok(event.id, False, str(refusal)))
            self._in_vain(size, True)
            return
        self.session.authenticated(pubkey)
        self.author = shared.publisher.author(Door.CLIENT, self.session.keys, self.url)
        self.send(messages.ok(event.id, True))

    def end(self, subscription: LiveSubscription, reason: Reject) -> None:
        """Close a subscription from this side and say why (NIP-01 CLOSED)."""
        self._prepare(reason)
        self._cancel(subscription.name)
        self.send(messages.closed(subscription.name, reason))

    def end_comparison(self, name: str, reason: Reject) -> None:
        """Close a comparison from this side and say why (NIP-77 NEG-ERR)."""
        self._prepare(reason)
        self.shared.comparisons.close(self, name)
        self.send(messages.neg_error(name, reason))

    def _prepare(self, refusal: Reject) -> None:
        """Before a refusal that asks for a key goes out, the challenge to prove it with (NIP-42)."""
        if refusal.prefix is Prefix.AUTH_REQUIRED:
            self.session.need_challenge()
            if self.session.challenge_due:
                self._challenge()

    def _challenge(self) -> None:
        self.send(self.session.give_challenge())

    # going out

    def frame(self, payload: bytes) -> bytes:
        """One message as a frame, compressed if this connection agreed to it."""
        return frames.deflated(payload) if self.deflate else frames.text(payload)

    def send(self, payload: bytes) -> None:
        """Queue one message."""
        self.queue(self.frame(payload))

    def queue(self, frame: bytes) -> None:
        """Queue ready frames; they are written when somebody flushes, once per turn."""
        if self.connected:
            if not self.out:
                self.shared.connections.dirty.add(self)
            self.out.append(frame)

    def flush(self) -> None:
        """Write what is queued in one go; disconnect a client that leaves too much unread."""
        if self.out:
            data = b"".join(self.out) if len(self.out) > 1 else self.out[0]
            self.out.clear()
            self.shared.connections.dirty.discard(self)
            if self.transport.get_write_buffer_size() > self.shared.settings.config.server.send_buffer:
                log.info(
                    "a client left more than %d bytes unread: disconnected",
                    self.shared.settings.config.server.send_buffer,
                )
                self.abort()
            elif not self.transport.is_closing():
                self.progress.given += len(data)
                self.transport.write(data)
        if self.paused:
            self.consider_reading()

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake; the hub cuts the connection if the peer does not answer in time."""
        if self.protocol.state is State.OPEN:
            self.flush()
            self.protocol.send_close(code, reason)
            self._pump()
        elif not self.closing_at:
            self.abort()

    def say_goodbye(self, code: int, reason: str) -> None:
        """Close, and read on for the peer's close frame; messages are not acted on any more."""
        self.close(code, reason)
        self.transport.resume_reading()

    def abort(self) -> None:
        """Cut the connection now."""
        self.connected = False
        self.transport.abort()

    def is_stuck(self, now: float, patience: float) -> bool:
        """Whether a peer that leaves data unread has taken none of it for `patience` seconds."""
        return self.progress.is_stuck(self.transport.get_write_buffer_size(), now, patience)

    def ping(self, now: float) -> None:
        """Ask a silent client whether it is there; any answer counts (`heard_at`)."""
        if self.protocol.state is State.OPEN:
            self.pinged_at = now
            self.protocol.send_ping(b"")
            self._pump()

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
            or len(self.jobs) + len(self.asked) >= MAX_WAITING
            or not self.writable
            or not self.shared.ingest.room()
        )

    def _pump(self) -> None:
        """Write what the protocol itself has to say: handshake, pongs, close frames."""
        protocol = self.protocol
        pending = protocol.data_to_send()
        if pending and not self.transport.is_closing():
            if self.out:  # answers to what came before a close frame go before the close frame
                self.transport.write(b"".join(self.out))
                self.out.clear()
            for data in pending:
                if data:
                    self.transport.write(data)
                elif protocol.parser_exc is not None and self.transport.can_write_eof():
                    self.transport.write_eof()  # a reset, for what it still sends, would keep our last words from it
                else:
                    self.transport.close()
        if self.connected and protocol.state is not State.OPEN:
            self.connected = False
            self.closing_at = self.shared.clock()
