"""A search finds what whoever asks may read of groups, also while who may is changing."""

import pytest

from relay.protocol import search
from relay.protocol.filter import Filter
from relay.protocol.groups import belonging
from storage.base import Status
from storage.commands import ContinueGroups, RemoveMatching
from storage.search.engine import SearchQuery
from storage.sqlite.search import answering, fts
from storage.sqlite.writing.groups import moving
from tests.storage.groups.world import World


def found(world: World, *keys: int) -> int:
    """In how many events the word stands."""
    asked = SearchQuery("word", readers=world.readers(*keys), now=world.now)
    terms = search.parse("word").terms
    return answering.count(world.writer.connection, terms, fts.conditions(asked))


async def test_messages_of_a_private_group_are_found_by_its_members(world: World) -> None:
    world.begin(1, ["private"])
    world.begin(group="open")
    world.say(1, 9, text="a word")
    world.say(1, 9, text="an open word", group="open")
    assert [found(world), found(world, 2), found(world, 1), found(world, 1, 2)] == [1, 1, 2, 2]


async def test_a_switch_holds_at_once_in_search(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "AT_ONCE", 3)
    world.begin()
    world.put(2)
    world.send(*(world.make(2, 9, text=f"word {n}") for n in range(10)))
    assert found(world) == 10
    for tags, end in (([["private"]], 0), ([], 10)):
        world.edit(*tags)
        while world.writer.unfinished:
            world.writer.execute(ContinueGroups(), world.now)
            assert found(world, 2) == 10
            assert found(world, 3) <= end
        assert found(world, 3) == end
    world.say(1, belonging.DELETE_GROUP)
    assert found(world, 2) == 0


async def test_a_message_is_found_by_what_it_says_since_it_was_edited(world: World) -> None:
    world.begin(1, ["private"])
    said = world.say(1, 9, text="a word")
    world.now += 1
    edit = world.say(1, 1010, ["e", said.id], text="something else")
    assert found(world, 1) == 0
    world.say(1, 5, ["e", edit.id])
    assert found(world, 1) == 1
    world.now += 1
    world.say(1, 1010, ["e", said.id], text="another word")
    assert [found(world, 1), found(world, 2)] == [1, 0]
    world.say(1, 5, ["e", said.id])
    assert found(world, 1) == 0


async def test_the_operator_removes_a_message_with_what_was_made_of_it(world: World) -> None:
    world.begin(1)
    said = world.say(1, 9, text="said")
    world.now += 1
    world.say(1, 1010, ["e", said.id], text="a word")
    assert found(world) == 1
    assert world.writer.execute(RemoveMatching(Filter(ids=frozenset([said.id])), 10), world.now) == 1
    assert found(world) == 0
    assert world.stored(1010) == []
    assert world.send(world.make(1, 1010, ["e", said.id], text="again"))[0].status is Status.REFUSED
