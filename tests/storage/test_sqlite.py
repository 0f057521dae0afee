"""The SQLite log keeps the contract, and what it does with files, locks and broken databases."""

import asyncio
import os
import shutil
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from unittest.mock import Mock

import msgspec
import pytest

from handlers.rows import PROJECTIONS
from relay import opening
from relay.config import Config
from relay.errors import Prefix
from relay.protocol.admission import Admission, Door, Key
from relay.protocol.event import Event, wire
from relay.protocol.facts import Facts, Need
from storage.base import PUBLIC, Status
from storage.commands import Compact, DropForeign, RemoveMatching, TryRoom
from storage.errors import Locked, StorageError
from storage.sqlite import backend, entries, tools
from storage.sqlite.files import database_file
from storage.sqlite.files.database_file import FILE
from storage.sqlite.statements import migrations
from storage.sqlite.tools import SqliteStore
from storage.sqlite.writing import writer as writing
from storage.sqlite.writing.writer import SqliteWriter
from storage.tools import Inconsistency
from tests.factories import make_event
from tests.storage.contract import ALICE, ANYTHING, BOB, Contract, Log, notes, of
from tests.storage.histories import MEANING, NOW, incoming
from tests.stores import with_schema


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[SqliteWriter]:
    with_schema(tmp_path)
    opened = backend.open_writer(tmp_path, MEANING, synchronous="normal", cache_mib=1)
    yield opened
    opened.close()


@pytest.fixture
async def store(tmp_path: Path, writer: SqliteWriter) -> AsyncIterator[SqliteStore]:
    opened = await backend.open_reader(tmp_path, readers=2, cache_mib=1)
    yield opened
    await opened.close()


async def problems(store: SqliteStore, verify: bool = True) -> list[Inconsistency]:
    return [problem async for problem in store.check(PROJECTIONS, verify)]


def bytes_of_files(directory: Path) -> list[bytes]:
    return [file.read_bytes() for file in directory.iterdir()]


class TestSqlite(Contract):
    @pytest.fixture
    def log(self, writer: SqliteWriter, store: SqliteStore) -> Log:
        return Log(writer, store)


async def test_the_log_is_followed_from_after_one_number_up_to_another(
    writer: SqliteWriter, store: SqliteStore
) -> None:
    writer.write(incoming(notes("a", "b", "c", "d")), NOW)
    assert [one.seq for one in await store.follow(1, 3, 10)] == [2, 3]
    assert [one.seq for one in await store.follow(1, 4, 2)] == [2, 3]
    assert await store.follow(4, 4, 10) == []


