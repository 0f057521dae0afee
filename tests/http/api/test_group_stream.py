"""The stream of one's groups: what it tells, to whom, how it resumes."""

import time

import pytest

from relay.http.api.group_watchers import GroupWatcher, WatcherIndex
from relay.protocol import kinds
from relay.protocol.groups.belonging import JOIN_REQUEST
from tests.factories import make_event
from tests.http.api.streams import streaming
from tests.http.api.test_groups import NAMES, begun, message

PATH = "/stream/groups"


@pytest.fixture
def application(relay):
    return relay._transport.app


def watching(application, api, **headers):
    return streaming(application, path=PATH, authorization=f"Bearer {api.token}", **headers)


async def test_tells_members_of_what_is_said_done_and_changed(application, alice, bob):
    group = await begun(alice, id=NAMES, private=True)
    async with watching(application, bob) as frames:
        assert (await frames.started)[0] == 200
        await frames.ready()
        await message(alice, group, "before bob")
        await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob", "roles": ["moderator"]})
        told = (await frames.told())["data"]
        assert (told["type"], told["agent"], told["is_member"], told["roles"]) == (
            "membership",
            "bob",
            True,
            ["moderator"],
        )
        said = await message(alice, group, "Low water")
        frame = await frames.told()
        assert (frame["event"], frame["data"]["group_id"], frame["data"]["message"]) == ("message", NAMES, said)
        assert int(frame["id"]) == frame["data"]["seq"]
        await alice.told("PATCH", f"groups/{NAMES}/messages/{said['id']}", {"content": "High water"})
        told = (await frames.told())["data"]
        assert (told["type"], told["message_id"], told["content"], told["agent"]) == (
            "edit",
            said["id"],
            "High water",
            "alice",
        )
        await alice.told("POST", f"groups/{NAMES}/messages/{said['id']}/reactions", {"content": "+"}, 201)
        told = (await frames.told())["data"]
        assert (told["type"], told["message_id"], told["content"], told["agent"]) == (
            "reaction",
            said["id"],
            "+",
            "alice",
        )
        await alice.told("POST", f"groups/{NAMES}/pins", {"id": said["id"]})
        assert (await frames.told())["data"]["change"] == "pinned"
        await alice.told("DELETE", f"groups/{NAMES}/messages/{said['id']}")
        assert (await frames.told())["data"]["event_ids"] == [said["id"]]
        await alice.told("PATCH", f"groups/{NAMES}", {"name": "Another"})
        assert (await frames.told())["data"]["change"] == "edited"
        await alice.told("DELETE", f"groups/{NAMES}")
        assert (await frames.told())["data"]["change"] == "deleted"


async def test_edits_and_deletions_that_change_nothing_are_not_told(application, relay, alice):
    group = await begun(alice, id=NAMES)
    async with watching(application, alice) as frames:
        await frames.ready()
        said = await message(alice, group, "Low water")
        assert (await frames.told())["data"]["message"] == said
        join = make_event(50, JOIN_REQUEST, "", [("h", NAMES)], int(time.time()))
        assert (await relay.hand_in(join))[0] == 201
        assert (await frames.told())["data"]["is_member"]
        for kind, about in ((kinds.EDIT, "ab" * 32), (kinds.DELETION, said["id"])):
            event = make_event(50, kind, "High water", [("h", NAMES), ("e", about)], int(time.time()))
            assert (await relay.hand_in(event))[0] == 201
        last = await message(alice, group, "It turns")
        assert (await frames.told())["data"].get("message") == last
        await alice.told("DELETE", f"groups/{NAMES}/messages/{said['id']}")
        assert (await frames.told())["data"]["event_ids"] == [said["id"]]


async def test_who_leaves_or_is_removed_is_told_that_and_nothing_more(application, alice, bob):
    group = await begun(alice, id=NAMES, private=True)
    other = await begun(alice, id="other")
    await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob"})
    await bob.told("POST", "groups/other/join")
    async with watching(application, bob) as frames:
        await frames.ready()
        await message(alice, group, "one")
        assert (await frames.told())["data"]["message"]["content"] == "one"
        await alice.told("DELETE", f"groups/{NAMES}/members/bob")
        told = (await frames.told())["data"]
        assert (told["type"], told["agent"], told["is_member"]) == ("membership", "bob", False)
        await message(alice, group, "two")
        await message(alice, other, "three")
        assert (await frames.told())["data"]["message"]["content"] == "three"


