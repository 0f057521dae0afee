"""The stream: what it tells, to whom, how it resumes, and how it ends."""

import asyncio
import contextlib

import msgspec
import pytest

from relay.http.api import resuming
from relay.http.app import build
from tests.factories import make_event
from tests.http.api.streams import PATIENCE, streaming


@pytest.fixture
def application(relay):
    return relay._transport.app


async def test_tells_of_posts_comments_and_votes_in_the_apis_shapes(application, alice, bob, api):
    async with streaming(application) as frames:
        status, headers = await frames.started
        assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        assert headers["cache-control"] == "no-store"
        await frames.ready()
        post = await alice.post("Low water", content="a\nb\r\n\r\nc")
        told = await frames.told()
        assert (told["event"], told["data"]["type"], told["data"]["post"]) == ("post", "post", post)
        assert int(told["id"]) == told["data"]["seq"]

        comment = await bob.comment(post)
        told = await frames.told()
        assert (told["event"], told["data"]["comment"]) == ("comment", comment)

        vote = await bob.told("POST", f"comments/{comment['id']}/downvote")
        told = (await frames.told())["data"]
        assert told["event"] == vote["event"]
        assert (told["post_id"], told["comment_id"], told["voter"]) == (post["id"], comment["id"], "bob")
        assert (told["vote"], told["upvotes"], told["downvotes"], told["score"]) == ("down", 0, 1, -1)
        assert (await api.get(f"posts/{post['id']}"))["post"]["comment_count"] == 1


async def test_tells_of_events_that_come_by_another_door(application, api, alice):
    async with streaming(application) as frames:
        await frames.ready()
        await api.told("POST", "events", msgspec.structs.asdict(make_event(9, content="a note")), 201)
        post = await alice.post("After the note")
        assert (await frames.told())["data"]["post"]["id"] == post["id"]


async def test_a_stream_may_be_of_one_author_or_one_post(application, alice, bob):
    post, other = await alice.post("One"), await alice.post("Other")
    async with streaming(application, "author=BOB") as by_bob, streaming(application, f"post={post['id']}") as of_post:
        await by_bob.ready()
        await of_post.ready()
        await alice.comment(post, "by alice")
        await bob.comment(other, "elsewhere")
        await bob.comment(post, "by bob")
        assert [(await by_bob.told())["data"]["comment"]["content"] for _ in range(2)] == ["elsewhere", "by bob"]
        assert [(await of_post.told())["data"]["comment"]["content"] for _ in range(2)] == ["by alice", "by bob"]


async def test_resumes_from_the_log_without_gap_or_repetition(application, alice, bob):
    post = await alice.post("Seen")
    async with streaming(application) as frames:
        last = await frames.ready()
    missed = await bob.comment(post, "missed")
    await bob.told("POST", f"posts/{post['id']}/upvote")
    async with streaming(application, last_event_id=last) as frames:
        assert await frames.next() == {"retry": "2000"}
        told = [await frames.told(), await frames.told()]
        assert [frame["event"] for frame in told] == ["comment", "vote"]
        assert told[0]["data"]["comment"]["id"] == missed["id"]
        assert set(await frames.next()) == {"id"}
        live = await alice.post("Live")
        assert (await frames.told())["data"]["post"]["id"] == live["id"]


async def test_a_resumed_stream_keeps_to_what_it_is_of(application, alice, bob):
    await alice.post("By alice")
    await bob.post("By bob")
    async with streaming(application, "author=bob", last_event_id="0") as frames:
        assert (await frames.told())["data"]["post"]["title"] == "By bob"


async def test_what_was_missed_comes_in_parts_however_large_it_is(application, alice):
    titles = [(await alice.post(f"Post {n}", content="x" * 100_000))["title"] for n in range(8)]
    async with streaming(application, last_event_id="0") as frames:
        assert [(await frames.told())["data"]["post"]["title"] for _ in titles] == titles
        assert frames.largest < 1_000_000


