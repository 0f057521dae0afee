"""One connection to a peer: what it says is taken apart here, bounded, and handed to whoever asked.

A peer is a stranger. Nothing that was not asked for is looked at; what is sent in vain is counted by its size, and a peer that
sends little else is cut off and told apart by the reason. The connection goes to an address that was looked at, follows no
redirect, and ends when the peer is silent: it is pinged, and whatever was asked must be answered in time.

Where the peer wants to know who asks (NIP-42), the signer's key is proven as soon as it says so.
"""

import asyncio
import itertools
import logging
import ssl
import time
from collections.abc import Awaitable, Callable
from typing import Final, Self, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from relay.client import messages
from relay.client.errors import MAX_WORDS, Disconnected, Refused, TimedOut
from relay.client.messages import (
    Challenge,
    Closed,
    Compared,
    CountAnswer,
    Eose,
    EventMessage,
    NotCompared,
    Notice,
    Ok,
    Unintelligible,
    Word,
)
from relay.client.signer import Signer, proof
from relay.errors import Prefix
from relay.federation import addresses
from relay.protocol.event import Event
from relay.protocol.filter import Filter, matches
from relay.server.intake import Allowance, waste

OPEN_WITHIN: Final = 20.0  # seconds that connecting may take
ANSWER_WITHIN: Final = 30.0  # seconds that an answer may take
PING: Final = 30.0  # seconds between pings
PONG_WITHIN: Final = 20.0
CLOSE_WITHIN: Final = 2.0
CHALLENGE_WITHIN: Final = 5.0  # seconds that a challenge may come after a refusal that asks for a proof
MAX_MESSAGE: Final = 2_200_000  # bytes: some relays send comparisons of 1 MiB in hex digits
MAX_FRAMES: Final = 4  # received and not yet taken apart
MOST_STORED: Final = 16 * 1024 * 1024  # bytes of the answer to one question; what comes after that is passed over
MOST_CLOSED: Final = 1000  # names of subscriptions whose late events are no fault

T = TypeVar("T")

_log: Final = logging.getLogger("tidings.peers")


class Misbehaved(Disconnected):
    """The peer sent so much that it should not have that the connection was ended; the text says what it was last."""


Take = Callable[[Event], Awaitable[None]]  # what is done with an event; the peer is not read from until it is


class PeerSubscription:
    """A REQ that is open. `ended` is the first EOSE, or the CLOSED; `closed` is set once the peer has ended it."""

    def __init__(self, name: str, wanted: tuple[Filter, ...], take: Take) -> None:
        self.name = name
        self.wanted = wanted
        self.take = take
        self.ended: asyncio.Future[Eose | Closed] = asyncio.get_running_loop().create_future()
        self.closed: Closed | None = None
        self.heard = time.monotonic()  # when something came last
        self.size = 0  # bytes of what came


