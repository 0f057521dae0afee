"""Groups made again by the operator's import of an export, in a fresh directory with the same key."""

from pathlib import Path

import pytest

from relay.protocol import event as events
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.groups import announce, belonging
from storage.base import Status
from tests.storage.groups.world import World

CHAT = 9


def log_of(world: World) -> list[tuple[Event, object]]:
    """Every event in the order of the log, each with whom it is for."""
    rows = world.writer.connection.execute("SELECT wire, audience FROM events ORDER BY seq")
    return [(events.parse(wire), audience) for wire, audience in rows]


def state_of(world: World) -> list[list[tuple[object, ...]]]:
    names = (
        "SELECT id, creator, created_at, type, name, private, closed, parent, children, ended FROM groups ORDER BY id",
        "SELECT g.id, m.pubkey, m.standing, m.roles, m.since FROM group_members AS m JOIN groups AS g ON number = group_number "
        "WHERE ended = 0 ORDER BY 1, 2",
        "SELECT g.id, i.code_hash, i.by, i.uses_left, i.revoked FROM group_invites AS i JOIN groups AS g ON number = group_number "
        "WHERE ended = 0 ORDER BY 1, 2",
    )
    return [world.writer.connection.execute(text).fetchall() for text in names]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_an_import_of_all_that_was_exported_makes_the_same_groups(tmp_path: Path, size: int) -> None:
    first, second = World(tmp_path / "first"), World(tmp_path / "second")
    first.begin(1, ["private"], ["closed"], ["name", "Pizza"])
    first.begin(1, ["type", "organization"], group="org")
    first.edit(["parent", "org"], ["private"], ["closed"], ["name", "Pizza"])
    first.put(2, roles=("moderator",))
    first.say(2, belonging.CREATE_INVITE, ["code", "x"], ["uses", "2"])
    first.say(3, belonging.JOIN_REQUEST, ["code", "x"])
    first.say(3, belonging.LEAVE_REQUEST)
    secret = first.say(2, CHAT, text="secret")
    first.say(1, 7, ["e", secret.id], group=None, text="+")
    spam = first.say(2, CHAT, text="spam")
    first.say(1, belonging.DELETE_EVENT, ["e", spam.id])
    first.begin(3, group="short")
    first.say(3, belonging.DELETE_GROUP, group="short")
    second.now = first.now + 10**6
    everything = log_of(first)
    exported = [event for event, _ in everything]
    for start in range(0, len(exported), size):
        batch = exported[start : start + size]
        for event, outcome in zip(batch, second.send(*batch, door=Door.IMPORT), strict=True):
            assert outcome.status is Status.STORED or event.kind in announce.ANNOUNCED, (event, outcome)
    assert state_of(second) == state_of(first)
    before = {event.id: audience for event, audience in everything if event.kind not in (9007, *range(39000, 39006))}
    after = {event.id: audience for event, audience in log_of(second)}
    assert {event_id: after.get(event_id) for event_id in before} == before
    assert second.send(spam, door=Door.PEER)[0].status is Status.REFUSED
    first.writer.close()
    second.writer.close()
