"""Random histories of groups through the real writer, in batches of any size, against a slow and obvious account of who may read
what, and against the same history one by one. The parts in which events are entered anew are small and come at any time.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.rows import PROJECTIONS
from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.filter import Filter, matches
from relay.protocol.groups import announce, belonging
from storage.commands import ContinueGroups, Rebuild
from storage.sqlite.reading import every
from storage.sqlite.reading.query import FOR_EVER
from storage.sqlite.rows import rebuilding
from storage.sqlite.writing.groups import moving
from storage.tools import Inconsistency
from tests.factories import keypair
from tests.storage.groups.world import NOW, World
from tests.storage.histories import check_recent

KEYS = (1, 2, 3, 4)
GROUPS = ("a", "b")
FLAGS = ("private", "hidden", "closed", "restricted")
_SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])

Steps = list[list[Event]]  # batches; an empty one is a part of what groups left to do


@st.composite
def histories(draw: st.DrawFn) -> Steps:
    """Whatever a few keys do to two groups, most of it about one another."""
    made: list[Event] = []
    world = World.__new__(World)  # it makes events, and opens nothing
    world.now = NOW

    def make(key: int, kind: int, *tags: Sequence[str], group: str | None = None) -> None:
        made.append(world.make(key, kind, *tags, group=group, text=f"{len(made)}"))

    for name in GROUPS:
        make(1, belonging.CREATE_GROUP, *draw(_flags), group=name)
    for _ in range(draw(st.integers(4, 30))):
        key, name = draw(st.sampled_from(KEYS)), draw(st.sampled_from([*GROUPS, "a"]))
        user = ["p", keypair(draw(st.sampled_from(KEYS))).pubkey]
        target = draw(st.sampled_from(made))
        match draw(st.sampled_from(_ACTS)):
            case "message":
                make(key, kinds.CHAT, group=name)
            case "put":
                make(1, belonging.PUT_USER, [*user, *draw(st.sampled_from([[], ["moderator"], ["admin"]]))], group=name)
            case "remove":
                make(draw(st.sampled_from([1, key])), belonging.REMOVE_USER, user, group=name)
            case "edit":
                make(draw(st.sampled_from([1, 1, key])), belonging.EDIT_METADATA, *draw(_flags), group=name)
            case "nest":
                make(1, belonging.EDIT_METADATA, ["parent", "b"], ["child", "a"], group=name)
            case "invite":
                make(1, belonging.CREATE_INVITE, ["code", "sesame"], ["uses", "2"], group=name)
            case "join":
                make(key, belonging.JOIN_REQUEST, *draw(st.sampled_from([[], [["code", "sesame"]]])), group=name)
            case "leave":
                make(key, belonging.LEAVE_REQUEST, group=name)
            case "pin":
                make(1, belonging.UPDATE_PINS, ["e", target.id], group=name)
            case "react":
                make(key, kinds.REACTION, ["e", target.id])
            case "comment":
                other = draw(st.sampled_from(made))
                make(key, kinds.COMMENT, ["E", target.id], ["K", "9"], ["e", other.id], ["k", "9"])
            case "article":
                make(key, 30023, ["d", "article"], group=draw(st.sampled_from([name, None])))
            case "remark":
                address = kinds.address(30023, keypair(draw(st.sampled_from(KEYS))).pubkey, "article")
                make(key, kinds.COMMENT, ["A", address], ["K", "30023"], ["a", address], ["k", "30023"])
            case "delete":
                make(key, kinds.DELETION, ["e", target.id])
            case "moderate":
                make(1, belonging.DELETE_EVENT, ["e", target.id], group=name)
            case "vanish":
                make(draw(st.sampled_from([2, 3, 4])), kinds.VANISH, ["relay", "ALL_RELAYS"])
            case "end":
                make(1, belonging.DELETE_GROUP, group=name)
    if draw(st.booleans()):
        made = made[:1] + list(draw(st.permutations(made[1:])))
    steps: Steps = []
    while made:
        size = draw(st.integers(1, 8))
        steps.append(made[:size])
        made = made[size:]
        if draw(st.booleans()):
            steps.append([])
    return steps


_ACTS = (
    *(
        "message",
        "message",
        "message",
        "put",
        "put",
        "remove",
        "edit",
        "edit",
        "nest",
        "invite",
        "join",
        "leave",
        "pin",
    ),
    *("article", "article", "remark", "remark"),
    *("react", "react", "comment", "comment", "delete", "moderate", "vanish", "end"),
)
_flags = st.sets(st.sampled_from(FLAGS)).map(lambda flags: [[flag] for flag in sorted(flags)])


class Account:
    """What is in the log and whose it is, by going through everything again and again."""

    def __init__(self) -> None:
        self.live: dict[str, Event] = {}
        self.group_of: dict[str, str] = {}  # also of what is gone
        self.left: dict[str, str] = {}  # the group of the last version of an address that left one
        self.begun: set[str] = set()

    def follow(self, world: World) -> None:
        """Take over what the writer tells its followers, in order."""
        written = world.writer.collect()
        stored = [events.parse(one.wire) for one in written.events if one.seq]
        for event in stored:
            self.live[event.id] = event
            self._place(event)
        assert written.removed is not None
        for one in written.removed:
            self._leave(one)
        here = {bytes(one).hex() for (one,) in world.writer.connection.execute("SELECT id FROM events")}
        assert self.live.keys() == here

    def _place(self, event: Event) -> None:
        named = events.first_value(event, "h")
        if event.kind == belonging.CREATE_GROUP:  # it was taken, so the group begins with it
            self.begun.add(named or "")
        inherited = [place for one in belonging.answered(event) if (place := self.place_of(one)) is not None]
        if named in self.begun:
            self.group_of[event.id] = named or ""
        elif inherited:
            self.group_of[event.id] = inherited[0]
        changed = True
        while changed:
            changed = False
            for one in self.live.values():
                if one.id not in self.group_of:
                    places = map(self.place_of, belonging.answered(one))
                    joined = [place for place in places if place is not None]
                    if joined:
                        self.group_of[one.id] = joined[0]
                        changed = True

    def place_of(self, name: str) -> str | None:
        """The group of an id or an address."""
        if ":" not in name:
            return self.group_of.get(name)
        live = [one for one in self.live.values() if events.address_of(one) == name]
        newest = min(live, key=lambda one: (-one.created_at, one.id), default=None)
        return self.left.get(name) if newest is None else self.group_of.get(newest.id)

    def _leave(self, event_id: str) -> None:
        event = self.live.pop(event_id, None)
        address = None if event is None else events.address_of(event)
        if address is not None and event_id in self.group_of:
            self.left[address] = self.group_of[event_id]

    def audience(self, event: Event, world: World) -> tuple[str, ...] | None:
        if event.kind in announce.ANNOUNCED:
            return belonging.told(event.kind, world.group(events.first_value(event, "d") or ""))
        name = self.group_of.get(event.id)
        return None if name is None else belonging.audience(event, world.group(name))


async def check_readers(world: World, account: Account, wanted: Filter) -> None:
    assert world.store is not None
    for key in (*KEYS, 9):
        readers = world.readers(key)
        audiences = {one.id: account.audience(one, world) for one in account.live.values() if matches(wanted, one)}
        expected = {one for one, whose in audiences.items() if whose is None or not readers.isdisjoint(whose)}
        given = await world.ids(key, wanted=wanted)
        assert given <= expected
        missed = [one for one in expected - given if not is_late(world, account, one, key)]
        assert all(is_of_another(world, account, one, readers) for one in missed)


def check_everything(world: World, account: Account) -> None:
    """Whoever reads everything finds what an author said, whomever it is for now."""
    connection = world.writer.connection
    here = {seq: bytes(one).hex() for seq, one in connection.execute("SELECT seq, id FROM events")}
    for key in KEYS:
        authors = frozenset([keypair(key).pubkey, keypair(9).pubkey])
        some = Filter(authors=authors, kinds=frozenset([kinds.CHAT, kinds.REACTION]), tags={"h": frozenset(["a"])})
        for wanted in (Filter(authors=authors), some):
            found = every.seqs_of(connection, wanted, FOR_EVER)
            assert sorted(here[seq] for seq in found) == sorted(
                one.id for one in account.live.values() if matches(wanted, one)
            )


def is_late(world: World, account: Account, event_id: str, key: int) -> bool:
    """Whether an event may be given when it has been entered anew only: one's own, and those of a hidden group."""
    if not world.writer.moving:
        return False
    group = account.group_of.get(event_id)
    own = keypair(key).pubkey in (account.audience(account.live[event_id], world) or ())
    return own or (group is not None and world.group(group).hidden)