class TestOpening:
    def test_the_files_are_their_owners_only(self, tmp_path: Path, writer: SqliteWriter) -> None:
        modes = {file.name: oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()}
        assert set(modes.values()) == {"0o600"}

    def test_a_second_writer_is_told_who_has_the_directory(self, tmp_path: Path, writer: SqliteWriter) -> None:
        with pytest.raises(Locked, match=rf"process {os.getpid()} writes"):
            backend.open_writer(tmp_path, MEANING)

    def test_the_lock_is_released_on_close_and_closing_twice_is_fine(self, tmp_path: Path) -> None:
        for _ in range(2):
            opened = backend.open_writer(tmp_path, MEANING)
            opened.close()
            opened.close()
        with pytest.raises(StorageError, match="closed"):
            opened.write(incoming(notes("a")), NOW)

    def test_the_lock_is_released_when_the_database_cannot_be_opened(self, tmp_path: Path) -> None:
        (tmp_path / FILE).write_bytes(b"no database at all" * 100)
        for _ in range(2):
            with pytest.raises(StorageError, match="no SQLite database"):
                backend.open_writer(tmp_path, MEANING)

    def test_a_database_of_a_newer_version_is_left_alone(self, tmp_path: Path) -> None:
        backend.open_writer(tmp_path, MEANING).close()
        with sqlite3.connect(tmp_path / FILE) as connection:
            connection.execute("UPDATE meta SET value = 9999 WHERE name = 'schema_version'")
        connection.close()
        with pytest.raises(StorageError, match="schema 9999 of a newer version"):
            backend.open_writer(tmp_path, MEANING)

    def test_somebody_elses_database_is_left_alone(self, tmp_path: Path) -> None:
        with sqlite3.connect(tmp_path / FILE) as connection:
            connection.execute("CREATE TABLE theirs (x)")
        connection.close()
        with pytest.raises(StorageError, match="another program"):
            backend.open_writer(tmp_path, MEANING)

    def test_a_directory_that_cannot_be_made_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(StorageError, match="file/data cannot be used"):
            backend.open_writer(tmp_path / "file" / "data", MEANING)

    @pytest.mark.parametrize(
        "fault", [sqlite3.OperationalError("no room"), OSError(24, "Too many open files", FILE), KeyboardInterrupt()]
    )
    def test_a_writer_that_cannot_be_opened_leaves_nothing_open(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: BaseException
    ) -> None:
        with_schema(tmp_path)
        connections: list[sqlite3.Connection] = []

        def broken(connection: sqlite3.Connection, file: Path) -> None:
            connections.append(connection)
            raise fault

        with monkeypatch.context() as patch:
            patch.setattr(writing, "Checkpoints", broken)
            with pytest.raises((StorageError, KeyboardInterrupt)):
                backend.open_writer(tmp_path, MEANING)
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            connections[0].execute("SELECT 1")
        backend.open_writer(tmp_path, MEANING).close()

    async def test_a_reader_needs_a_database(self, tmp_path: Path) -> None:
        with pytest.raises(StorageError, match="no database"):
            await backend.open_reader(tmp_path)

    @pytest.mark.parametrize("opened", [0, 1, 2])
    async def test_of_readers_that_cannot_all_be_opened_nothing_stays_open(
        self, tmp_path: Path, writer: SqliteWriter, monkeypatch: pytest.MonkeyPatch, opened: int
    ) -> None:
        connections: list[sqlite3.Connection] = []
        threads = set(threading.enumerate())

        def add_functions(connection: sqlite3.Connection) -> None:
            connections.append(connection)
            if len(connections) > opened:
                raise sqlite3.OperationalError("no room for another file")

        monkeypatch.setattr(database_file, "add_functions", add_functions)
        with pytest.raises(StorageError, match=rf"no room for another file: .*{FILE}"):
            await backend.open_reader(tmp_path, readers=2)
        assert len(connections) == opened + 1
        for connection in connections:
            with pytest.raises(sqlite3.ProgrammingError, match="closed"):
                connection.execute("SELECT 1")
        left = [one for one in threading.enumerate() if one not in threads and "_connection_worker" in one.name]
        for thread in left:
            await asyncio.to_thread(thread.join, 10)
            assert not thread.is_alive()

    async def test_readers_cannot_write(self, store: SqliteStore) -> None:
        with pytest.raises(StorageError, match="cannot be written"):
            await store.run(lambda connection: connection.execute("DELETE FROM events"))

    async def test_a_closed_reader_says_so(self, store: SqliteStore) -> None:
        await store.close()
        await store.close()
        with pytest.raises(StorageError, match="closed"):
            await store.query([ANYTHING], PUBLIC, NOW)


