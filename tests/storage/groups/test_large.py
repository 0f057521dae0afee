"""Groups with very many members, and very many groups: each is found once, whatever the pages."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.protocol.groups.state import Group
from storage.sqlite.files import database_file
from storage.sqlite.groups.reads import COLUMNS, SqliteGroupLookups, columns_of, sql
from tests.storage.feed_logs import open_log

MANY = 100_000


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    open_log(tmp_path).close()
    opened = sqlite3.connect(tmp_path / database_file.FILE)
    yield opened
    opened.close()


def put(connection: sqlite3.Connection, *groups: Group) -> None:
    places = ", ".join("?" * len(COLUMNS))
    sql = f"INSERT INTO groups ({', '.join(COLUMNS)}, began) VALUES ({places}, 0)"
    connection.executemany(sql, [columns_of(group) for group in groups])


def test_every_member_of_a_large_group_is_on_one_page(connection: sqlite3.Connection) -> None:
    put(connection, Group("many", "0" * 64, 1))
    rows = [(f"{number:064x}", "member", "[]", 1_000 + number // 1_000) for number in range(MANY)]
    connection.executemany("INSERT INTO group_members VALUES (1, ?, ?, ?, ?)", rows)
    tables, found, after = SqliteGroupLookups(connection), list[str](), ""
    while page := tables.members_of("many", after, 1_000):
        found += [pubkey for pubkey, _ in page]
        after = found[-1]
    assert (len(found), len(set(found))) == (MANY, MANY)
    steps = connection.execute(
        "EXPLAIN QUERY PLAN SELECT pubkey FROM group_members WHERE group_number = 1 AND standing = 'member' "
        "AND (since, pubkey) < (5, '') ORDER BY since DESC, pubkey DESC LIMIT 10"
    ).fetchall()
    assert not [step for step in steps if "TEMP B-TREE" in step[3]]


def test_groups_are_counted_by_an_index_alone(connection: sqlite3.Connection) -> None:
    """The writer counts them when one begins: with a look at each, 20,000 took it 9 to 20 ms every time."""
    steps = connection.execute(f"EXPLAIN QUERY PLAN {sql('how_many')}").fetchall()
    assert [step[3] for step in steps] == ["SCAN groups USING COVERING INDEX groups_by_creator"]
    steps = connection.execute(f"EXPLAIN QUERY PLAN {sql('begun_by')}", ("0" * 64,)).fetchall()
    assert [step[3] for step in steps] == [
        "SEARCH groups USING COVERING INDEX groups_by_creator (creator=? AND home=? AND ended=?)"
    ]


def test_what_is_found_among_groups(connection: sqlite3.Connection) -> None:
    put(
        connection,
        Group("a", "0" * 64, 1, name="Tide"),
        Group("Tides", "0" * 64, 1, supported_kinds=(9, 11)),
        Group("b", "0" * 64, 1, name="tide %", hidden=True),
        Group("c", "0" * 64, 1, name="TIDE", ended=True),
        Group("d", "0" * 64, 1, name="100% tide", private=True),
        Group("e", "0" * 64, 1, supported_kinds=(111, 1)),
    )
    tables = SqliteGroupLookups(connection)
    assert [group.id for group in tables.groups_like("tide")] == ["d", "Tides", "a"]
    assert [group.id for group in tables.groups_like("%")] == ["d"]
    assert [group.id for group in tables.groups_like("TIDE", "Tides")] == ["a"]
    assert [group.id for group in tables.communities()] == ["Tides"]
    assert [tables.is_taken(name) for name in ("tides", "TIDES", "C", "tide")] == [True, True, True, False]