async def test_many_who_are_taken_in_at_once_are_told_of_with_whoever_did_it(application, relay, alice, monkeypatch):
    monkeypatch.setattr("relay.http.api.group_watchers.MAX_KEYS", 1)
    me, now = (await alice.get("agents/me"))["pubkey"], int(time.time())
    assert (await relay.hand_in(make_event(50, 9007, "", [("h", NAMES)], now)))[0] == 201
    others = [("p", f"{number:064x}") for number in range(100)]
    async with watching(application, alice) as frames:
        await frames.ready()
        assert (await relay.hand_in(make_event(50, 9000, "", [("h", NAMES), ("p", me), *others], now)))[0] == 201
        told = (await frames.told())["data"]
        assert (told["type"], told["pubkey"], told["is_member"]) == ("membership", me, True)


async def test_a_stranger_is_told_nothing_of_groups(application, alice, bob, api):
    group = await begun(alice, id=NAMES)
    async with watching(application, bob) as frames:
        await frames.ready()
        await message(alice, group, "of others")
        mine = await begun(bob, id="mine")
        while (told := (await frames.told())["data"])["type"] != "membership":
            assert told["group_id"] == "mine"
        await message(bob, mine, "mine")
        while (told := (await frames.told())["data"])["type"] != "message":
            pass
        assert told["message"]["content"] == "mine"
    assert await api.refused(401, "GET", PATH[1:]) == "auth_required"


async def test_resumes_with_what_may_be_read_now(application, alice, bob):
    group = await begun(alice, id=NAMES, private=True)
    other = await begun(alice, id="other", private=True)
    for one in (NAMES, "other"):
        await alice.told("POST", f"groups/{one}/members", {"agent": "bob"})
    async with watching(application, bob) as frames:
        last = await frames.ready()
    await message(alice, group, "missed")
    await message(alice, other, "shut")
    await alice.told("DELETE", "groups/other/members/bob")
    async with watching(application, bob, last_event_id=last) as frames:
        first, second = [(await frames.told())["data"] for _ in range(2)]
        assert (first["type"], first["message"]["content"]) == ("message", "missed")
        assert (second["type"], second["group_id"], second["is_member"]) == ("membership", "other", False)
        await message(alice, group, "live")
        assert (await frames.told())["data"]["message"]["content"] == "live"
    async with watching(application, bob, last_event_id="99999999") as frames:
        assert (await frames.told())["event"] == "gap"


async def test_a_stream_ends_with_its_token(application, alice):
    group = await begun(alice, id=NAMES)
    other = (await alice.told("POST", "agents/me/tokens", {"name": "other"}, 201))["api_key"]
    async with streaming(application, path=PATH, authorization=f"Bearer {other}") as frames:
        await frames.ready()
        tokens = (await alice.get("agents/me/tokens"))["tokens"]
        await alice.told("DELETE", f"agents/me/tokens/{next(one['id'] for one in tokens if one['name'] == 'other')}")
        await message(alice, group, "secret")
        await frames.ended.wait()


async def test_two_streams_tell_of_one_group_each_what_is_its_own(application, alice, bob):
    group = await begun(alice, id=NAMES)
    await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob"})
    async with watching(application, bob) as frames, watching(application, alice) as others:
        await frames.ready()
        await others.ready()
        await bob.told("POST", f"groups/{NAMES}/leave")
        await message(alice, group, "alone")
        while (told := (await others.told())["data"])["type"] != "message":
            assert told["is_member"] is False
        assert (await frames.told())["data"]["is_member"] is False
        await message(bob, await begun(bob, id="mine"), "of bob")
        while (told := (await frames.told())["data"])["type"] != "message":
            assert told["group_id"] == "mine"
        assert told["message"]["content"] == "of bob"
        await message(alice, group, "alone again")
        assert (await others.told())["data"]["message"]["content"] == "alone again"


def test_an_index_keeps_nothing_of_a_watcher_that_has_gone():
    index = WatcherIndex()
    first, second = (GroupWatcher(["a" * 64], [], 0) for _ in range(2))
    index.put(["x", "y"], first)
    index.put(["x"], second)
    assert (index.of("x"), index.of("y"), index.of("z")) == ([first, second], [first], [])
    index.take(["x", "y", "z"], first)
    assert (index.of("x"), index.of("y")) == ([second], [])
    index.take(["x"], second)
    assert index.is_empty
