"""Sources of derived rows over SQLite: looked up for many keys at once, remembered for as long as one refresh lasts."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import count
from typing import Any, Final

import msgspec

from relay.protocol import event as events
from relay.protocol.chunks import Cutting
from relay.protocol.groups.state import Group, Member, member_key
from relay.protocol.rows import About, Children, FeedPlace, Live, Owner, Place, Projection, Tagged
from storage.sqlite import entries
from storage.sqlite.groups.known import KnownGroups
from storage.sqlite.row_statements import statements_of
from storage.sqlite.search import writing as search
from storage.sqlite.statements import SIZES, listed, named, padded

_Newest = tuple[int, str, str]  # kind, pubkey, about

_Columns = tuple[int, int, int | None, str, str | None]  # number, received_at, expires_at, audience in hex, group

_lives: Final = msgspec.json.Decoder(list[_Columns])
_numbered: Final = msgspec.json.Decoder(list[tuple[int, int, int, int | None, str, str | None]])
_owners: Final = msgspec.json.Decoder(list[tuple[str, str, int, int, str]])
_names: Final = msgspec.json.Decoder(tuple[str, ...])
_pairs: Final = msgspec.json.Decoder(list[tuple[str, str]])
_standings: Final = msgspec.json.Decoder(list[tuple[str, int, str | None]])
_FEED: Final = frozenset(("posts", "comments"))  # the tables whose rows others stand under
MOST_OWNERS: Final = 100_000  # that are remembered
_LAST: Final = b"\xff" * 33  # above every key that continues one


class SqliteSources:
    """relay.protocol.rows.Sources. What was asked for and is not known is noted (`missed`) until `fetch`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        projections: Iterable[Projection],
        owners: dict[str, Owner | None] | None = None,
    ) -> None:
        self._connection = connection
        self._projections = {projection.table: projection for projection in projections}
        self.missed = False
        self._wanted: dict[str, dict[Any, None]] = {name: {} for name in _LOADS}
        self._events: dict[str, Live | None] = {}
        self._newest: dict[_Newest, Live | None] = {}
        self._versions: dict[str, Live | None] = {}
        self._owners: dict[str, Owner | None] = {} if owners is None else owners
        self._users: dict[str, str] = {}
        self._identifiers: dict[str, str | None] = {}
        self._groups: dict[str, Group | None] = {}
        self._members: dict[str, Member | None] = {}
        self._standings: dict[str, FeedPlace | None] = {}
        self._rows: dict[tuple[str, int], msgspec.Struct | None] = {}

    @cached_property
    def cutting(self) -> Cutting:
        """What is searched, and how texts are cut."""
        return search.settings(self._connection)

    @cached_property
    def counts_all(self) -> bool:
        """Whether votes of identities that other relays brought count."""
        return bool(self._connection.execute(named("sources")["counts_all"]).fetchone()[0])

    @cached_property
    def operators(self) -> tuple[str, ...]:
        """The keys of those who run this relay."""
        return _names.decode(self._connection.execute(named("sources")["operators"]).fetchone()[0])

    def event(self, event_id: str) -> Live | None:
        """The live event with this id."""
        if event_id in self._events:
            return self._events[event_id]
        self._miss("events", event_id)
        return None

    def newest(self, kind: int, pubkey: str, about: str = "") -> Live | None:
        """The newest live event of a kind by this key, about the event where one is named."""
        key = (kind, pubkey, about)
        if key in self._newest:
            return self._newest[key]
        self._miss("newest", key)
        return None

    def version(self, address: str) -> Live | None:
        """The live event at an address."""
        if address in self._versions:
            return self._versions[address]
        self._miss("versions", address)
        return None

    def owner(self, pubkey: str) -> Owner | None:
        """Whose key this is."""
        if pubkey in self._owners:
            return self._owners[pubkey]
        self._miss("owners", pubkey)
        return None

    def user(self, pubkey: str) -> str:
        """The id of the user that a key signs for."""
        if pubkey in self._users:
            return self._users[pubkey]
        self._miss("users", pubkey)
        return ""

    def group(self, group_id: str) -> Group | None:
        """The group with this id."""
        if group_id in self._groups:
            return self._groups[group_id]
        self._miss("groups", group_id)
        return None

    def member(self, pubkey: str, group_id: str) -> Member | None:
        """How a key stands to a group."""
        key = member_key(pubkey, group_id)
        if key in self._members:
            return self._members[key]
        self._miss("members", key)
        return None

    def identifier(self, event_id: str) -> str | None:
        """What an issue is called."""
        if event_id in self._identifiers:
            return self._identifiers[event_id]
        self._miss("identifiers", event_id)
        return None

    def standing(self, event_id: str) -> FeedPlace | None:
        """The row of the feed that this event has."""
        if event_id in self._standings:
            return self._standings[event_id]
        self._miss("standings", event_id)
        return None

    def row(self, table: str, seq: int) -> Any:
        """The row of an earlier projection with this number."""
        key = (table, seq)
        if key in self._rows:
            return self._rows[key]
        self._miss("rows", key)
        return None

    def _miss(self, family: str, key: Any) -> None:
        self.missed = True
        self._wanted[family][key] = None

    # Looking up

    def give(self, lives: Iterable[Live]) -> None:
        """Events that are at hand already."""
        self._events.update((live.event.id, live) for live in lives)

    def note(self, table: str, seq: int, event_id: str, row: Any) -> None:
        """The event has this row from now on, None for none."""
        self._rows[table, seq] = row
        if table in _FEED:
            self._standings[event_id] = None if row is None else FeedPlace(table, seq)

    def forget(self) -> None:
        """Let go of everything but owners, so that no more is held than the keys at hand need."""
        self._standings.clear()
        self._rows.clear()
        self._events.clear()
        self._newest.clear()
        self._versions.clear()
        self._users.clear()
        self._identifiers.clear()
        self._groups.clear()
        self._members.clear()

    def fetch(self) -> None:
        """Look up what was missed."""
        for family, load in _LOADS.items():
            wanted = self._wanted[family]
            if wanted:
                load(self, list(wanted))
                wanted.clear()

    def _one(self, name: str, values: Sequence[Any], field: str, group: str = "?") -> Any:
        """The one row of a statement over a list of values, tuples where `group` holds several."""
        some = padded(list(values))
        sql = listed(named("sources")[name], (field, len(some)), group=group)
        flat = some if group == "?" else [value for row in some for value in row]
        return self._connection.execute(sql, flat).fetchone()

    def _load_events(self, ids: list[str]) -> None:
        self._events.update(dict.fromkeys(ids))
        for part in _parts(ids):
            columns, wires = self._one("events", [bytes.fromhex(one) for one in part], "ids")
            self.give(lives_of(_lives.decode(columns), wires))

    def _load_newest(self, wanted: list[_Newest]) -> None:
        self._newest.update(dict.fromkeys(wanted))
        places = [
            (entries.about(about, pubkey) if about else entries.author(pubkey), kind) for kind, pubkey, about in wanted
        ]
        for number, live in self._newest_at(places):
            self._newest[wanted[number]] = live

    def _load_versions(self, addresses: list[str]) -> None:
        self._versions.update(dict.fromkeys(addresses))
        places = [(entries.address_key(address), int(address.partition(":")[0])) for address in addresses]
        for number, live in self._newest_at(places):
            self._versions[addresses[number]] = live

    def _newest_at(self, places: Sequence[tuple[bytes, int]]) -> Iterator[tuple[int, Live]]:
        """The newest event under each key of `entries` and kind, by its number among them."""
        for start, part in zip(count(0, SIZES[-1]), _parts(list(places)), strict=False):
            values = [(start + n, key, kind) for n, (key, kind) in enumerate(part)]
            columns, wires = self._one("newest", values, "rows", "(?, ?, ?)")
            found = _numbered.decode(columns)
            lives = lives_of([fields[1:] for fields in found], wires)
            yield from zip((fields[0] for fields in found), lives, strict=True)

    def _load_owners(self, pubkeys: list[str]) -> None:
        if len(self._owners) > MOST_OWNERS:
            self._owners.clear()
        self._owners.update(dict.fromkeys(pubkeys))
        for part in _parts(pubkeys):
            (found,) = self._one("owners", part, "pubkeys")
            for pubkey, identity, number, local, keys in _owners.decode(found):
                self._owners[pubkey] = Owner(identity, number, bool(local), tuple(keys.split(",")))

    def _children(self, ids: Sequence[str]) -> Iterator[str]:
        for part in _parts(list(ids)):
            (found,) = self._one("children", part, "ids")
            yield from _names.decode(found)

    def _load_users(self, pubkeys: list[str]) -> None:
        self._users.update((pubkey, f"nostr:{pubkey}") for pubkey in pubkeys)
        for part in _parts(pubkeys):
            (found,) = self._one("users", part, "pubkeys")
            self._users.update(_pairs.decode(found))

    def _load_groups(self, ids: list[str]) -> None:
        found = KnownGroups(self._connection).find(ids)
        self._groups.update((group_id, None if row is None else row.group) for group_id, row in found.items())

    def _load_members(self, keys: list[str]) -> None:
        self._members.update(KnownGroups(self._connection).members(keys))

    def _load_identifiers(self, ids: list[str]) -> None:
        self._identifiers.update(dict.fromkeys(ids))
        for part in _parts(ids):
            (found,) = self._one("identifiers", [bytes.fromhex(one) for one in part], "ids")
            self._identifiers.update(_pairs.decode(found))

    def _load_standings(self, ids: list[str]) -> None:
        self._standings.update(dict.fromkeys(ids))
        for part in _parts(ids):
            (found,) = self._one("standings", [bytes.fromhex(one) for one in part], "ids")
            for event_id, seq, table in _standings.decode(found):
                self._standings[event_id] = None if table is None else FeedPlace(table, seq)

    def _load_rows(self, wanted: list[tuple[str, int]]) -> None:
        self._rows.update(dict.fromkeys(wanted))
        for table in dict.fromkeys(table for table, _ in wanted):
            places: list[Place] = [(seq,) for one, seq in wanted if one == table]
            for row in self.stored(self._projections[table], places):
                self._rows[table, row.seq] = row

    def numbered(self, seqs: Sequence[int]) -> Iterator[Live]:
        """The live events with these numbers."""
        yield from numbered(self._connection, seqs)

    # Rows that are there, and keys

    def stored(self, projection: Projection, places: Sequence[Place]) -> Iterator[Any]:
        """The rows that stand at these places now."""
        if not places:
            return
        width = len(places[0])
        group = f"({', '.join('?' * width)})"
        for part in _parts(list(places)):
            some = padded(part)
            sql = listed(statements_of(projection).stored[width], ("places", len(some)), group=group)
            found = self._connection.execute(sql, [value for place in some for value in place]).fetchone()[0]
            for values in msgspec.json.decode(found):
                for at in statements_of(projection).blobs:
                    values[at] = bytes.fromhex(values[at]) or None
                yield projection.row(*values)

    def keys(self, asked: Tagged | About | Children, ids: Sequence[str]) -> Iterator[str]:
        """The keys that hang together with these ids."""
        if isinstance(asked, Children):
            yield from self._children(ids)
            return
        for part in _parts(list(ids)):
            if isinstance(asked, Tagged):
                under = (entries.PUBLIC_PREFIX, entries.OPERATOR_PREFIX) if asked.private else (entries.PUBLIC_PREFIX,)
                some: list[Any] = padded([prefix + entries.tag(asked.name, one) for one in part for prefix in under])
                sql = listed(named("sources")["tagged"], ("keys", len(some)))
            else:
                begins = padded([entries.ABOUT + bytes.fromhex(one) for one in part])
                some = [bound for begin in begins for bound in (begin, begin + _LAST)]
                sql = listed(named("sources")["about"], ("rows", len(begins)), group="(?, ?)")
            found = self._connection.execute(sql, [*some, asked.kind]).fetchone()[0]
            if found is not None:
                yield from found.split(",")