class PeerConnection:
    """An open connection; made by `open`. Asking raises Disconnected once it is lost, TimedOut where the peer is silent."""

    def __init__(self, socket: ClientConnection, url: str, signer: Signer | None) -> None:
        self.url = url
        self.notice = ""  # what the peer said last for a person
        self.wasted = 0  # messages that should not have come
        self.told = ""  # what the last of them was: "sent ..."
        self._socket = socket
        self._signer = signer
        self._names = itertools.count(1)
        self._subscriptions: dict[str, PeerSubscription] = {}
        self._comparisons: dict[str, asyncio.Queue[Compared | NotCompared]] = {}
        self._silent: set[str] = set()  # comparisons that the peer has not answered yet
        self._answers: dict[str, list[asyncio.Future[Ok]]] = {}
        self._closed: dict[str, None] = {}
        self._allowance = Allowance(time.monotonic())
        loop = asyncio.get_running_loop()
        self._challenged: asyncio.Future[None] = loop.create_future()
        self._proven: asyncio.Future[bool] = loop.create_future()
        self._lost: asyncio.Future[Disconnected] = loop.create_future()
        self._reader = asyncio.create_task(self._read(), name=f"reader of {url}")
        self._proof: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, url: str, signer: Signer | None = None, *, allow_private: bool = False, within: float = OPEN_WITHIN
    ) -> Self:
        """Connect. Raises Disconnected (redirects and TLS failures too), BadUrl."""
        try:
            async with asyncio.timeout(within):
                sock = await addresses.open_socket(url, allow_private=allow_private)
                try:
                    found = await connect(
                        url,
                        sock=sock,
                        compression=None,  # its windows would be most of what an idle peer costs
                        open_timeout=None,
                        close_timeout=CLOSE_WITHIN,
                        ping_interval=PING,
                        ping_timeout=PONG_WITHIN,
                        max_size=MAX_MESSAGE,
                        max_queue=MAX_FRAMES,
                    )
                except BaseException:
                    sock.close()
                    raise
        except TimeoutError:
            raise Disconnected(f"{url} did not answer within {within:g} s") from None
        except InvalidStatus as error:
            status = error.response.status_code
            redirects = 300 <= status < 400
            raise Disconnected(
                f"{url} {'redirects, which is not followed' if redirects else 'answers'}: {status}"
            ) from None
        except ssl.SSLError as error:
            raise Disconnected(f"{url}: TLS failed: {error.reason or error}") from None
        except (OSError, WebSocketException, ValueError) as error:
            if isinstance(error.__cause__, InvalidStatus):
                raise Disconnected(f"{url} redirects, which is not followed") from None
            raise Disconnected(f"cannot connect to {url}: {str(error) or type(error).__name__}") from None
        return cls(found, url, signer)

    # asking

    async def subscribe(self, wanted: tuple[Filter, ...], take: Take) -> PeerSubscription:
        """Open a subscription, for `unsubscribe`."""
        subscription = PeerSubscription(f"s{next(self._names)}", wanted, take)
        self._subscriptions[subscription.name] = subscription
        await self._send(messages.req(subscription.name, wanted))
        return subscription

    async def unsubscribe(self, subscription: PeerSubscription) -> None:
        """Close a subscription."""
        if self._subscriptions.pop(subscription.name, None) is not None:
            self._note_closed(subscription.name)
            if self.is_open and subscription.closed is None:
                await self._send(messages.close(subscription.name))

    async def ended(self, subscription: PeerSubscription) -> Eose | Closed:
        """The end of what is stored. Raises TimedOut where nothing comes for ANSWER_WITHIN, Disconnected."""
        return await self._wait_for(subscription.ended, heard=lambda: subscription.heard)

    async def stored(self, wanted: tuple[Filter, ...], most: int) -> tuple[list[Event], bool | None]:
        """Up to `most` stored events that any of the filters matches, and whether those are all, where the peer says so (NIP-67).

        They are fewer where they are large, see MOST_STORED.

        Raises Refused, TimedOut, Disconnected.
        """
        events, end = await self._stored(wanted, most)
        if (
            isinstance(end, Closed)
            and Refused.of(end.words).prefix is Prefix.AUTH_REQUIRED
            and await self.authenticated()
        ):
            events, end = await self._stored(wanted, most)
        if isinstance(end, Closed):
            raise Refused.of(end.words)
        return events, end.complete

    async def _stored(self, wanted: tuple[Filter, ...], most: int) -> tuple[list[Event], Eose | Closed]:
        found: dict[str, Event] = {}

        async def take(event: Event) -> None:
            found[event.id] = event
            enough = len(found) >= most or subscription.size >= MOST_STORED
            if enough and not subscription.ended.done():
                subscription.ended.set_result(Eose(subscription.name, None))

        subscription = await self.subscribe(wanted, take)
        try:
            end = await self.ended(subscription)
            return list(found.values()), end
        finally:
            if self.is_open:
                await self.unsubscribe(subscription)

    async def offer(self, event_id: str, wire: bytes) -> "asyncio.Future[Ok]":
        """Send an event in its wire form; the peer's OK to it, for `answered`. Raises Disconnected."""
        answer: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        self._answers.setdefault(event_id, []).append(answer)
        await self._send(b'["EVENT",' + wire + b"]")
        return answer

    async def answered(self, answer: "asyncio.Future[Ok]") -> Ok:
        """What was offered is answered. Raises TimedOut, Disconnected."""
        return answer.result() if answer.done() else await self._wait_for(answer)

    async def open_comparison(self, wanted: Filter, data: bytes) -> str:
        """Begin a comparison; its name, for `compared`."""
        name = f"n{next(self._names)}"
        self._comparisons[name] = asyncio.Queue()
        self._silent.add(name)
        await self._send(messages.compare(name, wanted, data))
        return name

    async def go_on(self, name: str, data: bytes) -> None:
        """Say the next thing in a comparison. Raises Disconnected."""
        await self._send(messages.go_on(name, data))

    async def compared(self, name: str, within: float = ANSWER_WITHIN) -> Compared | NotCompared:
        """The peer's next word in a comparison, NotCompared also where it says so in another way. Raises TimedOut, Disconnected."""
        answer = asyncio.ensure_future(self._comparisons[name].get())
        try:
            return await self._wait_for(answer, within=within)
        finally:
            answer.cancel()

    async def end_comparison(self, name: str) -> None:
        """Let a comparison go."""
        self._comparisons.pop(name, None)
        self._silent.discard(name)
        self._note_closed(name)
        if self.is_open:
            await self._send(messages.end_comparison(name))

    async def authenticated(self) -> bool:
        """Whether our key is proven, waiting for that; False where there is no key or the peer does not ask for one."""
        if self._signer is None:
            return False
        try:
            await self._wait_for(self._challenged, within=CHALLENGE_WITHIN)
            return await self._wait_for(self._proven)
        except TimedOut:
            return False

    # the connection

    @property
    def is_open(self) -> bool:
        """Whether something can be asked."""
        return not self._lost.done()

    async def lost(self) -> Disconnected:
        """Returns when the connection has ended, with the reason."""
        return await asyncio.shield(self._lost)

    async def close(self) -> None:
        """Say goodbye, for two seconds at most. Idempotent."""
        await self._socket.close()
        await asyncio.gather(self._reader, return_exceptions=True)

    def fail(self, reason: str) -> None:
        """End the connection at once because of what the peer did."""
        self._end(Misbehaved(f"{self.url} {reason}"))
        self._socket.transport.abort()

    def waste(self, what: str, size: int = 0) -> None:
        """Count something that should not have come; whoever sends little else is cut off."""
        self.wasted += 1
        self.told = what
        if not self._allowance.spend(1 + waste(size), time.monotonic()):
            self.fail(f"sends what it should not: it {what}")

    async def _send(self, frame: bytes) -> None:
        if self._lost.done():
            raise self._lost.result()
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                await self._socket.send(frame, text=True)
        except ConnectionClosed as error:
            raise self._ended(error) from None
        except TimeoutError:
            self.fail("takes nothing any more")
            raise self._lost.result() from None

    async def _wait_for(
        self, answer: "asyncio.Future[T]", within: float = ANSWER_WITHIN, heard: Callable[[], float] | None = None
    ) -> T:
        """The answer. Raises Disconnected, TimedOut `within` seconds after the call, or after it was `heard` of last."""
        begun = time.monotonic()
        while True:
            left = within - (time.monotonic() - max(begun, heard() if heard is not None else 0.0))
            if left <= 0:
                raise TimedOut(f"{self.url} gave no answer within {within:g} s")
            await asyncio.wait((answer, self._lost), timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            if self._lost.done():
                raise self._lost.result()

    def _ended(self, error: ConnectionClosed) -> Disconnected:
        self._end(Disconnected(f"{self.url} closed the connection: {str(error)[:MAX_WORDS]}"))
        return self._lost.result()

    def _end(self, error: Disconnected) -> None:
        if not self._lost.done():
            self._lost.set_result(error)

    def _note_closed(self, name: str) -> None:
        self._closed[name] = None
        if len(self._closed) > MOST_CLOSED:
            del self._closed[next(iter(self._closed))]

    # what comes

    async def _read(self) -> None:
        try:
            while self.is_open:
                data = await self._socket.recv(decode=False)
                try:
                    word = messages.decode(data)
                except Unintelligible as error:
                    self.waste(f"sent what is no message: {error}", len(data))
                    continue
                await self._take(word, len(data))
        except ConnectionClosed as error:
            self._ended(error)
        except Exception as error:
            _log.exception("reading from %s", self.url)
            self._end(Disconnected(f"internal error ({type(error).__name__}) with {self.url}"))
            self._socket.transport.abort()

    async def _take(self, word: Word, size: int) -> None:
        match word:
            case EventMessage(name, event):
                await self._take_event(name, event, size)
            case Eose(name):
                self._take_end(name, word)
            case Closed(name) if name in self._comparisons:
                self._refuse_comparison(name, word.words)
            case Closed(name):
                self._take_end(name, word)
            case Ok(event_id):
                self._take_answer(event_id, word)
            case Compared(name) | NotCompared(name):
                self._take_comparison(name, word, size)
            case Notice(words):
                self._take_notice(words, size)
            case Challenge(text):
                self._take_challenge(text)
            case CountAnswer():
                self.waste("answered what nobody asked", size)

    async def _take_event(self, name: str, event: Event, size: int) -> None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            if name not in self._closed:
                self.waste("sent an event for a subscription that is not open", size)
            return
        if not any(matches(one, event) for one in subscription.wanted):
            self.waste("sent an event that was not asked for", size)
            return
        subscription.heard = time.monotonic()
        subscription.size += size
        await subscription.take(event)

    def _take_end(self, name: str, word: Eose | Closed) -> None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            if name not in self._closed:
                self.waste("ended a subscription that is not open")
            return
        if isinstance(word, Closed):
            subscription.closed = word
        if not subscription.ended.done():
            subscription.ended.set_result(word)

    def _take_answer(self, event_id: str, word: Ok) -> None:
        waiting = self._answers.get(event_id)
        if waiting is None:
            self.waste("answered an event that was not sent")
            return
        answer = waiting.pop(0)
        if not waiting:
            del self._answers[event_id]
        if not answer.done():
            answer.set_result(word)

    def _take_comparison(self, name: str, word: Compared | NotCompared, size: int) -> None:
        waiting = self._comparisons.get(name)
        if waiting is None:
            if name not in self._closed:
                self.waste("sent a message of a comparison that is not open", size)
        elif not waiting.empty():
            self.waste("sent two messages of a comparison where one was due", size)
        else:
            self._silent.discard(name)
            waiting.put_nowait(word)

    def _refuse_comparison(self, name: str, words: str) -> None:
        waiting = self._comparisons[name]
        if waiting.empty():
            waiting.put_nowait(NotCompared(name, words, None))

    def _take_notice(self, words: str, size: int) -> None:
        """Some relays refuse a comparison by nothing else; where they have answered it before, it is no answer to that."""
        self.notice = words[:MAX_WORDS]
        if not self._silent:
            self.waste(f"sent a notice: {self.notice}", size)
        for name in self._silent:
            self._refuse_comparison(name, words)

    def _take_challenge(self, text: str) -> None:
        if self._signer is None or self._challenged.done():
            return
        self._challenged.set_result(None)
        self._proof = asyncio.create_task(self._prove(self._signer, text), name=f"proof to {self.url}")

    async def _prove(self, signer: Signer, challenge: str) -> None:
        """Prove our key (NIP-42)."""
        event = await proof(signer, self.url, challenge, time.time())
        answer: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        self._answers.setdefault(event.id, []).append(answer)
        accepted = False
        try:
            await self._send(messages.authenticate(event))
            word = await self._wait_for(answer)
            accepted = word.accepted
            if not accepted:
                self.notice = word.words[:MAX_WORDS]
        except (Disconnected, TimedOut):
            pass  # whoever waits is told the same
        finally:
            self._proven.set_result(accepted)
