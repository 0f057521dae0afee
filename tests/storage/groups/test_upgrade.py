"""A data directory from before there were groups goes on as it was."""

import sqlite3
from pathlib import Path

from relay.protocol import event as events
from storage.commands import ContinueGroups
from storage.sqlite import entries
from storage.sqlite.database_file import FILE, add_functions, split
from storage.sqlite.statements import migrations
from tests.factories import make_event
from tests.storage.groups.world import ALICE, NOW, World

BEFORE = 10  # the last schema without groups
ADDRESSES = 15  # the schema since which addresses name groups, too


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