_LOADS: Final[dict[str, Callable[[SqliteSources, list[Any]], None]]] = {
    "events": SqliteSources._load_events,
    "newest": SqliteSources._load_newest,
    "versions": SqliteSources._load_versions,
    "owners": SqliteSources._load_owners,
    "users": SqliteSources._load_users,
    "identifiers": SqliteSources._load_identifiers,
    "groups": SqliteSources._load_groups,
    "members": SqliteSources._load_members,
    "standings": SqliteSources._load_standings,
    "rows": SqliteSources._load_rows,
}


def numbered(connection: sqlite3.Connection, seqs: Sequence[int]) -> Iterator[Live]:
    """The live events with these numbers."""
    for part in _parts(list(seqs)):
        some = padded(part)
        columns, wires = connection.execute(listed(named("sources")["numbered"], ("seqs", len(some))), some).fetchone()
        yield from lives_of(_lives.decode(columns), wires)


def lives_of(columns: Iterable[_Columns], wires: bytes | None) -> list[Live]:
    """Events as an answer has them: the columns of each, and their JSON by lines."""
    bodies = [] if wires is None else wires.split(b"\n")
    return [
        Live(seq, events.parse(wire), received_at, expires_at, bytes.fromhex(audience) or None, group)
        for (seq, received_at, expires_at, audience, group), wire in zip(columns, bodies, strict=True)
    ]


def _parts(values: list[Any]) -> Iterator[list[Any]]:
    most = SIZES[-1]
    return (values[start : start + most] for start in range(0, len(values), most))
