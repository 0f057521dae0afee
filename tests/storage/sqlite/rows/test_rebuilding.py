"""Derived rows made again: whatever the tables hold, beside writing, after a migration, after a start that was cut short."""

import re
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers import table
from handlers.rows import PROJECTIONS
from relay.protocol.admission import Door
from relay.protocol.chunks import Cutting
from relay.protocol.control_plane import subjects
from relay.protocol.event import Event, wire
from storage.commands import Rebuild
from storage.errors import StorageError
from storage.identities.commands import BindProven
from storage.sqlite import backend, entries
from storage.sqlite.files.database_file import FILE, split
from storage.sqlite.rows import rebuilding
from storage.sqlite.statements import migrations
from tests.factories import NOW, keypair, make_event
from tests.storage.feed_logs import MEANING, identity, open_log, ordered, rebuild, tables, world, write
from tests.storage.feed_model import feed, first
from tests.storage.test_feed_projection import OWNERS, pools
from tests.stores import with_schema

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
WRONG = [
    "DELETE FROM posts WHERE seq % 2",
    "UPDATE posts SET title = 'forged'",
    "UPDATE posts SET upvotes = upvotes + 1, comment_count = 7",
    "INSERT OR IGNORE INTO posts SELECT seq, hex(id), 'x', 'x', NULL, 1, NULL, 1, NULL, 0, 0, 0, 0, 'x', NULL, 'x', 1 FROM events",
    "INSERT INTO posts (seq, id, posting_identity_id, pubkey, created_at, first_seen, title, content) "
    "VALUES (99, 'x', 'x', 'x', 1, 1, 'x', 'x')",
    "DELETE FROM comments",
    "UPDATE comments SET parent_id = NULL, parent_seq = NULL",
    "UPDATE comments SET downvotes = 5",
    "UPDATE votes SET up = 1 - up",
    "UPDATE votes SET target = target + 1000",
    "DELETE FROM votes",
    "INSERT OR IGNORE INTO votes SELECT 1, 77, 11, seq, 1, 1, 1 FROM events",
    "UPDATE profiles SET name = 'forged'",
    "UPDATE profiles SET pubkey = 'x' || pubkey",
]


def profiles(directory: Path) -> list[tuple[object, ...]]:
    plain = sqlite3.connect(directory / FILE)
    found = plain.execute("SELECT * FROM profiles ORDER BY pubkey").fetchall()
    plain.close()
    return found


