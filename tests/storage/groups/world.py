"""Groups on a real SQLite log, for tests: who says what, and who can read it."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from handlers import table
from keys.custody import unsigned
from keys.schnorr import signed
from relay.protocol import event as events
from relay.protocol.admission import Door, Meaning
from relay.protocol.chunks import Cutting
from relay.protocol.event import Draft, Event
from relay.protocol.filter import Filter
from relay.protocol.groups import belonging
from relay.protocol.groups.state import Group, members, moderators
from storage.base import Incoming, Outcome, Status
from storage.sqlite import backend
from storage.sqlite.tools import SqliteStore
from storage.sqlite.writing.writer import SqliteWriter
from tests.factories import keypair, make_event
from tests.stores import with_schema

RELAY = "ws://relay.example"
OWN = keypair(100)
NOW = 1_700_000_000
ALICE, BOB, CAROL, DAVE = (keypair(n).pubkey for n in range(1, 5))


class Own:
    """The relay's own key."""

    pubkey = OWN.pubkey

    def sign(self, draft: Draft) -> Event:
        return signed(unsigned(OWN.pubkey, draft), OWN.secret)


CUTTING = Cutting((9,), (), 1000, 100)
MEANING = table.meaning(RELAY, searched=CUTTING.searched)


class World:
    """One relay. `now` is what its clock says; each event is made at that time unless it says otherwise."""

    def __init__(self, directory: Path, meaning: Meaning = MEANING) -> None:
        self.directory = directory
        self.now = NOW
        self._edits = 0  # each is an event of its own
        with_schema(directory)
        self.writer: SqliteWriter = backend.open_writer(
            directory, meaning, synchronous="normal", cache_mib=4, cutting=CUTTING
        )
        self.writer.hand_signer(Own())
        self.store: SqliteStore | None = None

    async def open(self) -> None:
        self.store = await backend.open_reader(self.directory, readers=1, cache_mib=1)

    async def close(self) -> None:
        if self.store is not None:
            await self.store.close()
        self.writer.close()

    # writing

    def say(
        self,
        key: int,
        kind: int,
        *tags: Sequence[str],
        group: str | None = "room",
        text: str = "",
        at: int | None = None,
    ) -> Event:
        """Send an event that is taken."""
        event = self.make(key, kind, *tags, group=group, text=text, at=at)
        outcome = self.send(event)[0]
        assert outcome.status is Status.STORED, outcome.refusal
        return event

    def make(
        self,
        key: int,
        kind: int,
        *tags: Sequence[str],
        group: str | None = "room",
        text: str = "",
        at: int | None = None,
    ) -> Event:
        named = [] if group is None else [["h", group]]
        return make_event(key, kind, text, [*named, *map(list, tags)], self.now if at is None else at)

    def send(self, *batch: Event, door: Door = Door.CLIENT) -> list[Outcome]:
        some = [Incoming(event, events.wire(event), door, self.now) for event in batch]
        return self.writer.write(some, self.now)

    def begin(self, key: int = 1, *tags: Sequence[str], group: str = "room") -> Event:
        """Begin a group; its creator is its owner."""
        return self.say(key, belonging.CREATE_GROUP, *tags, group=group)

    def put(self, key: int, *pubkeys: str, by: int = 1, roles: Sequence[str] = (), group: str = "room") -> Event:
        tags = [["p", keypair(key).pubkey, *roles], *(["p", one] for one in pubkeys)]
        return self.say(by, belonging.PUT_USER, *tags, group=group)

    def edit(self, *tags: Sequence[str], by: int = 1, group: str = "room") -> Event:
        self._edits += 1
        return self.say(by, belonging.EDIT_METADATA, *tags, group=group, text=f"edit {self._edits}")

    # reading

    def readers(self, *keys: int) -> frozenset[str]:
        """These keys, logged in."""
        pubkeys = [keypair(key).pubkey for key in keys]
        found = set(pubkeys)
        for one in self.writer.tables.memberships(pubkeys):
            found.add(members(one.group_id))
            if one.privileged:
                found.add(moderators(one.group_id))
        return frozenset(found)

    async def ids(self, *keys: int, wanted: Filter | None = None) -> set[str]:
        """What these keys, logged in, are given for a filter; by every way of asking."""
        assert self.store is not None
        readers, wanted = self.readers(*keys), wanted or Filter()
        found = await self.store.query([wanted], readers, self.now + 1000)
        wires = found.wires + await self.store.fetch(found.rest, self.now + 1000, readers)
        ids = {events.parse(wire).id for wire in wires}
        assert (await self.store.count([wanted], readers, self.now + 1000)).total == len(ids)
        return ids

    def group(self, group_id: str = "room") -> Group:
        found = self.writer.tables.group(group_id)
        assert found is not None
        return found

    def announced(self, group_id: str = "room") -> dict[int, tuple[Event, tuple[str, ...] | None]]:
        """The announcements of a group and whom they are for, by kind; never two of a kind."""
        found: dict[int, tuple[Event, tuple[str, ...] | None]] = {}
        rows = self.writer.connection.execute(
            "SELECT wire, audience FROM events WHERE kind BETWEEN 39000 AND 39005 ORDER BY seq"
        ).fetchall()
        for wire, audience in rows:
            event = events.parse(wire)
            if events.first_value(event, "d") == group_id:
                assert event.kind not in found
                found[event.kind] = event, None if audience is None else tuple(msgspec.msgpack.decode(audience))
        return found

    def stored(self, kind: int) -> list[Event]:
        """What is in the log of a kind, in order."""
        rows = self.writer.connection.execute("SELECT wire FROM events WHERE kind = ? ORDER BY seq", (kind,)).fetchall()
        return [events.parse(wire) for (wire,) in rows]
