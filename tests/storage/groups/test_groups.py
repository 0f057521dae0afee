"""What the log keeps of groups: their state, whose events are whose, what the relay tells of them, and what is read of it."""

from typing import Any

import pytest

from handlers.rows import PROJECTIONS
from relay.errors import Changed
from relay.protocol import event as events
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.groups import announce, belonging
from relay.protocol.groups.fold import hash_of
from relay.protocol.groups.state import Invite, Member
from storage.base import Expected, Incoming, Logged, Status
from storage.commands import ContinueGroups, RemoveMatching
from storage.groups import Membership
from storage.sqlite.rows import rebuilding
from storage.sqlite.writing.groups import announcing, moving
from tests.factories import keypair
from tests.storage.groups.world import ALICE, BOB, CAROL, NOW, OWN, World

CHAT = 9


def of_kind(*some: int) -> Filter:
    return Filter(kinds=frozenset(some))


def in_group(*ids: str, kind: int = CHAT) -> Filter:
    return Filter(kinds=frozenset([kind]), tags={"h": frozenset(ids)})


# state


async def test_of_two_changes_made_from_the_same_state_of_a_private_group_one_is_refused(world: World) -> None:
    world.begin()
    before = world.edit(["private"], ["name", "room"])
    world.now += 1
    wanted = Filter(kinds=frozenset([belonging.EDIT_METADATA]), tags={"h": frozenset(["room"])}, limit=1)
    first, second = (world.make(1, belonging.EDIT_METADATA, ["private"], ["name", name]) for name in ("one", "two"))
    from_it = Expected(wanted, before.id, world.readers(1))
    batch = [Incoming(event, events.wire(event), Door.HTTP, world.now, expected=from_it) for event in (first, second)]
    outcomes = world.writer.write(batch, world.now)
    assert [one.status for one in outcomes] == [Status.STORED, Status.REFUSED]
    assert isinstance(outcomes[1].refusal, Changed)
    assert world.group().name == "one"


async def test_members_and_their_roles_stand_as_they_were_put(world: World) -> None:
    world.begin()
    world.now += 1
    world.put(2, roles=["admin", "gardener"])
    world.now += 1
    world.put(3)
    tables = world.writer.tables
    assert tables.members_of("room") == [
        (CAROL, Member("member", (), NOW + 2)),
        (BOB, Member("member", ("admin", "gardener"), NOW + 1)),
        (ALICE, Member("member", ("owner",), NOW)),
    ]
    assert tables.members_of("room", after=CAROL, limit=1) == [(BOB, Member("member", ("admin", "gardener"), NOW + 1))]
    assert [pubkey for pubkey, _ in tables.admins_of("room")] == [BOB, ALICE]
    assert sorted(tables.memberships([BOB, CAROL]), key=lambda one: one.member.since) == [
        Membership(BOB, "room", Member("member", ("admin", "gardener"), NOW + 1), True),
        Membership(CAROL, "room", Member("member", (), NOW + 2), False),
    ]
    assert tables.group_sizes(["room", "other"]) == {"room": 3}
    world.say(1, belonging.REMOVE_USER, ["p", BOB])
    assert tables.member(BOB, "room") == Member("removed", (), world.now)
    assert tables.group_sizes(["room"]) == {"room": 2}
    assert tables.memberships([BOB]) == []


async def test_groups_are_listed_the_newest_first_without_hidden_and_ended_ones(world: World) -> None:
    for name in ("a", "b", "c", "d"):
        world.begin(group=name)
    world.edit(["hidden"], group="b")
    world.edit(["parent", "c"], group="a")
    world.say(1, belonging.DELETE_GROUP, group="d")
    tables = world.writer.tables
    assert [group.id for group in tables.groups()] == ["c", "a"]
    assert [group.id for group in tables.groups(hidden=True)] == ["c", "b", "a"]
    assert [group.id for group in tables.groups(after="c", hidden=True, limit=1)] == ["b"]
    assert [group.id for group in tables.groups(parent="c")] == ["a"]
    assert tables.groups(of_type="project") == []
    assert world.group("d").ended


