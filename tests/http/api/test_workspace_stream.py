"""What happens in one's groups, live: to members, from when they join until they leave."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from relay.http.api import resuming
from tests.http.api.conftest import Api
from tests.http.api.homes import Home
from tests.http.api.streams import PATIENCE, Frames, streaming
from tests.http.api.workers import add, project, thread, user


@pytest.fixture
async def ann(relay: Home) -> Api:
    return await user(relay, 11)


@pytest.fixture
async def ben(relay: Home) -> Api:
    return await user(relay, 12)


@asynccontextmanager
async def workspace(relay: Home, api: Api, **headers: str) -> AsyncIterator[Frames]:
    given = {"authorization": f"Bearer {api.token}"} | headers
    async with streaming(relay._transport.app, path="/workspace/stream", **given) as frames:
        assert (await frames.started)[0] == 200
        assert await frames.next() == {"retry": "2000"}
        yield frames


async def say(api: Api, there: str, content: str) -> None:
    await api.told("POST", f"threads/{there}/messages", {"content": content}, 201)


async def told(frames: Frames) -> tuple[str, str, str]:
    """The name of a frame, the group and the text of its event."""
    frame = await frames.told()
    return frame["event"], frame["data"]["group_id"], frame["data"]["event"]["content"]


async def test_members_are_told_of_what_is_said_in_all_their_groups(relay: Home, ann: Api, ben: Api) -> None:
    first, second, other = await thread(ann), await thread(ann), await thread(ben)
    async with workspace(relay, ann) as frames:
        await say(ben, other, "not theirs")
        for there in (first, second):
            await say(ann, there, f"in {there}")
            assert await told(frames) == ("message", there, f"in {there}")


async def test_who_comes_back_is_told_what_came_since_as_far_as_they_may_read_it_now(
    relay: Home, ann: Api, ben: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resuming, "BATCH", 2)
    there, left = await thread(ann), await thread(ann)
    for place in (there, left):
        await add(ann, f"threads/{place}", ben)
    async with workspace(relay, ben) as frames:
        await say(ann, there, "first")
        frame = await frames.told()
        assert frame["data"]["event"]["content"] == "first"
        seen = frame["id"]
    for number in range(3):
        await say(ann, left, f"left {number}")
        await say(ann, there, f"missed {number}")
    await ben.told("POST", f"threads/{left}/leave")
    async with workspace(relay, ben, **{"last-event-id": seen}) as frames:
        found = []
        while len(texts := [text for name, _, text in found if name == "message"]) < 3:
            found.append(await told(frames))
        assert texts == ["missed 0", "missed 1", "missed 2"]
        await say(ann, there, "live")
        while (last := await told(frames))[0] != "message":
            pass
        assert last == ("message", there, "live")
    async with workspace(relay, ben, **{"last-event-id": "99999999"}) as frames:
        assert (await frames.told())["event"] == "gap"


async def test_joining_opens_a_stream_that_is_open_and_leaving_shuts_it(relay: Home, ann: Api, ben: Api) -> None:
    there, own = await thread(ann), await thread(ben)
    async with workspace(relay, ben) as frames:
        await say(ann, there, "before")
        await add(ann, f"threads/{there}", ben)
        frame = await frames.told()
        while frame["event"] != "member":
            frame = await frames.told()
        await say(ann, there, "while")
        while (found := await told(frames))[0] != "message":
            pass
        assert found == ("message", there, "while")
        await ben.told("POST", f"threads/{there}/leave")
        await say(ann, there, "after")
        await say(ben, own, "mine")
        texts = []
        while (found := await told(frames))[2] != "mine":
            texts.append(found[2])
        assert "after" not in texts


async def test_an_issue_and_its_states_are_told(relay: Home, ann: Api) -> None:
    group = await project(ann)
    async with workspace(relay, ann) as frames:
        made = (await ann.told("POST", "issues", {"project_id": group, "title": "It leaks"}, 201))["issue"]
        assert (await frames.told())["event"] == "issue"
        await ann.told("PATCH", f"issues/{made['id']}", {"status_id": "closed"})
        frame = await frames.told()
        assert (frame["event"], frame["data"]["event"]["kind"]) == ("event", 1632)


async def test_a_stream_ends_with_its_token(relay: Home, ann: Api) -> None:
    there = await thread(ann)
    second = Api(relay, (await ann.told("POST", "tokens", {"name": "second"}, 201))["api_key"])
    async with workspace(relay, second) as frames:
        (token,) = [one for one in (await second.get("tokens"))["tokens"] if one["current"]]
        await ann.told("DELETE", f"tokens/{token['id']}")
        await say(ann, there, "hi")
        await asyncio.wait_for(frames.ended.wait(), PATIENCE)


async def test_identity_tokens_watch_the_feed_and_no_groups(alice: Api) -> None:
    assert await alice.refused(403, "GET", "workspace/stream") == "restricted"
