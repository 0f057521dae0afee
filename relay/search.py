"""Search as the settings have it: in the process that asks (`LocalSearch`), or as a process of its own (`run_role`).

Only this module brings in numpy, hnswlib and the models. Importing those takes long and starts threads, so whoever needs none of
them imports this one only where it is used: a front that asks another process, and the supervisor, never do.
"""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, Final

import msgspec

from relay.config import Config
from relay.protocol import kinds
from relay.roles import signals
from relay.roles.page import ALIVE_INTERVAL, SharedPage
from relay.roles.search import SearchServer, SettingsInForce
from relay.roles.supervisor import SupervisorPipes
from relay.search_settings import Search
from relay.server.events.follow import Follower
from relay.server.events.link import Link, keep
from relay.server.reading.embedding import Worker
from relay.server.supervision import Faults, Tasks
from relay.setting_parts import ConfigError
from storage.base import Readers
from storage.errors import StorageError
from storage.search import minilm
from storage.search.embedders import Embedder, Endpoint, WordLlama
from storage.search.engine import Hit, ModelMismatch, Progress, SearchedPassage, SearchHealth, SearchQuery
from storage.search.minilm import MiniLm
from storage.sqlite.reading.reader import SqliteReader
from storage.sqlite.search.model_vectors import VectorSettings, Write
from storage.sqlite.search.sqlite_search import SqliteSearch
from storage.sqlite.tools import SqliteStore

LOADED_WITHIN: Final = (
    0.5  # seconds that a start waits for the index of vectors; then fronts serve, and search is away for a while
)
DIRECTORY: Final = "search"  # what is kept beside the database: the index of vectors, which can be made again

_encode: Final = msgspec.msgpack.encode
_settings: Final = msgspec.msgpack.Decoder(Search).decode
_kept: Final = msgspec.msgpack.Decoder(list[Search]).decode


def embedder(settings: Search) -> Embedder:
    """The configured model; nothing is loaded yet. Raises ConfigError where what it needs is not installed."""
    match settings.embedder:
        case "wordllama":
            return WordLlama()
        case "minilm":
            return _minilm("search.embedder = minilm")
        case "endpoint":
            return Endpoint(
                settings.endpoint_url,
                settings.endpoint_model,
                settings.endpoint_dimension,
                key=settings.endpoint_key,
                timeout=settings.endpoint_timeout,
            )


def _minilm(setting: str) -> MiniLm:
    problem = minilm.missing()
    if problem:
        raise ConfigError(f"{setting}: {problem}")
    return MiniLm()


class LocalSearch:
    """relay.roles.search.SearchService in this process: the engine, and while it works, the worker that makes vectors.

    `reader` is of the database that holds the passages, `write` has the writer carry out a command. Where `kept` is given, it
    has the settings of models that search went over to while serving, now and before a restart of the role.
    """

    def __init__(self, config: Config, reader: SqliteReader, write: Write, kept: SettingsInForce | None = None) -> None:
        """Nothing is loaded yet. Raises ConfigError."""
        trusted = frozenset(config.search.trusted_keys)
        self._vector_settings = VectorSettings(
            Path(config.server.data) / DIRECTORY, reader, write, config.search.segment, trusted
        )
        self._config = config.search
        self._settings = config.search  # of the model that serves
        self._kept = kept
        self._engine = self._make(config.search)
        self._worker: Worker | None = None

    def _make(self, settings: Search) -> SqliteSearch:
        reranker = _minilm("search.rerank") if self._config.rerank else None
        return SqliteSearch(self._vector_settings, embedder(settings), reranker)

    async def open(self, checked: Callable[[], None] = lambda: None) -> None:
        """Load the index. Raises ModelMismatch where vectors of a model serve that no settings here name, else calls `checked`."""
        try:
            await self._engine.open(checked)
        except ModelMismatch:
            if not await self._open_as_kept(checked):
                raise

    async def _open_as_kept(self, checked: Callable[[], None]) -> bool:
        for settings in _kept(self._kept.get() or b"\x90") if self._kept is not None else []:
            other = self._make(settings)
            try:
                await other.open(checked)
            except ModelMismatch:
                await other.close()
                continue
            await self._engine.close()
            self._engine, self._settings = other, settings
            return True
        return False

    def work(
        self, follow: Callable[[Follower], None] = lambda _follower: None, looked: Callable[[], None] = lambda: None
    ) -> None:
        """Make vectors from now on, of what the log tells or after each `wake`; `looked` is called after each round."""
        self._worker = Worker(self._engine, concerned(self._config), looked=looked)
        follow(self._worker.notice)

    async def rest(self) -> None:
        """Make no more vectors. Idempotent."""
        if self._worker is not None:
            await self._worker.close()

    async def close(self) -> None:
        """Finish what is under way. Idempotent."""
        await self.rest()
        await self._engine.close()

    # what is asked

    async def search(self, query: SearchQuery) -> list[Hit]:
        """The hits, most relevant first."""
        return await self._engine.search(query)

    async def count(self, query: SearchQuery) -> int:
        """How many events the words find."""
        return await self._engine.count(query)

    async def chunks(self, event_id: str, readers: Readers, now: int) -> Sequence[SearchedPassage]:
        """The passages of one event."""
        return await self._engine.chunks(event_id, readers, now)

    def health(self) -> SearchHealth:
        """How it stands, as last counted."""
        return self._engine.health()

    async def reembed(self, settings: Search, progress: Progress | None = None) -> int:
        """Go over to another model; see SearchService."""
        try:
            coming = embedder(settings)
        except ConfigError as error:
            raise StorageError(str(error)) from None
        if self._kept is not None:  # before: whenever this process ends, one of the two is the database's
            self._kept.put(_encode([self._settings, settings]))
        made = await self._engine.reembed(coming, progress)
        self._settings = settings
        self.wake()
        return made

    async def purge(self) -> None:
        """Take every removed vector out of the files."""
        await self._engine.purge()

    def wake(self) -> None:
        """Look for passages without vectors, where anybody makes them; else they wait for the next start."""
        if self._worker is not None:
            self._worker.wake()


