"""The SQLite backend: a data directory with one writer and any number of readers.

Opened here; events are written by `writer`, found by `reader`, looked after by `tools`.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from relay.protocol.admission import Meaning
from relay.protocol.chunks import Cutting
from storage.sqlite.reading import reader
from storage.sqlite.rows.rebuilding import Votes
from storage.sqlite.tools import SqliteStore
from storage.sqlite.writing import preparing
from storage.sqlite.writing.writer import SqliteWriter


def open_writer(
    path: Path,
    meaning: Meaning,
    *,
    synchronous: str = "full",
    cache_mib: int = 64,
    is_locked: bool = False,
    was_there: bool = False,
    votes: Votes = "local",
    cutting: Cutting | None = None,
    operators: Iterable[str] | None = None,
) -> SqliteWriter:
    """The writer of the data directory `path`, made if missing, its schema brought up to date.

    `synchronous` is "full" (an acknowledged event survives a power cut) or "normal" (it survives a crash of the program
    only). `votes` says whose count in the feed; a change takes as long as a rebuild. `cutting` is what is searched, None
    for as it was; a change makes the passages again. `operators` are the keys of those who run the relay, None for as they
    were. `is_locked`: the caller holds the lock of the directory. A database that `was_there` when the relay started is not
    made again. Raises Locked while another process writes there, StorageError when the database cannot be used.
    """
    writer = SqliteWriter(path, meaning, synchronous, cache_mib, is_locked=is_locked, was_there=was_there)
    try:
        preparing.count_votes(writer, votes)
        if cutting is not None:
            preparing.cut_passages(writer, cutting)
        if operators is not None:
            preparing.set_operators(writer, operators)
        preparing.finish_rebuild(writer)
    except BaseException:
        writer.close()
        raise
    return writer


async def open_reader(
    path: Path,
    readers: int = 2,
    cache_mib: int = 64,
    query_steps: int = 20_000,
    moving: Callable[[], int] | None = None,
) -> SqliteStore:
    """Readers of the data directory `path`: `readers` connections, each with its thread.

    `query_steps` bounds the work of one query, in thousands of SQLite instructions. `moving` tells whether the events of any group
    are being entered for others (SharedPage.moving); where nobody knows, every query looks. Raises StorageError when there is no
    database of this version.
    """
    connections: list[reader.ReadingConnection] = []
    try:
        while len(connections) < readers:
            connections.append(await reader.connect(path, cache_mib, query_steps))
        return SqliteStore(path, connections, cache_mib, moving)
    except BaseException:
        for connection in connections:
            await connection.close()
        raise
