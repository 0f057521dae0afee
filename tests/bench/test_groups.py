"""The groups of the bench are ones that a relay takes, and whoever is to read or write in one is in it."""

from itertools import islice

import msgspec

from bench import corpus, groups
from keys.schnorr import fault
from relay.protocol.event import Event, first_value, parse, values
from relay.protocol.groups.belonging import CREATE_GROUP, PUT_USER


def members(group: str, count: int) -> set[str]:
    """Who begins the group, and who is put in."""
    made = [parse(wire) for wire in (*groups.beginnings(count), *groups.memberships(count, 250))]
    ours = [event for event in made if first_value(event, "h") == group]
    assert {event.kind for event in ours} == {CREATE_GROUP, PUT_USER}
    return {key for event in ours for key in (event.pubkey, *values(event, "p"))}


def said(series: corpus.Series, number: int) -> list[Event]:
    return list(islice(series.events(7, 0), number))


def test_every_other_small_group_is_private() -> None:
    private = [any(tag[0] == "private" for tag in parse(wire).tags) for wire in groups.beginnings(4)]
    assert private == [True, False, True, False, True, True]  # the last two: the room and the hall


def test_the_messages_go_round_all_groups_and_are_by_members() -> None:
    messages = said(groups.messages(20), 60)
    assert [sum(first_value(one, "h") == groups.name(group) for one in messages) for group in range(20)] == [3] * 20
    in_third = [one for one in messages if first_value(one, "h") == groups.name(3)]
    assert {one.pubkey for one in in_third} <= members(groups.name(3), 20)
    assert fault(messages[0]) is None


def test_a_reader_is_in_its_groups_which_are_private() -> None:
    rooms = groups.rooms_of(1, 600)
    assert len(set(rooms)) == groups.ROOMS_EACH
    assert all(map(groups.is_private, rooms))
    assert corpus.pubkey(groups.reader(1)) in members(groups.name(rooms[-1]), 600)


def test_the_large_groups_have_as_many_members_as_they_are_to_have() -> None:
    assert members(groups.ROOM, 2) == {corpus.pubkey(author) for author in range(corpus.AUTHORS)}
    assert len(members(groups.HALL, 2)) == 251  # with the owner


def test_a_note_says_what_the_message_in_the_room_does() -> None:
    for note, message in zip(said(groups.NOTES, 20), said(groups.IN_ROOM, 20), strict=True):
        assert (note.pubkey, note.content, note.created_at) == (message.pubkey, message.content, message.created_at)
        assert msgspec.json.encode(note.tags[1:]) == msgspec.json.encode(message.tags[1:])
        assert len(note.tags[0]) == len(message.tags[0]) == 2