async def test_codes_stand_until_they_are_used_or_revoked(world: World) -> None:
    world.begin(1, ["closed"])
    world.say(1, belonging.CREATE_INVITE, ["code", "sesame"], ["uses", "2"])
    assert world.writer.tables.invites_of("room") == [(hash_of("sesame"), Invite(ALICE, None, 2))]
    world.say(2, belonging.JOIN_REQUEST, ["code", "sesame"])
    assert world.writer.tables.invites_of("room") == [(hash_of("sesame"), Invite(ALICE, None, 1))]
    world.say(1, belonging.CREATE_INVITE, ["code", "sesame"], ["revoked"])
    assert world.writer.tables.invites_of("room") == []


async def test_followers_hear_which_groups_and_members_changed(world: World) -> None:
    world.begin()
    world.put(2)
    world.writer.collect()
    world.say(2, CHAT, text="nothing changes")
    assert world.writer.collect().changes == []
    world.say(1, belonging.REMOVE_USER, ["p", BOB])
    assert world.writer.collect().changes == [("member", f"{BOB} room")]
    world.edit(["private"])
    assert world.writer.collect().changes == [("group", "room")]


async def test_a_refused_change_leaves_nothing(world: World) -> None:
    world.begin()
    refused = world.send(world.make(2, belonging.EDIT_METADATA, ["name", "mine"]), world.make(2, 9007))
    assert [one.status for one in refused] == [Status.REFUSED] * 2
    assert world.group().name == ""


async def test_what_came_before_the_group_began_is_not_its(world: World) -> None:
    before = world.make(3, CHAT, text="of a group elsewhere")
    world.send(before, door=Door.PEER)
    world.begin()
    world.edit(["private"])
    after = world.say(1, CHAT, text="ours")
    assert await world.ids(4, wanted=of_kind(CHAT)) == {before.id}
    assert await world.ids(1, wanted=of_kind(CHAT)) == {before.id, after.id}


# whose events are whose


@pytest.mark.parametrize("kind", [kinds.REACTION, kinds.COMMENT, belonging.REPORT, belonging.ZAP, kinds.DELETION])
@pytest.mark.parametrize("before", [True, False], ids=["answer first", "answer last"])
@pytest.mark.parametrize("together", [True, False], ids=["one batch", "one by one"])
async def test_what_answers_a_message_is_its_groups_in_whatever_order_they_come(
    world: World, kind: int, before: bool, together: bool
) -> None:
    world.begin(1, ["private"])
    world.put(3)
    message = world.make(1, CHAT, text="secret")
    tags = (
        [["E", message.id], ["K", "9"], ["e", message.id], ["k", "9"]] if kind == kinds.COMMENT else [["e", message.id]]
    )
    answer = world.make(3, kind, *tags, group=None, text="+")
    order = [answer, message] if before else [message, answer]
    world.writer.collect()
    outcomes = world.send(*order) if together else [world.send(one)[0] for one in order]
    assert [one.status for one in outcomes] == [Status.STORED] * 2
    assert answer.id not in await world.ids(2)
    assert answer.id in await world.ids(1)
    if together:
        told = {events.parse(one.wire).id: one.audience for one in world.writer.collect().events}
        assert told == {message.id: ("g:room",), answer.id: ("g:room",)}


async def test_answers_of_answers_follow(world: World) -> None:
    message = world.make(1, CHAT, text="secret")
    comment = world.make(2, kinds.COMMENT, ["E", message.id], ["e", message.id], group=None)
    liked = world.make(3, kinds.REACTION, ["e", comment.id], group=None, text="+")
    other = world.make(3, kinds.REACTION, ["e", comment.id], group="elsewhere", text="+")
    world.send(liked, other, comment, door=Door.PEER)
    world.begin(1, ["private"])
    world.send(message)
    assert await world.ids(3, wanted=of_kind(kinds.COMMENT, kinds.REACTION)) == {other.id}
    assert await world.ids(1, wanted=of_kind(kinds.COMMENT, kinds.REACTION)) == {comment.id, liked.id, other.id}


