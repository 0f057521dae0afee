"""What derived rows are made of, looked up in SQLite: each function many keys at once, all of which are in what it gives."""

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final

import msgspec

from relay.protocol import kinds
from relay.protocol.groups.state import Group, Member
from relay.protocol.rows import FeedPlace, Live, Owner
from storage.sqlite import entries
from storage.sqlite.groups.known import KnownGroups
from storage.sqlite.live_events import decode_columns, lives_of
from storage.sqlite.statements import SIZES, blob, listed, named, padded, parts

Newest = tuple[int, str, str, str]  # kind, pubkey, about, group
_SaidAt = tuple[bytes | int | str, ...]  # a key of `entries`, a kind, the id of a group where that counts
_numbered: Final = msgspec.json.Decoder(list[tuple[int, int, int, int | None, str, str | None]])
_owners: Final = msgspec.json.Decoder(list[tuple[str, str, int, int, str]])
_names: Final = msgspec.json.Decoder(tuple[str, ...])
_numbers: Final = msgspec.json.Decoder(list[int])
_pairs: Final = msgspec.json.Decoder(list[tuple[str, str]])
_standings: Final = msgspec.json.Decoder(list[tuple[str, int, str | None]])


def operators(connection: sqlite3.Connection) -> tuple[str, ...]:
    """The keys of those who run this relay."""
    return _names.decode(connection.execute(named("sources")["operators"]).fetchone()[0])


def events(connection: sqlite3.Connection, ids: list[str]) -> dict[str, Live | None]:
    """The live events with these ids."""
    known: dict[str, Live | None] = dict.fromkeys(ids)
    for part in parts(ids):
        columns, wires = _one(connection, "events", [blob.fromhex(one) for one in part], "ids")
        known.update((live.event.id, live) for live in lives_of(decode_columns(columns), wires))
    return known


def newest(connection: sqlite3.Connection, wanted: list[Newest]) -> dict[Newest, Live | None]:
    """The newest live event of each kind, key, event that it is about and group."""
    known: dict[Newest, Live | None] = dict.fromkeys(wanted)
    for is_grouped in (False, True):
        some = [one for one in wanted if bool(one[3]) is is_grouped]
        places: list[_SaidAt] = [(*_said(*one[:3]), *([one[3]] if is_grouped else [])) for one in some]
        for number, live in _newest_at(connection, places, "newest_in_group" if is_grouped else "newest"):
            known[some[number]] = live
    return known


def _said(kind: int, pubkey: str, about: str) -> tuple[bytes, int]:
    """Under which key of `entries`, and kind, an author's events are found, about an event where one is named."""
    return entries.about(about, pubkey) if about else entries.author(pubkey), kind


def first_votes(connection: sqlite3.Connection, votes: Sequence[tuple[str, Live]]) -> Iterator[tuple[Newest, Live]]:
    """Of votes and what each is on those that are the only word of their key on that: then they are the newest."""
    values = [(n, entries.about(target, live.event.pubkey)) for n, (target, live) in enumerate(votes)]
    for part in parts(values):
        for number in _numbers.decode(_one(connection, "first_votes", part, "rows", "(?, ?)")[0]):
            target, live = votes[number]
            yield (kinds.REACTION, live.event.pubkey, target, ""), live


def edited(connection: sqlite3.Connection, names: list[str]) -> dict[str, bool]:
    """Whether anything was edited in the groups of each name."""
    known = dict.fromkeys(names, False)
    for part in parts(names):
        known.update(dict.fromkeys(_names.decode(_one(connection, "edited", part, "names")[0]), True))
    return known


def edits(connection: sqlite3.Connection, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], Live | None]:
    """The newest live edit of each event by a key."""
    known: dict[tuple[str, str], Live | None] = dict.fromkeys(wanted)
    for number, live in _newest_at(connection, [(entries.edit(*one), kinds.EDIT) for one in wanted]):
        known[wanted[number]] = live
    return known


