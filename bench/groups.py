"""Groups and what is said in them: many small ones, every other private, one of a thousand members and one of many more.

The events that make the groups are signed when they are sent, since a relay takes them by its clock; the messages are a series.
"""

import random
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Final

from bench import corpus
from bench.corpus import AUTHORS, CHUNK, TOPICS, Series, signed, text
from relay.protocol import kinds
from relay.protocol.event import Event, wire
from relay.protocol.groups.belonging import CREATE_GROUP, JOIN_REQUEST, PUT_USER

ROOM: Final = "room"  # private, all authors are members
HALL: Final = "hall"  # private, of the plan's number of members
SQUARE: Final = "square"  # what the notes beside the room's messages name in place of it
READERS: Final = 8  # keys that write nothing
ROOMS_EACH: Final = 100  # private groups that each of them is a member of
MEMBERS: Final = 10  # authors in each small group

_VERSION: Final = 1  # a part of the cache's file names: raise it when the events change
_EPOCH: Final = 1_780_000_000
_STRIDE: Final = 7919  # a prime: messages go round all groups, neighbours in time are no neighbours in number
_FIRST_READER: Final = AUTHORS + 600_000
_FIRST_IN_HALL: Final = AUTHORS + 700_000
_FIRST_TO_JOIN: Final = AUTHORS + 800_000
_AT_ONCE: Final = 200  # members that one event puts in


def name(group: int) -> str:
    """The id of a small group."""
    return f"group{group}"


def is_private(group: int) -> bool:
    """Every other one."""
    return group % 2 == 0


def reader(number: int) -> int:
    """The author number of a reader, for `corpus.signed`."""
    return _FIRST_READER + number


def rooms_of(number: int, groups: int) -> list[int]:
    """The private groups that a reader is a member of."""
    private = range(0, groups, 2)
    count = min(ROOMS_EACH, len(private))
    return [private[(number * count + n) % len(private)] for n in range(count)]


def in_hall(number: int) -> int:
    """The author number of a member of the hall."""
    return _FIRST_IN_HALL + number


def _authors_in(group: int) -> list[int]:
    return [(group * 7 + n) % AUTHORS for n in range(MEMBERS)]


def beginnings(groups: int) -> Iterator[bytes]:
    """What begins all groups: wire forms, to be sent within minutes."""
    now = int(time.time())
    for group in range(groups):
        privately = [["private"]] if is_private(group) else []
        tags = [["h", name(group)], ["name", f"Group {group}"], *privately]
        yield wire(signed(_authors_in(group)[0], CREATE_GROUP, "", tags, now))
    for one in (ROOM, HALL):
        yield wire(signed(0, CREATE_GROUP, "", [["h", one], ["name", one], ["private"]], now))


def memberships(groups: int, hall: int) -> Iterator[bytes]:
    """What puts the members in, each event by the group's owner."""
    now = int(time.time())
    reading: dict[int, list[int]] = {}
    for number in range(READERS):
        for group in rooms_of(number, groups):
            reading.setdefault(group, []).append(reader(number))
    for group in range(groups):
        owner, *others = _authors_in(group)
        yield _put(owner, name(group), [*others, *reading.get(group, ())], now)
    for start in range(1, AUTHORS, _AT_ONCE):
        yield _put(0, ROOM, range(start, min(start + _AT_ONCE, AUTHORS)), now)
    for start in range(0, hall, _AT_ONCE):
        yield _put(0, HALL, range(in_hall(start), in_hall(min(start + _AT_ONCE, hall))), now)


def _put(owner: int, group: str, members: Sequence[int], now: int) -> bytes:
    tags = [["h", group], *(["p", corpus.pubkey(member)] for member in members)]
    return wire(signed(owner, PUT_USER, "", tags, now))


def join(number: int) -> bytes:
    """A new key's request to join the hall, by the clock."""
    return wire(signed(_FIRST_TO_JOIN + number, JOIN_REQUEST, "", [["h", HALL]], int(time.time())))


def messages(groups: int) -> Series:
    """Messages round all small groups, a second apart, each by one of its authors."""
    return Series(f"groups{_VERSION}-{groups}", partial(_messages, groups))


def _messages(groups: int, seed: int, number: int) -> Iterator[Event]:
    chance = random.Random(f"groups {_VERSION} {seed} {number}")
    for index in range(number * CHUNK, (number + 1) * CHUNK):
        group = index * _STRIDE % groups
        author = chance.choice(_authors_in(group))
        yield signed(author, kinds.CHAT, text(chance, index), [["h", name(group)]], _EPOCH + index)


def _said(kind: int, tag: tuple[str, str], seed: int, number: int) -> Iterator[Event]:
    chance = random.Random(f"said {_VERSION} {seed} {number}")  # whatever the kind: a note says what a message does
    for index in range(CHUNK):
        author = int(AUTHORS * chance.random() ** 2)
        tags = [tag, ("t", chance.choice(TOPICS))]
        yield signed(author, kind, text(chance, index), tags, _EPOCH + number * CHUNK + index)


IN_ROOM: Final = Series(f"groups{_VERSION}-room", partial(_said, kinds.CHAT, ("h", ROOM)))
NOTES: Final = Series(f"groups{_VERSION}-notes", partial(_said, kinds.NOTE, ("r", SQUARE)))
