"""A data directory from before there were groups goes on as it was."""

import sqlite3
from pathlib import Path

from handlers.rows import PROJECTIONS
from relay.protocol import event as events
from relay.protocol.filter import Filter
from relay.protocol.groups import belonging
from relay.protocol.groups.state import moderators
from storage.commands import ContinueGroups, RemoveMatching
from storage.sqlite import entries
from storage.sqlite.files.database_file import FILE, add_functions, split
from storage.sqlite.files.upgrades import AFTER
from storage.sqlite.log_rows import pack_audience
from storage.sqlite.statements import migrations
from storage.tools import Inconsistency
from tests.factories import make_event
from tests.storage.groups.world import ALICE, BOB, DAVE, NOW, World

BEFORE = 10  # the last schema without groups
ONE_ROW = 20  # the schema since which the operator has no second row of what authors say in groups
EDITS = 26  # the schema since which edits in groups have a place of their own
ADDRESSES = 15  # the schema since which addresses name groups, too
READERS = 31  # the schema that has everything entered for those who may read it by the rules of today


async def test_what_was_there_is_read_and_groups_begin(tmp_path: Path) -> None:
    old = [make_event(n, 9, f"{n}", [["h", "room"]], NOW - n) for n in range(1, 4)]
    with sqlite3.connect(tmp_path / FILE) as connection:
        add_functions(connection)
        for number, script in migrations():
            if number <= BEFORE:
                for statement in split(script):
                    connection.execute(statement)
        connection.execute("INSERT INTO meta (name, value) VALUES ('schema_version', ?)", (BEFORE,))
        connection.execute("UPDATE meta SET value = ? WHERE name = 'last_seq'", (len(old),))
        for seq, event in enumerate(old, 1):
            row = (seq, bytes.fromhex(event.id), bytes.fromhex(event.pubkey), event.kind, event.created_at, NOW)
            connection.execute(
                "INSERT INTO events (seq, id, pubkey, kind, created_at, door, received_at, wire) VALUES (?, ?, ?, ?, ?, 1, ?, ?)",
                (*row, events.wire(event)),
            )
            connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", entries.rows(event, None, seq))
    connection.close()
    world = World(tmp_path)
    await world.open()
    try:
        assert await world.ids(9) == {event.id for event in old}
        world.begin(1, ["private"])
        message = world.say(1, 9, text="new")
        assert message.id not in await world.ids(9)
        assert {event.id for event in old} <= await world.ids(9)
        assert world.writer.connection.execute("SELECT count(*) FROM events WHERE group_number = 1").fetchone()[0] >= 3
    finally:
        await world.close()


async def test_what_answered_by_address_alone_is_taken_in(tmp_path: Path) -> None:
    """As it was stored while addresses named no group: for everyone."""
    world = World(tmp_path)
    world.begin(1, ["private"])
    world.say(1, 30023, ["d", "tides"])
    answer = world.say(1, 7, ["a", f"30023:{ALICE}:tides"], group=None, text="+")
    connection = world.writer.connection
    connection.execute("DELETE FROM entries WHERE seq = (SELECT max(seq) FROM events)")
    connection.execute(
        "UPDATE events SET audience = NULL, group_number = NULL WHERE seq = (SELECT max(seq) FROM events)"
    )
    connection.executemany(
        "INSERT INTO entries VALUES (?, ?, ?, ?, ?)", entries.rows(answer, None, world.writer.last_seq())
    )
    connection.execute("DELETE FROM group_events_gone")
    (script,) = [script for number, script in migrations() if number == ADDRESSES]
    connection.execute(split(script)[-1])  # what the upgrade notes to be done
    world.writer.close()

    again = World(tmp_path)
    await again.open()
    while again.writer.unfinished:
        again.writer.execute(ContinueGroups(), again.now)
    assert answer.id in await again.ids(1)
    assert answer.id not in await again.ids(9)
    await again.close()