def is_of_another(world: World, account: Account, event_id: str, readers: frozenset[str]) -> bool:
    """Whether an event answers something in each of two groups, is in the other one in the log, and is not for these readers there.

    What a batch takes in comes before what is left to do (`GroupEvents.take_in`), so that of two groups the second may be first.
    """
    event, own = account.live[event_id], account.group_of.get(event_id)
    others = {account.place_of(one) for one in belonging.answered(event)} - {None, own}
    stored = "SELECT g.id FROM events AS e JOIN groups AS g ON g.number = e.group_number WHERE e.id = ?"
    (there,) = world.writer.connection.execute(stored, (bytes.fromhex(event_id),)).fetchone() or (None,)
    if there is None or there not in others:
        return False
    audience = belonging.audience(event, world.group(there))
    return audience is not None and readers.isdisjoint(audience)


@_SETTINGS
@given(histories(), st.data())
def test_whoever_asks_gets_what_is_theirs_at_every_moment(steps: Steps, data: st.DataObject) -> None:
    async def play() -> None:
        with tempfile.TemporaryDirectory() as directory:
            world, account = World(Path(directory)), Account()
            await world.open()
            try:
                for step in steps:
                    world.now += 1
                    if step:
                        world.send(*step)
                    else:
                        world.writer.execute(ContinueGroups(), world.now)
                    account.follow(world)
                    await check_readers(world, account, Filter())
                    check_everything(world, account)
                while world.writer.unfinished:
                    world.writer.execute(ContinueGroups(), world.now)
                account.follow(world)
                wanted = data.draw(st.sampled_from(_filters(account)))
                await check_readers(world, account, wanted)
                check_whole(world)
                assert world.store is not None
                assert [one async for one in world.store.check(PROJECTIONS, verify=False)] == list[Inconsistency]()
            finally:
                await world.close()

    with mock.patch.object(moving, "AT_ONCE", 2), mock.patch("storage.sqlite.groups.events.MOST", 3):
        asyncio.run(play())


