"""What an operator does to a SQLite log beside serving it: figures, a check of the database against itself, a copy.

Each works on a connection of its own in one read transaction, so that it sees one moment while the writer goes on.
"""

import asyncio
import errno
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec

from keys import schnorr
from relay.errors import Reject
from relay.protocol import event as events
from relay.protocol.event import Event, compute_id
from relay.protocol.groups import belonging
from relay.protocol.rows import Projection
from storage.base import Missing
from storage.errors import StorageError
from storage.sqlite import entries
from storage.sqlite.files import committed, database_file
from storage.sqlite.groups.authors import pair_of
from storage.sqlite.groups.reads import GroupRow, every_group
from storage.sqlite.log_rows import unpack_audience
from storage.sqlite.reading import reader
from storage.sqlite.reading.reader import ReadingConnection, SqliteReader
from storage.sqlite.rows import rebuilding
from storage.sqlite.statements import listed, named, padded
from storage.tools import Inconsistency, Info

MOST_ROWS: Final = 500  # derived rows of a check that are named
_PAGE: Final = 200  # events of a check held at once
_UNBOUNDED: Final = 10**12  # an operator waits; a client may not


class SqliteStore(SqliteReader):
    """storage.base.Reader and storage.tools.Tools over SQLite."""

    async def info(self) -> Info:
        """Figures about the database."""
        async with self._own_connection() as connection:
            return await connection.run(partial(_info, file=self.directory / database_file.FILE))

    async def check(self, projections: Sequence[Projection], verify: bool = True) -> AsyncIterator[Inconsistency]:
        """What is wrong with the database; signatures are checked when `verify`. A file too damaged to read is a Problem."""
        noted = committed.read(self.directory)  # before the database: while a relay runs, this only falls behind
        try:
            async with self._own_connection() as connection:
                for problem in await connection.run(partial(_missing, noted=noted)):
                    yield problem
                async for problem in _check(connection, projections, verify):
                    yield problem
        except StorageError as error:
            yield Inconsistency(0, str(error))

    async def backup(self, target: Path) -> int:
        """A compact, consistent copy of the database; bytes written. Raises StorageError when `target` exists."""
        async with self._own_connection(snapshot=False) as connection:
            return await connection.run(partial(_copy, target=target))

    @asynccontextmanager
    async def _own_connection(self, snapshot: bool = True) -> AsyncIterator[ReadingConnection]:
        connection = await reader.connect(self.directory, self._cache_mib, _UNBOUNDED)
        try:
            if snapshot:
                await connection.run(lambda plain: plain.execute("BEGIN"))
            yield connection
        finally:
            await connection.close()


def _info(connection: sqlite3.Connection, file: Path) -> Info:
    statements = named("tools")
    count, last_seq, version, authors, expiring, tombstones = connection.execute(statements["figures"]).fetchone()
    oldest, newest = connection.execute(statements["times"]).fetchone()
    wal_bytes = 0
    with suppress(FileNotFoundError):
        wal_bytes = file.with_name(f"{file.name}-wal").stat().st_size
    return Info(
        events=count,
        last_seq=last_seq,
        schema_version=version,
        database_bytes=file.stat().st_size,
        wal_bytes=wal_bytes,
        oldest=oldest,
        newest=newest,
        kinds=[(kind, number) for kind, number in connection.execute(statements["kinds"])],
        authors=authors,
        expiring=expiring,
        tombstones=tombstones,
    )


def _missing(connection: sqlite3.Connection, noted: int | None) -> list[Inconsistency]:
    """A log that ends before what was committed, whether a start has noticed it or not."""
    found = database_file.missing(connection)
    last = int(connection.execute(named("write")["last_seq"]).fetchone()[0])
    if noted is not None and noted > last:
        found = Missing(last + 1 if found is None else found.first, noted)
    return [] if found is None else [Inconsistency(0, str(found))]


