"""Readers of a SQLite log: a few connections that only read, each with its thread.

A query runs whole (plan, statements, bodies) in one hop to a thread, since a hop costs more than a page of events.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import aiosqlite
import msgspec

from relay.protocol import event as events
from relay.protocol import hll
from relay.protocol.admission import Door
from relay.protocol.filter import Filter, matches
from relay.protocol.groups import state
from relay.protocol.item_set import ItemSet
from storage.base import Counted, Found, Limits, Logged, Readers, StoredEvent
from storage.errors import StorageError, TooCostly
from storage.identities.types import Lookups
from storage.sqlite import earlier
from storage.sqlite.feed import SqliteFeed
from storage.sqlite.files import database_file
from storage.sqlite.groups.reads import MovingGroup, moving_groups
from storage.sqlite.identities.reads import SqliteLookups
from storage.sqlite.log_rows import Audience, unpack_audience
from storage.sqlite.peers import SqlitePeers
from storage.sqlite.reading import every, lookup, short
from storage.sqlite.reading.loop_reader import LoopReader, is_small
from storage.sqlite.reading.query import FOR_EVER
from storage.sqlite.reading.scope import Scope, scoped
from storage.sqlite.statements import listed, migrations, named

_STEPS_A_CALL: Final = 100_000  # instructions between two looks at the bound
_COMPARED: Final = 2000  # items of a set that are read at once: between two parts others get the core and the loop
_PAGE: Final = 200  # records of a scan held at once
_PAGE_BYTES: Final = 1024 * 1024  # fewer where they are large: each stream that resumes holds so much

T = TypeVar("T")


class ReadingConnection(aiosqlite.Connection):
    """An aiosqlite connection that runs a plain function on its thread, in one hop, with its work bounded.

    aiosqlite's own methods are a hop each; its protected `_execute` is the one place where a function goes to the thread.
    """

    def __init__(self, connector: Callable[[], sqlite3.Connection], query_steps: int) -> None:
        super().__init__(connector, iter_chunk_size=64)
        self.steps_a_call = min(_STEPS_A_CALL, query_steps * 1000)
        self._bound = query_steps * 1000 // self.steps_a_call
        self._left = self._bound

    def spend(self) -> bool:
        """Called by SQLite every so many instructions: whether the query must stop."""
        self._left -= 1
        return self._left <= 0

    async def ended(self) -> None:
        """Returns when the thread has ended; after a start that failed it goes on for a moment, and needs the event loop."""
        await asyncio.to_thread(self._thread.join)

    async def run(self, work: Callable[[sqlite3.Connection], T], bounded: bool = True) -> T:
        """What `work` gives. Raises TooCostly over the bound, StorageError when the database fails.

        The operator's own work is not `bounded`.
        """
        result: T = await self._execute(self._work, work, bounded)  # type: ignore[no-untyped-call]
        return result

    def _work(self, work: Callable[[sqlite3.Connection], T], bounded: bool) -> T:
        self._left = self._bound if bounded else FOR_EVER
        try:
            return work(self._conn)
        except sqlite3.Error as error:
            raise database_file.failure(error) or StorageError(str(error)) from error


async def connect(directory: Path, cache_mib: int, query_steps: int) -> ReadingConnection:
    """A reading connection. Raises StorageError when there is no database of this version."""
    file = directory / database_file.FILE
    if not file.is_file():
        raise StorageError(
            f"there is no database in {directory}; a relay makes it at its first start, --data names its place"
        )
    database_file.check_log(file)
    reader = ReadingConnection(partial(open_file, file, cache_mib), query_steps)
    try:
        await reader
    except StorageError:
        await reader.ended()
        raise
    try:
        await reader.run(partial(_check, file=file))
        await reader.set_progress_handler(reader.spend, reader.steps_a_call)
    except BaseException:
        await reader.close()
        raise
    return reader


def open_file(file: Path, cache_mib: int) -> sqlite3.Connection:
    """A plain connection to the file that cannot write it. Raises StorageError."""
    try:
        connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=ro",
            uri=True,
            timeout=database_file.BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=database_file.STATEMENTS,
        )
        try:
            database_file.add_functions(connection)
            connection.execute(f"PRAGMA cache_size = {-1024 * int(cache_mib)}")
            connection.execute("PRAGMA temp_store = MEMORY")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise database_file.unusable(file, error) from None
    return connection


def _check(connection: sqlite3.Connection, file: Path) -> None:
    version = database_file.check_schema(connection, file)
    if version == 0:
        raise StorageError(f"{file} is empty; start the relay once to make it")
    if version < migrations()[-1][0]:
        raise StorageError(
            f"{file} has schema {version} of an older version; start the relay once to bring it up to date"
        )


class SqliteReader:
    """storage.base.Reader over SQLite. Whoever comes takes the connection with the least to do."""

    def __init__(
        self, directory: Path, connections: list[ReadingConnection], cache_mib: int, moving: Callable[[], int] | None
    ) -> None:
        """`moving` tells whether the events of any group may be entered for others than those they are for; None: look."""
        self._moving = moving or (lambda: 1)
        self.directory = directory
        self._cache_mib = cache_mib
        self._connections = connections
        self._waiting = [0] * len(connections)
        self._quick = LoopReader(open_file(directory / database_file.FILE, cache_mib))
        self.feed = SqliteFeed(self.soon)
        self.peers = SqlitePeers(self.soon)

    def try_query(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
    ) -> Found | None:
        """As `query`, where that takes a moment."""

        def work(connection: sqlite3.Connection, scope: Scope) -> Found | None:
            found = short.answer(connection, filters[0], scope, limits) if len(filters) == 1 else None
            return answer(connection, filters, scope, limits) if found is None and is_small(filters) else found

        return self._quick.run(scoped(work, self._moving, readers, now, upto=upto))

    async def query(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
        *,
        after: tuple[int, str] | None = None,
    ) -> Found:
        """What any of the filters matches; see storage.base.Log."""
        place = None if after is None else (after[0], events.rank(after[1]))

        def work(connection: sqlite3.Connection, scope: Scope) -> Found:
            return answer(connection, filters, scope, limits)

        return await self.run(scoped(work, self._moving, readers, now, upto=upto, after=place))

    async def fetch(self, seqs: Sequence[int], now: int, readers: Readers | None) -> list[bytes]:
        """The wire forms of these events in the order asked; see storage.base.Reader."""

        def read(connection: sqlite3.Connection, scope: Scope) -> dict[int, bytes]:
            return lookup.bodies(connection, lookup.readable(connection, seqs, scope), now)

        if readers is None:
            found = await self.run(lambda connection: lookup.bodies(connection, seqs, now))
        else:
            found = await self.run(scoped(read, self._moving, readers, now))
        return [found[seq] for seq in seqs if seq in found]

    async def count(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        offset: int | None = None,
        *,
        most: int | None = None,
    ) -> Counted:
        """How many distinct events any of the filters matches."""

        def work(connection: sqlite3.Connection, scope: Scope) -> Counted:
            return _count(connection, filters, scope, offset, most)

        return await self.run(scoped(work, self._moving, readers, now))

    async def items(self, wanted: Filter, readers: Readers, now: int, most: int) -> ItemSet:
        """(created_at, id) of what the filter matches; see storage.base.ComparedLog.

        They are read a part at a time, so that nobody waits for a large set as a whole.
        """
        found = ItemSet()
        asked = most + 1 if wanted.limit is None else min(wanted.limit, most + 1)
        part, size = wanted, _COMPARED

        def work(connection: sqlite3.Connection, scope: Scope) -> int | None:
            number = min(size, asked - len(found))
            some = lookup.items(connection, part, scope, number)
            last = None
            if len(some) == number < asked - len(found):  # the last second may go on: it is the next part's
                last = some[-1][0]
                some = [item for item in some if item[0] > last]
            found.put_before(sorted(some))
            return last

        until = 0 if asked else None
        while until is not None:
            before = len(found)
            until = await self.run(scoped(work, self._moving, readers, now))
            part = msgspec.structs.replace(wanted, until=until)
            size = _COMPARED if len(found) > before else 2 * size
        if len(found) > most:
            raise TooCostly(f"more than {most} events match; divide them by since and until")
        return found

    async def expired(self, after: int, upto: int, most: int) -> list[bytes]:
        """The ids of what has expired since; see storage.base.ComparedLog."""

        def work(connection: sqlite3.Connection) -> list[bytes]:
            found = connection.execute(named("lookup")["expired_since"], (after, upto, most))
            return [event_id for (event_id,) in found]

        return await self.soon(work)

    async def get(self, event_id: str, readers: Readers, now: int) -> StoredEvent | None:
        """One event by id."""

        def work(connection: sqlite3.Connection, scope: Scope) -> StoredEvent | None:
            return _get(connection, event_id, scope)

        return await self.soon(scoped(work, self._moving, readers, now))

    async def earlier(self, address: str) -> list[bytes]:
        """What stood at an address before; see storage.base.VersionedLog."""
        return await self.run(lambda connection: earlier.of_address(connection, address))

    async def replaced(self, event_id: str) -> bytes | None:
        """What a newer version took the place of; see storage.base.VersionedLog."""
        found = await self.soon(lambda connection: [earlier.by_id(connection, event_id)])
        return found[0]

    async def scan(self, wanted: Filter | None, after: int = 0) -> AsyncIterator[StoredEvent]:
        """Every stored event in order of `seq`; what the index knows of a filter is looked up, and the rest walks the log."""
        if wanted is not None and _is_indexed(wanted):
            seqs = await self.run(partial(_seqs_after, wanted=wanted, after=after), bounded=False)
            for start in range(0, len(seqs), _PAGE):
                for record in await self.run(partial(_records, seqs=seqs[start : start + _PAGE])):
                    yield record
            return
        while page := await self.run(partial(_page_after, after=after)):
            for record in page:
                if wanted is None or matches(wanted, events.parse_known(record.wire)):
                    yield record
            after = page[-1].seq

    async def follow(self, after: int, upto: int, most: int) -> list[Logged]:
        """The first live events with `after` < seq <= `upto`; see storage.base.FollowedLog."""

        def read(connection: sqlite3.Connection) -> list[Logged]:
            rows = connection.execute(named("lookup")["follow"], (after, upto, most)).fetchall()
            moving = {one.number: one for one in moving_groups(connection)} if self._moving() else {}
            return [
                Logged(seq, wire, _as_it_will_be(unpack_audience(audience), seq, moving.get(group)))
                for seq, wire, audience, group in rows
            ]

        return await self.run(read, bounded=False)

    async def ask(self, work: Callable[[Lookups], T]) -> T:
        """What `work` finds in the primary tables."""
        return await self.soon(lambda connection: work(SqliteLookups(connection)))

    def try_ask(self, work: Callable[[Lookups], T]) -> T | None:
        """As `ask`, where that takes a moment."""
        return self._quick.run(lambda connection: work(SqliteLookups(connection)))

    def ask_here(self, work: Callable[[Lookups], T]) -> T:
        """As `ask`, on the caller's thread."""
        return self._quick.run_to_end(lambda connection: work(SqliteLookups(connection)))

    async def close(self) -> None:
        """Let go of the connections. Idempotent."""
        self._quick.close()
        for connection in self._connections:
            await connection.close()
        self._waiting.clear()

    async def soon(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """As `run`, for what mostly takes a moment: tried on this thread first."""
        found = self._quick.run(work)
        return await self.run(work) if found is None else found

    async def run(self, work: Callable[[sqlite3.Connection], T], bounded: bool = True) -> T:
        """What `work` gives on one of the connections. Raises TooCostly over the bound, if there is one, and StorageError."""
        if not self._waiting:
            raise StorageError("the log is closed")
        chosen = min(range(len(self._waiting)), key=self._waiting.__getitem__)
        self._waiting[chosen] += 1
        try:
            return await self._connections[chosen].run(work, bounded)
        finally:
            if self._waiting:
                self._waiting[chosen] -= 1


def answer(connection: sqlite3.Connection, filters: Sequence[Filter], scope: Scope, limits: Limits) -> Found:
    """What any of the filters matches, each by a plan of its own."""
    pages = []
    complete, cut = True, False
    for wanted in filters:
        own = wanted.limit is not None and wanted.limit <= limits.maximum
        asked = limits.default if wanted.limit is None else wanted.limit
        some, all_of_it = lookup.page(
            connection, wanted, scope, min(asked, limits.maximum), finish=not own, most=limits.maximum
        )
        pages.append(some)
        complete = complete and all_of_it
        cut = cut or not (own or all_of_it)
    found = pages[0] if len(pages) == 1 else lookup.union(pages)
    wires, covered = lookup.first_part(connection, found, scope.now)
    return Found(wires, tuple([row[2] for row in found[covered:]]), complete, cut)


def _count(
    connection: sqlite3.Connection, filters: Sequence[Filter], scope: Scope, offset: int | None, most: int | None
) -> Counted:
    total = lookup.count(connection, filters, scope, most)
    if offset is None:
        return Counted(total)
    return Counted(total, hll.registers(lookup.pubkeys(connection, filters, scope), offset))


def _get(connection: sqlite3.Connection, event_id: str, scope: Scope) -> StoredEvent | None:
    row = connection.execute(named("lookup")["by_id"], (bytes.fromhex(event_id),)).fetchone()
    if row is None:
        return None
    seq, wire, door, received_at, audience, expires_at, group = row
    if (expires_at is not None and expires_at <= scope.now) or not lookup.is_shown(seq, audience, group, scope):
        return None
    return StoredEvent(seq, wire, Door(door), received_at)


def _as_it_will_be(audience: Audience, seq: int, group: MovingGroup | None) -> Audience:
    """Who may read an event that is not entered anew yet: nobody who may not any more."""
    if group is None or seq > group.upto:
        return audience
    if group.ended:
        return ()
    return (state.members(group.id),) if (group.private or group.hidden) and audience is None else audience


def _is_indexed(wanted: Filter) -> bool:
    if wanted.search is not None:  # the index knows no words
        return False
    return bool(wanted.tags) or any(values is not None for values in (wanted.ids, wanted.authors, wanted.kinds))


def _seqs_after(connection: sqlite3.Connection, wanted: Filter, after: int) -> list[int]:
    """The operator's view: private events too, and those that have expired and are not swept yet."""
    return [seq for seq in sorted(every.seqs_of(connection, wanted, FOR_EVER)) if seq > after]


def _records(connection: sqlite3.Connection, seqs: list[int]) -> list[StoredEvent]:
    sql = listed(named("lookup")["records"], ("seqs", len(seqs)))
    return [StoredEvent(seq, wire, Door(door), at) for seq, wire, door, at in connection.execute(sql, seqs)]


def _page_after(connection: sqlite3.Connection, after: int) -> list[StoredEvent]:
    records, size = [], 0
    with closing(connection.execute(named("lookup")["page_after"], (after, _PAGE))) as rows:
        for seq, wire, door, received_at in rows:
            records.append(StoredEvent(seq, wire, Door(door), received_at))
            size += len(wire)
            if size >= _PAGE_BYTES:
                break
    return records
