"""Groups of other relays, as a peer's session brings them: served as their home says, kept apart from ours, lied to in vain."""

import random
from collections.abc import Sequence

import msgspec
import pytest

from relay.protocol import event as events
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.groups.state import replica_id
from storage.base import Incoming, Outcome, Status
from storage.commands import ContinueGroups
from tests.factories import keypair, make_event
from tests.storage.groups.test_rebuilding import problems
from tests.storage.groups.world import NOW, World

HOME, OTHER = 50, 51  # relays: their own keys
URLS = {HOME: "wss://home.example", OTHER: "wss://other.example"}
ALICE, BOB = 1, 2
IN_ROOM = Filter(tags={"h": frozenset(["room"])})


class Peer:
    """The session with a relay that has groups."""

    def __init__(self, world: World, key: int = HOME) -> None:
        self.world, self.key = world, key

    def bring(self, *batch: Event) -> list[Outcome]:
        home = keypair(self.key).pubkey
        now = self.world.now
        some = [Incoming(one, events.wire(one), Door.PEER, now, origin=URLS[self.key], home=home) for one in batch]
        return self.world.writer.write(some, now)

    def take(self, event: Event) -> Event:
        """It is stored."""
        outcome = self.bring(event)[0]
        assert outcome.status is Status.STORED, outcome.refusal
        return event

    def tells(self, kind: int, *tags: Sequence[str], at: int = NOW, group: str = "room") -> Event:
        """What the relay says of its group."""
        return make_event(self.key, kind, "", [["d", group], *map(list, tags)], at)

    def is_(self, *flags: str, at: int = NOW, group: str = "room") -> Event:
        return self.take(self.tells(39000, ["name", "Tides"], *([one] for one in flags), at=at, group=group))

    def has(self, *members: int, at: int = NOW, group: str = "room") -> Event:
        return self.take(self.tells(39002, *(["p", keypair(one).pubkey] for one in members), at=at, group=group))


def said(key: int = ALICE, text: str = "hello", group: str = "room", kind: int = 9, at: int = NOW) -> Event:
    return make_event(key, kind, text, [["h", group]], at)


def settle(world: World) -> None:
    while world.writer.unfinished:
        world.writer.execute(ContinueGroups(), world.now)


async def reads(world: World, event: Event, *keys: int) -> bool:
    """Whether these keys are given it, by the group's name and without."""
    by_name = event.id in await world.ids(*keys, wanted=IN_ROOM)
    assert by_name is (event.id in await world.ids(*keys))
    return by_name


async def test_a_private_group_of_a_peer_is_read_by_those_whom_its_home_lists(world: World) -> None:
    peer = Peer(world)
    peer.is_("private")
    early = peer.take(said())
    assert not await reads(world, early, ALICE)  # nobody is listed yet
    peer.has(ALICE)
    assert await reads(world, early, ALICE)
    assert not await reads(world, early, BOB)
    assert not await reads(world, early)
    peer.has(BOB, at=NOW + 1)
    assert not await reads(world, early, ALICE)
    assert await reads(world, early, BOB)
    assert world.writer.connection.execute("SELECT members FROM groups").fetchall() == [(1,)]
    assert problems(world) == []


async def test_until_its_home_says_what_it_is_a_group_is_for_nobody(world: World) -> None:
    """Whatever order events come in."""
    peer = Peer(world)
    message = peer.take(said())
    answer = peer.take(make_event(BOB, 7, "+", [["e", message.id]], NOW))
    listed = peer.has(ALICE)
    assert await world.ids(ALICE, BOB) == set()
    described = peer.is_()
    settle(world)
    assert await world.ids() == {message.id, answer.id, listed.id, described.id}
    assert problems(world) == []


async def test_texts_of_a_foreign_group_are_kept_without_what_hides_or_turns(world: World) -> None:
    """The event itself is served as its home signed it."""
    peer = Peer(world)
    told = peer.take(peer.tells(39000, ["name", "Ti\u202edes\u200b"], ["about", "one\u2066\ntwo"]))
    assert world.writer.connection.execute("SELECT name, about FROM groups").fetchall() == [("Tides", "one\ntwo")]
    assert told.id in await world.ids()
    assert problems(world) == []