def _filters(account: Account) -> list[Filter]:
    return [
        Filter(),
        Filter(kinds=frozenset([kinds.CHAT, kinds.REACTION])),
        Filter(tags={"h": frozenset(["a"])}),
        Filter(kinds=frozenset([kinds.CHAT]), tags={"h": frozenset(GROUPS)}),
        Filter(ids=frozenset(account.live)),
        Filter(authors=frozenset([keypair(2).pubkey])),
    ]


def check_whole(world: World) -> None:
    """The tables are what the log makes of them, and the announcements what the tables make."""
    assert list(rebuilding.problems(world.writer.connection, PROJECTIONS)) == []
    check_recent(world.writer)
    for name in GROUPS:
        group = world.writer.tables.group(name)
        told = world.announced(name)
        if group is None or group.ended:
            assert told == {}
            continue
        members = world.writer.tables.members_of(name, limit=1000)
        for kind in announce.ANNOUNCED:
            event, audience = told[kind]
            assert event.tags == announce.draft(kind, group, members, 0).tags
            assert audience == belonging.told(kind, group)


def contents(world: World) -> dict[str, Any]:
    """All that does not depend on when the relay told of groups."""
    read = world.writer.connection.execute
    groups = dict(read("SELECT number, id FROM groups").fetchall())
    told = set(announce.ANNOUNCED)
    return {
        "groups": sorted(msgspec.structs.astuple(world.group(name)) for name in groups.values()),
        "members": sorted((name, world.writer.tables.members_of(name)) for name in groups.values()),
        "invites": sorted((name, world.writer.tables.invites_of(name)) for name in groups.values()),
        "events": sorted(
            (event_id, audience, groups.get(number))
            for event_id, kind, audience, number in read("SELECT id, kind, audience, group_number FROM events")
            if kind not in told
        ),
        "announced": {
            name: {kind: (one.tags, audience) for kind, (one, audience) in world.announced(name).items()}
            for name in groups.values()
        },
    }


@_SETTINGS
@given(histories())
def test_a_batch_decides_as_its_events_one_by_one(steps: Steps) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        together, apart = World(Path(one)), World(Path(other))
        try:
            for step in steps:
                for world in (together, apart):
                    world.now += 1
                at_once = together.send(*step)
                singly = [apart.send(event)[0] for event in step]
                told = [
                    [(str(one.status), str(one.refusal), one.message, one.audience) for one in some]
                    for some in (at_once, singly)
                ]
                assert told[0] == told[1]
            for world in (together, apart):
                while world.writer.unfinished:
                    world.writer.execute(ContinueGroups(), world.now)
            assert contents(together) == contents(apart)
        finally:
            together.writer.close()
            apart.writer.close()


@_SETTINGS
@given(histories())
def test_a_rebuild_changes_nothing(steps: Steps) -> None:
    with tempfile.TemporaryDirectory() as directory:
        world = World(Path(directory))
        try:
            for step in steps:
                world.now += 1
                world.send(*step)
            before = contents(world)
            part: Rebuild | None = Rebuild()
            while part is not None:
                part = world.writer.execute(part, world.now).following
            assert contents(world) == before
        finally:
            world.writer.close()
