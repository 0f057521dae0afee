"""Webhooks delivered: each thing at least once and in order, whoever fails and whatever ends in between."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from relay.client import read_delivery
from relay.http.deliveries import FIRST_DELAY, GIVE_UP, IN_FLIGHT, LONGEST_DELAY, MOST, WebhookDeliveries, delay
from relay.server.web_requests.outbound import Delivery, Undelivered
from tests.http.api.conftest import Api
from tests.http.api.homes import Home, home

PATIENCE = 30.0
URL = "https://agent.example/news"


class Outside:
    """Receivers: what they got, and how they answer. `now` is the time that deliveries go by."""

    def __init__(self) -> None:
        self.got: list[Delivery] = []
        self.answer: Callable[[Delivery], int] = lambda _: 200
        self.now = 1_000_000.0
        self._came = asyncio.Condition()

    async def send(self, delivery: Delivery) -> int:
        async with self._came:
            self.got.append(delivery)
            self._came.notify_all()
        return self.answer(delivery)

    async def until(self, number: int) -> list[Any]:
        """The bodies of all deliveries, once there are so many."""
        async with asyncio.timeout(PATIENCE), self._came:
            await self._came.wait_for(lambda: len(self.got) >= number)
        return [json.loads(one.body) for one in self.got]


@asynccontextmanager
async def delivering(relay: Home, outside: Outside) -> AsyncIterator[WebhookDeliveries]:
    deliveries = WebhookDeliveries(relay.site, outside.send, lambda: outside.now, quiet=0)
    try:
        yield deliveries
    finally:
        await deliveries.close()


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Home]:
    async with home(tmp_path) as made:
        yield made


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.fixture
async def alice(relay: Home) -> Api:
    return await Api(relay).registered("alice")


@pytest.fixture
async def bob(relay: Home) -> Api:
    return await Api(relay).registered("bob")


async def added(api: Api, url: str = URL) -> Any:
    return await api.told("POST", "agents/me/webhooks", {"url": url}, 201)


async def state(api: Api) -> Any:
    (one,) = (await api.get("agents/me/webhooks"))["webhooks"]
    return one


async def settled(api: Api, holds: Callable[[Any], bool]) -> Any:
    """The webhook's state, once it is so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            one = await state(api)
            if holds(one):
                return one
            await asyncio.sleep(0)  # a request without a socket need not give way to others


def excerpts(bodies: list[Any]) -> list[list[str]]:
    return [[item["excerpt"] for item in body["news"]] for body in bodies]


async def test_what_happens_is_delivered_and_signed(relay: Home, outside: Outside, alice: Api, bob: Api) -> None:
    post = await alice.post("Low water")
    await bob.comment(post, "Before the webhook")
    made = await added(alice)
    async with delivering(relay, outside):
        comment = await bob.comment(post, "When is it back?")
        (body,) = await outside.until(1)
        assert [(one["type"], one["comment_id"]) for one in body["news"]] == [("post_comment", comment["id"])]
        assert (body["type"], body["has_more"]) == ("news", False)
        assert (await settled(alice, lambda one: one["cursor"] == body["cursor"]))["failures"] == 0
    got = outside.got[0]
    assert (got.url, got.headers["content-type"]) == (URL, "application/json")
    told = read_delivery(made["secret"], got.headers, got.body, now=outside.now)
    assert (told.cursor, told.news[0].excerpt) == (body["cursor"], "When is it back?")
    with pytest.raises(ValueError, match="not signed with this secret"):
        read_delivery(made["secret"], got.headers, got.body + b" ", now=outside.now)


async def test_what_concerns_others_is_not_delivered(relay: Home, outside: Outside, alice: Api, bob: Api) -> None:
    post = await alice.post("Low water")
    await added(alice)
    async with delivering(relay, outside):
        await bob.comment(await bob.post("High water"), "To myself")
        await alice.comment(post, "To myself")
        await bob.comment(post, "To alice")
        assert excerpts(await outside.until(1)) == [["To alice"]]


async def test_a_new_follower_is_delivered_once(relay: Home, outside: Outside, alice: Api, bob: Api) -> None:
    post = await alice.post("Low water")
    await added(alice)
    async with delivering(relay, outside):
        await bob.told("POST", "agents/alice/follow")
        (body,) = await outside.until(1)
        assert [(one["type"], one["text"]) for one in body["news"]] == [("followers", "bob follows you")]
        for method in ("DELETE", "POST"):
            await bob.told(method, "agents/alice/follow")
        await bob.comment(post, "Hello")
        assert excerpts(await outside.until(2)) == [[""], ["Hello"]]


