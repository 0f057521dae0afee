"""What answers an event of a group is the group's, however it names it, and also when that is gone."""

from pathlib import Path

import pytest

from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.groups import belonging
from storage.base import Status
from storage.commands import ContinueGroups
from tests.storage.groups.test_restoring import log_of
from tests.storage.groups.world import BOB, World

CHAT = 9
ARTICLE = 30023
ADDRESS = kinds.address(ARTICLE, BOB, "tides")


def private_room(world: World) -> None:
    world.begin(1, ["private"])
    world.put(2)
    world.now += 1


def remarks(world: World, *keys: int) -> list[Event]:
    """What answers an article by its address alone: each kind by each key."""
    by_address = (["a", ADDRESS], ["k", str(ARTICLE)])
    return [
        event
        for key in keys
        for event in (
            world.make(key, kinds.COMMENT, ["A", ADDRESS], ["K", str(ARTICLE)], *by_address, group=None),
            world.make(key, belonging.GENERIC_REPOST, *by_address, group=None, text="all of it"),
            world.make(key, kinds.REACTION, ["a", ADDRESS], group=None, text="+"),
            world.make(key, belonging.HIGHLIGHT, ["a", ADDRESS], group=None, text="the words themselves"),
            world.make(key, belonging.LABEL, ["L", "x"], ["l", "y", "x"], ["a", ADDRESS], group=None),
        )
    ]


@pytest.mark.parametrize("first", ["article", "answers", "together"])
async def test_an_address_names_what_is_answered(world: World, first: str) -> None:
    private_room(world)
    article, answers = world.make(2, ARTICLE, ["d", "tides"]), remarks(world, 2)
    batches = {"article": [[article], answers], "answers": [answers, [article]], "together": [[*answers, article]]}
    for batch in batches[first]:
        world.send(*batch)
    everything = {article.id, *(one.id for one in answers)}
    assert everything & await world.ids(2) == everything
    assert not everything & await world.ids(3)
    assert not everything & await world.ids(3, wanted=Filter(tags={"a": frozenset([ADDRESS])}))


@pytest.mark.parametrize("refused", [False, True])
async def test_what_names_an_event_that_comes_after_it_or_is_refused_is_decided_with_its_batch(
    world: World, caplog: pytest.LogCaptureFixture, refused: bool
) -> None:
    """Its group is then that of something else that it answers."""
    private_room(world)
    world.edit(["private"], ["restricted"])
    world.begin(1, group="square")
    target = world.say(1, CHAT, group="square")
    named = world.make(9 if refused else 2, CHAT)
    answer = world.make(1, kinds.COMMENT, ["E", named.id], ["K", "9"], ["e", target.id], ["k", "9"], group=None)
    assert [one.status for one in world.send(*((named, answer) if refused else (answer, named)))] == (
        [Status.REFUSED, Status.STORED] if refused else [Status.STORED, Status.STORED]
    )
    assert caplog.messages == []
    assert not refused or answer.id in await world.ids(9)


async def test_who_may_not_write_in_a_group_does_not_answer_there_by_address(world: World) -> None:
    private_room(world)
    world.edit(["private"], ["restricted"])
    world.say(2, ARTICLE, ["d", "tides"])
    assert [str(one.refusal) for one in world.send(*remarks(world, 3))] == [
        "restricted: only members write in this group; ask to join it first (kind 9021)"
    ] * 5


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("way", ["deleted", "moderated", "replaced", "by address"])
async def test_what_answers_something_that_is_gone_is_the_groups_still(world: World, way: str, at_once: bool) -> None:
    private_room(world)
    target = world.say(2, ARTICLE, ["d", "tides"]) if way in ("replaced", "by address") else world.say(2, CHAT)
    going = {
        "deleted": lambda: world.make(2, kinds.DELETION, ["e", target.id]),
        "moderated": lambda: world.make(1, belonging.DELETE_EVENT, ["e", target.id]),
        "replaced": lambda: world.make(2, ARTICLE, ["d", "tides"], text="second", at=world.now + 1),
        "by address": lambda: world.make(2, kinds.DELETION, ["a", ADDRESS]),
    }[way]()
    named = ["a", ADDRESS] if way == "by address" else ["e", target.id]
    answer = world.make(2, kinds.REACTION, named, group=None, text="late")
    for batch in [[going, answer]] if at_once else [[going], [answer]]:
        world.send(*batch)
    assert answer.id in await world.ids(2)
    assert answer.id not in await world.ids(3)


