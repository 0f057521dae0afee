"""What is done about a message: each effect of a `Session` carried out for the connection that it came by.

A refusal is answered, and what a message that came to nothing cost is counted (`sent_in_vain`).
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

from websockets.frames import CloseCode

from keys.nip42 import authenticated_key
from keys.schnorr import is_forged, verify_event
from relay.errors import Prefix, Reject
from relay.protocol import messages
from relay.protocol.admission import Door
from relay.protocol.event import Event, memory
from relay.protocol.messages import NegClose, NegMsg, NegOpen, Publish
from relay.protocol.session import (
    Authenticate,
    Cancel,
    CountRequest,
    Open,
    Refuse,
    RefuseComparison,
    refusal_of,
)
from relay.roles import metrics
from relay.server import frames
from relay.server.connection.shared import Shared
from relay.server.events import policies
from relay.server.events.fanout import LiveSubscription
from relay.server.limits.intake import Allowance
from relay.server.reading.queries import AskingConnection
from storage.base import Outcome, Status
from storage.errors import StorageError

MAX_KEYS: Final = 32  # keys one connection may authenticate


class ActingConnection(AskingConnection, Protocol):
    """A connection as its messages are acted on."""

    shared: Shared
    author: policies.Sender
    url: str  # under which this client knows the relay
    in_flight: int  # events without an answer
    in_flight_bytes: int  # of memory for them
    allowance: Allowance

    def __hash__(self) -> int:
        """Events are verified in turns of their connections."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""

    def end_comparison(self, name: str, reason: Reject) -> None:
        """Close a comparison and say why."""

    def sent_in_vain(self, size: int, meaningless: bool = False) -> None:
        """A message of so many bytes was refused."""

    def may_grow(self) -> bool:
        """Whether a message may be longer than others."""

    def refuse_long(self) -> None:
        """A message was too long."""


def receive(connection: ActingConnection, data: bytes) -> None:
    """Act on one text message."""
    if not (data.isascii() or frames.is_utf8(data)):
        connection.close(CloseCode.INVALID_DATA, "a text message must be UTF-8 (RFC 6455)")
        return
    shared, session = connection.shared, connection.session
    if len(data) > shared.settings.config.limits.max_message_bytes:
        if not messages.goes_on_comparing(data) or not connection.may_grow():
            connection.refuse_long()
            return
        shared.long_messages.leave(connection)
    effect = session.receive(data, shared.rules)
    if session.challenge_due:
        challenge(connection)
    kind = type(effect)
    verb, act = _ACTIONS[kind]
    shared.numbers[verb] += 1
    if shared.gate.limits_messages and kind not in _ENDING and not shared.gate.may_send(connection.address):
        reason = Reject(Prefix.RATE_LIMITED, "too many messages from your address; slow down")
        refusal = refusal_of(effect, reason)
        if isinstance(effect, Open | Refuse):
            cancel(connection, effect.subscription)
        elif isinstance(effect, NegOpen | NegMsg | RefuseComparison):
            shared.comparisons.close(connection, effect.subscription)
        connection.send(refusal or messages.notice(str(reason)))
        connection.sent_in_vain(len(data))
        return
    act(connection, effect, len(data))


def _publish(connection: ActingConnection, effect: Publish, size: int) -> None:
    now = int(time.time())
    event, shared = effect.event, connection.shared
    refusal = shared.publisher.refuse(event, connection.author, now)
    if refusal is not None:
        prepare(connection, refusal)
        connection.send(messages.ok(event.id, False, str(refusal)))
        connection.sent_in_vain(size)
        return
    held = memory(event, size)
    connection.in_flight += 1
    connection.in_flight_bytes += held
    shared.ingest.submit(
        event, Door.CLIENT, now, partial(_answer, connection, held), connection, size=held, sender=connection.author
    )


def _answer(connection: ActingConnection, held: int, event: Event, outcome: Outcome) -> None:
    """Tell what became of an event."""
    connection.in_flight -= 1
    connection.in_flight_bytes -= held
    if outcome.message:
        connection.send(messages.ok(event.id, True, outcome.message))
    elif outcome.status is Status.STORED or outcome.status is Status.EPHEMERAL:
        connection.queue(frames.text(b'["OK","%b",true,""]' % event.id.encode()))
        connection.allowance.earn()
    elif outcome.status is Status.DUPLICATE:
        connection.send(messages.ok(event.id, True, "duplicate: already have this event"))
    else:
        refusal = outcome.refusal
        if refusal is not None:
            prepare(connection, refusal)
        connection.send(messages.ok(event.id, policies.is_so_already(event, refusal), str(refusal)))
        if is_forged(refusal):
            connection.sent_in_vain(len(event.content), True)


def _reply(connection: ActingConnection, reply: bytes, size: int) -> None:
    connection.send(reply)
    connection.sent_in_vain(size, messages.is_notice(reply))


def _open(connection: ActingConnection, request: Open, _size: int) -> None:
    shared, session = connection.shared, connection.session
    if request.subscription in session.subscriptions:
        _drop(connection, request.subscription)
    subscription = LiveSubscription(connection, request.subscription, request.filters, shared.ingest.last_seq)
    subscription.mark = shared.access.mark(session)
    session.opened(request, subscription)
    shared.fanout.add(subscription)
    shared.access.opened(subscription)
    shared.queries.ask(connection, subscription)


