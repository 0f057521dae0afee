"""Checkpoints: the write-ahead log is copied into the database on a thread of its own, so that no commit waits for that.

SQLite by itself copies within the commit that makes the log too long, and everybody waits while the disk takes thousands of pages
at random places. Another connection may copy while the writer goes on appending (PASSIVE in
<https://www.sqlite.org/c3ref/wal_checkpoint_v2.html>), but two things are left then, and both are done here:

- SQLite makes the database durable only where nothing was appended meanwhile. The thread does it itself, so that the next one
  that asks for it finds little that is not on the disk.
- The log begins anew when all of it is copied. So the thread copies twice, the second time what was appended during the first,
  and the writer copies the little that is left, after the commit that finds the thread done.

How long the log is, SQLite tells only who makes a checkpoint. But each page in it carries the same salts as the log's
beginning, which change when it begins anew (<https://www.sqlite.org/fileformat2.html#the_write_ahead_log>); so whether it has
so many pages is two reads of eight bytes.
"""

import contextlib
import logging
import os
import sqlite3
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

LONG: Final = 12_000  # pages of the log at which a checkpoint begins: some 50 MB, so that checkpoints are rare
TOO_LONG: Final = 4 * LONG  # pages at which the writer waits for the one that is under way

_COPY: Final = "PRAGMA wal_checkpoint(PASSIVE)"  # gives whether it could not, the pages of the log, the copied ones
_HEADER: Final = 32  # bytes before the first page
_PAGE_HEADER: Final = 24  # bytes before each page
_SALTS: Final = 8  # bytes, at 16 of the header and at 8 of each page's

_log: Final = logging.getLogger("tidings.storage")


class Checkpoints:
    """Those of one database, for its writer: one call at a time."""

    def __init__(self, connection: sqlite3.Connection, file: Path) -> None:
        """`connection` is the writer's, to `file`. Raises sqlite3.Error and OSError."""
        self._connection = connection
        self._page = int(connection.execute("PRAGMA page_size").fetchone()[0]) + _PAGE_HEADER
        self._kept = 0  # pages that the log had after the last checkpoint; 0 once it has begun anew
        self._under_way: Future[None] | None = None
        with contextlib.ExitStack() as opened:  # last opened, first closed: closing a file drops SQLite's locks on it
            self._log = _open(opened, file.with_name(file.name + "-wal"))
            self._database = _open(opened, file)
            self._other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            opened.callback(self._other.close)
            self._thread = opened.enter_context(ThreadPoolExecutor(1, "checkpoints"))
            self._opened = opened.pop_all()

    def after_commit(self) -> None:
        """Begin a checkpoint, or end one, where it is time for that."""
        try:
            if self._under_way is not None:
                if self._under_way.done() or self._has(self._kept + TOO_LONG):
                    self.wait()
                return
            if self._kept and not self._has(self._kept):
                self._kept = 0
            if self._has(self._kept + LONG):
                self._under_way = self._thread.submit(self._copy)
        except Exception:  # what was committed is
            _log.exception("the write-ahead log could not be looked at")

    def wait(self) -> None:
        """End the checkpoint that is under way, if there is one."""
        under_way, self._under_way = self._under_way, None
        if under_way is None:
            return
        try:
            under_way.result()
            self._kept = max(0, int(self._connection.execute(_COPY).fetchone()[1]))
        except (sqlite3.Error, OSError) as error:
            self._kept += LONG  # it is tried again when the log has grown by as much
            _log.error("the write-ahead log could not be copied into the database, so it goes on growing (%s)", error)

    def close(self) -> None:
        """Let go of the thread and the files, after `wait` and after the writer's connection was closed. Idempotent."""
        self._opened.close()

    def _has(self, pages: int) -> bool:
        """Whether the log has so many."""
        salts = os.pread(self._log, _SALTS, 16)
        return salts != b"" and salts == os.pread(self._log, _SALTS, _HEADER + (pages - 1) * self._page + 8)

    def _copy(self) -> None:
        for _ in range(2):
            self._other.execute(_COPY)
            os.fdatasync(self._database)


def _open(opened: contextlib.ExitStack, file: Path) -> int:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    opened.callback(os.close, descriptor)
    return descriptor