def _copy(connection: sqlite3.Connection, target: Path) -> int:
    """What stands under its name is whole and on the disk: it is written beside it first, since SQLite syncs no such copy."""
    part = target.with_name(f"{target.name}.part")
    try:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "File exists")
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        if isinstance(error, FileExistsError) and not os.path.lexists(target):
            raise StorageError(
                f"{part} is there: another copy is being made, or was broken off; then remove it"
            ) from None
        wanted = (
            "a new file"
            if isinstance(error, FileExistsError)
            else "a file in a directory that is there and may be written"
        )
        raise StorageError(f"{target} cannot be made: {error.strerror}; name {wanted}") from None
    try:
        connection.execute(named("tools")["copy"], (str(part),))
        _sync(part)
        part.rename(target)
        _sync(target.parent)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StorageError(f"{target} cannot be written: {error.strerror}") from None
    except sqlite3.Error as error:
        part.unlink(missing_ok=True)
        if database_file.code_of(error) == sqlite3.SQLITE_FULL:
            # Not the disk of the database, which is only read.
            raise StorageError(f"{target} cannot be written: the disk is full; free some space there") from None
        raise
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return target.stat().st_size


def _sync(path: Path) -> None:
    """What was written there, a file or the names in a directory, is on the disk."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


async def _check(
    connection: ReadingConnection, projections: Sequence[Projection], verify: bool
) -> AsyncIterator[Inconsistency]:
    for problem in await connection.run(_integrity):
        yield problem
    implied, after = 0, 0
    groups = {row.number: row for row in await connection.run(every_group)}
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="check") as pool:
        while page := await connection.run(partial(_page, after=after)):
            after = page[-1].seq
            for problem in await connection.run(partial(_rows_problems, page=page)):
                yield problem
            for problem in _group_problems(page, groups):
                yield problem
            implied += sum(len(stored.rows()) for stored in page)
            parts = [page[start : start + 32] for start in range(0, len(page), 32)] if verify else []
            waiting = [asyncio.wrap_future(pool.submit(_signature_problems, part)) for part in parts]
            for done in await asyncio.gather(*waiting):
                for problem in done:
                    yield problem
    for problem in await connection.run(partial(_whole_problems, projections=projections, implied=implied)):
        yield problem


class _Stored(msgspec.Struct, frozen=True):
    """A row of `events`; `event` is None where its JSON is no event."""

    seq: int
    columns: tuple[Any, ...]
    audience: tuple[str, ...] | None
    group: int | None
    event: Event | None

    def rows(self) -> list[entries.Row]:
        """The index rows that it implies."""
        return [] if self.event is None else entries.rows(self.event, self.audience, self.seq)


def _page(connection: sqlite3.Connection, after: int) -> list[_Stored]:
    found = []
    for seq, *columns, audience, group, wire in connection.execute(named("tools")["page"], (after, _PAGE)).fetchall():
        try:
            found.append(_Stored(seq, tuple(columns), unpack_audience(audience), group, events.parse(wire)))
        except (Reject, msgspec.DecodeError):
            found.append(_Stored(seq, tuple(columns), None, group, None))
    return found


def _integrity(connection: sqlite3.Connection) -> list[Inconsistency]:
    lines = [line for (line,) in connection.execute(named("tools")["integrity"])]
    return [] if lines == ["ok"] else [Inconsistency(0, f"the file is damaged: {line}") for line in lines]


def _rows_problems(connection: sqlite3.Connection, page: list[_Stored]) -> list[Inconsistency]:
    """Events whose columns are not their JSON's, or that the index does not find as it should."""
    problems = []
    for stored in page:
        event = stored.event
        if event is None:
            problems.append(Inconsistency(stored.seq, "what is stored is no event"))
            continue
        if compute_id(event) != event.id:
            problems.append(Inconsistency(stored.seq, f"event {event.id}: the id is not the hash of the event"))
        if stored.columns != _columns(event, stored.group is not None):
            problems.append(Inconsistency(stored.seq, f"event {event.id}: its row says something else than its JSON"))
        rows = stored.rows()
        values = padded(rows)
        sql = listed(named("tools")["present"], ("rows", len(values)), group="(?, ?, ?, ?, ?)")
        here = connection.execute(sql, [value for row in values for value in row]).fetchone()[0]
        if here != len(rows):
            problems.append(
                Inconsistency(stored.seq, f"event {event.id}: {len(rows) - here} of its index rows are missing")
            )
    return problems + _author_problems(connection, page)


