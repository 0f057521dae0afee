"""What an event is found by: the keys of its rows in the `entries` table.

A key is a prefix (who may see the row) and a dimension. A public event is entered under the empty prefix. A private one is
entered under each of its readers' prefixes and the operator's, never under the public one: whoever asks gets the rows of
the prefixes that are theirs, and nothing is filtered afterwards.

What is said in a private group is entered by its author for the members alone: a second row of each, at another place of the index
for every author, cost more than all others together. The operator finds it by the groups that an author has written in
(groups/authors.py).
"""

import hashlib
import string
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

from relay.protocol import event as events
from relay.protocol import feed, kinds
from relay.protocol.control_plane import subjects
from relay.protocol.event import Event
from relay.protocol.groups import state
from relay.protocol.groups.belonging import GENERIC_REPOST, PUT_USER, REMOVE_USER

Row = tuple[bytes, int, int, int, int]  # key, kind, created_at, rank, seq

PUBLIC_PREFIX: Final = b""
OPERATOR_PREFIX: Final = b"O"  # reads every private event
ALL: Final = b"K"  # every event, by kind
ANY: Final = b"*"  # every public event, all kinds in one row of time
ANY_KIND: Final = -1
ABOUT: Final = b"B"  # what an author says of an event
EDIT: Final = b"E"  # what an author says in a group in place of an event
MAX_PLAIN_VALUE: Final = 200  # bytes of a tag value; longer ones are entered by their hash
# What is said in groups, and is for everyone or for the members of one (belonging.SHARED). What is stored depends on it: to change
# it takes a migration.
SAID: Final = frozenset((kinds.DELETION, kinds.REACTION, kinds.CHAT, kinds.POST, GENERIC_REPOST, kinds.COMMENT))

_LETTERS: Final = frozenset(string.ascii_letters)
_MEMBERS: Final = state.members("")


@lru_cache(maxsize=32_768)
def reader_prefix(reader: str) -> bytes:
    """The prefix of what one reader (a pubkey or a group id) may see beside public events."""
    return b"R" + hashlib.sha256(reader.encode()).digest()[:16]


def author(pubkey: str) -> bytes:
    """The dimension of an author's events."""
    return b"A" + bytes.fromhex(pubkey)


def tag(name: str, value: str) -> bytes:
    """The dimension of events with a tag: one letter and its first value; hex is halved, long values are hashed."""
    if len(value) == 64 and (halved := _halved(value)):
        return b"T%b#%b" % (name.encode(), halved)
    data = value.encode()
    if len(data) <= MAX_PLAIN_VALUE:
        return b"T%b=%b" % (name.encode(), data)
    return b"T%b~%b" % (name.encode(), hashlib.sha256(data).digest())


def _halved(value: str) -> bytes | None:
    """The bytes of lower-case hex digits, None for anything else. Faster than a pattern: every tag of an event is looked at."""
    try:
        data = bytes.fromhex(value)
    except ValueError:
        return None
    return data if data.hex() == value else None  # fromhex passes over blanks, and takes capitals


def address_key(address: str) -> bytes:
    """The key of an address's versions: without a prefix, since one version replaces another whoever may read them."""
    return b"D" + hashlib.sha256(address.encode()).digest()


def about(subject: str, pubkey: str) -> bytes:
    """The key of what one author says of one event: found without reading everyone else's.

    Votes and edits have it where they are public; what the control plane looks up by it (subjects.subjects) always has it, for no
    filter leads here.
    """
    return ABOUT + bytes.fromhex(subject + pubkey)


def edit(edited: str, pubkey: str) -> bytes:
    """The key of the edits of an event by one author that name a group, whoever may read them."""
    return EDIT + bytes.fromhex(edited + pubkey)


def rows(event: Event, audience: tuple[str, ...] | None, seq: int) -> list[Row]:
    """Every row the event has, each once."""
    kind, created_at, first = event.kind, event.created_at, events.rank(event.id)
    dimensions = {ALL, author(event.pubkey)}
    for given in event.tags:  # as in events.indexed_tags, without a generator: every event is asked
        if len(given) > 1 and given[0] in _LETTERS:
            dimensions.add(tag(given[0], given[1]))
    if audience is None:
        found = [(dimension, kind, created_at, first, seq) for dimension in dimensions]
        found.append((ANY, ANY_KIND, created_at, first, seq))
        subject = feed.subject(event)
        if subject is not None:
            found.append((about(subject, event.pubkey), kind, created_at, first, seq))
    else:
        found = [
            (prefix + dimension, kind, created_at, first, seq)
            for prefix, mine in _private_dimensions(event, audience, dimensions)
            for dimension in mine
        ]
    found += [(about(*one), kind, created_at, first, seq) for one in subjects.subjects(event)]
    edited = feed.edited(event) if kind == kinds.EDIT and feed.in_group(event) else None
    if edited is not None:
        found.append((edit(edited, event.pubkey), kind, created_at, first, seq))
    if kinds.has_address(kind):
        address = events.address_of(event)
        assert address is not None
        found.append((address_key(address), kind, created_at, first, seq))
    return found


def _private_dimensions(
    event: Event, audience: Sequence[str], dimensions: set[bytes]
) -> Iterator[tuple[bytes, set[bytes]]]:
    """Each prefix of a private event with the dimensions under it.

    What puts members into a group or removes them may name hundreds, and each of them may read it: under its own prefix each
    finds it by its own name, not by all the others', or one event would have as many rows as the square of its names.
    """
    members = members_prefix(event, audience)
    if members is not None:
        yield OPERATOR_PREFIX, dimensions - {author(event.pubkey)}
        yield members, dimensions
        return
    if event.kind not in (PUT_USER, REMOVE_USER):
        yield from ((prefix, dimensions) for prefix in private_prefixes(audience))
        return
    names = {value: tag("p", value) for value in events.values(event, "p")}
    unnamed = dimensions.difference(names.values())
    yield OPERATOR_PREFIX, dimensions
    for reader in dict.fromkeys(audience):
        yield reader_prefix(reader), unnamed | {names[reader]} if reader in names else dimensions


def members_prefix(event: Event, audience: Sequence[str] | None) -> bytes | None:
    """The prefix of the members of a group, if the event was said in it and is for them alone; under it stands its author."""
    if event.kind in SAID and audience and len(audience) == 1 and audience[0].startswith(_MEMBERS):
        return reader_prefix(audience[0])
    return None


def private_prefixes(audience: Iterable[str]) -> list[bytes]:
    """The prefixes a private event is entered under."""
    return [OPERATOR_PREFIX, *(reader_prefix(reader) for reader in dict.fromkeys(audience))]


def group_ids(readers: Iterable[str]) -> list[str]:
    """The groups whose members' events these readers may see."""
    return sorted(one.removeprefix(_MEMBERS) for one in readers if one.startswith(_MEMBERS))


def visible_prefixes(readers: Iterable[str]) -> tuple[bytes, ...]:
    """The prefixes whose rows these readers may see: the public one first."""
    return (PUBLIC_PREFIX, *[reader_prefix(reader) for reader in sorted(readers)])