@pytest.mark.parametrize("private", [False, True])
async def test_what_happens_in_groups_is_delivered_as_it_happens(
    relay: Home, outside: Outside, alice: Api, bob: Api, private: bool
) -> None:
    group = {"id": "watch", "name": "Watch", "private": private, "hidden": private}
    await alice.told("POST", "groups", group, 201)
    await added(bob)

    async def says(text: str) -> None:
        await alice.told("POST", "groups/watch/messages", {"content": f"@bob {text}"}, 201)

    async with delivering(relay, outside):
        await alice.told("POST", "groups/watch/members", {"agent": "bob"})
        await outside.until(1)
        await says("low water at noon")
        await outside.until(2)
        await alice.told("DELETE", "groups/watch/members/bob")
        bodies = await outside.until(3)
        assert [[one["type"] for one in body["news"]] for body in bodies] == [
            ["group_added"],
            ["group_mention"],
            ["group_removed"],
        ]
        if private:
            await says("this is not for you")
            await bob.told("POST", "posts", {"title": "Of my own"}, 201)
        await alice.post("For bob", content="@bob look")
        assert excerpts((await outside.until(4))[3:]) == [["@bob look"]]


async def test_a_claim_is_delivered(relay: Home, outside: Outside, alice: Api, bob: Api) -> None:
    await added(bob)
    claim = (await bob.told("POST", "agents/me/claims", None, 201))["claim_url"]
    async with delivering(relay, outside):
        await alice.told("POST", "claims", {"secret": claim.partition("#")[2]})
        (body,) = await outside.until(1)
        assert [one["type"] for one in body["news"]] == ["claimed"]


async def test_votes_are_delivered_in_sum(relay: Home, outside: Outside, alice: Api, bob: Api) -> None:
    post = await alice.post("Low water")
    await added(alice)
    async with delivering(relay, outside):
        await bob.told("POST", f"posts/{post['id']}/upvote")
        (body,) = await outside.until(1)
    assert body["news"][0]["text"] == "1 upvote on your post “Low water”"


async def test_what_came_while_nobody_delivered_is_delivered_by_who_starts_next(
    relay: Home, outside: Outside, alice: Api, bob: Api
) -> None:
    post = await alice.post("Low water")
    await added(alice)
    await bob.comment(post, "Meanwhile")
    async with delivering(relay, outside):
        assert excerpts(await outside.until(1)) == [["Meanwhile"]]
        cursor = json.loads(outside.got[0].body)["cursor"]
        await settled(alice, lambda one: one["cursor"] == cursor)
    async with delivering(relay, outside):
        await bob.comment(post, "Later")
        assert excerpts(await outside.until(2)) == [["Meanwhile"], ["Later"]]


async def test_more_than_one_delivery_holds_comes_in_parts(relay: Home, outside: Outside, alice: Api, bob: Api) -> None:
    post = await alice.post("Low water")
    await added(alice)
    for number in range(MOST + 2):
        await bob.comment(post, str(number))
    async with delivering(relay, outside):
        first, second = await outside.until(2)
    assert (len(first["news"]), first["has_more"]) == (MOST, True)
    assert (excerpts([second]), second["has_more"]) == ([[str(MOST), str(MOST + 1)]], False)


async def test_what_failed_comes_again_as_it_was_and_what_is_new_comes_after_it(
    relay: Home, outside: Outside, alice: Api, bob: Api
) -> None:
    post = await alice.post("Low water")
    await added(alice)
    answers = iter([500, 200, 200])
    outside.answer = lambda _: next(answers)
    async with delivering(relay, outside):
        await bob.comment(post, "One")
        failed = await settled(alice, lambda one: one["failures"])
        assert (failed["problem"], failed["live"], failed["next_try_at"] is None) == ("the answer was 500", True, False)
        await bob.comment(post, "Two")
        assert len(outside.got) == 1  # it waits for its next try
    outside.now += FIRST_DELAY
    async with delivering(relay, outside):  # started again in between, it goes on all the same
        assert excerpts(await outside.until(3)) == [["One"], ["One"], ["Two"]]
        assert (await settled(alice, lambda one: not one["failures"]))["problem"] is None
    assert outside.got[0].headers["webhook-id"] == outside.got[1].headers["webhook-id"]
    assert len({one.headers["webhook-id"] for one in outside.got}) == 2


async def test_it_waits_for_its_next_try_and_resuming_does_not(
    relay: Home, outside: Outside, alice: Api, bob: Api
) -> None:
    post = await alice.post("Low water")
    made = await added(alice)

    def fail(_: Delivery) -> int:
        raise Undelivered("it could not be reached: nobody is there")

    outside.answer = fail
    async with delivering(relay, outside):
        await bob.comment(post, "One")
        failed = await settled(alice, lambda one: one["failures"])
        assert failed["problem"] == "it could not be reached: nobody is there"
        outside.answer = lambda _: 200
        resumed = await alice.told("POST", f"agents/me/webhooks/{made['webhook']['id']}/resume")
        assert resumed["webhook"]["failures"] == 0
        assert excerpts(await outside.until(2)) == [["One"], ["One"]]


