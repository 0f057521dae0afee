"""The search role's side of its socket: questions of fronts in, answers out.

Each front has a link, and each link may have so many questions unanswered, of which a few are worked on at once. A question keeps
its place among those few until its answer is handed to the system, so a front that does not read ties up a few answers of its
own and nobody else's. A frame that is none, or more questions than agreed, ends that link alone; what it asked is abandoned.

What takes its time (going over to another model, compacting) has no place among the few, since questions are answered meanwhile.
"""

import asyncio
import logging
import mmap
import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Protocol, cast

import msgspec

from relay.errors import internal
from relay.roles.accepting import accept
from relay.roles.channel import MAX_FRAME, BrokenLink, FrameReader, frame
from relay.roles.page import ALIVE_INTERVAL
from relay.roles.search_messages import (
    MOST_QUESTION,
    MOST_UNANSWERED,
    PART,
    Abandon,
    ChangeModel,
    ChunksFound,
    CountHits,
    FindHits,
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
    to_search,
)
from storage import failures
from storage.failures import CommandFailure
from storage.search.engine import Hit, Progress, SearchEngine, SearchHealth

AT_ONCE: Final = 8  # questions of one front that are worked on at a time
_KEPT: Final = 64 * 1024  # bytes of settings, with their length
_LENGTH: Final = 4

Report = Callable[[str, BaseException], None]  # what nobody foresaw: where, and what

log = logging.getLogger("tidings.search")


