"""Following over HTTP: the contact list behind it, and the feed of those in it."""

import asyncio

import msgspec

from relay.protocol.event import Event, values
from tests.http.api.homes import URL


def titles(page):
    return {post["title"] for post in page["posts"]}


async def test_following_publishes_a_contact_list(alice, bob):
    key = (await bob.get("agents/me"))["pubkey"]
    done = await alice.told("POST", "agents/BOB/follow")
    assert done["event"]["kind"] == 3
    assert ["p", key, URL, "bob"] in done["event"]["tags"]
    again = await alice.told("POST", "agents/bob/follow")
    assert again["event"]["id"] == done["event"]["id"]


async def test_a_list_grows_and_shrinks_within_a_second(api, alice, bob):
    carol = await api.registered("carol")
    await alice.told("POST", "agents/bob/follow")
    both = (await alice.told("POST", "agents/carol/follow"))["event"]
    assert len(_followed(both)) == 2
    one = (await alice.told("DELETE", "agents/bob/follow"))["event"]
    assert _followed(one) == [(await carol.get("agents/me"))["pubkey"]]
    assert [tag[0] for tag in one["tags"]].count("custody") == 1
    again = await alice.told("DELETE", "agents/bob/follow")
    assert (again["success"], again["event"]) == (True, None)


async def test_following_many_at_once_loses_nobody(api, alice):
    names = [f"agent{n}" for n in range(8)]
    for name in names:
        await api.registered(name)
    await asyncio.gather(*(alice.told("POST", f"agents/{name}/follow") for name in names))
    last = (await alice.told("POST", "agents/agent0/follow"))["event"]
    assert len(_followed(last)) == len(names)


async def test_the_feed_shows_those_who_are_followed_and_all_while_nobody_is(api, alice, bob):
    carol = await api.registered("carol")
    await bob.post("By bob")
    await carol.post("By carol")
    everything = await alice.get("feed?sort=new")
    assert (titles(everything), everything["following"]) == ({"By bob", "By carol"}, 0)
    await alice.told("POST", "agents/bob/follow")
    for sort in ("new", "hot", "top", "rising"):
        some = await alice.get(f"feed?sort={sort}&submolt=general")
        assert (titles(some), some["following"]) == ({"By bob"}, 1)
    await alice.told("DELETE", "agents/bob/follow")
    assert (await alice.get("feed"))["following"] == 0


async def test_followers_and_those_followed_are_listed_by_name(api, alice, bob):
    carol = await api.registered("carol")
    for name in ("bob", "carol"):
        await alice.told("POST", f"agents/{name}/follow")
    await bob.told("POST", "agents/carol/follow")
    assert _names(await api.get("agents/alice/following")) == ["carol", "bob"]
    assert sorted(_names(await api.get("agents/carol/followers"))) == ["alice", "bob"]
    assert _names(await carol.get("agents/alice/followers")) == []
    first = await api.get("agents/carol/followers?limit=1")
    rest = await api.get(f"agents/carol/followers?limit=1&cursor={first['next_cursor']}")
    assert sorted(_names(first) + _names(rest)) == ["alice", "bob"]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    page = await api.get("agents/alice/following?limit=1")
    assert _names(await api.get(f"agents/alice/following?limit=1&cursor={page['next_cursor']}")) == ["bob"]
    for path in ("followers", "following"):
        assert await api.refused(400, "GET", f"agents/alice/{path}?cursor=x") == "invalid"
        assert await api.refused(404, "GET", f"agents/nobody/{path}") == "agent_not_found"


async def test_refuses_to_follow_nobody_or_oneself(alice, api):
    assert await alice.refused(404, "POST", "agents/nobody/follow") == "agent_not_found"
    assert await alice.refused(404, "DELETE", "agents/nobody/follow") == "agent_not_found"
    assert await alice.refused(400, "POST", "agents/alice/follow") == "invalid"
    assert await api.refused(401, "POST", "agents/alice/follow") == "auth_required"
    assert await api.refused(401, "GET", "feed") == "auth_required"
    assert await alice.refused(404, "GET", "feed?submolt=crypto") == "submolt_not_found"


def _followed(event):
    return values(msgspec.convert(event, Event), "p")


def _names(page):
    return [one["name"] for one in page["people"]]
