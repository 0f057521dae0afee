"""A relay to talk to: publish, count, subscribe; connecting again and authenticating happen by themselves."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Final, Self, TypeVar

import msgspec

from relay.client import messages
from relay.client.clock import Backoff, Clock
from relay.client.conversation import MEMORY, OVERLAP, Conversation
from relay.client.errors import BadFilter, Disconnected, Refused, TimedOut
from relay.client.exchange import Exchange
from relay.client.link import RelayLink
from relay.client.messages import Closed, CountAnswer, Ok, Word
from relay.client.signer import Signer
from relay.client.subscription import Subscription
from relay.errors import Prefix, Reject
from relay.protocol import filter as filters
from relay.protocol.event import Event
from relay.protocol.filter import Filter

TIMEOUT: Final = 10.0  # seconds
MOST: Final = 256  # questions under way; more wait their turn

Wanted = Filter | Mapping[str, object]
T = TypeVar("T")
A = TypeVar("A", bound=Word)


class Total(msgspec.Struct, frozen=True):
    """How many events a relay has; `hll` is 512 hex digits when it gives them (NIP-45)."""

    total: int
    hll: str | None = None


def ignore(_line: str) -> None:
    """Report nothing."""


class Relay:
    """A relay by its URL (ws:// or wss://); use it with `async with`, which connects.

    `signer` proves who we are when the relay asks for it (NIP-42), or at once on every connection when `auth_first`. `timeout` is
    how many seconds an answer may take, from when its question has its turn. `report` gets a line about what a person may
    want to know: notices, forged events, lost connections; it may hold a stranger's words, so make it printable before it
    meets a terminal.

    Every method raises Refused, Disconnected or TimedOut, and BadFilter for what is no filter, all of them ClientError.
    """

    def __init__(
        self,
        url: str,
        *,
        signer: Signer | None = None,
        auth_first: bool = False,
        timeout: float = TIMEOUT,
        report: Callable[[str], None] = ignore,
        clock: Clock | None = None,
    ) -> None:
        if auth_first and signer is None:
            raise ValueError("auth_first needs a signer")
        self.url = url
        self._signer = signer
        self._auth_first = auth_first
        self._timeout = timeout
        self._report = report
        self._clock = clock or Clock()
        self._exchange: Exchange | None = None
        self._connecting = asyncio.Lock()
        self._turns = asyncio.Semaphore(MOST)
        self._closed = 0  # times
        self._counts = 0

    async def __aenter__(self) -> Self:
        """Connect. Raises Disconnected when that fails, BadUrl when the URL is none."""
        await self._connected()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection; whoever waits for an answer gets Disconnected. Idempotent.

        Subscriptions have their own and are closed by whoever made them.
        """
        self._closed += 1
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            await exchange.close()

    async def publish(self, event: Event) -> str:
        """Publish a signed event; what the relay says about it, "" or `duplicate: …` for one that it already has.

        Raises Refused with the prefix when it does not take it. When the connection is lost before the answer, the
        event is sent again on a new one: a relay takes an event once, however often it comes (NIP-01).
        """
        return (await self._ask(event.id, messages.publish(event), Ok)).words

    async def count(self, *wanted: Wanted) -> Total:
        """How many events match any of the filters (NIP-45)."""
        parsed = _filters(wanted)
        self._counts += 1
        name = f"count-{self._counts}"
        answer = await self._ask(name, messages.count(name, parsed), CountAnswer)
        return Total(answer.total, answer.hll)

    def subscribe(self, *wanted: Wanted, overlap: int = OVERLAP, memory: int = MEMORY) -> Subscription:
        """Events that match any of the filters: the stored ones, an EndOfStored, then what comes.

        A filter is NIP-01's, as a Filter or as a mapping such as `{"kinds": [11], "limit": 20}`. After a lost connection, what is
        younger than `overlap` seconds before it is asked for again; `memory` is how many ids are kept to tell what
        was given. Raises BadFilter for a filter that is none; connects when it is iterated.
        """
        return Subscription(
            self._dial, self._authenticate, Conversation(_filters(wanted), overlap, memory), self._clock
        )

    async def stored(self, *wanted: Wanted) -> AsyncGenerator[Event]:
        """The stored events that match any of the filters, newest first, as many as the relay gives, and no more.

        Close it (`contextlib.aclosing`) when not reading to the end. Raises TimedOut when one does not come in time.
        """
        async with self.subscribe(*wanted) as subscription:
            while True:
                try:
                    async with asyncio.timeout(self._timeout):
                        item = await anext(subscription)
                except TimeoutError:
                    raise self._late() from None
                if not isinstance(item, Event):
                    return
                yield item

    async def authenticate(self) -> None:
        """Prove who we are now, without being asked (NIP-42). Raises Refused; ValueError without a signer."""
        if self._signer is None:
            raise ValueError("there is no signer to authenticate with")
        signer = self._signer
        await self._in_time(lambda: self._prove(signer))

    async def _prove(self, signer: Signer) -> None:
        exchange = await self._connected()
        await exchange.link.ask_for_challenge()
        await exchange.authenticate(signer, self._clock.now())

    async def _ask(self, name: str, frame: bytes, answer_type: type[A]) -> A:
        return await self._in_time(lambda: self._answer(name, frame, answer_type))

    async def _in_time(self, work: Callable[[], Awaitable[T]]) -> T:
        """What `work` gives, tried again on a new connection until the time is up. Raises TimedOut, Disconnected."""
        closed = self._closed
        async with self._turns:
            return await self._until_late(work, closed)

    async def _until_late(self, work: Callable[[], Awaitable[T]], closed: int) -> T:
        backoff = Backoff(self._clock.chance)
        error: Disconnected | None = None
        try:
            async with asyncio.timeout(self._timeout):
                while self._closed == closed:
                    try:
                        return await work()
                    except Disconnected as lost:
                        error = lost
                        if self._closed == closed:
                            await self._clock.sleep(backoff.next())
                raise error or self._left()
        except TimeoutError:
            if error is not None:
                raise error from None
            raise self._late() from None

    def _left(self) -> Disconnected:
        return Disconnected(f"the connection to {self.url} was closed here")

    def _late(self) -> TimedOut:
        return TimedOut(f"{self.url} gave no answer within {self._timeout:g} s")

    async def _answer(self, name: str, frame: bytes, answer_type: type[A]) -> A:
        while True:
            exchange = await self._connected()
            answer = await exchange.ask(name, frame)
            refusal = _refusal(answer)
            if refusal is None:
                if not isinstance(answer, answer_type):
                    raise Disconnected(f"{self.url} answered something else")
                return answer
            if refusal.prefix is not Prefix.AUTH_REQUIRED or self._signer is None or exchange.link.authenticated:
                raise refusal
            await exchange.authenticate(self._signer, self._clock.now())

    async def _connected(self) -> Exchange:
        async with self._connecting:
            if self._exchange is None or not self._exchange.is_open:
                closed = self._closed
                link = await RelayLink.open(self.url, self._timeout, self._report)
                exchange = Exchange(link)
                if self._auth_first and self._signer is not None:
                    try:
                        await link.ask_for_challenge()
                        await exchange.authenticate(self._signer, self._clock.now())
                    except BaseException:
                        link.abort()
                        raise
                if self._closed != closed:
                    await exchange.close()
                    raise self._left()
                self._exchange = exchange
            return self._exchange

    async def _dial(self) -> RelayLink:
        link = await RelayLink.open(self.url, self._timeout, self._report)
        if self._auth_first:
            try:
                await link.ask_for_challenge()
                await self._authenticate(link)
            except BaseException:
                link.abort()
                raise
        return link

    async def _authenticate(self, link: RelayLink) -> bool:
        """Authenticate a subscription's connection, and the next ones at once; False when there is nobody to sign."""
        if self._signer is None:
            return False
        await link.authenticate(self._signer, self._clock.now(), self._timeout)
        self._auth_first = True
        return True


def _refusal(answer: Word) -> Refused | None:
    match answer:
        case Ok(_, False, words) | Closed(_, words):
            return Refused.of(words)
    return None


def _filters(wanted: tuple[Wanted, ...]) -> tuple[Filter, ...]:
    if not wanted:
        raise BadFilter("at least one filter is needed; {} matches everything")
    try:
        return tuple(one if isinstance(one, Filter) else filters.parse(dict(one)) for one in wanted)
    except Reject as refusal:
        raise BadFilter(refusal.message) from None