async def test_what_is_deleted_is_not_told_to_whoever_comes_back(application, alice):
    gone = await alice.post("Gone")
    await alice.told("DELETE", f"posts/{gone['id']}")
    kept = await alice.post("Kept")
    async with streaming(application, last_event_id="0") as frames:
        assert (await frames.told())["data"]["post"]["id"] == kept["id"]


async def test_tells_of_a_gap_that_is_too_long_to_be_read(application, alice, monkeypatch):
    monkeypatch.setattr(resuming, "MAX_BEHIND", 1)
    for n in range(3):
        await alice.post(f"Post {n}")
    async with streaming(application, last_event_id="0") as frames:
        assert (await frames.told())["event"] == "gap"
        assert (await frames.told())["data"]["post"]["title"] == "Post 2"


async def test_a_number_from_the_future_is_a_gap(application, alice):
    async with streaming(application, last_event_id="999999999") as frames:
        assert (await frames.told())["event"] == "gap"
        await alice.post("Still told")
        assert (await frames.told())["data"]["post"]["title"] == "Still told"


@pytest.mark.parametrize(
    ("query", "headers", "status"),
    [
        ("", {"last_event_id": "x"}, 400),
        ("", {"last_event_id": "-1"}, 400),
        ("", {"last_event_id": "9" * 17}, 400),
        ("author=nobody", {}, 404),
        ("post=x", {}, 404),
        ("submolt=crypto", {}, 404),
    ],
)
async def test_refuses_a_stream_of_nothing(application, query, headers, status):
    async with streaming(application, query, **headers) as frames:
        assert (await frames.started)[0] == status
        await frames.ended.wait()


async def test_an_address_has_no_more_streams_than_connections(start):
    relay = await start(rates={"connections_per_address": 1})
    application = relay._transport.app
    async with streaming(application) as first:
        await first.ready()
        async with streaming(application) as second:
            assert (await second.started)[0] == 429
    async with streaming(application) as third:
        assert (await third.started)[0] == 200
        await third.ready()


async def test_private_events_are_told_to_nobody(application, alice, relay):
    post = await alice.post()
    async with streaming(application) as live:
        last = await live.ready()
        key = (await alice.get("agents/me"))["pubkey"]
        wrap = make_event(4, 1059, "sealed", [["p", key], ["e", post["id"]]])
        await alice.told("POST", "events", msgspec.structs.asdict(wrap), 201)
        await alice.post("Next")
        assert (await live.told())["data"]["post"]["title"] == "Next"
    async with streaming(application, last_event_id=last) as later:
        assert (await later.told())["data"]["post"]["title"] == "Next"


async def test_a_stream_ends_when_the_relay_drains(relay, monkeypatch):
    monkeypatch.setattr("relay.http.api.streaming.TICK", 0.01)
    async with streaming(build(relay.site)) as frames:
        await frames.ready()
        relay.site.hub.begin_drain()
        await asyncio.wait_for(frames.ended.wait(), PATIENCE)


async def test_a_stream_ends_when_its_token_is_revoked(application, alice, bob):
    made = await alice.told("POST", "agents/me/tokens", {}, 201)
    async with streaming(application, authorization=f"Bearer {made['api_key']}") as frames:
        await frames.ready()
        await bob.post("Seen")
        assert (await frames.told())["data"]["post"]["title"] == "Seen"
        await alice.told("DELETE", f"agents/me/tokens/{made['token']['id']}")
        await bob.post("Not seen")
        await asyncio.wait_for(frames.ended.wait(), PATIENCE)


async def test_every_stream_is_told(application, alice):
    async with contextlib.AsyncExitStack() as stack:
        many = [await stack.enter_async_context(streaming(application)) for _ in range(50)]
        for frames in many:
            await frames.ready()
        post = await alice.post("To all")
        told = [await frames.told() for frames in many]
    assert {frame["data"]["post"]["id"] for frame in told} == {post["id"]}