async def test_what_an_author_said_in_groups_is_found_after_its_second_row_went(tmp_path: Path) -> None:
    """As it was stored while the operator had such a row of each: of an ended group it is the only one."""
    world = World(tmp_path)
    for name in ("room", "a" * 40, "gone", "open"):
        world.begin(1, *([] if name == "open" else [["private"]]), group=name)
        for kind in (9, 16):
            world.say(2, kind, group=name)
    world.say(1, belonging.DELETE_GROUP, group="gone")
    while world.writer.unfinished:
        world.writer.execute(ContinueGroups(), world.now)
    connection = world.writer.connection
    before = sorted(connection.execute("SELECT * FROM entries"))
    both = "SELECT ?, e.kind, e.created_at, e.rank, e.seq FROM entries AS e JOIN events AS v ON v.seq = e.seq"
    all_of_it, by_author = (entries.OPERATOR_PREFIX + one for one in (entries.ALL, entries.author(BOB)))
    connection.execute(
        f"INSERT OR IGNORE INTO entries {both} WHERE e.key = ? AND v.pubkey = ? AND e.kind IN (9, 16)",
        (by_author, all_of_it, bytes.fromhex(BOB)),
    )
    assert len(before) == connection.execute("SELECT count(*) FROM entries").fetchone()[0] - 4
    connection.execute("DROP TABLE group_authors")
    (script,) = [script for number, script in migrations() if number == ONE_ROW]
    for statement in split(script):
        connection.execute(statement)
    world.writer.close()

    again = World(tmp_path)
    await again.open()
    try:
        assert again.store is not None
        assert sorted(again.writer.connection.execute("SELECT * FROM entries")) == before
        assert [one async for one in again.store.check(PROJECTIONS, verify=False)] == list[Inconsistency]()
        wanted = Filter(authors=frozenset([BOB]), kinds=frozenset([9, 16]))
        assert again.writer.execute(RemoveMatching(wanted, 100), NOW) == 8
        assert again.writer.connection.execute("SELECT count(*) FROM group_authors").fetchone()[0] == 0
    finally:
        await again.close()


async def test_edits_from_before_they_had_a_place_are_found_by_what_they_edit(tmp_path: Path) -> None:
    world = World(tmp_path)
    for name in ("room", "open", "quiet"):
        world.begin(1, *([["private"]] if name == "room" else []), group=name)
        said = world.say(1, 9, text="said", group=name)
        if name != "quiet":
            world.say(1, 1010, ["e", said.id], text="edited", group=name)
    connection = world.writer.connection
    before = sorted(connection.execute("SELECT * FROM entries"))
    places = connection.execute("DELETE FROM entries WHERE substr(key, 1, 1) = ?", (entries.EDIT,)).rowcount
    assert places == 2
    for statement in ("DROP TABLE edited_groups", "DROP VIEW message_embeddings", "DROP VIEW messages"):
        connection.execute(statement)
    connection.execute("ALTER TABLE message_rows DROP COLUMN updated_at")
    for view in ("message_embeddings", "messages"):
        connection.execute(f"CREATE VIEW {view} AS SELECT 1")
    (script,) = [script for number, script in migrations() if number == EDITS]
    for statement in split(script):
        connection.execute(statement)
    AFTER[EDITS](connection)
    world.writer.close()

    again = World(tmp_path)
    await again.open()
    try:
        assert again.store is not None
        names = again.writer.connection.execute("SELECT name FROM edited_groups ORDER BY name").fetchall()
        assert names == [("open",), ("room",)]
        assert sorted(again.writer.connection.execute("SELECT * FROM entries")) == before
        assert [one async for one in again.store.check(PROJECTIONS, verify=False)] == list[Inconsistency]()
    finally:
        await again.close()


async def test_what_was_entered_for_others_than_may_read_it_now_is_entered_anew(tmp_path: Path) -> None:
    """As an invite was stored while whom it is made out to did not read it."""
    world = World(tmp_path)
    world.begin(1)
    world.put(2, roles=["moderator"])
    invite = world.say(1, belonging.CREATE_INVITE, ["code", "sesame"], ["p", BOB], ["p", DAVE])
    connection, seq = world.writer.connection, world.writer.last_seq()
    former = (moderators("room"), ALICE)
    connection.execute("DELETE FROM entries WHERE seq = ?", (seq,))
    connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?)", entries.rows(invite, former, seq))
    connection.execute("UPDATE events SET audience = ? WHERE seq = ?", (pack_audience(former), seq))
    (script,) = [script for number, script in migrations() if number == READERS]
    for statement in split(script):
        connection.execute(statement)
    world.writer.close()

    again = World(tmp_path)
    await again.open()
    try:
        assert again.store is not None
        assert invite.id not in await again.ids(4)
        while again.writer.unfinished:
            again.writer.execute(ContinueGroups(), again.now)
        assert invite.id in await again.ids(4)
        assert [one async for one in again.store.check(PROJECTIONS, verify=False)] == list[Inconsistency]()
    finally:
        await again.close()
