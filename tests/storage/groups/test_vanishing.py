"""A key out of many groups, and a group with many below it: in parts, each of which leaves everything right."""

from pathlib import Path

import pytest

from relay.protocol.filter import Filter
from storage.commands import ContinueGroups
from storage.sqlite.writing import removals
from storage.sqlite.writing.groups import announcing, succeeding
from tests.factories import keypair, make_event
from tests.storage.groups.test_histories import contents
from tests.storage.groups.test_rebuilding import problems
from tests.storage.groups.world import ALICE, BOB, World

GROUPS = [f"room-{number}" for number in range(7)]


def furnish(world: World) -> None:
    """Alice owns all of them, Bob is an admin of every second one; one has ended."""
    for number, group in enumerate(GROUPS):
        world.begin(1, ["private"], group=group)
        if number % 2:
            world.put(2, roles=["admin"], group=group)
        world.say(1, 9002, ["private"], ["name", group], group=group, text=group)
        world.say(1, 9009, ["code", group], group=group)
        world.say(1, 9, text="from alice", group=group)
    world.say(1, 9008, group=GROUPS[3])
    world.begin(2, group="bobs")
    world.put(1, by=2, group="bobs")
    world.now += 60


def vanish(world: World) -> None:
    outcome = world.send(make_event(1, 62, "", [["relay", "ALL_RELAYS"]], world.now))[0]
    assert outcome.refusal is None


def check_first_moment(world: World) -> None:
    """Alice reads no private group, and nothing but what she changed in groups is left of her."""
    assert world.writer.tables.memberships([ALICE]) == []
    standings = [world.writer.tables.member(ALICE, group) for group in GROUPS if not world.group(group).ended]
    assert not any(one is not None and one.is_member for one in standings)
    left = world.writer.connection.execute(
        "SELECT DISTINCT kind FROM events WHERE pubkey = ? AND kind <> 62", (bytes.fromhex(ALICE),)
    ).fetchall()
    assert {kind for (kind,) in left} <= set(range(9000, 9011))


@pytest.mark.parametrize("events", [64, 3, 1])
async def test_a_key_vanishes_out_of_many_groups_in_parts_and_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, events: int
) -> None:
    at_once = World(tmp_path / "one")
    furnish(at_once)
    monkeypatch.setattr(succeeding, "AT_ONCE", 100)
    vanish(at_once)
    assert not at_once.writer.connection.execute("SELECT * FROM vanishing").fetchall()

    monkeypatch.setattr(succeeding, "AT_ONCE", 2)
    monkeypatch.setattr(succeeding, "MOST_EVENTS", events)
    world = World(tmp_path / "other")
    furnish(world)
    vanish(world)
    assert ("vanishing", ALICE) in world.writer.collect().changes
    check_first_moment(world)
    parts = 0
    while world.writer.unfinished:
        assert problems(world) == []
        now = world.now
        world.writer.close()  # as after a crash: what is committed is there
        world = World(tmp_path / "other")
        world.now = now
        world.writer.execute(ContinueGroups(), world.now)
        check_first_moment(world)
        parts += 1
        assert parts < 60
    assert parts >= len(GROUPS) / 2
    for one in (at_once, world):
        assert problems(one) == []
        await one.open()
        assert (
            await one.ids(1, 2, wanted=Filter(authors=frozenset([ALICE]), kinds=frozenset(range(9000, 9021)))) == set()
        )
    for name in ("groups", "members", "invites"):
        assert contents(world)[name] == contents(at_once)[name]
    assert BOB in dict(world.writer.tables.admins_of(GROUPS[1]))
    assert world.writer.tables.member(BOB, GROUPS[1]).roles[0] == "owner"  # type: ignore[union-attr]
    await at_once.close()
    await world.close()


def waiting(world: World) -> bool:
    """Whether a key is vanishing."""
    return bool(world.writer.connection.execute("SELECT count(*) FROM vanishing").fetchone()[0])


async def test_a_key_that_wrote_much_vanishes_in_parts_and_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worlds = []
    for place, at_request in (("one", 100), ("other", 5)):
        monkeypatch.setattr(removals, "AT_REQUEST", at_request)
        monkeypatch.setattr(removals, "A_PART", 3)
        world = World(tmp_path / place)
        begun = world.now
        old = [make_event(1, 1, f"text {n}", [], begun + n) for n in range(12)]
        wraps = [make_event(5, 1059, f"{n}", [["p", ALICE]], begun - n) for n in range(9)]
        sent = world.send(*old, *wraps, make_event(2, 1, "stays", [], begun))
        assert [one.refusal for one in sent] == [None] * 22
        world.now += 60
        vanish(world)
        assert waiting(world) == (place == "other")
        new, mail = make_event(1, 1, "again", [], world.now + 1), make_event(5, 1059, "new", [["p", ALICE]], begun - 1)
        assert [one.refusal for one in world.send(new, mail)] == [None, None]
        parts = 0
        while waiting(world):
            assert problems(world) == []
            assert all(one.refusal is not None for one in world.send(old[-1], wraps[-1]))
            now = world.now
            world.writer.close()
            world = World(tmp_path / place)
            world.now = now
            world.writer.execute(ContinueGroups(), world.now)
            parts += 1
        assert parts == (3 if place == "other" else 0)
        assert all(one.refusal is not None for one in world.send(*old, *wraps))
        left = world.writer.connection.execute("SELECT id, kind FROM events").fetchall()
        assert {new.id, mail.id} < {bytes(event_id).hex() for event_id, _ in left}
        worlds.append(sorted(kind for _, kind in left))
        assert problems(world) == []
        world.writer.close()
    assert worlds[0] == worlds[1] == [1, 1, 62, 1059]


