"""One connection to a peer: what it says is taken apart here, bounded, and handed to whoever asked.

Nothing that was not asked for is looked at; it is counted (`PeerLink.waste`). What becomes of the socket is `link`.

Where the peer wants to know who asks (NIP-42), the signer's key is proven as soon as it says so.
"""

import asyncio
import itertools
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final, Self

import msgspec
from websockets.exceptions import ConnectionClosed

from relay.client import messages
from relay.client.errors import MAX_WORDS, ClientError, Disconnected, TimedOut
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
from relay.errors import internal
from relay.federation.link import ANSWER_WITHIN, OPEN_WITHIN, PeerLink, open_link
from relay.federation.peer_socket import PeerSocket
from relay.protocol.event import Event
from relay.protocol.filter import Filter, matches

CHALLENGE_WITHIN: Final = 5.0  # seconds that a challenge may come after a refusal that asks for a proof
MOST_CHALLENGE: Final = 1000  # characters; most have 8 to 64
MOST_CLOSED: Final = 1000  # names of subscriptions whose late events are no fault
LATE: Final = 10.0  # seconds in which what comes for a closed one is no fault
MOST_LATE: Final = 4 * 1024 * 1024  # bytes of it: about what may have been under way
LARGE: Final = 64 * 1024  # bytes of a message that is looked at before it is taken apart
MOST_PARTS: Final = 50_000  # lists, objects and, where it brings no event, values in it: a megabyte of them takes 0.1 s
_HEAD: Final = 64  # bytes in which it says what it brings
MOST_SEEN: Final = 5000  # events of a subscription that are not to come twice
TAKEN: Final = 64  # messages taken apart in one turn of the event loop

_log: Final = logging.getLogger("tidings.peers")

# What is done with an event; where that is not done at once, the peer is not read from until it is.
Take = Callable[[Event], Awaitable[None] | None]
Report = Callable[[str, BaseException], None]  # what nobody foresaw: where, and what


def _logged(place: str, error: BaseException) -> None:
    """For who has nobody else to tell."""
    _log.error("%s failed", place, exc_info=error)


class PeerSubscription:
    """A REQ that is open. `ended` is the first EOSE, or the CLOSED; `closed` is set once the peer has ended it."""

    def __init__(self, name: str, wanted: tuple[Filter, ...], take: Take) -> None:
        self.name = name
        self.wanted = wanted
        self.take = take
        self.ended: asyncio.Future[Eose | Closed] = asyncio.get_running_loop().create_future()
        self.closed: Closed | None = None
        self.is_told = False  # that this is all that is stored
        self.heard = 0.0  # when something came last, by the connection's clock
        self._seen: OrderedDict[str, None] = OrderedDict()
        self.size = 0  # bytes of what came

    def repeats(self, event_id: str) -> bool:
        """Whether this event came before on this subscription, among the last so many."""
        if event_id in self._seen:
            return True
        self._seen[event_id] = None
        if len(self._seen) > MOST_SEEN:
            self._seen.popitem(last=False)
        return False


class _Late(msgspec.Struct):
    """What was asked and is closed: `until` when what comes for it is no fault, and how many bytes came."""

    until: float
    size: int = 0


def _check_large(data: bytes) -> None:
    """Raises Unintelligible for a large message that would take long to take apart, and that no relay has a reason to send."""
    parts = data.count(b"[") + data.count(b"{")
    if b'"EVENT"' not in data[:_HEAD]:
        parts += data.count(b",")
    if parts > MOST_PARTS:
        raise Unintelligible(f"it has {parts:,} parts")