async def test_what_turns_private_at_home_turns_private_here_and_back(world: World) -> None:
    peer = Peer(world)
    peer.is_()
    message = peer.take(said())
    listed = peer.has(ALICE)
    assert await reads(world, message)
    peer.is_("private", at=NOW + 1)
    assert not await reads(world, message)
    assert listed.id not in await world.ids()
    assert await reads(world, message, ALICE)
    hidden = peer.is_("private", "hidden", at=NOW + 2)
    settle(world)
    assert hidden.id not in await world.ids()
    assert hidden.id in await world.ids(ALICE)
    peer.is_(at=NOW + 3)
    settle(world)
    assert await reads(world, message)
    assert problems(world) == []


async def test_an_old_word_of_its_home_undoes_no_newer_one(world: World) -> None:
    peer = Peer(world)
    peer.is_("private", at=NOW + 10)
    peer.has(ALICE, at=NOW + 10)
    message = peer.take(said())
    old = [peer.tells(39000, ["name", "Tides"], at=NOW), peer.tells(39002, ["p", keypair(BOB).pubkey], at=NOW)]
    assert [one.status for one in peer.bring(*old)] == [Status.REFUSED] * 2
    gone = make_event(HOME, 5, "", [["a", f"39000:{keypair(HOME).pubkey}:room"]], NOW + 11)
    peer.take(gone)
    assert [one.status for one in peer.bring(*old)] == [Status.REFUSED] * 2
    assert not await reads(world, message)
    assert not await reads(world, message, BOB)


async def test_nobody_but_its_home_says_what_a_group_is(world: World) -> None:
    peer, other = Peer(world), Peer(world, OTHER)
    peer.is_("private")
    peer.has(ALICE)
    message = peer.take(said())
    forged = make_event(BOB, 39002, "", [["d", "room"], ["p", keypair(BOB).pubkey]], NOW + 5)
    opened = make_event(BOB, 39000, "", [["d", "room"]], NOW + 5)
    replayed = peer.tells(39000, at=NOW + 5)  # signed by the home, and brought by another
    for way in (peer, other):
        assert [one.status for one in way.bring(forged, opened)] == [Status.REFUSED] * 2
    assert other.bring(replayed)[0].status is Status.REFUSED
    own = make_event(100, 39000, "", [["d", "room"]], NOW + 5)  # this relay's own key
    assert peer.bring(own)[0].status is Status.REFUSED
    for door in (Door.PEER, Door.CLIENT):  # a peer without groups, and clients, come into it by nothing
        outcome = world.send(said(BOB, door.name), make_event(BOB, 9008, "", [["h", "room"]], NOW), door=door)
        assert [one.status for one in outcome] == [Status.REFUSED] * 2
    assert not await reads(world, message, BOB)
    assert await reads(world, message, ALICE)


async def test_the_same_id_at_two_relays_is_two_groups_and_ours_is_found(world: World) -> None:
    peer = Peer(world)
    peer.is_()
    theirs = peer.take(said(text="theirs"))
    assert await reads(world, theirs)
    world.begin(BOB)
    ours = world.say(BOB, 9, text="ours")
    settle(world)
    assert await reads(world, ours)
    assert not await reads(world, theirs)
    later = peer.take(said(BOB, text="later"))  # by a member of ours: it is not of ours
    peer.take(make_event(BOB, 9008, "", [["h", "room"]], NOW))
    assert not await reads(world, later)
    assert not world.group().ended
    assert await reads(world, ours)
    assert problems(world) == []


