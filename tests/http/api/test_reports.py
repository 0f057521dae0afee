"""Reports: who makes them of what, and who reads them."""

import time

import msgspec
import pytest

from relay.protocol import reports
from tests.factories import keypair, make_event
from tests.http.api.conftest import Api
from tests.http.api.proofs import nostr
from tests.http.api.test_groups import NAMES, begun, message
from tests.http.api.test_rules import asked

OPERATOR = 1


@pytest.fixture
async def relay(start):
    return await start(relay={"url": "ws://relay.example:7447", "pubkey": keypair(OPERATOR).pubkey})


async def reported(relay, query=""):
    status, answer = await relay.ask("GET", f"/reports{query}", nostr(OPERATOR, "GET", f"/reports{query}"))
    assert status == 200, answer
    return answer["reported"]


async def report(api, **body):
    return await api.told("POST", "reports", {"reason": "spam", **body}, 201)


async def test_the_operator_is_told_what_is_reported_by_whom_and_why(relay, alice, bob, api):
    carol = await api.registered("carol")
    post = await bob.post("Cheap watches", content="Buy now")
    comment = await bob.comment(post, "Really cheap")
    made = await report(alice, event_id=post["id"], content=" The same link again ")
    assert (made["event"]["kind"], made["event"]["content"]) == (1984, "The same link again")
    assert [tag for tag in made["event"]["tags"] if tag[0] in "ep"] == [
        ["e", post["id"], "spam"],
        ["p", post["author"]["pubkey"]],
    ]
    await report(carol, event_id=post["id"], reason="illegal")
    await report(alice, event_id=comment["id"])
    await report(alice, agent="bob", reason="impersonation")
    found = await reported(relay)
    assert {(one["type"], one["event_id"], one["count"]) for one in found} == {
        ("agent", None, 1),
        ("comment", comment["id"], 1),
        ("post", post["id"], 2),
    }
    (of_post,) = [one for one in found if one["type"] == "post"]
    assert (of_post["author"]["name"], of_post["excerpt"], of_post["reasons"]) == (
        "bob",
        "Cheap watches Buy now",
        {"spam": 1, "illegal": 1},
    )
    assert of_post["url"].endswith(f"/post/{post['id']}")
    assert {(one["reporter"]["name"], one["reason"], one["content"]) for one in of_post["reports"]} == {
        ("alice", "spam", "The same link again"),
        ("carol", "illegal", ""),
    }


async def test_a_second_report_of_the_same_is_the_first_one(relay, alice, bob):
    post = await bob.post("Cheap watches")
    first, second = await report(alice, event_id=post["id"]), await report(alice, event_id=post["id"], reason="other")
    assert first["event"]["id"] == second["event"]["id"]
    await report(alice, agent="bob")
    assert sorted(one["count"] for one in await reported(relay)) == [1, 1]


async def test_what_is_gone_is_told_no_more(relay, alice, bob):
    post = await bob.post("Cheap watches")
    await report(alice, event_id=post["id"])
    await bob.told("DELETE", f"posts/{post['id']}")
    assert await reported(relay) == []


async def test_moderators_are_told_what_is_reported_in_their_community_and_nothing_else(relay, alice, bob, api):
    carol = await api.registered("carol")
    await alice.told("POST", "submolts", {"name": "tides"}, 201)
    post = await bob.post("Cheap watches", submolt="tides")
    comment = await bob.comment(post, "Really cheap")
    other = await bob.post("Elsewhere")
    for each in (post, comment, other):
        await report(carol, event_id=each["id"])
    found = (await alice.get("reports?group=tides"))["reported"]
    assert {one["event_id"] for one in found} == {post["id"], comment["id"]}
    assert {one["group_id"] for one in found} == {"tides"}
    assert await carol.refused(403, "GET", "reports?group=tides") == "restricted"
    assert await alice.refused(403, "GET", "reports") == "restricted"
    assert {one["event_id"] for one in await reported(relay, "?group=tides")} == {post["id"], comment["id"]}


async def test_a_report_in_a_private_group_is_read_there_alone(relay, alice, bob):
    group = await begun(alice, id=NAMES, private=True)
    await alice.told("POST", f"groups/{NAMES}/members", {"agent": "bob"})
    said = await message(alice, group, "Cheap watches")
    made = await report(bob, event_id=said["id"])
    assert ["h", NAMES] in made["event"]["tags"]
    (found,) = (await alice.get(f"reports?group={NAMES}"))["reported"]
    assert (found["type"], found["event_id"], found["url"].endswith(f"/chat/{NAMES}")) == ("message", said["id"], True)
    assert await reported(relay) == []
    assert await Api(relay).refused(404, "GET", f"events/{made['event']['id']}") == "event_not_found"


