"""The write-ahead log is copied into the database while events come in, stays bounded, and nothing waits for it or is lost."""

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.base import Status
from storage.commands import Compact
from storage.sqlite import backend
from storage.sqlite.files import checkpoints
from storage.sqlite.files.checkpoints import Checkpoints
from storage.sqlite.files.database_file import FILE
from storage.sqlite.writing.writer import SqliteWriter
from tests.storage.contract import notes
from tests.storage.histories import MEANING, NOW, incoming
from tests.stores import with_schema

LONG, TOO_LONG = 100, 400  # pages
ONE = 40  # pages that the transaction of one note takes at most
EVENTS = notes(*map(str, range(300)))


@pytest.fixture(autouse=True)
def short_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "LONG", LONG)
    monkeypatch.setattr(checkpoints, "TOO_LONG", TOO_LONG)


@pytest.fixture
def writer(tmp_path: Path, short_logs: None) -> Iterator[SqliteWriter]:
    with_schema(tmp_path)
    opened = backend.open_writer(tmp_path, MEANING, synchronous="normal", cache_mib=1)
    yield opened
    opened.close()


class Disk:
    """In place of what makes the database durable: as slow as a test wants it to be, or broken."""

    def __init__(self) -> None:
        self.reached, self.goes_on = threading.Event(), threading.Event()
        self.broken = False
        self.asked = 0
        self._sync = os.fdatasync

    def sync(self, descriptor: int) -> None:
        self.asked += 1
        self.reached.set()
        self.goes_on.wait()
        if self.broken:
            raise OSError(5, "Input/output error")
        self._sync(descriptor)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    slow = Disk()
    monkeypatch.setattr(checkpoints.os, "fdatasync", slow.sync)
    yield slow
    slow.goes_on.set()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch, disk: Disk) -> Disk:
    """A disk that takes until the writer waits for it."""
    wait = Checkpoints.wait

    def waits(self: Checkpoints) -> None:
        disk.goes_on.set()
        wait(self)
        disk.goes_on.clear()

    monkeypatch.setattr(Checkpoints, "wait", waits)
    return disk


def write(writer: SqliteWriter, first: int, last: int) -> None:
    """Those of EVENTS, each in a transaction of its own."""
    for event in EVENTS[first:last]:
        assert [outcome.status for outcome in writer.write(incoming([event]), NOW)] == [Status.STORED]


def pages_of_log(directory: Path) -> int:
    return (directory / f"{FILE}-wal").stat().st_size // 4120


def until_a_checkpoint(writer: SqliteWriter, first: int, directory: Path, disk: Disk) -> int:
    """Write EVENTS from `first` on until the disk is asked to make a checkpoint durable; how many are written then."""
    disk.reached.clear()
    written = first
    while pages_of_log(directory) < LONG:
        write(writer, written, written + 1)
        written += 1
    assert disk.reached.wait(30)
    return written


def stored(directory: Path) -> int:
    """How many events a start would find, by a copy of the files as they are."""
    connection = sqlite3.connect(directory / FILE)
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
    finally:
        connection.close()


def test_a_log_that_is_long_is_copied_and_begins_anew(tmp_path: Path, writer: SqliteWriter, patient: Disk) -> None:
    write(writer, 0, 200)
    assert patient.asked >= 4  # twice for each checkpoint that the writer waited for
    assert LONG < pages_of_log(tmp_path) <= TOO_LONG + ONE
    (tmp_path / "alone").mkdir()
    shutil.copy2(tmp_path / FILE, tmp_path / "alone" / FILE)
    assert 100 < stored(tmp_path / "alone") <= 200
    writer.close()
    assert stored(tmp_path) == 200


def test_no_commit_waits_for_a_slow_disk_and_a_crash_meanwhile_loses_nothing(
    tmp_path: Path, writer: SqliteWriter, disk: Disk
) -> None:
    written = until_a_checkpoint(writer, 0, tmp_path, disk)
    write(writer, written, written + 5)
    (tmp_path / "crashed").mkdir()
    for name in (FILE, f"{FILE}-wal"):
        shutil.copy2(tmp_path / name, tmp_path / "crashed" / name)
    assert stored(tmp_path / "crashed") == written + 5


def test_a_reader_that_needs_the_old_log_is_not_asked_for_it_with_every_commit(
    tmp_path: Path, writer: SqliteWriter, disk: Disk
) -> None:
    disk.goes_on.set()
    write(writer, 0, 1)
    reader = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
    write(writer, 1, 100)
    grown = pages_of_log(tmp_path)
    assert grown > TOO_LONG
    assert disk.asked <= 2 * (grown // LONG + 1)
    assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
    reader.close()
    write(writer, 100, 300)
    assert pages_of_log(tmp_path) <= grown + TOO_LONG + ONE
    writer.close()
    assert stored(tmp_path) == 300


def test_a_disk_that_fails_is_told_and_tried_again_later(
    tmp_path: Path, writer: SqliteWriter, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    def told() -> list[str]:
        return [record.getMessage() for record in caplog.records]

    disk.broken = True
    disk.goes_on.set()
    write(writer, 0, 1)
    reader = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchone()  # the log does not begin anew
    written = 1
    for times in (1, 2, 3):
        while len(told()) < times:
            assert pages_of_log(tmp_path) <= times * (TOO_LONG + ONE)
            write(writer, written, written + 1)
            written += 1
        assert pages_of_log(tmp_path) >= times * LONG
    reader.close()
    assert all("could not be copied into the database" in one and "Input/output error" in one for one in told())
    disk.broken = False
    caplog.clear()
    write(writer, written, written + 75)
    assert caplog.records == []
    writer.close()
    assert stored(tmp_path) == written + 75


def test_compacting_and_closing_wait_for_a_checkpoint(tmp_path: Path, writer: SqliteWriter, patient: Disk) -> None:
    written = until_a_checkpoint(writer, 0, tmp_path, patient)
    writer.execute(Compact(), NOW)
    assert pages_of_log(tmp_path) == 0
    written = until_a_checkpoint(writer, written, tmp_path, patient)
    writer.close()
    assert not (tmp_path / f"{FILE}-wal").exists()
    assert stored(tmp_path) == written
