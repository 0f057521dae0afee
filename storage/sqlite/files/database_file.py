"""One file `tidings.sqlite` in a data directory that one writer locks: opening, locking, migrating, and what SQLite's errors
mean to an operator.
"""

import contextlib
import errno
import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Final

from storage.base import Missing
from storage.errors import Locked, StorageError, TooCostly
from storage.sqlite.files import checkpoints, words
from storage.sqlite.files.upgrades import AFTER
from storage.sqlite.statements import migrations, named

FILE: Final = "tidings.sqlite"
LOCK: Final = "tidings.lock"
BUSY_SECONDS: Final = 5.0
WAL_PAGES: Final = 2 * checkpoints.TOO_LONG  # at which SQLite makes a checkpoint by itself, should ours fail
_HEADER: Final = 100  # bytes of a database's header (https://sqlite.org/fileformat.html)
_VERSIONS: Final = slice(18, 20)  # in it, how the file is written and read
_NO_LOG: Final = b"\1\1"  # what stands there while the database has no write-ahead log
STATEMENTS: Final = 512  # prepared statements kept by a connection

COPY_IT: Final = "a copy of the data directory on another disk can be used (--data)"

_ADVICE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_READONLY: "the database cannot be written; look at the permissions of the data directory",
    sqlite3.SQLITE_IOERR: "reading or writing the disk failed; look at the system log",
    sqlite3.SQLITE_CORRUPT: "the database is damaged; stop, run `tidings check`, restore a backup, without the "
    "former -wal and -shm beside it",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database; restore a backup or choose another data directory",
    sqlite3.SQLITE_CANTOPEN: "the database cannot be opened; look at the permissions of the data directory",
    sqlite3.SQLITE_BUSY: "another process holds the database; stop it or wait",
    sqlite3.SQLITE_LOCKED: "another connection holds the database; try again",
    sqlite3.SQLITE_NOMEM: "memory ran out",
}


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary result code (https://sqlite.org/rescode.html), 0 where there is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def failure(error: sqlite3.Error) -> StorageError | None:
    """What an operator can do about an error of the database as a whole; None when the fault is the statement's."""
    code = code_of(error)
    if code == sqlite3.SQLITE_INTERRUPT:
        return TooCostly("the query takes too much work; name fewer values or a shorter time")
    advice = _ADVICE.get(code)
    return None if advice is None else StorageError(f"{advice} ({error})")


def unusable(file: Path, error: sqlite3.Error) -> StorageError:
    """Why this database cannot be opened."""
    if code_of(error) == sqlite3.SQLITE_CANTOPEN:
        if file.is_dir():
            return StorageError(f"{file} is a directory; a database should be there: restore a backup")
        if _is_read_only(file.parent):
            return StorageError(f"the disk of {file} can only be read, and a database needs more; {COPY_IT}")
    return StorageError(f"{failure(error) or error}: {file}")


def _is_read_only(directory: Path) -> bool:
    """Whether the file system there takes nothing."""
    try:
        return bool(os.statvfs(directory).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _reason(error: OSError) -> str:
    """Why a data directory cannot be used, and what can be done."""
    if isinstance(error, FileExistsError):
        return "it is a file, no directory; choose another with --data"
    return f"{error.strerror}; {COPY_IT}" if error.errno == errno.EROFS else f"{error.strerror}"


class Lock:
    """The data directory, locked against a second writer for as long as this lives."""

    def __init__(self, directory: Path) -> None:
        """Raises Locked when another process writes there, StorageError when the directory cannot be used."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StorageError(f"the data directory {directory} cannot be used: {_reason(error)}") from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(self._file, 20).decode("ascii", "replace").strip() or "unknown"
            os.close(self._file)
            raise Locked(
                f"process {holder} writes the data directory {directory}; stop it, or choose another with --data"
            ) from None
        with contextlib.suppress(OSError):  # who holds it is a service to people; the lock is held without
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, b"%d\n" % os.getpid(), 0)

    def fileno(self) -> int:
        """Its descriptor: the directory is locked as long as any process has it open."""
        return self._file

    def release(self) -> None:
        """Let the next writer in. Idempotent."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class SameFiles:
    """Whether an open database is still the one at its path.

    What is written to files that were deleted, or replaced by a backup, is gone with the last process that has them open.
    """

    def __init__(self, file: Path) -> None:
        """Of a database that is open with a write-ahead log. Raises OSError."""
        self._known = [(str(path), _identity(path)) for path in (file, *beside(file))]

    def check(self) -> None:
        """Raises StorageError where one of the files is another, or none."""
        for path, known in self._known:
            try:
                found = _identity(path)
            except OSError:
                found = None
            if found != known:
                raise _other_file(path)


def _other_file(path: str | Path) -> StorageError:
    return StorageError(
        f"{path} was moved, replaced or deleted while the relay runs;"
        " put back the one that was there, or stop the relay and restore a backup"
    )


def beside(file: Path) -> tuple[Path, Path]:
    """The files that SQLite keeps beside a database: its write-ahead log and that log's index."""
    return file.with_name(f"{file.name}-wal"), file.with_name(f"{file.name}-shm")


def check_log(file: Path) -> None:
    """Raises StorageError where the write-ahead log at hand is another database's, before SQLite copies it into this one.

    A copy by `tidings backup` says that it has no such log, until it is opened for writing. Who puts it in place of a database
    whose relay was killed, and leaves that one's log there, would have the copy damaged.
    """
    log, index = beside(file)
    try:
        with file.open("rb") as stream:
            header = stream.read(_HEADER)
        is_foreign = len(header) == _HEADER and header[_VERSIONS] == _NO_LOG and log.stat().st_size > 0
    except OSError:
        return  # who opens them is told why
    if is_foreign:
        raise StorageError(
            f"{log} belongs to the database that was there before {file}, and would damage it; remove it and {index}"
        )


def _identity(path: str | Path) -> tuple[int, int]:
    found = os.stat(path)  # noqa: PTH116, it takes half as long
    return found.st_dev, found.st_ino


def connect_writer(directory: Path, synchronous: str, cache_mib: int, *, was_there: bool = False) -> sqlite3.Connection:
    """The writing connection, with the schema brought up to date. A database that `was_there` is not made anew.

    Raises StorageError.
    """
    file = directory / FILE
    try:
        new = not file.exists()
        if new and was_there:
            raise _other_file(file)
        check_log(file)
        connection = sqlite3.connect(
            file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS
        )
    except sqlite3.Error as error:
        raise unusable(file, error) from None
    except OSError as error:
        raise StorageError(f"{file}: {error.strerror}") from None
    try:
        add_functions(connection)
        if new:
            file.chmod(0o600)
        for pragma in (
            "journal_mode = WAL",
            f"synchronous = {'NORMAL' if synchronous == 'normal' else 'FULL'}",
            f"wal_autocheckpoint = {WAL_PAGES}",
            f"journal_size_limit = {2 * checkpoints.LONG * 4096}",
            f"cache_size = {-1024 * int(cache_mib)}",
            "temp_store = MEMORY",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        _migrate(connection, file)
        words.bring_up_to_date(connection, directory)
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE meta SET value = value")  # a file that can only be read opens, and fails here
        connection.execute("ROLLBACK")
    except sqlite3.Error as error:
        connection.close()
        raise unusable(file, error) from None
    except OSError as error:
        connection.close()
        raise StorageError(f"{file}: {error.strerror}") from None
    except BaseException:
        connection.close()
        raise
    return connection


def add_functions(connection: sqlite3.Connection) -> None:
    """What the schema's triggers need: `folded`."""
    words.add_function(connection)


def missing(connection: sqlite3.Connection) -> Missing | None:
    """What a start found to be missing of the log, and the operator has not accepted yet."""
    first, last = connection.execute(named("write")["missing"]).fetchone()
    return None if first is None or last is None else Missing(first, last)


def schema_version(connection: sqlite3.Connection, file: Path) -> int:
    """The number of the last migration; 0 for an empty file. Raises StorageError for somebody else's database."""
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    if not tables:
        return 0
    row = None
    if "meta" in tables:
        row = connection.execute("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
    if row is None:
        raise StorageError(f"{file} is a database of another program; choose another data directory")
    return int(row[0])


def check_schema(connection: sqlite3.Connection, file: Path) -> int:
    """The schema version. Raises StorageError when a newer program wrote it."""
    version, known = schema_version(connection, file), migrations()[-1][0]
    if version > known:
        raise StorageError(
            f"{file} has schema {version} of a newer version, this one knows {known}; install the newer version again"
        )
    return version


def _migrate(connection: sqlite3.Connection, file: Path) -> None:
    """Bring the schema up to date: a new file's at once, or nothing of it; that of one with events step by step, each for good."""
    version = check_schema(connection, file)
    steps = [step for step in migrations() if step[0] > version]
    for together in [steps] if version == 0 else [[step] for step in steps]:
        connection.execute("BEGIN IMMEDIATE")
        try:
            for number, script in together:
                _migrate_to(connection, number, script)
            connection.execute("COMMIT")
        except BaseException as error:
            if connection.in_transaction:  # SQLite itself has ended it where the disk is full
                connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error) and failure(error) is None:
                raise StorageError(_no_way_up(connection, file, error)) from None
            raise


def _no_way_up(connection: sqlite3.Connection, file: Path, error: sqlite3.Error) -> str:
    """What to do with a database that is not what its schema's number says."""
    return (
        f"{file} cannot be brought up to date from schema {schema_version(connection, file)} ({error}); restore the backup from "
        "before the update and go on with the version that wrote it: its `tidings export` moves the events to a new directory"
    )


def _migrate_to(connection: sqlite3.Connection, number: int, script: str) -> None:
    for statement in split(script):
        connection.execute(statement)
    if number in AFTER:
        AFTER[number](connection)
    connection.execute("INSERT OR REPLACE INTO meta (name, value) VALUES ('schema_version', ?)", (number,))


def split(script: str) -> list[str]:
    """The statements of a script, so that each can run inside one transaction."""
    statements: list[str] = []
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending)
            pending = ""
    return statements