async def test_what_a_group_of_the_same_id_elsewhere_holds_changes_no_row_of_ours(world: World) -> None:
    """Nobody hides what was said here by saying it anew at another relay."""
    world.begin(ALICE, ["type", "project"], ["name", "Tides"])
    world.begin(ALICE, ["type", "organization"], group="org")
    issue = world.say(ALICE, 1621, ["subject", "It leaks"])
    world.say(ALICE, 1010, ["e", issue.id], ["subject", "It drips"])
    world.say(ALICE, 1632, ["e", issue.id])
    world.say(ALICE, 30078, ["d", "room"], text='{"is_archived":true}')
    world.say(ALICE, 30078, ["d", "agent:pilot"], text='{"name":"Pilot"}', group="org")

    def rows() -> list[object]:
        read = world.writer.connection.execute
        return [
            read("SELECT title, status_id, identifier, updated_at FROM issues").fetchall(),
            read("SELECT name, is_archived, updated_at FROM projects").fetchall(),
            read("SELECT name FROM agents").fetchall(),
            read("SELECT * FROM numbers").fetchall(),
        ]

    before = rows()
    assert before[:3] == [[("It drips", "closed", "TIDE-1", NOW)], [("Tides", 1, NOW)], [("Pilot",)]]
    peer, later = Peer(world), NOW + 60
    for group in ("room", "org"):
        peer.is_(group=group)
    tags = [["h", "room"], ["e", issue.id]]
    for kind in (1010, 1630, 1631, 1632, 1633):
        peer.take(make_event(BOB, kind, "theirs", tags, later))
    peer.take(make_event(BOB, 9002, "", [["h", "room"], ["name", "Theirs"]], later))
    peer.take(make_event(BOB, 30078, "{}", [["d", "room"], ["h", "room"]], later))
    peer.take(make_event(BOB, 30078, "{}", [["d", "agent:pilot"], ["h", "org"]], later))
    peer.take(make_event(BOB, 1621, "theirs", [["h", "room"]], later))
    assert rows() == before
    world.say(ALICE, 1631, ["e", issue.id], text="again", at=NOW + 1)
    assert problems(world) == []
    assert rows()[0] == [("It drips", "resolved", "TIDE-1", NOW + 1)]


async def test_of_two_peers_groups_with_the_same_id_the_first_is_found(world: World) -> None:
    first, second = Peer(world), Peer(world, OTHER)
    first.is_()
    second.is_()
    one, two = first.take(said(text="one")), second.take(said(text="two"))
    assert await reads(world, one)
    assert not await reads(world, two)


async def test_nobody_writes_into_it_here_and_all_are_told_where(world: World) -> None:
    peer = Peer(world)
    peer.is_()
    message = peer.take(said())
    refused = world.send(
        said(BOB),
        make_event(BOB, 7, "+", [["e", message.id]], NOW),
        make_event(BOB, 1111, "so?", [["E", message.id], ["K", "9"], ["e", message.id], ["k", "9"]], NOW),
    )
    for outcome in refused:
        assert outcome.refusal is not None
        assert URLS[HOME] in outcome.refusal.message
    joining = world.send(make_event(BOB, 9021, "", [["h", "room"]], NOW))[0]
    assert joining.refusal is not None
    own = world.send(make_event(ALICE, 5, "", [["e", message.id]], NOW))[0]  # what is one's own goes always
    assert own.status is Status.STORED
    assert not await reads(world, message)


async def test_it_ends_when_its_home_says_so(world: World) -> None:
    peer = Peer(world)
    described = peer.is_()
    message = peer.take(said())
    end = peer.take(make_event(BOB, 9008, "", [["h", "room"]], NOW + 1))
    settle(world)
    assert await world.ids(ALICE) == {end.id}
    assert described.id not in await world.ids()
    assert peer.bring(said(text="more"), peer.tells(39000, at=NOW + 9))[0].status is Status.REFUSED
    assert not await reads(world, message)


async def test_what_is_removed_at_home_is_removed_here_and_nothing_else(world: World) -> None:
    peer = Peer(world)
    peer.is_()
    message, note = peer.take(said()), world.say(ALICE, 1, group=None)
    coming = make_event(ALICE, 1, "not here yet", [], NOW)
    added = peer.take(make_event(BOB, 9000, "", [["h", "room"], ["p", keypair(ALICE).pubkey]], NOW))
    named = [["e", one.id] for one in (message, note, coming, added)]
    peer.take(make_event(BOB, 9005, "", [["h", "room"], *named], NOW))
    assert not await reads(world, message)
    assert {note.id, added.id} <= await world.ids()
    assert world.send(coming)[0].status is Status.STORED


async def test_what_answers_something_unknown_is_not_taken_of_a_relay_with_private_groups(world: World) -> None:
    peer = Peer(world)
    message = said()
    comment = make_event(BOB, 1111, "secret", [["E", message.id], ["K", "9"], ["e", message.id], ["k", "9"]], NOW)
    peer.is_("private")
    assert peer.bring(comment)[0].status is Status.REFUSED
    peer.take(message)
    peer.take(comment)
    assert await world.ids(ALICE) & {message.id, comment.id} == set()
    assert problems(world) == []


async def test_what_another_relay_brought_first_comes_to_its_home(world: World) -> None:
    """Nobody keeps a group's events from it by being faster."""
    peer, other = Peer(world), Peer(world, OTHER)
    message = other.take(said())
    peer.is_()
    settle(world)
    assert not await reads(world, message)
    assert peer.bring(message)[0].status is Status.DUPLICATE
    settle(world)
    found = await world.ids()
    assert message.id in found
    assert problems(world) == []