async def run_role(
    config: Config,
    page: SharedPage,
    role: int,
    pipes: SupervisorPipes,
    *,
    reader: Callable[[], Awaitable[SqliteStore]],
    writer_path: str,
    listener: socket.socket,
    kept: SettingsInForce,
) -> int:
    """Run the search role until END; its exit status. Raises ConfigError and StorageError where it cannot start.

    `role` is its number on the page, `reader` opens the database, `writer_path` is where the writer listens, `listener` where
    fronts ask. `kept` outlives the role.
    """
    page.begin(role)
    faults = Faults()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(faults.handle)
    stop = signals.asked_to_end(loop, pipes.end)
    loop.add_signal_handler(signal.SIGHUP, lambda: None)  # no setting of search changes while it serves
    async with contextlib.AsyncExitStack() as stack:
        store = await reader()
        stack.push_async_callback(store.close)
        tasks = Tasks(faults)
        stack.push_async_callback(tasks.close)
        tasks.repeat(partial(_say_alive, page, role, faults), "the signs of life")

        def wake() -> None:
            service.wake()

        link = _link(role, config.search, wake, faults)
        stack.callback(link.close)
        service = LocalSearch(config, store, link.execute, kept)
        stack.push_async_callback(service.close)
        tasks.repeat(partial(keep, link, writer_path), "the link to the writer")
        ready = cache(pipes.ready)  # once
        if not await _done(service.open(partial(_in_time, ready)), stop):
            return 0
        server = SearchServer(service, _settings, faults.report)
        stack.callback(server.close)
        service.work(looked=server.tell)
        tasks.repeat(server.say_alive, "the signs of life for fronts")
        tasks.repeat(partial(server.listen, listener), "the socket of search")
        ready()
        await stop.wait()
    return 0


def _in_time(ready: Callable[[], None]) -> None:
    """Nothing stands against this start any more: others need not wait until an index of a million vectors is loaded."""
    asyncio.get_running_loop().call_later(LOADED_WITHIN, ready)


async def _say_alive(page: SharedPage, role: int, faults: Faults) -> None:
    """Have the page say that this role works, and whether something failed in it."""
    while True:
        page.say_alive(role)
        page.store(role, **faults.figures())
        await asyncio.sleep(ALIVE_INTERVAL)


def concerned(settings: Search) -> frozenset[int]:
    """The kinds of events that may change what is searched."""
    return frozenset((*settings.kinds, *settings.knowledge_kinds, kinds.EDIT))


def _link(role: int, settings: Search, wake: Callable[[], None], faults: Faults) -> Link:
    """It is told no events: who makes vectors reads what is searched from the database."""
    return Link(
        role,
        kinds=sorted(concerned(settings)),
        committed=lambda _commit: wake(),
        behind=lambda _behind: wake(),
        failed=lambda _problem: None,
        turned=lambda: None,
        report=faults.report,
    )


async def _done(opening: Coroutine[Any, Any, None], stop: asyncio.Event) -> bool:
    """Whether it is done, and not stopped before. Raises what it raises."""
    work, stopped = asyncio.create_task(opening), asyncio.create_task(stop.wait())
    await asyncio.wait((work, stopped), return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not work.done():
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        return False
    work.result()
    return True
