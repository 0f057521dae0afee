"""Search as a front has it where it is a role of its own: the questions of `SearchEngine`, over a Unix stream (`role_connection`).

While the role is away, a question fails at once and says so. A question is bounded in time, the number of unanswered ones is
bounded, and where the role does not take what is sent, no more is: so a role that stands still costs a front nothing but its
answers.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

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
from relay.search_settings import Search
from relay.server.role_connection import SILENCE, RoleConnection
from relay.server.supervision import Faults
from storage.base import Readers
from storage.errors import StorageError, TooCostly
from storage.search.engine import Hit, Progress, SearchedPassage, SearchHealth, SearchQuery

PATIENCE: Final = 10.0  # seconds that a question may take


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
        self._patience = patience
        self._token = 0
        self._waiting: dict[int, _Waiting] = {}
        self._health = SearchHealth(0, 0, "", 0)
        self._link = RoleConnection(
            path, "search", faults, decode=from_search, take=self._take, lost=self._lost, silence=silence
        )

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
        if not self._link.is_here:
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
        self._link.send(encode(LookAgain()))

    async def present(self) -> None:
        """Returns when the role is here."""
        await self._link.present()

    async def close(self) -> None:
        """Hang up. Idempotent."""
        await self._link.close()

    async def _ask(
        self, message: Callable[[int], ToSearch], patience: float | None, progress: Progress | None = None
    ) -> Any:
        if not self._link.is_here:
            raise SearchAway
        if len(self._waiting) >= MOST_UNANSWERED or not self._link.is_writable:
            raise StorageError("search has more questions than it can answer; try again in a moment")
        self._token += 1
        token = self._token
        body = encode(message(token))
        if len(body) > MOST_QUESTION:
            raise TooCostly("this question is too long for search; ask with fewer values")
        waiting = _Waiting(asyncio.get_running_loop().create_future(), [], progress)
        self._link.send(body)
        self._waiting[token] = waiting
        try:
            async with asyncio.timeout(patience):
                return await waiting.future
        except TimeoutError:
            raise StorageError(f"search did not answer within {self._patience:g} s; try again in a moment") from None
        finally:
            if self._waiting.pop(token, None) is not None:
                self._link.send(encode(Abandon(token)))  # cancelled, or too late

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

    def _lost(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            if not one.future.done():
                one.future.set_exception(SearchAway())
