"""Filters as SQL: every look-up is by an index, and work is bounded."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from relay.protocol.filter import Filter
from relay.protocol.groups import state
from storage.base import PUBLIC
from storage.errors import TooCostly
from storage.sqlite import backend
from storage.sqlite.entries import reader_prefix, tag, visible_prefixes
from storage.sqlite.files.database_file import FILE
from storage.sqlite.reading import lookup, query, reader
from storage.sqlite.reading.scope import of_readers
from tests.factories import keypair, make_event
from tests.storage.contract import ALICE, BOB, of
from tests.storage.histories import KEYS, MEANING, NOW, incoming
from tests.stores import with_schema


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with_schema(tmp_path)
    writer = backend.open_writer(tmp_path, MEANING, synchronous="normal", cache_mib=1)
    batch = [make_event(n % 3, content=f"{n}", tags=[["t", "x"], ["p", BOB]], created_at=1000 + n) for n in range(50)]
    batch += [make_event(0, kind=4, tags=[["p", BOB]]), make_event(1, kind=7, tags=[["t", "x"]])]
    batch += [make_event(2, tags=[["expiration", str(NOW + 1)]])]
    writer.write(incoming(batch), NOW)
    opened = reader.open_file(tmp_path / FILE, cache_mib=1)
    yield opened
    opened.close()
    writer.close()


@pytest.mark.parametrize("expired", [False, True])
@pytest.mark.parametrize("give", ["pages", "heads", "seqs", "pubkeys", "total"])
@pytest.mark.parametrize(
    "wanted",
    [
        Filter(),
        of(kinds=[1, 7]),
        of(kinds=list(range(600))),
        of(authors=KEYS),
        of(authors=[keypair(n).pubkey for n in range(300)], kinds=[1, 7]),
        of(authors=KEYS, kinds=[1], t=["x"]),
        of(t=["x", "y"], p=[BOB], since=5, until=10**6),
    ],
)
def test_no_filter_reads_a_table_from_end_to_end(
    connection: sqlite3.Connection, wanted: Filter, give: query.Give, expired: bool
) -> None:
    plan = lookup.plan(connection, wanted, visible_prefixes({BOB}))
    for sql, values in query.statements(plan, give, 10, upto=query.FOR_EVER, now=NOW, expired=expired):
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        assert steps
        assert [step for step in steps if step.startswith("SCAN") and step.split()[1] in ("entries", "events")] == []
        assert [
            step for step in steps if step.startswith("SCAN e") and "VIRTUAL" not in step and step != "SCAN e"
        ] == []
        assert any("USING PRIMARY KEY (key=? AND kind=?" in step for step in steps)
        assert not any("SCAN x" in step or "SCAN v" in step for step in steps)


@pytest.mark.parametrize(("kind", "keys"), [(9, 400), (1984, 2 * 200 + 200 + 50)])
def test_a_member_of_many_groups_may_name_them_all_and_each_is_looked_for_where_its_events_are(
    connection: sqlite3.Connection, kind: int, keys: int
) -> None:
    names = [f"group-{number}" for number in range(200)]
    scope = of_readers(frozenset([BOB, *map(state.members, names), *map(state.moderators, names[:50])]), NOW)
    wanted = of(kinds=[kind], h=names)
    [dimensions] = query.dimensions(wanted)
    found = query.under(scope.prefixes_for(wanted), dimensions, scope.groups_for(wanted))
    assert len(found) == len(set(found)) == keys
    for name in names:
        assert {tag("h", name), reader_prefix(state.members(name)) + tag("h", name)} <= set(found)
    assert len(lookup.plan_in(connection, wanted, scope).arms) <= keys


def test_who_names_groups_and_few_kinds_is_answered_without_a_look_at_what_kinds_each_has(
    connection: sqlite3.Connection,
) -> None:
    names = [f"group-{number}" for number in range(100)]
    scope = of_readers(frozenset([BOB, *map(state.members, names)]), NOW)
    said: list[str] = []
    connection.set_trace_callback(said.append)
    assert len(lookup.plan_in(connection, of(kinds=[9], h=names), scope).arms) == 200  # public, and each in its group
    assert said == []


def test_a_member_of_very_many_groups_may_ask_for_several_kinds(connection: sqlite3.Connection) -> None:
    scope = of_readers(frozenset([BOB, *(state.members(f"group-{number}") for number in range(3000))]), NOW)
    assert lookup.rows(connection, lookup.plan_in(connection, of(kinds=[7, 9], limit=9), scope), "heads", scope, 9)


def test_what_is_asked_for_newest_first_is_merged_and_not_sorted(connection: sqlite3.Connection) -> None:
    plan = lookup.plan(connection, of(authors=KEYS, kinds=[1, 7]), visible_prefixes(PUBLIC))
    for sql, values in query.statements(plan, "pages", 10, upto=query.FOR_EVER, now=NOW, expired=False):
        steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {sql}", values)]
        assert any("MERGE" in step for step in steps)
        assert not any("TEMP B-TREE" in step for step in steps)


def test_filters_of_like_size_share_a_prepared_statement(connection: sqlite3.Connection) -> None:
    texts: set[str] = set()
    for count in range(97, 129):
        wanted = of(authors=[keypair(n).pubkey for n in range(count)], kinds=[1])
        plan = lookup.plan(connection, wanted, visible_prefixes(PUBLIC))
        texts.update(sql for sql, _ in query.statements(plan, "pages", 9, upto=9, now=NOW, expired=False))
    assert len(texts) == 1


def test_an_absurd_number_of_combinations_is_refused() -> None:
    arms: list[query.Arm] = [(b"K", kind) for kind in range(query.MAX_ARMS + 1)]
    assert query.bounded(arms[1:]) == arms[1:]
    with pytest.raises(TooCostly, match=r"5001 combinations .* at most 5000"):
        query.bounded(arms)


async def test_a_key_with_very_many_kinds_is_still_answered(tmp_path: Path) -> None:
    writer = backend.open_writer(tmp_path, MEANING, synchronous="normal", cache_mib=1)
    flood = [make_event(0, kind=1000 + n, content=f"{n}", tags=[["p", BOB]], created_at=n) for n in range(59)]
    flood += [make_event(0, kind=2000 + n, content=f"{n}", tags=[["p", BOB]], created_at=n) for n in range(400)]
    writer.write(incoming(flood), NOW)
    reader = await backend.open_reader(tmp_path, readers=1, cache_mib=1)
    for wanted in (of(p=[BOB], limit=20), of(authors=[ALICE, BOB], limit=20), of(limit=20)):
        found = await reader.query([wanted], PUBLIC, NOW)
        newest = sorted(flood, key=lambda event: (-event.created_at, event.id))[:20]
        assert [wire[7:71].decode() for wire in found.wires] == [event.id for event in newest]
    await reader.close()
    writer.close()


async def test_a_query_that_takes_too_much_work_is_stopped(tmp_path: Path) -> None:
    writer = backend.open_writer(tmp_path, MEANING, synchronous="normal", cache_mib=1)
    batch = [make_event(n % 2, content=f"{n}", tags=[["t", "x"], ["l", f"{n % 2}"]], created_at=n) for n in range(8000)]
    writer.write(incoming(batch), NOW)
    reader = await backend.open_reader(tmp_path, readers=1, cache_mib=1, query_steps=1)
    wanted = of(t=["x"], authors=[ALICE], l=["1"])
    with pytest.raises(TooCostly, match="too much work"):
        await reader.query([wanted], PUBLIC, NOW)
    assert len((await reader.query([of(kinds=[1], limit=5)], PUBLIC, NOW)).wires) == 5
    await reader.close()
    patient = await backend.open_reader(tmp_path, readers=1, cache_mib=1)
    assert (await patient.query([wanted], PUBLIC, NOW)).wires == []
    await patient.close()
    writer.close()
