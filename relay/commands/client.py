"""A small Nostr client for the command line, blocking: one connection, one conversation.

Whatever the relay sends is hostile until checked: messages are bounded, events are verified, words are made printable.
"""

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidURI, WebSocketException
from websockets.sync.client import ClientConnection, connect

from keys import schnorr
from relay.commands.common import Complaint, printable, say
from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.event import Event

MAX_MESSAGE: Final = 4 * 1024 * 1024  # bytes
CLOSE_TIMEOUT: Final = 2.0  # seconds
SUBSCRIPTION: Final = "tidings"
_SHOWN: Final = 500  # characters of a relay's words that are shown


@contextmanager
def connected(url: str, timeout: float) -> Iterator["Relay"]:
    """A relay to talk to; `timeout` is how many seconds an answer may take. Raises Complaint."""
    with ExitStack() as stack:
        try:
            connection = connect(url, open_timeout=timeout, close_timeout=CLOSE_TIMEOUT, max_size=MAX_MESSAGE)
            socket = stack.enter_context(connection)
        except InvalidURI:
            raise Complaint(f"{url} is no relay's URL: it starts with ws:// or wss://") from None
        except (OSError, WebSocketException, ValueError) as error:
            raise Complaint(f"cannot connect to {url}: {error}") from None
        yield Relay(socket, url, timeout)


class Relay:
    """A connection to a relay, made by `connected`; every failure is a Complaint."""

    def __init__(self, socket: ClientConnection, url: str, timeout: float) -> None:
        self._socket = socket
        self.url = url
        self._timeout = timeout
        self._challenge: str | None = None

    def send(self, *message: Any) -> None:
        """Send one message."""
        try:
            self._socket.send(msgspec.json.encode(message), text=True)
        except ConnectionClosed as error:
            raise Complaint(f"{self.url} closed the connection: {error}") from None

    def receive(self, timeout: float | None) -> list[Any]:
        """The next message. NOTICE goes to stderr and AUTH is kept for `authenticate`, so neither is given."""
        while True:
            message = _decode(self._next(timeout))
            match message:
                case ["NOTICE", str(text), *_]:
                    say(f"{self.url} says: {printable(text[:_SHOWN])}")
                case ["AUTH", str(challenge), *_]:
                    self._challenge = challenge
                case [str(), *_]:
                    return list(message)
                case _:
                    say(f"{self.url} sent something that is no Nostr message")

    def _next(self, timeout: float | None) -> str | bytes:
        try:
            return self._socket.recv(timeout)
        except TimeoutError:
            raise Complaint(f"{self.url} gave no answer within {timeout:g} s") from None
        except ConnectionClosed as error:
            raise Complaint(f"{self.url} closed the connection: {error}") from None

    def publish(self, event: Event) -> str:
        """Publish an event; the relay's words about it. Raises Complaint when it is refused."""
        self.send("EVENT", event)
        return self._accepted(event, "the event")

    def authenticate(self, secret: bytes) -> None:
        """Answer the relay's challenge, waiting for it if need be (NIP-42)."""
        while self._challenge is None:
            match _decode(self._next(self._timeout)):
                case ["AUTH", str(challenge), *_]:
                    self._challenge = challenge
        tags = [["relay", self.url], ["challenge", self._challenge]]
        proof = sign(secret, kinds.CLIENT_AUTH, tags, "", int(time.time()))
        self.send("AUTH", proof)
        self._accepted(proof, "the authentication")

    def _accepted(self, event: Event, what: str) -> str:
        while True:
            match self.receive(self._timeout):
                case ["OK", event.id, bool(accepted), *rest]:
                    words = printable(str(rest[0])[:_SHOWN]) if rest else ""
                    if not accepted:
                        raise Complaint(f"{self.url} refused {what}: {words or 'it gives no reason'}")
                    return words

    def request(self, filters: list[Any], follow: bool) -> Iterator[Event]:
        """What the relay has for these filters, verified, and with `follow` what comes later, until it ends it.

        Events that are forged or malformed are reported on stderr and passed over. Raises Complaint on CLOSED.
        """
        self.send("REQ", SUBSCRIPTION, *filters)
        is_live = False
        while True:
            match self.receive(None if is_live else self._timeout):
                case ["EVENT", str(name), given, *_] if name == SUBSCRIPTION:
                    event = self._verified(given)
                    if event is not None:
                        yield event
                case ["EOSE", str(name), *_] if name == SUBSCRIPTION:
                    if not follow:
                        self.send("CLOSE", SUBSCRIPTION)
                        return
                    is_live = True
                case ["CLOSED", str(name), *rest] if name == SUBSCRIPTION:
                    raise Complaint(self._closed(rest))

    def count(self, filters: list[Any]) -> int:
        """How many events the relay has for these filters (NIP-45)."""
        self.send("COUNT", SUBSCRIPTION, *filters)
        while True:
            match self.receive(self._timeout):
                case ["COUNT", str(name), {"count": int(total)}, *_] if name == SUBSCRIPTION:
                    return total
                case ["CLOSED", str(name), *rest] if name == SUBSCRIPTION:
                    raise Complaint(self._closed(rest))

    def _closed(self, rest: list[Any]) -> str:
        return f"{self.url} refused: {printable(str(rest[0])[:_SHOWN]) if rest else 'it gives no reason'}"

    def _verified(self, given: Any) -> Event | None:
        try:
            event = msgspec.convert(given, Event)
        except msgspec.ValidationError as error:
            say(f"{self.url} sent something that is no event: {printable(str(error))}")
            return None
        fault = schnorr.fault(event)
        if fault is not None:
            say(f"{self.url} sent a forged event {event.id}: {fault.message}")
            return None
        return event


def _decode(data: str | bytes) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def sign(secret: bytes, kind: int, tags: list[list[str]], content: str, created_at: int) -> Event:
    """A signed event (NIP-01)."""
    pubkey = schnorr.public_key(secret).hex()
    unsigned = Event("0" * 64, pubkey, created_at, kind, tags, content, "0" * 128)
    event_id = events.compute_id(unsigned)
    signature = schnorr.sign(secret, bytes.fromhex(event_id)).hex()
    return msgspec.structs.replace(unsigned, id=event_id, sig=signature)