async def test_what_peers_brought_before_is_taken_in(world: World) -> None:
    """As relays from before there were replicas hold it: for everyone."""
    message = said()
    assert world.send(message, door=Door.PEER)[0].status is Status.STORED
    assert await reads(world, message)
    Peer(world).is_("private")
    settle(world)
    assert not await reads(world, message)
    assert problems(world) == []


async def test_an_event_names_no_group_by_what_it_is_called_here(world: World) -> None:
    peer = Peer(world)
    peer.is_()
    name = replica_id(keypair(HOME).pubkey, "room")
    outcomes = world.send(said(group=name), make_event(ALICE, 9021, "", [["h", name]], NOW))
    assert [one.status for one in outcomes] == [Status.REFUSED] * 2
    assert peer.bring(said(group=name), peer.tells(39000, group=name))[1].status is Status.REFUSED


async def test_an_import_opens_no_groups_of_other_relays(world: World) -> None:
    """A log of a relay with another key: nothing tells what of it was private."""
    message = said(text="secret")
    exported = [
        make_event(ALICE, 9007, "", [["h", "room"], ["name", "Secrets"]], NOW),
        make_event(HOME, 9000, "", [["h", "room"], ["p", keypair(ALICE).pubkey, "owner"], ["type", "thread"]], NOW),
        make_event(ALICE, 9002, "", [["h", "room"], ["private"]], NOW),
        message,
        make_event(BOB, 7, "+", [["e", message.id]], NOW),
    ]
    outcomes = world.send(*exported, door=Door.IMPORT)
    assert [one.status for one in outcomes] == [Status.STORED] * len(exported)
    assert await world.ids(BOB) == set()
    assert await world.ids(ALICE) == {exported[0].id}
    world.begin(BOB)  # the id is free
    peer = Peer(world)
    assert peer.bring(message)[0].status is Status.DUPLICATE
    assert problems(world) == []


@pytest.mark.parametrize("seed", range(12))
async def test_in_whatever_order_all_of_it_comes_the_same_is_read(world: World, seed: int) -> None:
    """Against a model: the newest 39000 and 39002 hold, whatever else was said before or comes after."""
    chance = random.Random(seed)
    peer = Peer(world)
    told: list[Event] = []
    for at in range(1, 5):
        flags = [[one] for one in ("private", "hidden") if chance.random() < 0.5]
        told.append(peer.tells(39000, ["name", str(at)], *flags, at=NOW + at))
        listed = [["p", keypair(key).pubkey] for key in (1, 2, 3) if chance.random() < 0.5]
        told.append(peer.tells(39002, *listed, at=NOW + at))
    messages = [said(chance.randrange(1, 4), str(number)) for number in range(6)]
    reactions = [make_event(4, 7, "+", [["e", one.id]], NOW) for one in messages[:3]]
    some = [*told, *messages, *reactions]
    chance.shuffle(some)
    while some:
        part = [some.pop() for _ in range(min(len(some), chance.randrange(1, 6)))]
        outcomes = peer.bring(*part)
        late = [one for one, outcome in zip(part, outcomes, strict=True) if outcome.status is Status.REFUSED]
        some = [*(one for one in late if one.kind == 7), *some]
        if chance.random() < 0.3:
            peer.bring(*messages)
    settle(world)
    described, listed_ = (
        max((one for one in told if one.kind == kind), key=lambda one: one.created_at) for kind in (39000, 39002)
    )
    private, hidden = ([flag] in described.tags for flag in ("private", "hidden"))
    held = {one.id for one in (*messages, *reactions)}
    for key in (1, 2, 3, 4):
        is_member = ["p", keypair(key).pubkey] in listed_.tags
        expected = held if is_member or not private else set()
        expected = expected | ({described.id} if is_member or not hidden else set())
        expected = expected | ({listed_.id} if is_member or not (private or hidden) else set())
        assert await world.ids(key) == expected, key
    assert problems(world) == []
    members = {one.group_id for one in world.writer.tables.memberships([keypair(1).pubkey])}
    assert members <= {replica_id(keypair(HOME).pubkey, "room")}
    assert msgspec.structs.asdict(world.writer.tables.called(["room"])["room"])["home_url"] == URLS[HOME]