class SettingsInForce:
    """The settings of models that search went over to while serving, encoded, in memory that outlives the role.

    Made before the roles are forked. Without it, a role that is started again would find a model in the database that the
    settings from the start do not name. Only the search role writes it.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, _KEPT)

    def put(self, encoded: bytes) -> None:
        """Keep this in place of what was kept. Raises ValueError where it is too long."""
        if len(encoded) > _KEPT - _LENGTH:
            raise ValueError(f"{len(encoded)} bytes of settings")
        self._memory[:_LENGTH] = bytes(_LENGTH)  # whoever is killed here has kept nothing, rather than half of it
        self._memory[_LENGTH : _LENGTH + len(encoded)] = encoded
        self._memory[:_LENGTH] = len(encoded).to_bytes(_LENGTH, "little")

    def get(self) -> bytes:
        """What is kept, nothing at first."""
        return self._memory[_LENGTH : _LENGTH + int.from_bytes(self._memory[:_LENGTH], "little")]


class SearchService(SearchEngine, Protocol):
    """A search engine with what changes it while it serves."""

    async def reembed(self, settings: Any, progress: Progress | None = None) -> int:
        """Go over to the model that these settings (`relay.search_settings.Search`) name; how many vectors were made.

        Raises StorageError, also for settings that cannot be used and while it is under way already.
        """

    async def purge(self) -> None:
        """Take every removed vector out of the files beside the database. Raises StorageError."""

    def wake(self) -> None:
        """Something changed that no event tells of: look for passages without vectors."""


class SearchServer:
    """Answers fronts from `service`, on the loop. `settings` decodes what `ChangeModel` carries."""

    def __init__(self, service: SearchService, settings: Callable[[bytes], Any], report: Report) -> None:
        self.service = service
        self.settings = settings
        self.report = report
        self._links: set[_FrontLink] = set()
        self._told: SearchHealth = service.health()

    async def listen(self, listener: socket.socket) -> None:
        """Serve whoever connects, until cancelled."""
        await accept(listener, lambda: _FrontLink(self))

    def tell(self) -> None:
        """Have every front know how search stands, where that changed."""
        health = self.service.health()
        if health != self._told:
            self._told = health
            for link in self._links:
                link.tell()

    async def say_alive(self) -> None:
        """Let every front hear something once in a while, until cancelled: a role that stands still says nothing."""
        while True:
            for link in self._links:
                link.tell()
            await asyncio.sleep(ALIVE_INTERVAL)

    def close(self) -> None:
        """Hang up on all; what they asked is abandoned. Idempotent."""
        for link in list(self._links):
            link.abort()

    def enter(self, link: "_FrontLink") -> None:
        """A front has connected."""
        self._links.add(link)

    def leave(self, link: "_FrontLink") -> None:
        """A front is gone."""
        self._links.discard(link)


class _FrontLink(asyncio.Protocol):
    """One front at the other end."""

    def __init__(self, server: SearchServer) -> None:
        self._server = server
        self._reader = FrameReader(MOST_QUESTION)
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._writable = asyncio.Event()
        self._writable.set()
        self._untold = False  # how search stands, for want of room
        self._transport: asyncio.Transport

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._server.enter(self)
        self.tell()

    def connection_lost(self, _error: Exception | None) -> None:
        self._server.leave(self)
        for task in self._tasks.values():
            task.cancel()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()
        if self._untold:
            self.tell()

    def abort(self) -> None:
        """Hang up at once."""
        self._transport.abort()

    # in

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._reader.feed(data):
                self._take(to_search(body))
        except (BrokenLink, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("a front's link is ended: %s", error)
            self.abort()

    def _take(self, message: ToSearch) -> None:
        if isinstance(message, LookAgain):
            self._server.service.wake()
        elif isinstance(message, Abandon):
            task = self._tasks.get(message.token)
            if task is not None:
                task.cancel()
        elif message.token in self._tasks:
            raise BrokenLink("a question has the token of another")
        elif len(self._tasks) >= MOST_UNANSWERED:
            raise BrokenLink(f"more than {MOST_UNANSWERED} questions at once")
        else:
            task = asyncio.create_task(self._answer(message), name="a question to search")
            self._tasks[message.token] = task
            task.add_done_callback(lambda _task: self._tasks.pop(message.token, None))

    # out

    def tell(self) -> None:
        """Say how search stands, now or as soon as there is room for it."""
        self._untold = not self._writable.is_set()
        if not self._untold:
            self._transport.write(frame(encode(Standing(self._server.service.health()))))

    async def _answer(self, message: Any) -> None:
        try:
            if isinstance(message, ChangeModel | PurgeVectors):
                await self._send(message.token, [await self._change(message)])
            else:
                async with self._places:
                    await self._send(message.token, await self._look_up(message))
        except Exception as error:
            await self._send(message.token, [QuestionFailed(message.token, self._failure(error))])
        self._server.tell()

    async def _look_up(self, message: FindHits | CountHits | ReadChunks) -> Iterator[object]:
        service, token = self._server.service, message.token
        match message:
            case FindHits():
                return _parts(token, await service.search(message.query))
            case CountHits():
                return iter([NumberFound(token, await service.count(message.query))])
            case ReadChunks():
                found = await service.chunks(message.event_id, message.readers, message.now)
                return iter([ChunksFound(token, list(found))])

    async def _change(self, message: ChangeModel | PurgeVectors) -> NumberFound:
        service, token = self._server.service, message.token
        if isinstance(message, PurgeVectors):
            await service.purge()
            return NumberFound(token, 0)

        def progress(done: int, total: int) -> None:
            if self._writable.is_set():  # else there is a later one
                self._transport.write(frame(encode(ModelProgress(token, done, total))))

        return NumberFound(token, await service.reembed(self._server.settings(message.settings), progress))

    async def _send(self, token: int, answers: Iterator[object] | Sequence[object]) -> None:
        """Hand the parts of an answer to the system, each when the front has taken the one before."""
        for answer in answers:
            body = encode(answer)
            if len(body) > MAX_FRAME:
                body = encode(
                    QuestionFailed(token, CommandFailure("costly", "", "the answer is too long; ask for less"))
                )
            await self._writable.wait()
            self._transport.write(frame(body))

    def _failure(self, error: Exception) -> CommandFailure:
        found = failures.failure(error)
        if found is None:
            self._server.report("a question to search", error)
            found = CommandFailure("storage", "", internal(error).message)
        return found


def _parts(token: int, hits: Sequence[Hit]) -> Iterator[HitsFound]:
    """The hits in messages of about PART bytes each; one message without any where nothing was found."""
    part: list[Hit] = []
    size = 0
    for hit in hits:
        if part and size + len(hit.wire) > PART:
            yield HitsFound(token, part, more=True)
            part, size = [], 0
        part.append(hit)
        size += len(hit.wire)
    yield HitsFound(token, part, more=False)
