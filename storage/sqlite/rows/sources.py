"""Sources of derived rows: looked up for many keys at once (`source_lookups`), remembered for as long as one refresh lasts."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

import msgspec

from relay.protocol import feed, kinds
from relay.protocol.chunks import Cutting
from relay.protocol.event import Event
from relay.protocol.groups.state import Group, Member, member_key
from relay.protocol.rows import About, Children, FeedPlace, Live, Owner, Place, Projection, Tagged
from storage.sqlite import entries, live_events
from storage.sqlite.rows import source_lookups
from storage.sqlite.rows.cutting import stored_cutting
from storage.sqlite.rows.row_statements import statements_of
from storage.sqlite.rows.source_lookups import Newest
from storage.sqlite.statements import blob, listed, named, padded, padded_parts, parts

_UNDER: Final = (kinds.POST, kinds.COMMENT)  # what is edited and voted on in the feed
_FEED: Final = frozenset(("posts", "comments"))  # the tables whose rows others stand under
MOST_OWNERS: Final = 100_000  # that are remembered
MOST_EDITED: Final = 100_000
_LOOKUPS: Final[dict[str, Callable[[sqlite3.Connection, list[Any]], dict[Any, Any]]]] = {
    "events": source_lookups.events,
    "newest": source_lookups.newest,
    "edited": source_lookups.edited,
    "edits": source_lookups.edits,
    "marks": source_lookups.marks,
    "versions": source_lookups.versions,
    "owners": source_lookups.owners,
    "users": source_lookups.users,
    "identifiers": source_lookups.identifiers,
    "groups": source_lookups.groups,
    "members": source_lookups.members,
    "standings": source_lookups.standings,
}
_LAST: Final = b"\xff" * 33  # above every key that continues one


class SqliteSources:
    """relay.protocol.rows.Sources. What was asked for and is not known is noted (`missed`) until `fetch`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        projections: Iterable[Projection],
        owners: dict[str, Owner | None] | None = None,
        edited: dict[str, bool] | None = None,
    ) -> None:
        self._connection = connection
        self._projections = {projection.table: projection for projection in projections}
        self.missed = False
        self._wanted: dict[str, dict[Any, None]] = {name: {} for name in (*_LOOKUPS, "rows")}
        self._events: dict[str, Live | None] = {}
        self._newest: dict[Newest, Live | None] = {}
        self._edited: dict[str, bool] = {} if edited is None else edited
        self._edits: dict[tuple[str, str], Live | None] = {}
        self._marks: dict[tuple[str, str], bool] = {}
        self._unspoken: set[str] = set()
        self._versions: dict[str, Live | None] = {}
        self._owners: dict[str, Owner | None] = {} if owners is None else owners
        self._users: dict[str, str] = {}
        self._identifiers: dict[str, str | None] = {}
        self._groups: dict[str, Group | None] = {}
        self._members: dict[str, Member | None] = {}
        self._standings: dict[str, FeedPlace | None] = {}
        self._rows: dict[tuple[str, int], msgspec.Struct | None] = {}
        self._decided_by: Mapping[str, Event | None] = {}
        self._known: dict[str, dict[Any, Any]] = {
            "events": self._events,
            "newest": self._newest,
            "edited": self._edited,
            "edits": self._edits,
            "marks": self._marks,
            "versions": self._versions,
            "owners": self._owners,
            "users": self._users,
            "identifiers": self._identifiers,
            "groups": self._groups,
            "members": self._members,
            "standings": self._standings,
        }

    @cached_property
    def cutting(self) -> Cutting:
        """What is searched, and how texts are cut."""
        return stored_cutting(self._connection)

    @cached_property
    def counts_all(self) -> bool:
        """Whether votes of identities that other relays brought count."""
        return bool(self._connection.execute(named("sources")["counts_all"]).fetchone()[0])

    @cached_property
    def operators(self) -> tuple[str, ...]:
        """The keys of those who run this relay."""
        return source_lookups.operators(self._connection)

    def event(self, event_id: str) -> Live | None:
        """The live event with this id."""
        if event_id in self._events:
            return self._events[event_id]
        self._miss("events", event_id)
        return None

    def newest(self, kind: int, pubkey: str, about: str = "", group: str = "") -> Live | None:
        """The newest live event of a kind by this key, about the event and in the group where one is named."""
        if about in self._unspoken:
            return None
        key = (kind, pubkey, about, group)
        if key in self._newest:
            return self._newest[key]
        self._miss("newest", key)
        return None

    def edited(self, name: str) -> bool:
        """Whether anything in a group of this name was ever edited."""
        if name in self._edited:
            return self._edited[name]
        self._miss("edited", name)
        return False

    def edit(self, event_id: str, pubkey: str) -> Live | None:
        """The newest live edit of an event by a key, in a group."""
        key = (event_id, pubkey)
        if key in self._edits:
            return self._edits[key]
        self._miss("edits", key)
        return None

    def marked(self, event_id: str, by: str) -> bool:
        """Whether a key has left a mark of this name."""
        key = (event_id, by)
        if key in self._marks:
            return self._marks[key]
        self._miss("marks", key)
        return False

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
        if self._may_stand(event_id):
            self._miss("standings", event_id)
        return None

    def _may_stand(self, event_id: str) -> bool:
        """Whether an event may have a row of the feed, by what those have read who decided."""
        if event_id not in self._decided_by:
            return True
        event = self._decided_by[event_id]
        return event is not None and event.kind in _UNDER

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

    def give(self, lives: Iterable[Live], decided_by: Mapping[str, Event | None] = MappingProxyType({})) -> None:
        """Events that are at hand already, and those that decisions have read, None for what is not here.

        Nobody has said anything of most that just came: that is found out for all at once.
        """
        self._decided_by = decided_by
        given = {live.event.id: live for live in lives}
        self._events.update(given)
        ids = [event_id for event_id, live in given.items() if live.event.kind in _UNDER]
        for part in parts(ids):
            self._unspoken.update(self._of_subjects("unspoken", part, []))
        votes = [live for live in given.values() if live.event.kind == kinds.REACTION and live.audience is None]
        about = ((feed.voted(live.event), live) for live in votes)
        first = [(target, live) for target, live in about if target is not None and self._may_stand(target)]
        self._newest.update(source_lookups.first_votes(self._connection, first))

    def note(self, table: str, seq: int, event_id: str, row: Any) -> None:
        """The event has this row from now on, None for none."""
        self._rows[table, seq] = row
        if table in _FEED:
            self._standings[event_id] = None if row is None else FeedPlace(table, seq)

    def forget(self) -> None:
        """Let go of everything but owners and edited groups, so that no more is held than the keys at hand need."""
        self._rows.clear()
        self._unspoken.clear()
        for known in self._known.values():
            if known is not self._owners and known is not self._edited:
                known.clear()

    def fetch(self) -> None:
        """Look up what was missed."""
        if self._wanted["owners"] and len(self._owners) > MOST_OWNERS:
            self._owners.clear()
        if self._wanted["edited"] and len(self._edited) > MOST_EDITED:
            self._edited.clear()
        for family, look_up in _LOOKUPS.items():
            wanted = self._wanted[family]
            if wanted:
                self._known[family].update(look_up(self._connection, list(wanted)))
                wanted.clear()
        rows = self._wanted["rows"]
        for table in dict.fromkeys(table for table, _ in rows):
            seqs = [seq for one, seq in rows if one == table]
            self._rows.update(((table, seq), None) for seq in seqs)
            for row in self.stored(self._projections[table], [(seq,) for seq in seqs]):
                self._rows[table, row.seq] = row
        rows.clear()

    def numbered(self, seqs: Sequence[int]) -> Iterator[Live]:
        """The live events with these numbers."""
        yield from live_events.numbered(self._connection, seqs)

    # Rows that are there, and keys

    def stored(self, projection: Projection, places: Sequence[Place]) -> Iterator[Any]:
        """The rows that stand at these places now."""
        if not places:
            return
        width = len(places[0])
        group = f"({', '.join('?' * width)})"
        for some in padded_parts(list(places)):
            sql = listed(statements_of(projection).stored[width], ("places", len(some)), group=group)
            found = self._connection.execute(sql, [value for place in some for value in place]).fetchone()[0]
            for values in msgspec.json.decode(found):
                for at in statements_of(projection).blobs:
                    values[at] = bytes.fromhex(values[at]) or None
                yield projection.row(*values)

    def keys(self, asked: Tagged | About | Children, ids: Sequence[str]) -> Iterator[str]:
        """The keys that hang together with these ids."""
        if isinstance(asked, Children):
            yield from source_lookups.children(self._connection, ids)
            return
        if isinstance(asked, About):
            ids = [one for one in ids if one not in self._unspoken]
        for part in parts(list(ids)):
            if isinstance(asked, About):
                yield from self._of_subjects("about", part, [asked.kind])
                continue
            some = padded([blob(entries.tag(asked.name, one)) for one in part])
            sql = listed(named("sources")["tagged"], ("keys", len(some)))
            found = self._connection.execute(sql, [*some, asked.kind]).fetchone()[0]
            if found is not None:
                yield from found.split(",")

    def _of_subjects(self, name: str, ids: Sequence[str], more: Sequence[int]) -> list[str]:
        """What a statement finds by the names of what is said of these events."""
        begins = padded([entries.ABOUT + bytes.fromhex(one) for one in ids])
        some = [blob(bound) for begin in begins for bound in (begin, begin + _LAST)]
        sql = listed(named("sources")[name], ("rows", len(begins)), group="(?, ?)")
        found = self._connection.execute(sql, [*some, *more]).fetchone()[0]
        return [] if found is None else found.split(",")