class TestDurability:
    async def test_what_was_written_is_there_after_a_crash(self, tmp_path: Path, writer: SqliteWriter) -> None:
        writer.write(incoming(notes("a", "b")), NOW)
        copy = tmp_path / "after"
        copy.mkdir()
        for name in (FILE, f"{FILE}-wal"):  # what a crash leaves: nothing was folded into the database
            (copy / name).write_bytes((tmp_path / name).read_bytes())
        again = backend.open_writer(copy, MEANING)
        reader = await backend.open_reader(copy, readers=1)
        assert again.last_seq() == 2
        assert len((await reader.query([ANYTHING], PUBLIC, NOW)).wires) == 2
        await reader.close()
        again.close()

    def test_a_number_is_never_given_twice(self, tmp_path: Path) -> None:
        first = backend.open_writer(tmp_path, MEANING)
        first.write(incoming(notes("a", "b")), NOW)
        first.execute(RemoveMatching(ANYTHING, 10), NOW)
        first.close()
        second = backend.open_writer(tmp_path, MEANING)
        assert second.last_seq() == 2
        assert second.write(incoming(notes("c")), NOW)[0].seq == 3
        second.close()

    async def test_a_full_disk_stores_nothing_and_says_what_to_do(
        self, writer: SqliteWriter, store: SqliteStore
    ) -> None:
        writer.write(incoming(notes("before")), NOW)
        pages = writer.connection.execute("PRAGMA page_count").fetchone()[0]
        writer.connection.execute(f"PRAGMA max_page_count = {pages}")
        big = [make_event(1, content="x" * 10_000, created_at=n) for n in range(20)]
        with pytest.raises(StorageError, match="disk is full"):
            writer.write(incoming([*notes("small"), *big]), NOW)
        assert len((await store.query([ANYTHING], PUBLIC, NOW)).wires) == 1
        writer.connection.execute("PRAGMA max_page_count = 1000000")
        assert writer.write(incoming(big), NOW)[0].seq == 2

    @pytest.mark.parametrize("name", ["tidings.sqlite", "tidings.sqlite-wal", "tidings.sqlite-shm"])
    async def test_nothing_is_taken_into_files_that_are_not_in_their_place_any_more(
        self, writer: SqliteWriter, store: SqliteStore, tmp_path: Path, name: str
    ) -> None:
        """What they hold is gone when the last process that has them open ends."""
        writer.write(incoming(notes("before")), NOW)
        file, aside = writer.directory / name, tmp_path / "aside"
        file.rename(aside)
        with pytest.raises(StorageError, match=f"{name} was moved, replaced or deleted"):
            writer.write(incoming(notes("into a file without a name")), NOW)
        shutil.copy(aside, file)
        with pytest.raises(StorageError, match=f"{name} was moved, replaced or deleted"):
            writer.execute(TryRoom(0), NOW)
        assert len((await store.query([ANYTHING], PUBLIC, NOW)).wires) == 1
        aside.replace(file)
        assert writer.write(incoming(notes("after")), NOW)[0].seq == 2

    def test_a_database_that_was_there_is_not_made_again_when_its_writer_is(self, tmp_path: Path) -> None:
        backend.open_writer(tmp_path, MEANING, synchronous="normal", cache_mib=1).close()
        (tmp_path / FILE).rename(tmp_path / "aside")
        with pytest.raises(StorageError, match=r"tidings\.sqlite was moved, replaced or deleted"):
            backend.open_writer(tmp_path, MEANING, synchronous="normal", cache_mib=1, was_there=True)
        assert not (tmp_path / FILE).exists()
        (tmp_path / "aside").rename(tmp_path / FILE)
        backend.open_writer(tmp_path, MEANING, synchronous="normal", cache_mib=1, was_there=True).close()

    async def test_whether_there_is_room_is_tried_and_nothing_of_it_stays(
        self, writer: SqliteWriter, store: SqliteStore
    ) -> None:
        pages = writer.connection.execute("PRAGMA page_count").fetchone()[0]
        writer.connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StorageError, match="disk is full"):
            writer.execute(TryRoom(1024 * 1024), NOW)
        writer.connection.execute("PRAGMA max_page_count = 1000000")
        for size in (1024 * 1024, 0):
            writer.execute(TryRoom(size), NOW)
        assert writer.connection.execute("SELECT length(value) FROM meta WHERE name = 'room'").fetchone() == (0,)
        assert await problems(store) == []

    async def test_removed_text_is_gone_from_the_files_after_compact(
        self, tmp_path: Path, writer: SqliteWriter, store: SqliteStore
    ) -> None:
        writer.write(incoming([make_event(0, kind=0, content='{"about": "a secret of mine"}')]), NOW)
        writer.write(incoming([make_event(0, kind=62, created_at=NOW * 10**7, tags=[["relay", "ALL_RELAYS"]])]), NOW)
        writer.execute(Compact(), NOW)
        assert b"a secret of mine" not in b"".join(bytes_of_files(tmp_path))
        assert await problems(store) == []


class Poisoned:
    """Ordinary meaning, but one content breaks a handler and another breaks what follows."""

    projections = PROJECTIONS

    def needs(self, event: Event, facts: Facts) -> Iterable[Need]:
        return MEANING.needs(event, facts)

    def passages(self, event: Event) -> int:
        return MEANING.passages(event)

    def admit(self, event: Event, facts: Facts, now: int, door: Door) -> Admission:
        if event.content == "poison":
            raise RuntimeError("a handler's mistake")
        return MEANING.admit(event, facts, now, door)

    def touches(self, event: Event) -> tuple[Key, ...]:
        if event.content == "late poison":
            raise RuntimeError("another mistake")
        return MEANING.touches(event)


