"""A log with groups, read out and taken in again by another database, makes the same groups."""

from pathlib import Path

from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.filter import Filter
from relay.protocol.groups import belonging
from relay.protocol.groups.announce import ANNOUNCED
from tests.factories import keypair
from tests.storage.groups.test_histories import contents
from tests.storage.groups.test_rebuilding import history, problems
from tests.storage.groups.world import World


def farewells(world: World) -> None:
    """Keys vanish whose groups the relay then speaks for: the only owner of one, and who has taken somebody in and out again,
    and has made an admin.
    """
    world.begin(5, group="alone")
    world.begin(1, group="kept")
    world.put(6, roles=["owner"], group="kept")
    world.put(7, by=6, group="kept")
    world.say(6, belonging.REMOVE_USER, ["p", keypair(7).pubkey], group="kept")
    world.put(8, by=6, roles=["admin"], group="kept")
    world.edit(["name", "Kept"], ["private"], by=8, group="kept")
    world.say(8, belonging.UPDATE_PINS, ["e", "b" * 64], group="kept")
    world.now += 1
    for key in (5, 6):
        world.say(key, kinds.VANISH, ["relay", "ALL_RELAYS"], group=None)


async def test_an_export_makes_the_same_groups_elsewhere(world: World, tmp_path: Path) -> None:
    history(world)
    farewells(world)
    message = world.say(1, 9, text="secret")
    assert world.store is not None
    exported = [events.parse(one.wire) async for one in world.store.scan(None)]
    other = World(tmp_path / "other")
    other.now = world.now
    await other.open()
    refused: set[bytes] = set()
    try:
        for start in range(0, len(exported), 5):
            part = exported[start : start + 5]
            for event, outcome in zip(part, other.send(*part, door=Door.IMPORT), strict=True):
                if outcome.refusal is not None and event.kind not in ANNOUNCED:  # which the relay has said anew by then
                    assert (
                        event.pubkey == keypair(8).pubkey
                    )  # whose role went, and what it did with it the relay has said
                    refused.add(bytes.fromhex(event.id))
        before, after = contents(world), contents(other)
        for name in ("groups", "members", "invites"):
            assert after[name] == before[name]
        assert {one[0] for one in before["events"]} - refused <= {one[0] for one in after["events"]}
        assert {name: sorted(told) for name, told in after["announced"].items()} == {
            name: sorted(told) for name, told in before["announced"].items()
        }
        assert problems(other) == []
        assert message.id in await other.ids(1, wanted=Filter(kinds=frozenset([9])))
        assert message.id not in await other.ids(9, wanted=Filter(kinds=frozenset([9])))
    finally:
        await other.close()