def _author_problems(connection: sqlite3.Connection, page: list[_Stored]) -> list[Inconsistency]:
    """Events in groups that are not found by their author."""
    found = [(stored, pair_of(stored.event, stored.audience)) for stored in page if stored.event is not None]
    problems = []
    for pair in dict.fromkeys(pair for _, pair in found if pair is not None):
        sql = listed(named("tools")["authors_noted"], ("rows", 1), group="(?, ?)")
        if not connection.execute(sql, pair).fetchone()[0]:
            seq = next(stored.seq for stored, one in found if one == pair)
            problems.append(
                Inconsistency(seq, f"what {pair[0].hex()} has said in its group is not found by its author")
            )
    return problems


def _group_problems(page: list[_Stored], groups: dict[int, GroupRow]) -> list[Inconsistency]:
    """Events that cannot belong to the group that they are said to belong to, or are not for those whom its events are for."""
    problems = []
    for stored in page:
        if stored.group is None or stored.event is None:
            continue
        row, named = groups.get(stored.group), events.first_value(stored.event, "h")
        if row is None or named not in (None, row.group.wire_id):
            problems.append(Inconsistency(stored.seq, f"event {stored.event.id}: it is not of the group it stands in"))
        elif stored.seq > (row.moving or 0) and stored.audience != belonging.audience(stored.event, row.group):
            text = "it is not entered for those who may read it in its group"
            problems.append(Inconsistency(stored.seq, f"event {stored.event.id}: {text}"))
    return problems


def _columns(event: Event, of_group: bool) -> tuple[Any, ...]:
    """What the row of an event holds; `of_group`: of this relay, where an invite stays when its codes have expired."""
    try:
        expires_at = None if of_group and event.kind == belonging.CREATE_INVITE else events.expiration(event)
    except Reject:
        expires_at = None
    return bytes.fromhex(event.id), bytes.fromhex(event.pubkey), event.kind, event.created_at, expires_at


def _signature_problems(page: list[_Stored]) -> list[Inconsistency]:
    problems = []
    for stored in page:
        event = stored.event
        if event is not None and compute_id(event) == event.id:
            fault = schnorr.fault(event)
            if fault is not None:
                problems.append(Inconsistency(stored.seq, f"event {event.id}: {fault.message}"))
    return problems


def _whole_problems(
    connection: sqlite3.Connection, projections: Sequence[Projection], implied: int
) -> list[Inconsistency]:
    """What no single event tells: index rows too many, derived rows that differ, numbers beyond the last."""
    statements = named("tools")
    problems = [
        Inconsistency(seq, "the index has rows of an event that is not there")
        for (seq,) in connection.execute(statements["entries_without_event"])
    ]
    problems += [
        Inconsistency(0, f"a group is said to hold something by {pubkey}, and holds nothing")
        for (pubkey,) in connection.execute(statements["authors_without_event"])
    ]
    number = connection.execute(statements["number_of_entries"]).fetchone()[0]
    if number != implied:
        problems.append(Inconsistency(0, f"the index has {number} rows, the events imply {implied}"))
    problems += [
        Inconsistency(0, f"{table}: the row of {key} is not what the log makes of it; run `tidings rebuild`")
        for table, key in islice(rebuilding.problems(connection, projections), MOST_ROWS)
    ]
    beyond = connection.execute(statements["beyond"]).fetchone()[0]
    if beyond is not None:
        problems.append(Inconsistency(beyond, "this number is above the last one given out"))
    return problems