async def test_pages_hold_every_reported_thing_once(relay, alice, bob):
    posts = [await bob.post(f"Post {number}") for number in range(5)]
    for each in posts:
        await report(alice, event_id=each["id"])
    found, cursor = [], ""
    while cursor is not None:
        path = f"/reports?limit=2&cursor={cursor}"
        _, page = await relay.ask("GET", path, nostr(OPERATOR, "GET", path))
        found += [one["event_id"] for one in page["reported"]]
        cursor = page["next_cursor"]
    assert sorted(found) == sorted(each["id"] for each in posts)


async def test_only_what_is_here_and_not_ones_own_is_reported(relay, alice, bob, api):
    post = await alice.post("Mine")
    assert await alice.refused(400, "POST", "reports", {"reason": "spam", "event_id": post["id"]}) == "invalid"
    assert await alice.refused(400, "POST", "reports", {"reason": "spam", "agent": "alice"}) == "invalid"
    assert await alice.refused(404, "POST", "reports", {"reason": "spam", "event_id": "0" * 64}) == "event_not_found"
    assert await alice.refused(404, "POST", "reports", {"reason": "spam", "agent": "nobody"}) == "agent_not_found"
    assert await alice.refused(400, "POST", "reports", {"reason": "spam"}) == "invalid"
    assert await alice.refused(400, "POST", "reports", {"reason": "ugly", "agent": "bob"}) == "bad_request"
    assert await api.refused(401, "POST", "reports", {"reason": "spam", "agent": "bob"}) == "auth_required"
    assert await api.refused(401, "GET", "reports") == "auth_required"
    status, _ = await relay.ask("GET", "/reports", nostr(2, "GET", "/reports"))
    assert status == 403


async def test_a_reported_person_is_looked_at_and_reported_anew(relay, alice, bob, monkeypatch):
    first = await report(alice, agent="bob")
    assert (await asked(relay, "PUT", "/rules/key/@bob", allowed=True))["changed"] is True
    assert await reported(relay) == []
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 5)
    again = await report(alice, agent="bob")  # by who had reported it before
    assert again["event"]["id"] != first["event"]["id"]
    assert [one["type"] for one in await reported(relay)] == ["agent"]
    monkeypatch.setattr(time, "time", lambda: now + 10)
    assert (await asked(relay, "PUT", "/rules/key/@bob", allowed=True))["changed"] is True
    assert await reported(relay, "?limit=99") == []


async def test_a_person_who_is_banned_is_told_no_more_and_what_they_wrote_is(relay, alice, bob):
    post = await bob.post("Cheap watches")
    await report(alice, agent="bob")
    await report(alice, event_id=post["id"])
    await asked(relay, "PUT", "/rules/key/@bob", allowed=False)
    assert [one["event_id"] for one in await reported(relay)] == [post["id"]]


async def test_what_was_left_is_told_of_again_where_who_reported_it_does_so_once_more(relay, alice, bob, monkeypatch):
    post = await bob.post("Cheap watches")
    await report(alice, event_id=post["id"])
    await asked(relay, "PUT", f"/rules/event/{post['id']}", allowed=True)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 5)
    await report(alice, event_id=post["id"], reason="malware")
    assert [one["event_id"] for one in await reported(relay)] == [post["id"]]


async def test_what_was_left_stays_so_whatever_the_clock_of_who_reported_it_says(relay, alice, bob):
    post = await bob.post("Cheap watches")
    tags = reports.tags(post["id"], post["author"]["pubkey"], "spam")
    ahead = make_event(5, 1984, tags=tags, created_at=int(time.time()) + 600)
    await alice.told("POST", "events", msgspec.to_builtins(ahead), 201)
    assert [one["event_id"] for one in await reported(relay)] == [post["id"]]
    await asked(relay, "PUT", f"/rules/event/{post['id']}", allowed=True)
    assert await reported(relay, "?limit=99") == []


async def test_a_person_who_vanished_is_told_no_more(relay, alice, bob):
    await report(alice, agent="bob")
    await report(bob, agent="alice")
    await bob.told("POST", "agents/me/vanish", {"confirm": "bob"})
    assert await reported(relay) == []  # and what bob had reported is gone with him
