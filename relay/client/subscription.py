"""A subscription as an async iterator that outlives its connections.

It reads a connection of its own, so that a slow reader is held back by TCP and holds up nobody else. What to say and what to
give is decided in `relay.client.conversation`; here are only the socket, the waiting and NIP-42.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Final, Self

from relay.client.clock import Backoff, Clock
from relay.client.conversation import Conversation, EndOfStored
from relay.client.errors import Disconnected, Refused
from relay.client.link import RelayLink
from relay.client.messages import Closed, Word
from relay.errors import Prefix
from relay.protocol.event import Event

PASSING: Final = frozenset((Prefix.ERROR, Prefix.RATE_LIMITED))  # refusals that another try may not meet

Item = Event | EndOfStored


class Subscription:
    """Events and, where stored ones end, an EndOfStored. Made by `Relay.subscribe`; use it with `async with`.

    Each event is verified, matches the filters and is given once, newest first while stored ones come, as they come
    afterwards. Once connected it goes on until it is closed: a lost connection is made again after a while, and
    what came meanwhile is asked for. An event may be missed then only if its `created_at` lies further back than the overlap
    (or than the ids that are remembered). The next item may be waited for with a time limit: cancelling loses nothing.

    Iterating raises Disconnected when the first connection fails, and Refused when the relay does not want to serve it.
    """

    def __init__(
        self,
        dial: Callable[[], Awaitable[RelayLink]],
        authenticate: Callable[[RelayLink], Awaitable[bool]],
        conversation: Conversation,
        clock: Clock,
    ) -> None:
        self._dial = dial
        self._authenticate = authenticate
        self._conversation = conversation
        self._clock = clock
        self._backoff = Backoff(clock.chance)
        self._link: RelayLink | None = None
        self._last: RelayLink | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Item:
        while not self._closed:
            try:
                link = self._link or await self._connect()
                word = await link.receive()
                item = await self._take(link, word)
            except Disconnected as error:
                await self._wait(error)
                continue
            except Refused:
                await self.close()
                raise
            if item is not None:
                return item
        raise StopAsyncIteration

    async def events(self) -> AsyncGenerator[Event]:
        """The events alone."""
        async for item in self:
            if isinstance(item, Event):
                yield item

    async def close(self) -> None:
        """End it; whoever iterates gets no more. Idempotent."""
        self._closed = True
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _connect(self) -> RelayLink:
        link = self._last = await self._dial()
        with self._whole(link):
            await link.send(*self._conversation.open())
        self._link = link
        return link

    async def _take(self, link: RelayLink, word: Word) -> Item | None:
        if isinstance(word, Closed):
            await self._refused(link, Refused.of(word.words))
            return None
        step = self._conversation.receive(word, self._clock.now())
        if step.fault is not None:
            link.report(step.fault)
        if step.send:
            with self._whole(link):
                await link.send(*step.send)
        if self._conversation.caught_up:
            self._backoff.reset()
        return step.item

    async def _refused(self, link: RelayLink, refusal: Refused) -> None:
        if refusal.prefix in PASSING:
            raise Disconnected(f"{link.url} ended the subscription: {refusal}")
        if refusal.prefix is not Prefix.AUTH_REQUIRED or link.authenticated:
            raise refusal
        with self._whole(link):
            if not await self._authenticate(link):
                raise refusal
            await link.send(*self._conversation.open())

    @contextmanager
    def _whole(self, link: RelayLink) -> Iterator[None]:
        """Do all of it or start anew on another connection: half a question would never be answered."""
        try:
            yield
        except BaseException:
            self._link = None
            link.abort()
            raise

    async def _wait(self, error: Disconnected) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.abort()
        if self._closed:
            return
        if self._last is None:
            self._closed = True
            raise error
        delay = self._backoff.next()
        self._last.report(f"is out of reach, next try in {delay:.1f} s: {error}")
        await self._clock.sleep(delay)