async def test_more_answers_than_one_transaction_takes_in_follow_in_parts(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.sqlite.groups.events.MOST", 3)
    monkeypatch.setattr(moving, "AT_ONCE", 2)
    message = world.make(1, CHAT, text="secret")
    comments = [world.make(2, kinds.COMMENT, ["E", message.id], group=None, text=f"{n}") for n in range(5)]
    liked = [world.make(2, kinds.REACTION, ["e", one.id], group=None, text="+") for one in comments]
    world.send(*comments, *liked)
    world.begin(1, ["private"])
    world.send(message)
    world.writer.execute(ContinueGroups(), world.now)
    assert world.writer.unfinished
    while world.writer.unfinished:
        world.writer.execute(ContinueGroups(), world.now)
    assert await world.ids(3, wanted=of_kind(kinds.COMMENT, kinds.REACTION)) == set()
    assert await world.ids(1, wanted=of_kind(kinds.COMMENT, kinds.REACTION)) == {one.id for one in comments + liked}


# who reads what


async def test_a_private_groups_events_are_for_members_on_every_way(world: World) -> None:
    world.begin(1, ["private"])
    message = world.say(1, CHAT, text="secret")
    assert world.store is not None
    for wanted in (Filter(), in_group("room"), Filter(ids=frozenset([message.id])), Filter(authors=frozenset([ALICE]))):
        assert message.id not in await world.ids(2, wanted=wanted)
        assert message.id in await world.ids(1, wanted=wanted)
    assert await world.store.get(message.id, world.readers(2), world.now) is None
    assert await world.store.get(message.id, world.readers(1), world.now) is not None
    world.put(2)
    assert message.id in await world.ids(2)


async def test_whoever_is_put_or_removed_reads_that_of_a_private_group(world: World) -> None:
    world.begin(1, ["private"])
    world.put(2)
    removal = world.say(1, belonging.REMOVE_USER, ["p", BOB])
    assert removal.id in await world.ids(2)
    assert await world.ids(3, wanted=of_kind(9000, 9001)) == set()


async def test_codes_are_for_those_who_moderate(world: World) -> None:
    world.begin()
    world.put(2)
    world.put(3, roles=["moderator"])
    invite = world.say(3, belonging.CREATE_INVITE, ["code", "sesame"])
    world.edit(["private"])
    world.edit()
    assert invite.id not in await world.ids(2)
    assert invite.id in await world.ids(1)
    assert invite.id in await world.ids(3)


async def test_a_filter_that_names_groups_finds_theirs_and_what_is_public_or_ones_own(world: World) -> None:
    for name in ("a", "b"):
        world.begin(1, ["private"], group=name)
    world.begin(group="open")
    said = {name: world.say(1, CHAT, text=name, group=name).id for name in ("a", "b", "open")}
    replica = world.make(1, CHAT, text="none", group="none")
    world.send(replica, door=Door.PEER)
    said["none"] = replica.id
    for wanted in (["a"], ["b", "open"], ["open"], ["none"], ["a", "b", "open", "none"]):
        assert await world.ids(1, wanted=in_group(*wanted)) == {said[name] for name in wanted}
        assert await world.ids(2, wanted=in_group(*wanted)) == {said[name] for name in wanted} - {said["a"], said["b"]}


async def many(world: World, number: int) -> list[Event]:
    world.begin()
    world.put(2)
    some = [world.make(2, CHAT, text=f"{n}", at=NOW - number + n) for n in range(number)]
    world.send(*some)
    return some


async def test_a_switch_holds_at_once_for_all_that_a_group_ever_held(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before anything was entered anew, and at every step of that."""
    monkeypatch.setattr(moving, "AT_ONCE", 3)
    everything = {event.id for event in await many(world, 20)}

    async def check(shown: set[str]) -> None:
        for wanted in (
            of_kind(CHAT),
            in_group("room"),
            Filter(authors=frozenset([BOB])),
            Filter(ids=frozenset(everything)),
        ):
            assert everything & await world.ids(3, wanted=wanted) == shown
            assert everything & await world.ids(2, wanted=wanted) == everything
        assert world.store is not None
        one = min(everything)
        assert (await world.store.get(one, world.readers(3), world.now) is not None) is bool(shown)
        public = {events.parse(logged.wire).id for logged in await followed(world) if logged.audience is None}
        assert not (everything & public) - shown

    for tags, shown in (([["private"]], set()), ([], everything), ([["private"]], set())):
        world.edit(*tags)
        steps = 0
        await check(shown)
        assert world.writer.moving == 1
        while world.writer.unfinished:
            world.writer.execute(ContinueGroups(), world.now)
            await check(shown)
            steps += 1
        assert world.writer.moving == 0
        assert steps > 6


async def followed(world: World) -> list[Logged]:
    assert world.store is not None
    return await world.store.follow(0, world.writer.last_seq(), 1000)


async def test_a_switch_back_before_the_first_was_done_ends_as_it_should(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "AT_ONCE", 3)
    everything = {event.id for event in await many(world, 20)}
    for turn, private in enumerate((True, False, True, False, True)):
        world.edit(*([["private"]] if private else []))
        world.writer.execute(ContinueGroups(), world.now)
        secret = world.say(2, CHAT, text=f"turn {turn}")
        assert (secret.id in await world.ids(3)) is not private
        assert everything & await world.ids(3) == (set() if private else everything)
        assert everything <= await world.ids(2)
    while world.writer.unfinished:
        world.writer.execute(ContinueGroups(), world.now)
    assert await world.ids(3, wanted=of_kind(CHAT)) == set()
    assert everything <= await world.ids(2)


async def test_a_switch_goes_on_after_a_restart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "AT_ONCE", 3)
    everything = {event.id for event in await many(world, 10)}
    world.edit(["private"])
    await world.close()
    again = World(world.directory)
    await again.open()
    assert again.writer.moving == 1
    assert again.writer.unfinished
    assert not everything & await again.ids(3)
    while again.writer.unfinished:
        again.writer.execute(ContinueGroups(), again.now)
    assert not everything & await again.ids(3)
    assert everything <= await again.ids(2)
    await again.close()


@pytest.mark.parametrize("end", [False, True], ids=["private", "ended"])
async def test_posts_of_a_community_leave_the_feed_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch, end: bool
) -> None:
    monkeypatch.setattr(moving, "AT_ONCE", 1)
    world.begin()
    post = world.say(1, kinds.POST, ["title", "Hello"])
    comment = world.say(1, kinds.COMMENT, ["E", post.id], ["K", "11"], ["e", post.id], ["k", "11"], text="hi")
    for _ in range(3):
        world.say(1, CHAT, text=f"{_}")
    assert world.store is not None
    feed = world.store.feed

    async def shown() -> list[str]:
        rows: list[Any] = [
            *(await feed.posts("new", 10, world.now)).rows,
            *await feed.posts_by_id([post.id], world.now),
        ]
        rows += [*(await feed.posts("new", 10, world.now, group="room")).rows]
        rows += [*(await feed.comments(post.id, "new", 10, world.now)).rows]
        return [row.id for row in [*rows, *await feed.comments_by_id([comment.id], world.now)]]

    assert await shown() == [post.id] * 3 + [comment.id] * 2
    world.now += 1
    if end:
        world.say(1, belonging.DELETE_GROUP)
    else:
        world.edit(["private"])
    assert world.writer.unfinished
    while world.writer.unfinished:
        assert await shown() == []
        world.writer.execute(ContinueGroups(), world.now)
    assert await shown() == []
    assert world.writer.connection.execute("SELECT count(*) FROM posts").fetchone() == (0,)


async def test_of_an_ended_group_nothing_is_served_but_its_end(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moving, "AT_ONCE", 3)
    await many(world, 10)
    world.now += 1
    end = world.say(1, belonging.DELETE_GROUP)
    while world.writer.unfinished:
        for key in (1, 2, 3):
            assert await world.ids(key) == {end.id}
        world.writer.execute(ContinueGroups(), world.now)
    assert await world.ids(1) == {end.id}
    assert world.announced() == {}
    assert world.writer.tables.memberships([ALICE, BOB]) == []


async def test_what_a_hidden_group_is_is_told_to_members_alone_from_that_moment(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for most in (100, 1):
        monkeypatch.setattr(moving, "MOST_AT_ONCE", most)
        monkeypatch.setattr(moving, "AT_ONCE", most)
        name = f"room{most}"
        begun = world.begin(group=name)
        world.put(2, group=name)
        edits = [world.edit(["name", f"{n}"], group=name) for n in range(3)]
        said = {event.id for event in [begun, *edits]}
        message = world.say(1, CHAT, group=name)
        assert said <= await world.ids(3)
        said.add(world.edit(["hidden"], group=name).id)
        assert not said & await world.ids(3)
        assert said <= await world.ids(2)
        while world.writer.unfinished:
            world.writer.execute(ContinueGroups(), world.now)
        assert message.id in await world.ids(3)
        assert not said & await world.ids(3)
        said.add(world.edit(group=name).id)
        while world.writer.unfinished:
            world.writer.execute(ContinueGroups(), world.now)
        assert said <= await world.ids(3)


# what the relay tells


async def test_a_group_is_announced_in_the_transaction_that_changes_it(world: World) -> None:
    world.writer.collect()
    world.begin(1, ["name", "Room"])
    commit = world.writer.collect()
    assert {events.parse(one.wire).kind for one in commit.events} >= {9007, 9000, *announce.ANNOUNCED}
    found = world.announced()
    assert sorted(found) == sorted(announce.ANNOUNCED)
    assert found[39000][0].tags == [["d", "room"], ["name", "Room"]]
    assert found[39001][0].tags == [["d", "room"], ["p", ALICE, "owner"]]
    assert found[39002][0].tags == [["d", "room"], ["p", ALICE]]
    assert {event.pubkey for event, _ in found.values()} == {OWN.pubkey}


async def test_only_what_changed_is_announced_again_and_always_later(world: World) -> None:
    world.begin()
    first = world.announced()
    world.put(2)
    second = world.announced()
    assert {kind for kind in first if first[kind] != second[kind]} == {39002}
    world.edit(["name", "a"])
    world.edit(["name", "b"])
    third = world.announced()
    assert {kind for kind in first if second[kind] != third[kind]} == {39000}
    assert third[39000][0].created_at == first[39000][0].created_at + 2
    world.edit(["name", "b"])
    assert world.announced() == third


async def test_a_removed_admin_is_no_longer_named(world: World) -> None:
    world.begin()
    world.put(2, roles=["admin"])
    world.say(1, belonging.REMOVE_USER, ["p", BOB])
    found = world.announced()
    assert [events.values(found[kind][0], "p") for kind in (39001, 39002)] == [[ALICE], [ALICE]]


async def test_announcements_are_for_those_who_may_know(world: World) -> None:
    world.begin()
    assert {audience for _, audience in world.announced().values()} == {None}
    world.edit(["private"])
    found = world.announced()
    assert {kind: audience for kind, (_, audience) in found.items()} == {
        39000: None,
        39001: None,
        39002: ("g:room",),
        39003: None,
        39005: ("g:room",),
    }
    world.edit(["hidden"])
    assert {audience for _, audience in world.announced().values()} == {("g:room",)}
    assert not await world.ids(2, wanted=of_kind(*announce.ANNOUNCED))
    assert len(await world.ids(1, wanted=of_kind(*announce.ANNOUNCED))) == len(announce.ANNOUNCED)


async def test_the_members_of_a_large_group_are_told_once_a_second_also_after_a_crash(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcing, "LARGE", 2)
    world.begin()
    world.put(2)
    world.now += 1
    world.put(3)  # now it is large, and it is told
    told = world.announced()[39002]
    world.put(4)
    assert world.announced()[39002] == told
    assert world.writer.execute(ContinueGroups(), world.now) == pytest.approx(1.0)
    await world.close()
    again = World(world.directory)
    again.now = world.now + 1
    assert again.writer.unfinished
    assert again.writer.execute(ContinueGroups(), again.now) is None
    assert again.announced()[39002][0].tags[1] == ["p", keypair(4).pubkey]
    assert not again.writer.unfinished
    await again.close()


async def test_what_the_relay_says_in_a_group_is_its_groups(world: World) -> None:
    world.begin(1, ["private"])
    world.say(2, belonging.JOIN_REQUEST)
    (said,) = [one for one in world.stored(belonging.PUT_USER) if events.first_value(one, "p") == BOB]
    assert said.pubkey == OWN.pubkey
    assert said.id not in await world.ids(3)
    assert said.id in await world.ids(1)


# vanishing


async def test_what_moderation_that_the_operator_removes_did_holds(world: World) -> None:
    world.begin()
    world.put(2, roles=["admin"])
    world.edit(["name", "Bobs"], by=2)
    world.put(3, by=2)
    world.now += 1
    assert world.writer.execute(RemoveMatching(Filter(authors=frozenset([BOB])), 100), world.now) == 2
    assert await world.ids(1, wanted=Filter(authors=frozenset([BOB]))) == set()
    assert list(rebuilding.problems(world.writer.connection, PROJECTIONS)) == []
    assert world.group().name == "Bobs"
    assert {pubkey for pubkey, _ in world.writer.tables.members_of("room")} == {ALICE, BOB, CAROL}


async def test_what_a_key_did_in_groups_holds_after_it_vanished(world: World) -> None:
    world.begin()
    world.put(2, roles=["admin"])
    world.now += 1
    world.edit(["name", "Bobs"], ["private"], by=2)
    world.put(3, by=2)
    world.now += 1
    world.say(2, kinds.VANISH, ["relay", "ALL_RELAYS"], group=None)
    tables = world.writer.tables
    assert (world.group().name, world.group().private) == ("Bobs", True)
    assert {pubkey for pubkey, _ in tables.members_of("room")} == {ALICE, CAROL}
    assert tables.member(BOB, "room") is not None
    assert await world.ids(1, wanted=Filter(authors=frozenset([BOB]))) == {world.stored(kinds.VANISH)[0].id}
    assert world.announced()[39002][0].tags[1:] == [["p", CAROL], ["p", ALICE]]
    assert {one.pubkey for one in world.stored(belonging.EDIT_METADATA)} == {OWN.pubkey}


async def test_after_the_clock_was_wrong_a_group_is_told_of_by_the_right_one(world: World) -> None:
    """What was announced then would have stood until the clock comes to that time."""
    world.now = NOW + 86_400
    world.begin()
    world.now = NOW
    world.edit(["name", "Pizza"])
    world.put(2)
    told = {kind: event for kind, (event, _) in world.announced().items()}
    assert events.first_value(told[39000], "name") == "Pizza"
    assert BOB in events.values(told[39002], "p")
    assert told[39000].created_at == told[39002].created_at == NOW


@pytest.mark.parametrize("by_operator", [False, True])
@pytest.mark.parametrize("flags", [[], ["private"]])
async def test_of_an_issue_that_is_removed_no_edit_tells_what_it_said(
    world: World, flags: list[str], by_operator: bool
) -> None:
    """Who deletes an issue of their own takes their own edits along; a moderator and the operator those of all."""
    for group in ("room", "other"):
        world.begin(1, ["type", "project"], *([flag] for flag in flags), group=group)
    world.put(2)
    world.put(3, roles=["moderator"])
    issues = [world.say(2, kinds.ISSUE, text=f"It leaks {n}.") for n in range(2)]
    elsewhere = world.say(1, kinds.EDIT, ["e", issues[1].id], group="other", text="not of that group")
    edits = {
        (n, key): world.say(key, kinds.EDIT, ["e", one.id], text=f"It drips {n} {key}.")
        for n, one in enumerate(issues)
        for key in (1, 2)
    }
    world.say(2, kinds.DELETION, ["e", issues[0].id])
    if by_operator:
        world.writer.execute(RemoveMatching(Filter(ids=frozenset([issues[1].id])), 1), world.now)
    else:
        world.say(3, belonging.DELETE_EVENT, ["e", issues[1].id])
    assert {one.id for one in world.stored(kinds.EDIT)} == {elsewhere.id, edits[0, 1].id}
    for key in (1, 2):
        late = world.make(key, kinds.EDIT, ["e", issues[1].id], text="again")
        assert str(world.send(late)[0].refusal).startswith("blocked: ")
    assert world.writer.connection.execute("SELECT count(*) FROM issues").fetchone() == (0,)
    assert list(rebuilding.problems(world.writer.connection, PROJECTIONS)) == []
