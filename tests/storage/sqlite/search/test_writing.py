"""Spaces in the database: what an older one held goes into them, and one takes the place of another."""

import sqlite3
from pathlib import Path

import pytest

from handlers import table
from relay.protocol.event import rank, wire
from storage.commands import AdoptModel, BeginModel, ForgetVectors, StoreVectors
from storage.search.engine import ModelMismatch
from storage.sqlite import backend, entries
from storage.sqlite.files.database_file import split
from storage.sqlite.search import writing
from storage.sqlite.search.writing import Model
from storage.sqlite.statements import migrations
from tests.factories import NOW, make_event

OLD, NEW = Model("old", 2), Model("new", 3)


def older(path: Path) -> None:
    """A database as version 4 left it: vectors of two models, one passage without any."""
    path.mkdir()
    connection = sqlite3.connect(path / "tidings.sqlite", isolation_level=None)
    for number, script in migrations():
        if number <= 4:
            for statement in split(script):
                connection.execute(statement)
    connection.execute("INSERT INTO meta (name, value) VALUES ('schema_version', 4)")
    connection.execute("""UPDATE meta SET value = '{"name":"old","dimension":2}' WHERE name = 'search_model'""")
    connection.execute("UPDATE meta SET value = ? WHERE name = 'search'", ('{"knowledge":[30818]}',))
    rows = [(1, "old", b"1" * 8), (2, "old", b"2" * 8), (4, None, None), (5, "other", b"5" * 12), (6, "old", b"6" * 8)]
    for seq, model, vector in rows:
        article = make_event(1, 30818, "text", [("d", f"{seq}")])
        connection.execute(
            "INSERT INTO events (seq, id, pubkey, kind, created_at, door, received_at, wire) VALUES (?, ?, ?, 30818, ?, 1, ?, ?)",
            (seq, bytes.fromhex(article.id), bytes.fromhex(article.pubkey), NOW, NOW, wire(article)),
        )
        found = entries.rows(article, None, seq)
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", found)
        connection.execute(
            "INSERT INTO passages (id, seq, chunk, event_id, pubkey, kind, kind_of, created_at, rank, tags, title, content, "
            "model, embedding) VALUES (?, ?, 0, ?, ?, 30818, 'knowledge', ?, ?, '[]', '', 'text', ?, ?)",
            (seq, seq, article.id, article.pubkey, NOW, rank(article.id), model, vector),
        )
    connection.close()


@pytest.fixture
def writer(tmp_path):
    opened = backend.open_writer(tmp_path / "data", table.meaning("ws://relay.test"))
    yield opened
    opened.close()


def put(writer, *passages: int) -> None:
    for passage in passages:
        writer.connection.execute(
            "INSERT INTO passages (id, seq, chunk, event_id, pubkey, kind, kind_of, created_at, rank, tags, title, content) "
            "VALUES (?, ?, 0, ?, 'k', 30818, 'knowledge', 1, 0, '[]', '', 'text')",
            (passage, passage, f"e{passage}"),
        )


def knowledge(writer) -> list[tuple[object, ...]]:
    return writer.connection.execute("SELECT id, model, embedding FROM knowledge ORDER BY id").fetchall()


def test_an_older_database_keeps_the_vectors_before_its_first_gap(tmp_path):
    older(tmp_path / "data")
    writer = backend.open_writer(tmp_path / "data", table.meaning("ws://relay.test"))
    assert writing.model(writer.connection) == OLD
    assert knowledge(writer) == [
        (1, "old", b"1" * 8),
        (2, "old", b"2" * 8),
        (4, None, None),
        (5, None, None),
        (6, None, None),
    ]
    writer.close()


def test_the_first_vector_locks_its_model_in(writer):
    put(writer, 1, 2)
    assert writing.model(writer.connection) is None
    assert writer.execute(StoreVectors(OLD, [(b"1" * 8, 1), (b"9" * 8, 9)]), NOW) == [1]
    assert writing.model(writer.connection) == OLD
    with pytest.raises(ModelMismatch):
        writer.execute(StoreVectors(NEW, [(b"2" * 12, 2)]), NOW)


def test_a_coming_model_is_beside_the_one_that_serves_until_it_is_adopted(writer):
    put(writer, 1, 2)
    writer.execute(StoreVectors(OLD, [(b"1" * 8, 1), (b"2" * 8, 2)]), NOW)
    writer.execute(BeginModel(NEW), NOW)
    assert writer.execute(StoreVectors(NEW, [(b"1" * 12, 1)]), NOW) == [1]
    assert knowledge(writer) == [(1, "old", b"1" * 8), (2, "old", b"2" * 8)]
    writer.execute(AdoptModel(NEW), NOW)
    assert knowledge(writer) == [(1, "new", b"1" * 12), (2, None, None)]
    with pytest.raises(ModelMismatch):
        writer.execute(StoreVectors(OLD, [(b"2" * 8, 2)]), NOW)


def test_a_former_model_is_forgotten_bit_by_bit_from_its_end(writer):
    put(writer, 1, 2, 3)
    writer.execute(StoreVectors(OLD, [(b"%d" % number * 8, number) for number in (1, 2, 3)]), NOW)
    writer.execute(AdoptModel(NEW), NOW)
    left = []
    while writer.execute(ForgetVectors(1), NOW):
        left.append(writer.connection.execute("SELECT group_concat(embedding, '') FROM vectors").fetchone()[0])
    assert left == ["1" * 8 + "2" * 8, "1" * 8, None, None]
    assert writer.connection.execute("SELECT name FROM spaces").fetchall() == [("new",)]


def test_a_passage_that_leaves_takes_its_vectors_of_every_model_along(writer):
    put(writer, 1, 2)
    writer.execute(StoreVectors(OLD, [(b"1" * 8, 1), (b"2" * 8, 2)]), NOW)
    writer.execute(BeginModel(NEW), NOW)
    writer.execute(StoreVectors(NEW, [(b"1" * 12, 1)]), NOW)
    writer.connection.execute("DELETE FROM passages WHERE id = 1")
    assert writer.connection.execute("SELECT embedding FROM vectors").fetchall() == [(b"2" * 8,)]
    assert writer.connection.execute("SELECT passage_id FROM removed_passages").fetchall() == [(1,)]
