"""Search as a front has it where it is a role of its own: the questions of `SearchEngine`, over a Unix stream.

States: away (no connection, or a connection that nobody has spoken on yet: the listening socket outlives the role), here (the
role has told how search stands). While it is away, a question fails at once and says so; the connection is made again and again
without anybody's doing. A role that says nothing for a while is taken to stand still, and is left for a new connection, on which
it will speak when it goes on. A question is bounded in time, the number of unanswered ones is bounded, and where the role does not
take what is sent, no more is: so a role that stands still costs a front nothing but its answers.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec

from relay.config import Search
from relay.roles.channel import FrameReader, frame
from relay.roles.search_messages import (
    MOST_QUESTION,
    MOST_UNANSWERED,
    Abandon,
    ChangeModel,
    ChunksFound,
    CountHits,
    FindHits,
    FromSearch,
    HitsFound,
    LookAgain,
    ModelProgress,
    NumberFound,
    PurgeVectors,
    QuestionFailed,
    ReadChunks,
    Standing,
    ToSearch,
    encode,
    from_search,
)
from relay.server.supervision import Faults, Tasks
from storage.base import Readers, StorageError, TooCostly
from storage.search.engine import Hit, Progress, SearchedPassage, SearchHealth, SearchQuery

PATIENCE: Final = 10.0  # seconds that a question may take
SILENCE: Final = 4.0  # seconds without a sign of life after which the role is taken to stand still
AGAIN: Final = 0.05  # seconds between two attempts to reach a role that is being started again

log = logging.getLogger("tidings.search")


class SearchAway(StorageError):
    """The search role is being started again, or does not answer."""

    def __init__(self) -> None:
        super().__init__("search is starting again; try again in a moment")


class _Waiting(msgspec.Struct):
    """A question on its way. `hits` are the parts that have come."""

    future: "asyncio.Future[Any]"
    hits: list[Hit]
    progress: Progress | None = None


class RemoteSearch:
    """The engine in another process, whose socket is at `path`. Made on the running loop, all methods are called there.

    It begins to connect at once. `patience`: seconds that a question may take; `silence`: seconds without a sign of life.
    """

    def __init__(self, path: str, faults: Faults, patience: float = PATIENCE, silence: float = SILENCE) -> None:
        self._path = path
        self._faults = faults
        self._patience = patience
        self._silence = silence
        self._token = 0
        self._waiting: dict[int, _Waiting] = {}
        self._link: _SearchLink | None = None
        self._health = SearchHealth(0, 0, "", 0)
        self._present = asyncio.Event()
        self._tasks = Tasks(faults)
        self._tasks.repeat(self._stay_connected, "the link to search")
        self._tasks.repeat(self._watch, "the watch over search")

    # what is asked

    async def search(self, query: SearchQuery) -> list[Hit]:
        """As `SearchEngine.search`; raises SearchAway while the role is away, as all that is asked does."""
        found: list[Hit] = await self._ask(lambda token: FindHits(token, query), self._patience)
        return found

    async def count(self, query: SearchQuery) -> int:
        """As `SearchEngine.count`."""
        found: int = await self._ask(lambda token: CountHits(token, query), self._patience)
        return found

    async def chunks(self, event_id: str, readers: Readers, now: int) -> list[SearchedPassage]:
        """As `SearchEngine.chunks`."""
        found: list[SearchedPassage] = await self._ask(
            lambda token: ReadChunks(token, event_id, readers, now), self._patience
        )
        return found

    def health(self) -> SearchHealth:
        """How it stands, as last told; `problem` says so while the role is away."""
        if self._link is None:
            return msgspec.structs.replace(self._health, problem=str(SearchAway()))
        return self._health

    async def reembed(self, settings: Search, progress: Progress | None = None) -> int:
        """As `SearchService.reembed`; stopped where whoever asked is cancelled or the role ends, to be called again then."""
        encoded = encode(settings)
        made: int = await self._ask(lambda token: ChangeModel(token, encoded), None, progress)
        return made

    async def purge(self) -> None:
        """As `SearchService.purge`."""
        await self._ask(PurgeVectors, None)

    def wake(self) -> None:
        """As `SearchService.wake`; a role that is away looks by itself when it starts."""
        if self._link is not None:
            self._link.send(LookAgain())

    async def present(self) -> None:
        """Returns when the role is here."""
        await self._present.wait()

    async def close(self) -> None:
        """Hang up. Idempotent."""
        await self._tasks.close()

    async def _ask(
        self, message: Callable[[int], ToSearch], patience: float | None, progress: Progress | None = None
    ) -> Any:
        link = self._link
        if link is None:
            raise SearchAway
        if len(self._waiting) >= MOST_UNANSWERED or not link.writable:
            raise StorageError("search has more questions than it can answer; try again in a moment")
        self._token += 1
        token = self._token
        waiting = _Waiting(asyncio.get_running_loop().create_future(), [], progress)
        link.send(message(token))
        self._waiting[token] = waiting
        try:
            async with asyncio.timeout(patience):
                return await waiting.future
        except TimeoutError:
            raise StorageError(f"search did not answer within {self._patience:g} s; try again in a moment") from None
        finally:
            if self._waiting.pop(token, None) is not None and self._link is link:
                link.send(Abandon(token))  # cancelled, or too late

    # what is heard

    def _take(self, message: FromSearch) -> None:
        if isinstance(message, Standing):
            self._health = message.health
            return
        waiting = self._waiting.get(message.token)
        if waiting is None or waiting.future.done():
            return  # abandoned meanwhile
        match message:
            case HitsFound():
                waiting.hits += message.hits
                if not message.more:
                    self._settle(message.token, waiting.hits)
            case NumberFound():
                self._settle(message.token, message.number)
            case ChunksFound():
                self._settle(message.token, message.chunks)
            case QuestionFailed():
                self._waiting.pop(message.token).future.set_exception(message.failure.error())
            case ModelProgress():
                if waiting.progress is not None:
                    waiting.progress(message.done, message.total)

    def _settle(self, token: int, value: object) -> None:
        self._waiting.pop(token).future.set_result(value)

    # the connection

    async def _stay_connected(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            link = _SearchLink(self._arrived, self._take, self._faults)
            try:
                await loop.create_unix_connection(lambda link=link: link, self._path)  # type: ignore[misc]
                await link.ended.wait()
                log.warning("%s", SearchAway())
            except OSError:
                pass
            finally:
                link.abort()
                self._lost()
            await asyncio.sleep(AGAIN)

    async def _watch(self) -> None:
        """Leave a role that stands still."""
        loop, look = asyncio.get_running_loop(), self._silence / 4
        while True:
            before = loop.time()
            await asyncio.sleep(look)
            now = loop.time()
            if now - before > 2 * look:
                continue  # it is we who stood still: what was said meanwhile is not read yet
            if self._link is not None and now - self._link.heard > self._silence:
                self._link.abort()

    def _arrived(self, link: "_SearchLink") -> None:
        """The role has spoken for the first time."""
        self._link = link
        self._present.set()

    def _lost(self) -> None:
        self._link = None
        self._present.clear()
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.future.done():
                one.future.set_exception(SearchAway())


class _SearchLink(asyncio.Protocol):
    """One connection to the role. `take` gets every message, `arrived` is called before the first."""

    def __init__(
        self, arrived: Callable[["_SearchLink"], None], take: Callable[[FromSearch], None], faults: Faults
    ) -> None:
        self._arrived: Callable[[_SearchLink], None] | None = arrived
        self._take = take
        self._faults = faults
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self.writable = True
        self.heard = 0.0  # when, by the loop's clock
        self.ended = asyncio.Event()

    def send(self, message: ToSearch) -> None:
        """Send a message; on a connection that is gone already, nothing happens. Raises TooCostly for one that is too long."""
        body = encode(message)
        if len(body) > MOST_QUESTION:
            raise TooCostly("this question is too long for search; ask with fewer values")
        if self._transport is not None:
            self._transport.write(frame(body))

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self.ended.set()

    def pause_writing(self) -> None:
        self.writable = False

    def resume_writing(self) -> None:
        self.writable = True

    def data_received(self, data: bytes) -> None:
        self.heard = asyncio.get_running_loop().time()
        try:
            for body in self._reader.feed(data):
                self._hear(from_search(body))
        except Exception as error:
            self._faults.report("the link to search", error)
            self.abort()

    def _hear(self, message: FromSearch) -> None:
        self._take(message)
        if self._arrived is not None:
            self._arrived(self)
            self._arrived = None