def _refuse(connection: ActingConnection, effect: Refuse, size: int) -> None:
    cancel(connection, effect.subscription)
    connection.send(effect.reply)
    connection.sent_in_vain(size)


def _count(connection: ActingConnection, request: CountRequest, _size: int) -> None:
    connection.shared.queries.count(connection, request)


def _cancel(connection: ActingConnection, effect: Cancel, size: int) -> None:
    cancel(connection, effect.subscription)
    connection.sent_in_vain(size)  # nothing, unless it is all padding


def _authenticate(connection: ActingConnection, effect: Authenticate, size: int) -> None:
    event, shared, session = effect.event, connection.shared, connection.session
    try:
        pubkey = authenticated_key(event, session.challenge, connection.url, int(time.time()))
        if len(session.keys | {pubkey}) > MAX_KEYS:
            raise Reject(Prefix.RESTRICTED, f"{MAX_KEYS} keys are authenticated on this connection; open another")
        shared.checks.run(connection.address, shared.settings.config.rates.wrong_proofs, lambda: verify_event(event))
    except Reject as refusal:
        connection.send(messages.ok(event.id, False, str(refusal)))
        connection.sent_in_vain(size, True)
        return
    session.authenticated(pubkey)
    connection.author = shared.publisher.author(
        Door.CLIENT, session.keys, connection.url, address=connection.author.address
    )
    shared.access.enter(connection, pubkey, partial(_authenticated, connection, event.id))


def _authenticated(connection: ActingConnection, event_id: str, error: StorageError | None) -> None:
    """What the key may read is known, or cannot be; what comes from now on is sent to it."""
    if error is None:
        connection.send(messages.ok(event_id, True))
    else:
        connection.send(messages.ok(event_id, False, str(Reject(Prefix.ERROR, str(error)))))
    connection.flush()  # it may have taken a while


def _compare(connection: ActingConnection, message: NegOpen | NegMsg, size: int) -> None:
    comparisons = connection.shared.comparisons
    try:
        if isinstance(message, NegOpen):
            connection.sent_in_vain(2 * comparisons.close(connection, message.subscription))
            comparisons.open(connection, message)
        else:
            comparisons.go_on(connection, message)
    except Reject as refusal:
        connection.send(messages.neg_error(message.subscription, refusal))
        connection.sent_in_vain(size, True)


def _refuse_comparison(connection: ActingConnection, effect: RefuseComparison, size: int) -> None:
    unanswered = connection.shared.comparisons.close(connection, effect.subscription)
    connection.send(effect.reply)
    connection.sent_in_vain(size + 2 * unanswered)


def _end_comparison(connection: ActingConnection, effect: NegClose, size: int) -> None:
    unanswered = connection.shared.comparisons.close(connection, effect.subscription)
    connection.sent_in_vain(size + 2 * unanswered)


_ENDING: Final = (Cancel, NegClose)  # never too many: they give back what the connection has
_VERBS: Final = metrics.places("messages")
# What each effect of `Session.receive` counts as and does; the last argument is the size of the message in bytes.
_ACTIONS: Final[dict[type, tuple[int, Callable[[ActingConnection, Any, int], None]]]] = {
    Publish: (_VERBS["EVENT"], _publish),
    bytes: (_VERBS["refused"], _reply),
    Open: (_VERBS["REQ"], _open),
    Refuse: (_VERBS["refused"], _refuse),
    CountRequest: (_VERBS["COUNT"], _count),
    Cancel: (_VERBS["CLOSE"], _cancel),
    Authenticate: (_VERBS["AUTH"], _authenticate),
    RefuseComparison: (_VERBS["refused"], _refuse_comparison),
    NegOpen: (_VERBS["NEG-OPEN"], _compare),
    NegMsg: (_VERBS["NEG-MSG"], _compare),
    NegClose: (_VERBS["NEG-CLOSE"], _end_comparison),
}


def cancel(connection: ActingConnection, name: str) -> None:
    """End the subscription of this id, if there is one; nothing is said."""
    _drop(connection, name)
    connection.session.cancel(name)


def _drop(connection: ActingConnection, name: str) -> None:
    subscription = connection.session.subscriptions.get(name)
    if subscription is not None:
        drop(connection, subscription)


def drop(connection: ActingConnection, subscription: LiveSubscription) -> None:
    """Nothing reaches the subscription any more."""
    connection.shared.fanout.remove(subscription)
    connection.shared.access.closed(subscription)


def prepare(connection: ActingConnection, refusal: Reject) -> None:
    """Before a refusal that asks for a key goes out, the challenge to prove it with (NIP-42)."""
    if refusal.prefix is Prefix.AUTH_REQUIRED:
        connection.session.need_challenge()
        if connection.session.challenge_due:
            challenge(connection)


def challenge(connection: ActingConnection) -> None:
    """Send the connection's challenge (NIP-42)."""
    connection.send(connection.session.give_challenge())