@pytest.mark.failing_batch
@pytest.mark.parametrize("poison", ["poison", "late poison"])
def test_a_poisoned_event_fails_alone(tmp_path: Path, poison: str) -> None:
    writer = backend.open_writer(tmp_path, Poisoned())
    outcomes = writer.write(incoming(notes("a", poison, "b")), NOW)
    writer.close()
    assert [one.status for one in outcomes] == [Status.STORED, Status.REFUSED, Status.STORED]
    assert [one.seq for one in outcomes] == [1, 0, 2]
    assert outcomes[1].refusal is not None
    assert outcomes[1].refusal.prefix is Prefix.ERROR


@pytest.mark.failing_batch
def test_nothing_is_left_of_a_statement_that_fails_halfway(tmp_path: Path) -> None:
    writer = backend.open_writer(tmp_path, MEANING)
    first, second, third = notes("a", "b", "c")
    in_the_way = next(row for row in entries.rows(second, None, 2) if row[0] == entries.ANY)
    writer.connection.execute(
        "INSERT INTO entries (key, kind, created_at, rank, seq) VALUES (?, ?, ?, ?, ?)", in_the_way
    )
    outcomes = writer.write(incoming([first, second, third]), NOW)
    assert [one.status for one in outcomes] == [Status.STORED, Status.REFUSED, Status.STORED]
    found = writer.connection.execute("SELECT key, kind, created_at, rank, seq FROM entries").fetchall()
    assert sorted(found) == sorted([*entries.rows(first, None, 1), *entries.rows(third, None, 2), in_the_way])
    assert writer.connection.execute("SELECT seq FROM events ORDER BY seq").fetchall() == [(1,), (2,)]
    writer.close()


class TestTools:
    async def test_tells_figures(self, writer: SqliteWriter, store: SqliteStore) -> None:
        writer.write(incoming([*notes("a", "b"), make_event(0, kind=4, tags=[["p", BOB]])]), NOW)
        writer.write(incoming([make_event(2, tags=[["expiration", str(NOW + 5)]], created_at=5)]), NOW)
        writer.execute(RemoveMatching(of(authors=[BOB], until=1000), 1), NOW)
        info = await store.info()
        assert (info.events, info.last_seq, info.authors, info.expiring, info.tombstones) == (3, 4, 3, 1, 1)
        assert info.kinds == [(1, 2), (4, 1)]
        assert info.oldest == 5
        assert info.database_bytes + info.wal_bytes > 0

    async def test_a_backup_is_a_log_of_its_own(self, tmp_path: Path, writer: SqliteWriter, store: SqliteStore) -> None:
        writer.write(incoming(notes("a", "b")), NOW)
        (tmp_path / "copy").mkdir()
        target = tmp_path / "copy" / FILE
        assert await store.backup(target) == target.stat().st_size
        copy = await backend.open_reader(target.parent, readers=1)
        assert [record.seq async for record in copy.scan(None)] == [1, 2]
        await copy.close()

    async def test_a_backup_overwrites_nothing(self, tmp_path: Path, store: SqliteStore) -> None:
        target = tmp_path / "precious"
        target.write_text("mine")
        with pytest.raises(StorageError, match="precious cannot be made"):
            await store.backup(target)
        assert target.read_text() == "mine"

    async def test_finds_nothing_wrong_with_a_sound_database(self, writer: SqliteWriter, store: SqliteStore) -> None:
        writer.write(incoming([*notes("a"), make_event(0, kind=4, tags=[["p", BOB]]), make_event(1, kind=0)]), NOW)
        assert await problems(store) == []

    @pytest.mark.parametrize(
        ("damage", "message"),
        [
            ("UPDATE events SET wire = CAST(replace(CAST(wire AS TEXT), 'hello', 'hallo') AS BLOB)", "not the hash"),
            ("UPDATE events SET wire = CAST('{}' AS BLOB)", "no event"),
            ("UPDATE events SET kind = 2", "something else than its JSON"),
            ("UPDATE events SET expires_at = 5", "something else than its JSON"),
            ("DELETE FROM entries WHERE kind = -1", "1 of its index rows are missing"),
            ("INSERT INTO entries SELECT * FROM (SELECT * FROM temp.changed)", "the events imply"),
            ("DELETE FROM events", "an event that is not there"),
            ("UPDATE meta SET value = 0 WHERE name = 'last_seq'", "above the last one"),
            ("INSERT INTO profiles (pubkey, seq, created_at) VALUES ('aa', 99, 1)", "the row of aa"),
        ],
    )
    async def test_finds_what_does_not_agree(
        self, writer: SqliteWriter, store: SqliteStore, damage: str, message: str
    ) -> None:
        writer.write(incoming(notes("hello")), NOW)
        writer.connection.execute("CREATE TEMP TABLE changed AS SELECT * FROM entries WHERE kind = -1")
        writer.connection.execute("UPDATE temp.changed SET created_at = created_at + 1")
        writer.connection.execute(damage)
        assert any(message in problem.message for problem in await problems(store))

    async def test_finds_a_signature_that_is_not_the_keys(self, writer: SqliteWriter, store: SqliteStore) -> None:
        event = make_event(1, content="hello")
        other = make_event(1, content="other")
        forged = Event(event.id, event.pubkey, event.created_at, event.kind, event.tags, event.content, other.sig)
        writer.write(incoming([forged]), NOW)
        assert [problem.seq for problem in await problems(store)] == [1]
        assert await problems(store, verify=False) == []

    async def test_a_damaged_file_is_a_problem_not_a_crash(
        self, tmp_path: Path, writer: SqliteWriter, store: SqliteStore
    ) -> None:
        writer.write(incoming([make_event(1, content="x" * 500, created_at=n) for n in range(300)]), NOW)
        writer.execute(Compact(), NOW)
        file = tmp_path / FILE
        data = bytearray(file.read_bytes())
        page = data.find(b"x" * 500) // 4096 * 4096
        data[page : page + 4096] = bytes(4096)
        (tmp_path / "damaged").mkdir()
        (tmp_path / "damaged" / FILE).write_bytes(data)
        damaged = await backend.open_reader(tmp_path / "damaged", readers=1)
        assert await problems(damaged)
        await damaged.close()