async def test_what_a_vanishing_key_left_goes_in_parts_as_short_as_a_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However dear its events are; and of its mail no part looks at more than it takes."""
    monkeypatch.setattr(removals, "AT_REQUEST", 4)
    begun = world.now
    world.send(*[make_event(1, 1, f"text {n}", [], begun + n) for n in range(24)])
    world.send(*[make_event(5, 1059, f"{n}", [["p", ALICE]], begun - n) for n in range(24)])
    world.now += 60
    vanish(world)
    size, removed = world.writer._vanishing.size, []
    looked: list[str] = []
    world.writer.connection.set_trace_callback(looked.append)
    while waiting(world):
        size.took(1, 60.0)  # on a slow machine
        world.writer.execute(ContinueGroups(), world.now)
        removed.append(world.writer._vanishing.removed)
    world.writer.connection.set_trace_callback(None)
    assert (max(removed), sum(removed)) == (9, 40)
    assert size.most > 8  # it learned from the last part
    assert not [one for one in looked if "kind = 1059" in one and "LIMIT" not in one]


async def test_what_stood_below_a_group_that_ends_is_told_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "AT_ONCE", 2)
    world.begin(group="above")
    below = [f"below-{number}" for number in range(5)]
    for group in below:
        world.begin(1, ["parent", "above"], group=group)
    world.now += 60
    world.say(1, 9008, group="above")
    assert all(world.group(group).parent is None for group in below)
    told = [["parent", "above"] in world.announced(group)[39000][0].tags for group in below]
    assert told == [True] * 5
    parts = 0
    while world.writer.unfinished:
        world.writer.execute(ContinueGroups(), world.now)
        parts += 1
    assert parts == 3
    assert not any(["parent", "above"] in world.announced(group)[39000][0].tags for group in below)
    assert problems(world) == []
    assert keypair(1).pubkey == ALICE


class Work:
    """What SQLite does in one transaction: statements, and steps of its machine in hundreds."""

    def __init__(self, world: World) -> None:
        self._connection = world.writer.connection
        self.statements = self.steps = 0

    def __enter__(self) -> "Work":
        self._connection.set_trace_callback(self._ran)
        self._connection.set_progress_handler(self._stepped, 100)
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.set_trace_callback(None)
        self._connection.set_progress_handler(None, 0)

    def _ran(self, _text: str) -> None:
        self.statements += 1

    def _stepped(self) -> int:
        self.steps += 1
        return 0


def moderation_left(world: World) -> int:
    look = "SELECT count(*) FROM events WHERE pubkey = ? AND kind BETWEEN 9000 AND 9010"
    return int(world.writer.connection.execute(look, (bytes.fromhex(ALICE),)).fetchone()[0])


def work_of_parts(world: World) -> list[tuple[int, int, int]]:
    """Alice vanishes: of the request and of each part that follows, statements, steps, and what left of her moderation."""
    parts = []
    left = moderation_left(world)
    world.now += 60
    request = make_event(1, 62, "", [["relay", "ALL_RELAYS"]], world.now)
    while not parts or world.writer.unfinished:
        with Work(world) as work:
            if parts:
                world.writer.execute(ContinueGroups(), world.now)
            else:
                assert world.send(request)[0].refusal is None
        before, left = left, moderation_left(world)
        parts.append((work.statements, work.steps, before - left))
    assert left == 0
    assert problems(world) == []
    return parts


def test_a_part_of_a_vanish_is_as_much_work_whether_the_key_is_in_few_groups_or_in_many(tmp_path: Path) -> None:
    found = []
    for groups in (16, 96):
        world = World(tmp_path / str(groups))
        for number in range(groups):
            world.begin(2, ["private"], group=f"room-{number}")
            world.put(1, by=2, roles=["admin"], group=f"room-{number}")
            world.say(1, 9002, ["private"], ["name", "x"], group=f"room-{number}")
        found.append(work_of_parts(world))
        world.writer.close()
    few, many = found
    assert len(many) >= 96 / succeeding.AT_ONCE
    assert max(gone for *_, gone in many) <= succeeding.AT_ONCE
    for column in (0, 1):  # statements, steps: an index that is larger is a little deeper
        assert max(part[column] for part in many) <= 1.25 * max(part[column] for part in few)


def test_a_part_of_a_vanish_is_as_much_work_however_often_the_key_has_changed_a_group(tmp_path: Path) -> None:
    found = []
    for changes in (200, 800):
        world = World(tmp_path / str(changes))
        world.begin(2, group="room")
        world.put(1, by=2, roles=["admin"], group="room")
        events = [
            world.make(1, 9009, ["code", f"code-{number}"], ["uses", "unlimited"], at=world.now - number % 60)
            for number in range(changes)
        ]
        for start in range(0, changes, 100):
            world.send(*events[start : start + 100])
        world.put(3, keypair(4).pubkey, by=1)
        assert moderation_left(world) == changes + 1
        found.append(work_of_parts(world))
        assert [len(codes) for _, codes in contents(world)["invites"]] == [changes]
        assert world.writer.tables.member(keypair(4).pubkey, "room").is_member  # type: ignore[union-attr]
        world.writer.close()
    few, many = found
    assert max(gone for *_, gone in many) <= succeeding.MOST_EVENTS
    for column in (0, 1):
        assert max(part[column] for part in many) <= 1.25 * max(part[column] for part in few)