class PeerConnection(PeerLink):
    """An open connection; made by `open`. Asking raises Disconnected once it is lost, TimedOut where the peer is silent."""

    def __init__(self, socket: PeerSocket, url: str, signer: Signer | None, report: Report) -> None:
        super().__init__(socket, url)
        self._report = report
        self.notice = ""  # what the peer said last for a person
        self.answers_events = False  # one that was offered has been answered
        self.answers_questions = False  # something that was asked has been
        self._challenges = 0
        self._signer = signer
        self._names = itertools.count(1)
        self._subscriptions: dict[str, PeerSubscription] = {}
        self._comparisons: dict[str, asyncio.Queue[Compared | NotCompared]] = {}
        self._silent: set[str] = set()  # comparisons that the peer has not answered yet
        self._answers: dict[str, list[asyncio.Future[Ok]]] = {}
        self._closed: dict[str, _Late] = {}
        loop = asyncio.get_running_loop()
        self._challenged: asyncio.Future[None] = loop.create_future()
        self._proven: asyncio.Future[bool] = loop.create_future()
        self._reader = asyncio.create_task(self._read(), name=f"reader of {url}")
        self._pings = asyncio.create_task(self.keep_alive(), name=f"pings of {url}")
        self._proof: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        url: str,
        signer: Signer | None = None,
        *,
        allow_private: bool = False,
        within: float = OPEN_WITHIN,
        report: Report = _logged,
    ) -> Self:
        """Connect; `report` is told of what nobody foresaw. Raises Disconnected (redirects and TLS failures too), BadUrl."""
        return cls(await open_link(url, allow_private, within), url, signer, report)

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

    async def ended(self, subscription: PeerSubscription, *, is_live: bool = False) -> Eose | Closed:
        """The end of what is stored. Raises TimedOut where nothing comes for ANSWER_WITHIN, Disconnected.

        `is_live`: nothing stored was asked for, so that the end must come within that time whatever else does.
        """
        heard = None if is_live else lambda: subscription.heard
        return await self._wait_for(subscription.ended, heard=heard, held=True)

    async def answers(self) -> None:
        """Ask something, and see that it is answered; as `shows_life`."""
        asked = await self.subscribe((Filter(limit=0),), lambda _event: None)
        try:
            await self.shows_life(asked.ended)
        finally:
            if self.is_open:
                await self.unsubscribe(asked)

    def offer(self, event_id: str, wire: bytes) -> "asyncio.Future[Ok]":
        """Send an event in its wire form; the peer's OK to it, for `answered`. Whoever offers more waits for `room`.

        Raises Disconnected.
        """
        answer: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
        if not self.is_open:
            raise self._lost.result()
        self._answers.setdefault(event_id, []).append(answer)
        self.sent += 1
        self._socket.write(b'["EVENT",' + wire + b"]")  # where it is not taken, the connection ends: no answer comes
        return answer

    async def answered(self, answer: "asyncio.Future[Ok]") -> Ok:
        """What was offered is answered. Raises TimedOut, Disconnected."""
        word = answer.result() if answer.done() else await self._wait_for(answer, held=True)
        self.answers_events = True
        return word

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

    async def compared(
        self, name: str, within: float = ANSWER_WITHIN, heard: Callable[[], float] | None = None
    ) -> Compared | NotCompared:
        """The peer's next word in a comparison, NotCompared also where it says so in another way.

        Raises Disconnected, TimedOut `within` seconds after the call or after it was `heard` of last: its words may come behind
        what it was asked for meanwhile.
        """
        answer = asyncio.ensure_future(self._comparisons[name].get())
        try:
            return await self._wait_for(answer, within, heard, held=True)
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

    async def close(self) -> None:
        """Say goodbye, for two seconds at most. Idempotent."""
        self._pings.cancel()
        await self._socket.close()
        await asyncio.gather(self._reader, self._pings, return_exceptions=True)

    def _note_closed(self, name: str) -> None:
        self._closed[name] = _Late(time.monotonic() + LATE)
        if len(self._closed) > MOST_CLOSED:
            del self._closed[next(iter(self._closed))]

    # what comes

    async def _read(self) -> None:
        try:
            while self.is_open:
                some = await self._socket.messages(TAKEN)
                for data in some:
                    if self._lost.done():
                        break
                    work = self._read_one(data)
                    if work is not None:
                        await self.hold(work)
                        self.taken += 1
                if len(some) == TAKEN:
                    await asyncio.sleep(0)
        except ConnectionClosed as error:
            self._ended(error)
        except ClientError as error:  # of whoever takes what comes
            self._abort(Disconnected(str(error)))
        except Exception as error:
            self._report(f"reading from {self.url}", error)
            self._abort(Disconnected(f"{internal(error).message} with {self.url}"))

    def _read_one(self, data: bytes) -> Awaitable[None] | None:
        """Act on a message; what is to be done before it is taken and another one is read."""
        try:
            if len(data) > LARGE:
                _check_large(data)
            word = messages.decode(data)
        except Unintelligible as error:
            self.waste(f"sent what is no message: {error}", len(data))
            return None
        work = None
        if isinstance(word, Ok):
            self._take_answer(word.event_id, word, len(data))
        elif isinstance(word, EventMessage):
            work = self._take_event(word.subscription, word.event, len(data))
        else:
            self._take(word, len(data))
        if work is None:
            self.taken += 1
        return work

    def _take(self, word: Word, size: int) -> None:
        """Act on what is neither an event nor the answer to one."""
        match word:
            case Eose(name):
                self._take_end(name, word, size)
            case Closed(name) if name in self._comparisons:
                self._refuse_comparison(name, word.words)
            case Closed(name):
                self._take_end(name, word, size)
            case Compared(name) | NotCompared(name):
                self._take_comparison(name, word, size)
            case Notice(words):
                self._take_notice(words, size)
            case Challenge(text):
                self._take_challenge(text, size)
            case CountAnswer():
                self.waste("answered what nobody asked", size)

    def _is_late(self, name: str, size: int) -> bool:
        """Whether what comes for this subscription or comparison may have been under way when it was closed."""
        late = self._closed.get(name)
        if late is None or time.monotonic() > late.until:
            return False
        late.size += size
        return late.size <= MOST_LATE

    def _take_event(self, name: str, event: Event, size: int) -> Awaitable[None] | None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            if not self._is_late(name, size):
                self.waste("sent an event for a subscription that is not open", size)
            return None
        if not any(matches(one, event) for one in subscription.wanted):
            self.waste("sent an event that was not asked for", size)
            return None
        if subscription.repeats(event.id):
            self.waste("sent an event twice", size)
            return None
        subscription.heard = self.clock()
        subscription.size += size
        return subscription.take(event)

    def _take_end(self, name: str, word: Eose | Closed, size: int) -> None:
        subscription = self._subscriptions.get(name)
        if subscription is None:
            if not self._is_late(name, size):
                self.waste("ended a subscription that is not open", size)
            return
        if subscription.closed is not None or (isinstance(word, Eose) and subscription.is_told):
            self.waste("ended a subscription twice", size)
            return
        if isinstance(word, Closed):
            subscription.closed = word
        subscription.is_told = self.answers_questions = True
        if not subscription.ended.done():
            subscription.ended.set_result(word)

    def _take_answer(self, event_id: str, word: Ok, size: int) -> None:
        waiting = self._answers.get(event_id)
        if waiting is None:
            self.waste("answered an event that was not sent", size)
            return
        answer = waiting.pop(0)
        if not waiting:
            del self._answers[event_id]
        if not answer.done():
            answer.set_result(word)

    def _take_comparison(self, name: str, word: Compared | NotCompared, size: int) -> None:
        waiting = self._comparisons.get(name)
        if waiting is None:
            if not self._is_late(name, size):
                self.waste("sent a message of a comparison that is not open", size)
        elif not waiting.empty():
            self.waste("sent two messages of a comparison where one was due", size)
        else:
            self._silent.discard(name)
            self.answers_questions |= isinstance(word, Compared)
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

    def _take_challenge(self, text: str, size: int) -> None:
        """Prove our key once. Some relays send a challenge with each event that they refuse: as many as were sent are no fault."""
        self._challenges += 1
        if len(text) > MOST_CHALLENGE:
            self.bear(f"sent a challenge of {len(text):,} characters", size)
        elif self._challenges > self.sent:
            self.bear("sent a challenge", size)
        if self._signer is None or self._challenged.done() or not self.is_open:
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
