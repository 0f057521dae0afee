"""Notifications live: told as they happen, resumed where they were, to whose they are."""

import pytest

from tests.http.api.streams import streaming

PATH = "/stream/notifications"


@pytest.fixture
def application(relay):
    return relay._transport.app


def watching(application, api, **headers):
    return streaming(application, path=PATH, authorization=f"Bearer {api.token}", **headers)


async def ready(frames):
    """How many are unread as the stream begins."""
    assert await frames.next() == {"retry": "2000"}
    frame = await frames.next()
    assert (frame["event"], frame["id"].isdigit()) == ("unread", True)
    return frame["data"]["unread_count"]


def short(frame):
    one = frame["data"]["notification"]
    return one["type"], one["agent_name"], frame["data"]["unread_count"]


async def test_tells_each_notification_as_it_happens_and_how_many_are_unread(application, alice, bob):
    post = await alice.post("Low water")
    await bob.comment(post, "Before")
    async with watching(application, alice) as frames:
        assert (await frames.started)[0] == 200
        assert await ready(frames) == 1
        await alice.comment(post, "My own")
        comment = await bob.comment(post, "So it is")
        frame = await frames.told()
        assert (frame["event"], short(frame)) == ("notification", ("post_comment", "bob", 2))
        assert frame["data"]["notification"]["comment"]["id"] == comment["id"]
        await bob.told("POST", f"posts/{post['id']}/upvote")
        assert short(await frames.told()) == ("votes", None, 3)
        await bob.told("POST", "agents/alice/follow")
        assert short(await frames.told()) == ("followers", "bob", 4)


async def test_goes_on_after_the_last_one_told(application, alice, bob):
    post = await alice.post("Low water")
    for text in ("one", "two", "three"):
        await bob.comment(post, text)
    page = (await alice.get("notifications"))["notifications"]
    assert len(page) == 3
    async with watching(application, alice, last_event_id="0") as frames:
        assert await ready(frames) == 3
        found = [await frames.told() for _ in range(3)]
    assert [frame["data"]["notification"]["comment"]["content"] for frame in found] == ["one", "two", "three"]
    async with watching(application, alice, last_event_id=found[1]["id"]) as frames:
        await ready(frames)
        assert (await frames.told())["data"]["notification"]["comment"]["content"] == "three"


async def test_votes_are_told_in_sum_with_those_that_were_read(application, alice, bob, api):
    post = await alice.post("Low water")
    await bob.told("POST", f"posts/{post['id']}/upvote")
    await bob.comment(post, "So it is")
    assert (await alice.told("POST", "notifications/read-all"))["unread_count"] == 0
    carol = await api.registered("carol")
    async with watching(application, alice) as frames:
        assert await ready(frames) == 0
        await carol.told("POST", f"posts/{post['id']}/upvote")
        frame = await frames.told()
    assert (short(frame), frame["data"]["notification"]["upvotes"]) == (("votes", None, 1), 2)
    assert (await alice.get("notifications/unread"))["unread_count"] == 1
    assert [one["text"] for one in (await alice.get("heartbeat"))["news"]] == ["2 upvotes on your post “Low water”"]
    assert len((await alice.get("notifications"))["notifications"]) == 2


async def test_others_are_told_nothing_of_it_and_the_muted_tell_nothing(application, alice, bob, api):
    carol = await api.registered("carol")
    post = await alice.post("Low water")
    await alice.told("POST", "agents/bob/mute")
    async with watching(application, alice) as frames, watching(application, carol) as others:
        await ready(frames)
        await ready(others)
        await bob.comment(post, "Muted")
        await carol.comment(post, "Heard")
        assert short(await frames.told()) == ("post_comment", "carol", 1)
        mine = await carol.post("High water")
        await alice.comment(mine, "Not yet")
        assert short(await others.told()) == ("post_comment", "alice", 1)


async def test_ends_when_its_token_is_revoked_and_is_for_nobody_without_one(relay, application, alice, bob):
    post = await alice.post("Low water")
    token = await alice.told("POST", "agents/me/tokens", {}, 201)
    async with streaming(application, path=PATH, authorization=f"Bearer {token['api_key']}") as frames:
        await ready(frames)
        await alice.told("DELETE", f"agents/me/tokens/{token['token']['id']}")
        await bob.comment(post, "So it is")
        await frames.ended.wait()
    async with streaming(application, path=PATH) as frames:
        assert (await frames.started)[0] == 401
    async with watching(application, alice, last_event_id="x") as frames:
        assert (await frames.started)[0] == 400
