"""A log that ends before what was acknowledged is noticed, told, and goes on only with other numbers."""

import shutil
from pathlib import Path

import pytest

from handlers.rows import PROJECTIONS
from storage.base import Missing, Status
from storage.commands import Compact
from storage.errors import StorageError
from storage.sqlite import backend
from storage.sqlite.files import committed
from storage.sqlite.files.database_file import FILE
from storage.sqlite.writing.writer import SqliteWriter
from tests.storage.contract import notes
from tests.storage.histories import MEANING, NOW, incoming

EVENTS = 40
WAL = f"{FILE}-wal"


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory as a crash leaves it: every event in the write-ahead log, each a transaction of its own."""
    directory, copy = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("crashed") / "data"
    backend.open_writer(directory, MEANING).close()
    writer = backend.open_writer(directory, MEANING)
    try:
        for event in notes(*map(str, range(EVENTS))):
            writer.write(incoming([event]), NOW)
        writer.record()
        copy.mkdir()
        for name in (FILE, WAL, committed.FILE):
            shutil.copy2(directory / name, copy / name)
    finally:
        writer.close()
    return copy


@pytest.fixture
def data(crashed: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(crashed, tmp_path / "data"))


async def problems(directory: Path) -> list[str]:
    """What `check` says, without a start of the relay between."""
    store = await backend.open_reader(directory, readers=1, cache_mib=1)
    try:
        return [problem.message async for problem in store.check(PROJECTIONS, verify=False)]
    finally:
        await store.close()


def numbers(writer: SqliteWriter) -> list[int]:
    """The numbers of the events that are there."""
    return [seq for (seq,) in writer.connection.execute("SELECT seq FROM events ORDER BY seq")]


async def missing_is_told(directory: Path) -> Missing | None:
    """Whatever became of the write-ahead log: each event is there, or is among those that are told to be missing."""
    before = await problems(directory)
    writer = backend.open_writer(directory, MEANING)
    try:
        here, told = numbers(writer), writer.missing
        assert here == list(range(1, len(here) + 1))
        assert told == (None if len(here) == EVENTS else Missing(len(here) + 1, EVENTS))
        assert before == ([] if told is None else [str(told)])
        (outcome,) = writer.write(incoming(notes("the next", created_at=5000)), NOW)
        assert (outcome.status, outcome.seq) == (Status.STORED, EVENTS + 1)  # no number twice
        return told
    finally:
        writer.close()


async def test_a_crash_without_damage_loses_nothing(data: Path) -> None:
    assert await missing_is_told(data) is None


@pytest.mark.parametrize("part", [0.0, 0.1, 0.35, 0.6, 0.85, 0.99])
async def test_a_log_that_was_cut_off_is_noticed(data: Path, part: float) -> None:
    wal = data / WAL
    size = int(wal.stat().st_size * part)
    with wal.open("r+b") as file:
        file.truncate(size)
    assert await missing_is_told(data) is not None


async def test_a_log_that_is_gone_is_noticed(data: Path) -> None:
    (data / WAL).unlink()
    assert await missing_is_told(data) == Missing(1, EVENTS)


@pytest.mark.parametrize("place", range(20))
async def test_a_log_that_is_damaged_is_noticed(data: Path, place: int) -> None:
    wal = data / WAL
    content = bytearray(wal.read_bytes())
    content[place * len(content) // 20 + 40] ^= 0x10
    wal.write_bytes(content)
    assert await missing_is_told(data) is not None


async def test_what_is_missing_is_told_at_every_start_until_it_is_accepted(
    data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (data / WAL).unlink()
    for _ in range(2):
        caplog.clear()
        backend.open_writer(data, MEANING).close()
        assert [record.getMessage() for record in caplog.records] == [str(Missing(1, EVENTS))]
    assert await problems(data) == [str(Missing(1, EVENTS))]
    writer = backend.open_writer(data, MEANING)
    assert writer.accept_loss() == Missing(1, EVENTS)
    assert writer.missing is None
    assert writer.accept_loss() is None
    writer.close()
    caplog.clear()
    writer = backend.open_writer(data, MEANING)
    assert (writer.missing, writer.last_seq()) == (None, EVENTS)
    assert not caplog.records
    writer.close()
    assert await problems(data) == []


async def test_a_second_loss_is_told_with_the_first(data: Path) -> None:
    (data / WAL).unlink()
    writer = backend.open_writer(data, MEANING)
    writer.write(incoming(notes("later", created_at=6000)), NOW)
    writer.close()
    committed.write(data, EVENTS + 10)
    writer = backend.open_writer(data, MEANING)
    assert writer.missing == Missing(1, EVENTS + 10)
    writer.close()


async def test_an_older_backup_in_place_of_the_database_is_noticed(data: Path, tmp_path: Path) -> None:
    backend.open_writer(data, MEANING).close()
    store = await backend.open_reader(data, readers=1, cache_mib=1)
    await store.backup(tmp_path / "backup")
    await store.close()
    writer = backend.open_writer(data, MEANING)
    writer.write(incoming(notes("after the backup", created_at=7000)), NOW)
    writer.close()
    (data / FILE).unlink()
    shutil.copy2(tmp_path / "backup", data / FILE)
    writer = backend.open_writer(data, MEANING)
    assert writer.missing == Missing(EVENTS + 1, EVENTS + 1)
    assert len(numbers(writer)) == EVENTS
    writer.close()


def test_a_directory_of_an_earlier_version_has_nothing_missing_and_a_note_from_then_on(tmp_path: Path) -> None:
    writer = backend.open_writer(tmp_path, MEANING)
    writer.write(incoming(notes("a")), NOW)
    writer.close()
    (tmp_path / committed.FILE).unlink()
    writer = backend.open_writer(tmp_path, MEANING)
    assert writer.missing is None
    writer.close()
    assert committed.read(tmp_path) == 1


def test_a_note_is_never_ahead_of_the_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = backend.open_writer(tmp_path, MEANING)
    writer.write(incoming(notes("a")), NOW)
    seen: list[int | None] = []
    finish = writer._finish

    def slow(*given: object) -> None:
        writer.record()
        seen.append(committed.read(tmp_path))
        finish(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "_finish", slow)
    writer.write(incoming(notes("b", created_at=2000)), NOW)
    assert seen == [1]
    writer.record()
    assert committed.read(tmp_path) == 2
    writer.close()


def test_nothing_is_written_while_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = backend.open_writer(tmp_path, MEANING)
    written: list[int] = []
    monkeypatch.setattr(committed, "write", lambda _directory, seq: written.append(seq))
    for _ in range(3):
        writer.record()
    writer.write(incoming(notes("a")), NOW)
    for _ in range(3):
        writer.record()
    writer.execute(Compact(), NOW)
    assert written == [0, 1]
    writer.close()


def test_a_note_that_cannot_be_written_says_so_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    writer = backend.open_writer(tmp_path, MEANING)

    def full(_directory: Path, _seq: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(committed, "write", full)
    with pytest.raises(StorageError, match=r"tidings\.seq cannot be written: No space"):
        writer.record()
    writer.close()
    assert "No space" in caplog.text
    with pytest.raises(StorageError, match="closed"):
        writer.write(incoming(notes("a")), NOW)


@pytest.fixture
def note(tmp_path: Path) -> Path:
    """A directory with a note."""
    committed.write(tmp_path, 1234567)
    return tmp_path


def test_the_note_is_read_as_it_was_written(note: Path) -> None:
    assert committed.read(note) == 1234567
    assert [file.name for file in note.iterdir()] == [committed.FILE]
    assert (note / committed.FILE).stat().st_mode & 0o777 == 0o600
    committed.write(note, 0)
    assert committed.read(note) == 0


def test_a_damaged_note_tells_nothing(note: Path) -> None:
    file = note / committed.FILE
    content = file.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            damaged = bytearray(content)
            damaged[place] ^= 1 << bit
            file.write_bytes(damaged)
            assert committed.read(note) is None
        file.write_bytes(content[:place])
        assert committed.read(note) is None
    file.write_bytes(content + b"x")
    assert committed.read(note) is None
    file.unlink()
    assert committed.read(note) is None