@FEW
@given(pools(), st.data())
def test_a_rebuild_mends_whatever_the_tables_hold_and_a_check_sees_it(pool: list[Event], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        writer = open_log(directory, local=(1, 2), foreign=(9,))
        try:
            for key, owner in OWNERS.items():
                writer.execute(BindProven(keypair(key).pubkey, identity(owner)), NOW)
            write(writer, [make_event(key, 0, '{"name":"n"}') for key in OWNERS], Door.IMPORT)
            write(writer, pool, Door.IMPORT)
            right, shown = tables(directory), profiles(directory)
            for wrong in data.draw(st.lists(st.sampled_from(WRONG), min_size=1, max_size=4, unique=True)):
                writer.connection.execute(wrong)
            damaged = (ordered(tables(directory)), profiles(directory)) != (ordered(right), shown)
            damaged = damaged or bool(writer.connection.execute("SELECT 1 FROM votes WHERE target > 999").fetchone())
            found = list(rebuilding.problems(writer.connection, PROJECTIONS))
            assert bool(found) or not damaged
            with mock.patch.object(rebuilding, "AT_ONCE", data.draw(st.integers(1, 6))):
                rebuild(writer)
            assert ordered(tables(directory)) == ordered(right) == ordered(feed(world(directory)))
            assert profiles(directory) == shown
            assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
        finally:
            writer.close()


@FEW
@given(pools(), st.data())
def test_what_is_written_between_the_parts_of_a_rebuild_has_its_rows(pool: list[Event], data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        writer = open_log(directory, local=(1, 2), foreign=(9,))
        try:
            for key, owner in OWNERS.items():
                writer.execute(BindProven(keypair(key).pubkey, identity(owner)), NOW)
            order = data.draw(st.permutations(pool))
            before = data.draw(st.integers(0, len(order)))
            write(writer, order[:before], Door.IMPORT)
            for rows in ("posts", "comments", "votes"):
                writer.connection.execute(f"DELETE FROM {rows}")  # as a migration leaves them
            coming = iter(order[before:])
            with mock.patch.object(rebuilding, "AT_ONCE", 2):
                part: Rebuild | None = Rebuild()
                while part is not None:
                    part = writer.execute(part, NOW).following
                    write(writer, [event for event in [next(coming, None)] if event is not None], Door.IMPORT)
            write(writer, coming, Door.IMPORT)
            assert ordered(tables(directory)) == ordered(feed(world(directory)))
            assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
        finally:
            writer.close()


SEARCHED = table.meaning("ws://relay.test", searched=frozenset([11, 1111]))


@FEW
@given(pools(), st.data())
def test_passages_have_the_texts_of_the_rows_whatever_came_in_whatever_order(
    pool: list[Event], data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        open_log(directory, local=(1, 2), foreign=(9,)).close()
        cutting = Cutting(kinds=(11, 1111))
        with_schema(directory)
        writer = backend.open_writer(directory, SEARCHED, synchronous="normal", cutting=cutting)
        try:
            steps: list[Event | int] = [*pool, *OWNERS]
            for step in data.draw(st.permutations(steps)):
                if isinstance(step, Event):
                    write(writer, [step], Door.IMPORT)
                else:
                    writer.execute(BindProven(keypair(step).pubkey, identity(OWNERS[step])), NOW)
            rows = feed(world(directory))
            texts = {row["id"]: ("posts", row["title"], row["content"]) for row in rows["posts"]}
            texts |= {row["id"]: ("comments", "", row["content"]) for row in rows["comments"]}
            for live in world(directory).live:
                if live.event.kind in (11, 1111) and live.event.id not in texts:
                    texts[live.event.id] = ("events", first(live.event, "title") or "", live.event.content)
            found = writer.connection.execute("SELECT event_id, kind_of, title, content FROM passages").fetchall()
            expected = {
                key: (kind, " ".join(str(title).split())[:300], str(text).strip())
                for key, (kind, title, text) in texts.items()
            }
            shown = {key: (kind, " ".join(title.split()), text) for key, kind, title, text in found}
            assert shown == {key: row for key, row in expected.items() if row[1] or row[2]}
            assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
        finally:
            writer.close()


POST = make_event(1, 11, "text", [("title", "A title"), ("t", "tide")])
COMMENT = make_event(2, 1111, "first", [("E", POST.id), ("K", "11")])
LOG = [
    make_event(1, 0, '{"name":"n"}'),
    POST,
    make_event(1, 1010, "edited", [("e", POST.id)], NOW + 1),
    COMMENT,
    make_event(2, 1111, "second", [("E", POST.id), ("K", "11"), ("e", COMMENT.id), ("k", "1111")]),
    make_event(2, 7, "+", [("e", POST.id)]),
    make_event(1, 7, "-", [("e", COMMENT.id)]),
]


EDIT = make_event(2, 1010, "other words", [("e", COMMENT.id)], NOW + 1)
REPLY = make_event(1, 1111, "reply", [("E", POST.id), ("K", "11"), ("e", COMMENT.id), ("k", "1111")])
TREE = [POST, COMMENT, EDIT, REPLY, *(make_event(3, 7, "+", [("e", one.id)]) for one in (POST, COMMENT, REPLY))]


@pytest.mark.parametrize("doomed", [POST, COMMENT, EDIT], ids=["post", "comment", "edit"])
@pytest.mark.parametrize("order", [TREE, TREE[::-1]], ids=["downwards", "upwards"])
def test_what_hangs_together_comes_and_goes_together(tmp_path: Path, order: list[Event], doomed: Event) -> None:
    """Comments and votes under a post, votes under these, and the text that is searched."""
    open_log(tmp_path, local=(1, 2), foreign=(9,)).close()
    writer = backend.open_writer(tmp_path, SEARCHED, synchronous="off", cutting=Cutting(kinds=(11, 1111)))
    for key, owner in OWNERS.items():
        writer.execute(BindProven(keypair(key).pubkey, identity(owner)), NOW)
    deletion = make_event(1 if doomed is POST else 2, 5, "", [("e", doomed.id)])
    for event in (*order, deletion):
        write(writer, [event], Door.IMPORT)
        assert ordered(tables(tmp_path)) == ordered(feed(world(tmp_path)))
        assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
    writer.close()


def older(directory: Path, version: int, log: Sequence[Event] = LOG) -> None:
    """A data directory as an older version left it: two identities, and a log whose rows are yet to be made."""
    directory.mkdir()
    connection = sqlite3.connect(directory / FILE, isolation_level=None)
    for number, script in migrations():
        if number <= version:
            for statement in split(script):
                connection.execute(statement)
    connection.execute("INSERT INTO meta (name, value) VALUES ('schema_version', ?)", (version,))
    connection.execute("UPDATE meta SET value = ? WHERE name = 'last_seq'", (len(log),))
    for n in (1, 2):
        values = (identity(n), f"name{n}", f"name{n}", NOW)
        connection.execute(
            "INSERT INTO posting_identities (id, name, name_key, created_at) VALUES (?, ?, ?, ?)", values
        )
        connection.execute(
            "INSERT INTO identity_keys (pubkey, posting_identity_id, custody, created_at) VALUES (?, ?, 'own', ?)",
            (keypair(n).pubkey, values[0], NOW),
        )
    for seq, event in enumerate(log, 1):
        connection.execute(
            "INSERT INTO events (seq, id, pubkey, kind, created_at, door, received_at, wire) VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
            (seq, bytes.fromhex(event.id), bytes.fromhex(event.pubkey), event.kind, event.created_at, NOW, wire(event)),
        )
        known = [row for row in entries.rows(event, None, seq) if not is_later(event, row, version)]
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", known)
    connection.close()


def is_later(event: Event, row: entries.Row, version: int) -> bool:
    """Whether earlier versions did not enter it: what events of the control plane are about."""
    return version < 12 and row[0] in {entries.about(*one) for one in subjects.subjects(event)}


@pytest.mark.parametrize("version", [6, 9])
def test_an_older_data_directory_has_all_its_rows_when_it_is_opened(tmp_path: Path, version: int) -> None:
    older(tmp_path / "data", version)
    writer = backend.open_writer(tmp_path / "data", MEANING)
    assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
    assert rebuilding.pending(writer.connection) == []
    writer.close()
    found = tables(tmp_path / "data")
    assert ordered(found) == ordered(feed(world(tmp_path / "data")))
    assert [len(rows) for rows in found.values()] == [1, 2, 1, 0, 0, 1, 1]
    assert len(profiles(tmp_path / "data")) == 1


def test_who_followed_whom_before_is_no_news(tmp_path: Path) -> None:
    lists = [make_event(1, 3, "", [("p", keypair(2).pubkey)]), make_event(3, 3, "", [("p", keypair(1).pubkey)])]
    older(tmp_path / "data", 27, lists)
    writer = backend.open_writer(tmp_path / "data", MEANING)
    assert writer.connection.execute("SELECT follower, followed, seq, at FROM followers").fetchall() == [
        (identity(1), identity(2), 0, lists[0].created_at)
    ]
    writer.connection.execute("UPDATE posting_identities SET anonymised_at = 1 WHERE id = ?", (identity(2),))
    assert writer.connection.execute("SELECT count(*) FROM followers").fetchone() == (0,)  # it goes with either of them
    writer.close()


def test_who_vanished_before_follows_nobody_and_is_followed_by_nobody(tmp_path: Path) -> None:
    lists = [make_event(n, 3, "", [("p", keypair(3 - n).pubkey)]) for n in (1, 2)]
    older(tmp_path / "data", 27, lists)
    plain = sqlite3.connect(tmp_path / "data" / FILE)
    with plain:
        plain.execute("UPDATE posting_identities SET anonymised_at = 1 WHERE id = ?", (identity(2),))
    plain.close()
    writer = backend.open_writer(tmp_path / "data", MEANING)
    assert writer.connection.execute("SELECT follower, followed FROM followers").fetchall() == []
    writer.close()


def test_issues_and_repositories_of_an_older_data_directory_have_rows_and_numbers(tmp_path: Path) -> None:
    repo = f"30617:{keypair(1).pubkey}:tides"
    issues = [make_event(2, 1621, f"leak {n}", [("a", repo)], NOW - n) for n in range(3)]
    states = [
        make_event(1, 1631, "", [("e", issues[0].id, "", "root"), ("e", issues[1].id)]),
        make_event(3, 1632, "", [("e", issues[2].id)]),
        make_event(1, 1632, "", [("e", issues[0].id), ("h", "nowhere")], NOW + 1),
    ]
    announced = make_event(1, 30617, "", [("d", "tides"), ("web", "https://github.com/sea/tides")])
    log = [
        *(*issues, *states, announced, make_event(2, 1621, "of nothing")),
        make_event(2, 1010, "edit", [("e", issues[0].id), ("h", "nowhere")]),
        make_event(2, 9002, "", [("h", "nowhere")]),
        make_event(1, 30078, "{}", [("d", "agent:pilot")]),
    ]
    older(tmp_path / "data", 10, log)
    writer = backend.open_writer(tmp_path / "data", MEANING)
    try:
        look = writer.connection.execute
        found = look("SELECT identifier, description, status_id FROM issues ORDER BY seq").fetchall()
        assert found == [
            ("TIDE-1", "leak 0", "resolved"),
            ("TIDE-2", "leak 1", "resolved"),
            ("TIDE-3", "leak 2", "open"),
        ]
        assert look("SELECT id, provider, owner FROM repos").fetchall() == [(repo, "github", "sea")]
        assert look("SELECT value FROM numbers").fetchall() == [(3,)]
        assert list(rebuilding.problems(writer.connection, PROJECTIONS)) == []
        rows = [row for seq, event in enumerate(log, 1) for row in entries.rows(event, None, seq)]
        assert sorted(look("SELECT key, kind, created_at, rank, seq FROM entries").fetchall()) == sorted(rows)
        write(writer, [make_event(2, 1621, "one more", [("a", repo)])], Door.IMPORT)
        assert look("SELECT identifier FROM issues WHERE description = 'one more'").fetchall() == [("TIDE-4",)]
    finally:
        writer.close()


def test_a_rebuild_at_the_start_that_is_cut_short_is_done_at_the_next_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    older(tmp_path / "data", 6)
    done = mock.Mock(side_effect=[mock.DEFAULT, mock.DEFAULT, KeyboardInterrupt], wraps=rebuilding.part)
    with mock.patch.object(rebuilding, "part", done), pytest.raises(KeyboardInterrupt):
        backend.open_writer(tmp_path / "data", MEANING)
    assert ordered(tables(tmp_path / "data")) != ordered(feed(world(tmp_path / "data")))
    caplog.clear()
    with caplog.at_level("INFO", "tidings.storage"):
        backend.open_writer(tmp_path / "data", MEANING).close()
    assert ordered(tables(tmp_path / "data")) == ordered(feed(world(tmp_path / "data")))
    begun, done = [record.getMessage() for record in caplog.records]
    assert begun.startswith("making derived rows again, once: ")
    assert re.fullmatch(r"derived rows are made again: \d+ looked at in \d+\.\d s", done)


async def test_an_older_data_directory_is_not_read_before_it_is_brought_up_to_date(tmp_path: Path) -> None:
    older(tmp_path / "data", 6)
    with pytest.raises(StorageError, match="schema 6 of an older version; start the relay once"):
        await backend.open_reader(tmp_path / "data")
    backend.open_writer(tmp_path / "data", MEANING).close()
    await (await backend.open_reader(tmp_path / "data")).close()


def test_rows_are_not_made_again_without_room_for_them(tmp_path: Path) -> None:
    older(tmp_path / "data", 6)
    with (
        mock.patch.object(shutil, "disk_usage", return_value=SimpleNamespace(free=1000)),
        pytest.raises(StorageError, match="free some space"),
    ):
        backend.open_writer(tmp_path / "data", MEANING)
    backend.open_writer(tmp_path / "data", MEANING).close()
    assert ordered(tables(tmp_path / "data")) == ordered(feed(world(tmp_path / "data")))


def test_migrations_are_numbered_one_after_the_other() -> None:
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))
