"""The state of groups made again from the log, and compared with it."""

import pytest

from handlers.rows import PROJECTIONS
from relay.protocol import kinds
from relay.protocol.groups import belonging
from storage.commands import Rebuild
from storage.sqlite.rows import rebuilding
from tests.factories import keypair
from tests.storage.groups.world import BOB, World

TABLES = ("groups", "group_members", "group_invites")


def history(world: World) -> None:
    world.begin(1, ["name", "Room"], ["closed"])
    world.begin(group="parent")
    world.put(2, roles=["admin"])
    world.put(3)
    world.now += 1
    world.edit(["name", "Hall"], ["private"], ["parent", "parent"], by=1)
    world.say(1, belonging.CREATE_INVITE, ["code", "sesame"], ["uses", "3"])
    world.say(4, belonging.JOIN_REQUEST, ["code", "sesame"])
    world.say(1, belonging.REMOVE_USER, ["p", keypair(3).pubkey])
    world.say(4, belonging.LEAVE_REQUEST)
    world.say(1, belonging.UPDATE_PINS, ["e", "a" * 64])
    world.begin(group="over")
    world.say(1, belonging.DELETE_GROUP, group="over")
    world.now += 1
    world.say(2, kinds.VANISH, ["relay", "ALL_RELAYS"], group=None)


def tables(world: World) -> dict[str, list[object]]:
    read = world.writer.connection.execute
    return {name: sorted(read(f"SELECT * FROM {name}").fetchall(), key=repr) for name in TABLES}


def problems(world: World) -> list[tuple[str, str]]:
    return list(rebuilding.problems(world.writer.connection, PROJECTIONS))


def rebuild(world: World) -> None:
    part: Rebuild | None = Rebuild(["groups"])
    while part is not None:
        part = world.writer.execute(part, world.now).following


async def test_the_log_makes_what_the_tables_say(world: World) -> None:
    history(world)
    world.begin(group="late")
    world.put(5, roles=["admin"], group="late")
    world.put(6, by=5, group="late")
    world.put(7, group="late")
    world.put(7, by=5, roles=["moderator"], group="late")
    world.edit(["private"], ["hidden"], by=5, group="late")
    world.say(1, belonging.DELETE_GROUP, group="late")
    world.now += 1
    world.say(5, kinds.VANISH, ["relay", "ALL_RELAYS"], group=None)  # and nobody says again what it had changed
    before = tables(world)
    assert problems(world) == []
    rebuild(world)
    assert tables(world) == before


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE groups SET name = 'other', private = 0",
        "UPDATE groups SET members = 9, owners = 9, codes = 9",
        "UPDATE group_members SET roles = '[\"owner\"]'",
        "DELETE FROM group_members",
        f"INSERT INTO group_members VALUES (1, '{BOB[::-1]}', 'member', '[]', 1)",
        "UPDATE group_invites SET uses_left = 99",
        "DELETE FROM group_invites",
        f"INSERT INTO group_invites VALUES ('{'f' * 64}', 1, '', NULL, NULL, 0)",
    ],
)
async def test_damage_is_found_and_mended(world: World, damage: str) -> None:
    history(world)
    before = tables(world)
    world.writer.connection.execute(damage)
    await world.close()
    again = World(world.directory)
    assert "groups" in {table for table, _ in problems(again)}
    rebuild(again)
    assert problems(again) == []
    assert tables(again) == before
    await again.close()


async def test_a_check_finds_events_that_stand_in_the_wrong_group_or_are_for_others(world: World) -> None:
    history(world)
    assert world.store is not None

    async def found() -> set[str]:
        assert world.store is not None
        return {one.message.split(": ")[-1] for one in [one async for one in world.store.check(PROJECTIONS, False)]}

    world.say(1, belonging.CREATE_INVITE, ["code", "soon"], ["expiration", str(world.now + 60)])
    assert await found() == set()
    message = world.say(1, 9)
    seq = world.writer.last_seq()
    world.writer.connection.execute("UPDATE events SET group_number = 2 WHERE seq = ?", (seq,))
    assert "it is not of the group it stands in" in await found()
    world.writer.connection.execute("UPDATE events SET group_number = 1, audience = NULL WHERE seq = ?", (seq,))
    assert "it is not entered for those who may read it in its group" in await found()
    assert message.id in await world.ids(1)


async def test_events_go_on_while_groups_are_made_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.sqlite.groups.folding.AT_ONCE", 2)
    history(world)
    part: Rebuild | None = Rebuild(["groups"])
    turns = 0
    while part is not None:
        part = world.writer.execute(part, world.now).following
        if turns < 5:
            world.say(1, belonging.PUT_USER, ["p", keypair(10 + turns).pubkey])
        turns += 1
    assert turns > 10
    assert len(world.writer.tables.members_of("room")) == 6
    assert problems(world) == []