async def test_a_version_outside_of_the_group_is_answered_outside(world: World) -> None:
    private_room(world)
    world.say(2, ARTICLE, ["d", "tides"])
    world.now += 1
    world.say(2, ARTICLE, ["d", "tides"], group=None, text="for everyone")
    answers = remarks(world, 3)
    world.send(*answers)
    assert {one.id for one in answers} <= await world.ids(4)


async def test_more_answers_to_an_address_than_one_transaction_takes_in_follow_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sqlite.groups.events.MOST", 3)
    private_room(world)
    answers = [world.make(2, kinds.REACTION, ["a", ADDRESS], group=None, text=f"{n}") for n in range(20)]
    world.send(*answers)
    world.say(2, ARTICLE, ["d", "tides"])
    while world.writer.unfinished:
        world.writer.execute(ContinueGroups(), world.now)
    ids = {one.id for one in answers}
    assert ids <= await world.ids(2)
    assert not ids & await world.ids(3)


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("way", ["deleted", "moderated"])
async def test_an_import_knows_the_group_of_what_answers_something_deleted(tmp_path: Path, way: str, size: int) -> None:
    """The deletion says which group it was; what was deleted is not in an export."""
    first, second = World(tmp_path / "first"), World(tmp_path / "second")
    private_room(first)
    root = first.say(2, CHAT, text="secret")
    answer = first.say(2, kinds.REACTION, ["e", root.id], group=None, text="so it is a secret")
    first.say(*((2, kinds.DELETION) if way == "deleted" else (1, belonging.DELETE_EVENT)), ["e", root.id])
    late = first.say(2, kinds.REACTION, ["e", root.id], group=None, text="it was a secret")
    exported = [event for event, _ in log_of(first)]
    second.now = first.now + 10**6
    for start in range(0, len(exported), size):
        second.send(*exported[start : start + size], door=Door.IMPORT)
    await second.open()
    assert {answer.id, late.id} <= await second.ids(2)
    assert not {answer.id, late.id} & await second.ids(3)
    await second.close()
    first.writer.close()


async def test_nobody_takes_answers_into_a_group_of_theirs_by_deleting_what_is_not_here(world: World) -> None:
    world.begin(3, ["private"], group="trap")
    elsewhere = world.make(4, 1, group=None, text="on another relay")
    answers = [world.make(2, kinds.REACTION, ["e", elsewhere.id], group=None, text=f"{n}") for n in range(2)]
    world.send(answers[0])
    world.say(3, kinds.DELETION, ["e", elsewhere.id], group="trap")
    world.send(answers[1])
    assert {one.id for one in answers} <= await world.ids(5)


async def test_a_new_version_does_not_look_at_all_that_answers_its_address(world: World) -> None:
    """Steps of SQLite's machine, counted by the hundred: as many for an article with many answers as for one with few."""

    def steps(text: str) -> int:
        counted = [0]
        world.now += 1
        version = world.make(2, ARTICLE, ["d", "tides"], text=text)

        def count() -> int:
            counted[0] += 1
            return 0

        world.writer.connection.set_progress_handler(count, 100)
        world.send(version)
        world.writer.connection.set_progress_handler(None, 0)
        return counted[0]

    world.begin()
    world.put(2)
    world.say(2, ARTICLE, ["d", "tides"])
    while world.writer.unfinished:
        world.writer.execute(ContinueGroups(), world.now)
    few = steps("second")
    world.send(*(world.make(2, kinds.REACTION, ["a", ADDRESS], group=None, text=f"{n}") for n in range(500)))
    assert steps("third") <= few + 5