async def test_who_fails_for_days_is_asked_no_more_until_resumed(
    relay: Home, outside: Outside, alice: Api, bob: Api
) -> None:
    post = await alice.post("Low water")
    made = await added(alice)
    outside.answer = lambda _: 503
    await bob.comment(post, "One")
    for past in (0, GIVE_UP - LONGEST_DELAY, GIVE_UP):
        outside.now = 1_000_000.0 + past
        tries = len(outside.got)
        async with delivering(relay, outside):
            await outside.until(tries + 1)
            ended = await settled(alice, lambda one, before=tries: one["failures"] == before + 1)
    assert (ended["live"], ended["next_try_at"]) == (False, None)
    async with delivering(relay, outside):
        await bob.comment(post, "Two")
        outside.answer = lambda _: 200
        await alice.told("POST", f"agents/me/webhooks/{made['webhook']['id']}/resume")
        assert excerpts(await outside.until(5))[3:] == [["One"], ["Two"]]


async def test_who_says_gone_is_asked_no_more_until_resumed_and_then_at_once(
    relay: Home, outside: Outside, alice: Api, bob: Api
) -> None:
    post = await alice.post("Low water")
    made = await added(alice)
    outside.answer = lambda _: 410
    async with delivering(relay, outside):
        await bob.comment(post, "One")
        ended = await settled(alice, lambda one: not one["live"])
        assert (ended["problem"], len(outside.got)) == ("the answer was 410", 1)
        outside.answer = lambda _: 200
        await alice.told("POST", f"agents/me/webhooks/{made['webhook']['id']}/resume")
        assert excerpts(await outside.until(2)) == [["One"], ["One"]]


async def test_what_is_resumed_during_a_try_that_fails_has_failed_once(
    relay: Home, outside: Outside, alice: Api, bob: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = await alice.post("Low water")
    made = await added(alice)
    outside.answer = lambda _: 500
    await bob.comment(post, "One")
    for past in (0, LONGEST_DELAY):
        outside.now = 1_000_000.0 + past
        async with delivering(relay, outside):
            await settled(alice, lambda one, seconds=past: one["failures"] == 1 + bool(seconds))
    outside.now = 1_000_000.0 + GIVE_UP
    begun, resumed = asyncio.Event(), asyncio.Event()

    async def send(_: Delivery) -> int:
        begun.set()
        await resumed.wait()
        return 500

    monkeypatch.setattr(outside, "send", send)
    async with delivering(relay, outside):
        await begun.wait()
        await alice.told("POST", f"agents/me/webhooks/{made['webhook']['id']}/resume")
        resumed.set()
        failed = await settled(alice, lambda one: one["failures"])
    assert (failed["live"], failed["failures"]) == (True, 1)


async def test_a_removed_webhook_hears_nothing(relay: Home, outside: Outside, alice: Api, bob: Api) -> None:
    post = await alice.post("Low water")
    gone, kept = await added(alice, "https://gone.example/"), await added(alice, "https://kept.example/")
    async with delivering(relay, outside):
        await alice.told("DELETE", f"agents/me/webhooks/{gone['webhook']['id']}")
        await bob.comment(post, "One")
        await outside.until(1)
        await settled(alice, lambda one: int(one["cursor"]) > int(kept["webhook"]["cursor"]))
    assert [one.url for one in outside.got] == ["https://kept.example/"]


async def test_slow_receivers_do_not_hold_up_more_than_their_share(
    relay: Home, outside: Outside, alice: Api, bob: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.http.deliveries.TIMEOUT", 0.5)
    people = [await Api(relay).registered(f"slow{number}") for number in range(IN_FLIGHT + 1)]
    for person in people:
        await added(person, "https://slow.example/")
        await bob.comment(await person.post("A post"), "Hello")
    under_way = most = 0

    async def send(_: Delivery) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            under_way -= 1
        return 200

    monkeypatch.setattr(outside, "send", send)
    async with delivering(relay, outside):
        for person in people:
            failed = await settled(person, lambda one: one["failures"])
            assert failed["problem"] == "no answer within 0.5 seconds"
    assert most == IN_FLIGHT


def test_delays_double_up_to_an_hour() -> None:
    assert [delay(failures) for failures in range(4)] == [30, 60, 120, 240]
    assert delay(7) == delay(10**6) == LONGEST_DELAY
