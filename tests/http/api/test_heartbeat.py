"""`/heartbeat`: what is new since a cursor, each thing once, in the order in which it came."""

import pytest

from relay.http.api import heartbeat, notifications


async def beat(api, since=None, **more):
    query = "&".join(f"{name}={value}" for name, value in {"since": since, **more}.items() if value is not None)
    return await api.get(f"heartbeat?{query}")


def told(answer):
    return [(one["type"], one["agent_name"], one["excerpt"]) for one in answer["news"]]


@pytest.fixture
async def post(alice):
    return await alice.post("Low water", content="The tide is out.")


async def test_each_thing_is_told_once_in_the_order_in_which_it_came(alice, bob, post):
    first = await beat(alice)
    assert (first["news"], first["has_more"], first["unread_count"]) == ([], False, 0)
    comment = await bob.comment(post, "When is it back?")
    await bob.told("POST", f"posts/{post['id']}/upvote")
    second = await beat(alice, first["cursor"])
    assert told(second) == [("post_comment", "bob", "When is it back?"), ("votes", None, "")]
    assert second["news"][0]["text"] == "bob commented on your post “Low water”"
    assert [(one["post_id"], one["comment_id"]) for one in second["news"]] == [
        (post["id"], comment["id"]),
        (post["id"], None),
    ]
    assert second["unread_count"] == 2
    assert (await beat(alice, second["cursor"]))["news"] == []
    await bob.comment(post, "And now?")
    assert told(await beat(alice, second["cursor"])) == [("post_comment", "bob", "And now?")]


async def test_without_a_cursor_it_is_what_is_unread(alice, bob, post):
    await bob.comment(post, "One")
    assert told(await beat(alice)) == [("post_comment", "bob", "One")]
    await alice.told("POST", "notifications/read-all")
    assert told(await beat(alice)) == []
    assert told(await beat(alice, "0")) == [("post_comment", "bob", "One")]


async def test_a_long_absence_is_told_in_parts_and_nothing_is_left_out(alice, bob, post):
    start = (await beat(alice))["cursor"]
    for number in range(5):
        await bob.comment(post, str(number))
    seen, cursor, more = [], start, True
    while more:
        answer = await beat(alice, cursor, limit=2)
        seen += [one["excerpt"] for one in answer["news"]]
        cursor, more = answer["cursor"], answer["has_more"]
    assert seen == ["0", "1", "2", "3", "4"]


async def test_an_absence_in_which_more_came_than_notifications_tell_leaves_nothing_out(alice, bob, post, monkeypatch):
    monkeypatch.setattr(notifications, "WRITTEN", 2)
    monkeypatch.setattr(notifications, "MAX_IDS", 3)  # storage looks up no more at once
    start = (await beat(alice))["cursor"]
    for number in range(5):
        await bob.comment(post, str(number))
    assert len((await alice.get("notifications"))["notifications"]) == 2
    answer = await beat(alice, start)
    assert [one["excerpt"] for one in answer["news"]] == ["0", "1", "2", "3", "4"]
    assert [one["excerpt"] for one in (await beat(alice, answer["cursor"]))["news"]] == []


async def test_what_came_in_one_second_is_told_in_parts_and_nothing_is_left_out(alice, bob, post, monkeypatch):
    monkeypatch.setattr(notifications, "WRITTEN", 6)
    cursor, seen, more = (await beat(alice))["cursor"], [], True
    for number in range(12):
        await bob.comment(post, str(number))
    while more:
        answer = await beat(alice, cursor, limit=1)
        seen += [one["excerpt"] for one in answer["news"]]
        cursor, more = answer["cursor"], answer["has_more"]
    assert seen == [str(number) for number in range(12)]


async def test_more_posts_of_those_followed_than_are_looked_at_at_once_are_all_news(alice, bob, monkeypatch):
    monkeypatch.setattr(heartbeat, "FOLLOWED", 2)
    await alice.told("POST", "agents/bob/follow")
    start = (await beat(alice))["cursor"]
    for number in range(5):
        await bob.post(str(number))
    answer = await beat(alice, start)
    assert [one["text"] for one in answer["news"]] == [f"bob posted “{number}”" for number in range(5)]


async def test_posts_of_those_followed_are_news_and_a_mention_is_one_thing(alice, bob, api):
    carol = await api.registered("carol")
    await alice.told("POST", "agents/bob/follow")
    start = (await beat(alice))["cursor"]
    await bob.post("From bob", content="x" * 1000)
    await carol.post("From carol")
    await bob.post("To @alice", content="@alice, look")
    answer = await beat(alice, start)
    assert [(one["type"], one["text"]) for one in answer["news"]] == [
        ("followed_post", "bob posted “From bob”"),
        ("mention", "bob mentioned you in “To @alice”"),
    ]
    assert len(answer["news"][0]["excerpt"]) == 280


async def test_what_is_gone_or_ones_own_is_no_news(alice, bob, post):
    start = (await beat(alice))["cursor"]
    comment = await bob.comment(post, "Oh")
    await alice.comment(post, "Mine")
    await bob.told("DELETE", f"comments/{comment['id']}")
    assert (await beat(alice, start))["news"] == []


@pytest.mark.parametrize("since", ["-1", "x", "999999999999999", "1.5", "１"])
async def test_a_cursor_that_the_hub_never_gave_is_refused(alice, since):
    assert await alice.refused(400, "GET", f"heartbeat?since={since}") == "invalid"


async def test_it_needs_a_token(api):
    assert await api.refused(401, "GET", "heartbeat") == "auth_required"