async def test_a_profile_that_escapes_half_a_character_has_a_row_that_can_be_read(
    tmp_path: Path, writer: SqliteWriter
) -> None:
    content = '{"name":"\\ud83c","about":"\\ud83c\\udf89 half \\udf89"}'
    writer.write(incoming([make_event(0, kind=0, content=content)]), NOW)
    plain = sqlite3.connect(tmp_path / FILE)
    ((name, about),) = plain.execute("SELECT name, about FROM profiles").fetchall()
    plain.close()
    assert about.startswith("🎉 half ")
    assert name.strip("\ufffd") == about[7:].strip("\ufffd") == ""


async def test_large_bodies_do_not_come_all_at_once(writer: SqliteWriter, store: SqliteStore) -> None:
    big = [make_event(0, content=f"{n:04}" + "x" * 60_000, created_at=n) for n in range(40)]
    writer.write(incoming(big), NOW)
    found = await store.query([of(authors=[ALICE])], PUBLIC, NOW)
    assert sum(map(len, found.wires)) < 2 * 2**20
    given = found.wires + await store.fetch(found.rest, NOW, PUBLIC)
    assert [wire[7:71].decode() for wire in given] == [event.id for event in reversed(big)]


async def test_many_events_come_in_parts(writer: SqliteWriter, store: SqliteStore) -> None:
    many = [make_event(0, content=f"{n}", created_at=n // 2) for n in range(1200)]
    writer.write(incoming(many), NOW)
    found = await store.query([of(limit=1100)], PUBLIC, NOW)
    assert (len(found.wires), len(found.rest), found.complete) == (500, 600, False)
    expected = sorted(many, key=lambda event: (-event.created_at, event.id))[:1100]
    given = found.wires + await store.fetch(found.rest, NOW, PUBLIC)
    assert [wire[7:71].decode() for wire in given] == [event.id for event in expected]


async def test_what_others_published_of_a_kind_is_dropped_once(writer: SqliteWriter, store: SqliteStore) -> None:
    mine = make_event(0, 39000, tags=[["d", "a"]])
    foreign = [make_event(1, 39000, tags=[["d", "a"]]), make_event(1, 8000), make_event(2, 8000)]
    note = make_event(1)
    writer.write(incoming([mine, *foreign, note]), NOW)
    assert writer.execute(DropForeign([8000, 39000], ALICE), NOW) == 3
    assert set((await store.query([ANYTHING], PUBLIC, NOW)).wires) == {wire(mine), wire(note)}
    assert [problem async for problem in store.check(PROJECTIONS)] == []
    writer.write(incoming(foreign[:1]), NOW)  # what comes later, somebody has decided on
    assert writer.execute(DropForeign([8000, 39000], ALICE), NOW) == 0
    assert len((await store.query([ANYTHING], PUBLIC, NOW)).wires) == 3


@pytest.mark.parametrize(("synchronous", "level"), [("full", 2), ("normal", 1)])
def test_commits_are_synced_as_the_setting_says(tmp_path: Path, synchronous: str, level: int) -> None:
    """2 is FULL: the write-ahead log is synced at every commit. SQLite's own default depends on how it was built."""
    writer = backend.open_writer(tmp_path, MEANING, synchronous=synchronous)
    try:
        assert writer.connection.execute("PRAGMA synchronous").fetchone() == (level,)
    finally:
        writer.close()


def test_commits_are_synced_unless_a_setting_says_otherwise(tmp_path: Path) -> None:
    for opened in (
        backend.open_writer(tmp_path / "a", MEANING),
        opening.open_writer(msgspec.convert({"server": {"data": str(tmp_path / "b")}}, Config)),
    ):
        assert opened.connection.execute("PRAGMA synchronous").fetchone() == (2,)
        opened.close()


def test_an_upgrade_says_that_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend.open_writer(tmp_path, MEANING).close()
    number = migrations()[-1][0]
    large = (
        "CREATE TABLE large (bytes BLOB);\nPRAGMA max_page_count = 1;\nINSERT INTO large VALUES (zeroblob(1000000));\n"
    )
    with monkeypatch.context() as patch:
        patch.setattr(database_file, "migrations", lambda: [*migrations(), (number + 1, large)])
        with pytest.raises(StorageError, match="the disk is full"):
            backend.open_writer(tmp_path, MEANING)
    backend.open_writer(tmp_path, MEANING).close()  # nothing of it is there


def test_a_database_that_cannot_be_brought_up_to_date_is_told_with_the_way_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend.open_writer(tmp_path, MEANING).close()
    number = migrations()[-1][0]
    monkeypatch.setattr(database_file, "migrations", lambda: [*migrations(), (number + 1, "DROP TRIGGER no_such;")])
    with pytest.raises(StorageError) as caught:
        backend.open_writer(tmp_path, MEANING)
    assert f"cannot be brought up to date from schema {number} (no such trigger: no_such); restore" in str(caught.value)


async def test_a_backup_beside_the_log_of_the_former_database_is_not_opened_and_not_damaged(tmp_path: Path) -> None:
    writer = backend.open_writer(tmp_path, MEANING)
    writer.write(incoming(notes("a")), NOW)
    store = await backend.open_reader(tmp_path, readers=1)
    await store.backup(tmp_path / "copy")
    writer.write(incoming(notes("b")), NOW)
    log = (tmp_path / f"{FILE}-wal").read_bytes()
    await store.close()
    writer.close()
    copy = (tmp_path / "copy").read_bytes()
    (tmp_path / FILE).write_bytes(copy)
    (tmp_path / f"{FILE}-wal").write_bytes(log)
    with pytest.raises(StorageError, match="-wal belongs to the database that was there before"):
        backend.open_writer(tmp_path, MEANING)
    with pytest.raises(StorageError, match="remove it and"):
        await backend.open_reader(tmp_path, readers=1)
    assert (tmp_path / FILE).read_bytes() == copy
    (tmp_path / f"{FILE}-wal").unlink()
    backend.open_writer(tmp_path, MEANING).close()


def test_a_copy_that_a_full_disk_has_no_room_for_is_named_and_not_kept(tmp_path: Path) -> None:
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    with pytest.raises(StorageError, match=r"copy\.sqlite cannot be written: the disk is full; free some space there$"):
        tools._copy(Mock(execute=Mock(side_effect=full)), tmp_path / "copy.sqlite")
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_breaks_off_while_it_makes_the_tables_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = migrations()[-1][0]
    with monkeypatch.context() as patch:
        patch.setattr(database_file, "migrations", lambda: [*migrations(), (number + 1, "nonsense;")])
        with pytest.raises(StorageError):
            backend.open_writer(tmp_path, MEANING)
    with sqlite3.connect(tmp_path / FILE) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == []
    connection.close()
    backend.open_writer(tmp_path, MEANING).close()


def test_every_migration_has_a_number_of_its_own() -> None:
    numbers = [number for number, _ in migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