def marks(connection: sqlite3.Connection, wanted: list[tuple[str, str]]) -> dict[tuple[str, str], bool]:
    """Whether there is each mark by a key."""
    known = dict.fromkeys(wanted, False)
    for part in parts(wanted):
        values = [(bytes.fromhex(one), bytes.fromhex(by)) for one, by in part]
        found = set(_names.decode(_one(connection, "marks", values, "rows", "(?, ?)")[0]))
        known.update((one, True) for one in part if one[0] in found)
    return known


def versions(connection: sqlite3.Connection, addresses: list[str]) -> dict[str, Live | None]:
    """The live event at each address."""
    known: dict[str, Live | None] = dict.fromkeys(addresses)
    places = [(entries.address_key(address), int(address.partition(":")[0])) for address in addresses]
    for number, live in _newest_at(connection, places):
        known[addresses[number]] = live
    return known


def owners(connection: sqlite3.Connection, pubkeys: list[str]) -> dict[str, Owner | None]:
    """Whose each key is."""
    known: dict[str, Owner | None] = dict.fromkeys(pubkeys)
    for part in parts(pubkeys):
        (found,) = _one(connection, "owners", part, "pubkeys")
        for pubkey, identity, number, local, keys in _owners.decode(found):
            known[pubkey] = Owner(identity, number, bool(local), tuple(keys.split(",")))
    return known


def users(connection: sqlite3.Connection, pubkeys: list[str]) -> dict[str, str]:
    """The id of the user that each key signs for."""
    known = {pubkey: f"nostr:{pubkey}" for pubkey in pubkeys}
    for part in parts(pubkeys):
        (found,) = _one(connection, "users", part, "pubkeys")
        known.update(_pairs.decode(found))
    return known


def groups(connection: sqlite3.Connection, ids: list[str]) -> dict[str, Group | None]:
    """The groups with these ids."""
    found = KnownGroups(connection).find(ids)
    return {group_id: None if row is None else row.group for group_id, row in found.items()}


def members(connection: sqlite3.Connection, keys: list[str]) -> dict[str, Member | None]:
    """How a key stands to a group, by `member_key`."""
    return KnownGroups(connection).members(keys)


def identifiers(connection: sqlite3.Connection, ids: list[str]) -> dict[str, str | None]:
    """What each issue is called."""
    known: dict[str, str | None] = dict.fromkeys(ids)
    for part in parts(ids):
        (found,) = _one(connection, "identifiers", [blob.fromhex(one) for one in part], "ids")
        known.update(_pairs.decode(found))
    return known


def standings(connection: sqlite3.Connection, ids: list[str]) -> dict[str, FeedPlace | None]:
    """The row of the feed that each event has."""
    known: dict[str, FeedPlace | None] = dict.fromkeys(ids)
    for part in parts(ids):
        (found,) = _one(connection, "standings", [blob.fromhex(one) for one in part], "ids")
        for event_id, seq, table in _standings.decode(found):
            known[event_id] = None if table is None else FeedPlace(table, seq)
    return known


def children(connection: sqlite3.Connection, ids: Sequence[str]) -> Iterator[str]:
    """The events that stand under these."""
    for part in parts(ids):
        (found,) = _one(connection, "children", part, "ids")
        yield from _names.decode(found)


def _newest_at(
    connection: sqlite3.Connection, places: Sequence[_SaidAt], name: str = "newest"
) -> Iterator[tuple[int, Live]]:
    """The newest event under each key of `entries` and kind, and of each group, by its number among them."""
    for start, part in zip(count(0, SIZES[-1]), parts(places), strict=False):
        values = [(start + n, *place) for n, place in enumerate(part)]
        columns, wires = _one(connection, name, values, "rows", f"({', '.join('?' * len(values[0]))})")
        found = _numbered.decode(columns)
        lives = lives_of([fields[1:] for fields in found], wires)
        yield from zip((fields[0] for fields in found), lives, strict=True)


def _one(connection: sqlite3.Connection, name: str, values: Sequence[Any], field: str, group: str = "?") -> Any:
    """The one row of a statement over a list of values, tuples where `group` holds several."""
    some = padded(list(values))
    sql = listed(named("sources")[name], (field, len(some)), group=group)
    flat = some if group == "?" else [value for row in some for value in row]
    return connection.execute(sql, flat).fetchone()
