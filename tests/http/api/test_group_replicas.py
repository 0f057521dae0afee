"""Groups of other relays over HTTP, as a peer brings them: they are found and read here, and joined and written in at home."""

import time

import pytest

from relay.protocol import event as events
from relay.protocol.admission import Door
from storage.base import Incoming, Status
from tests.factories import keypair, make_event
from tests.http.api.streams import streaming
from tests.http.api.test_groups import begun

HOME, AT = 50, "wss://home.example"


async def bring(relay, *brought):
    """Their home brings these."""
    now = int(time.time())
    home = keypair(HOME).pubkey
    some = [Incoming(one, events.wire(one), Door.PEER, now, origin=AT, home=home) for one in brought]
    outcomes = await relay.site.hub.ingest.write(some)
    assert [one.status for one in outcomes] == [Status.STORED] * len(some), outcomes


def tells(kind, group, *tags):
    return make_event(HOME, kind, "", [["d", group], *tags], int(time.time()))


def said(group, text, key=7):
    return make_event(key, 9, text, [["h", group]], int(time.time()))


@pytest.fixture
async def pubkey(relay, alice):
    """Of alice, whom their home lists in the cellar; the harbour is open."""
    key = (await alice.get("agents/me"))["agent"]["pubkey"]
    await bring(
        relay,
        tells(39000, "harbour", ["name", "The harbour"]),
        tells(39000, "cellar", ["name", "The cellar"], ["private"]),
        tells(39002, "cellar", ["p", key]),
        said("harbour", "Low water"),
        said("cellar", "Between ourselves"),
    )
    return key


async def test_groups_of_other_relays_are_found_and_read_with_where_they_are_at_home(alice, bob, api, pubkey):
    await begun(bob, id="here", name="The haven")
    found = (await api.get("groups?q=the"))["groups"]
    assert {one["id"]: one["home"] for one in found} == {"harbour": AT, "cellar": AT, "here": None}
    first = await api.get("groups?q=the&limit=1")
    rest = await api.get(f"groups?q=the&limit=5&cursor={first['next_cursor']}")
    assert len({one["id"] for one in first["groups"] + rest["groups"]}) == 3
    assert [one["id"] for one in (await alice.get("groups?mine=true"))["groups"]] == ["cellar"]
    assert (await alice.get("groups/cellar"))["group"]["your_roles"] == []
    assert (await bob.get("groups/harbour"))["group"]["home"] == AT
    (message,) = (await api.get("groups/harbour/messages"))["messages"]
    assert (message["content"], message["group_id"]) == ("Low water", "harbour")
    assert (await api.get(f"groups/harbour/messages/{message['id']}"))["message"]["id"] == message["id"]
    assert [one["content"] for one in (await alice.get("groups/cellar/messages"))["messages"]] == ["Between ourselves"]
    assert [one["pubkey"] for one in (await alice.get("groups/cellar/members"))["members"]] == [pubkey]
    assert await api.refused(401, "GET", "groups/cellar/messages") == "auth_required"
    assert await bob.refused(403, "GET", "groups/cellar/messages") == "restricted"


async def test_what_would_change_one_is_told_where_it_is_at_home(alice, bob, pubkey):
    (message,) = (await alice.get("groups/harbour/messages"))["messages"]
    for method, path, body in (
        ("POST", "groups/harbour/join", {}),
        ("POST", "groups/cellar/leave", None),
        ("POST", "groups/harbour/messages", {"content": "hi"}),
        ("PATCH", "groups/harbour", {"name": "Mine"}),
        ("POST", "groups/harbour/pins", {"id": message["id"]}),
        ("POST", f"groups/harbour/messages/{message['id']}/reactions", {"content": "+"}),
        ("DELETE", "groups/harbour", None),
    ):
        told = await alice.told(method, path, body, 403)
        assert (told["code"], AT in told["message"]) == ("elsewhere", True), path


async def test_the_stream_of_ones_groups_tells_of_them(relay, alice, bob, pubkey):
    def watching(who):
        return streaming(relay._transport.app, path="/stream/groups", authorization=f"Bearer {who.token}")

    async with watching(alice) as frames, watching(bob) as others:
        await frames.ready()
        await others.ready()
        await bring(relay, said("cellar", "More of it"), said("harbour", "Not for members"))
        told = (await frames.told())["data"]
        assert (told["type"], told["group_id"], told["message"]["content"]) == ("message", "cellar", "More of it")
        bobs = (await bob.get("agents/me"))["agent"]["pubkey"]
        later = make_event(HOME, 39002, "", [["d", "cellar"], ["p", bobs]], int(time.time()) + 5)
        await bring(relay, later, said("cellar", "For bob"))
        told = (await others.told())["data"]
        assert (told["group_id"], told["message"]["content"]) == ("cellar", "For bob")


async def test_pages_name_where_they_are_at_home(relay, alice, api, pubkey):
    await bring(relay, tells(39000, "square", ["name", "The square"], ["supported_kinds", "11"]))

    async def page(path):
        return await api.client.get(path, headers={"accept": "text/html"})

    rooms = (await page("/chat")).text
    assert 'href="/chat/harbour"' in rooms
    assert AT in rooms
    assert "The cellar" not in rooms
    room = await page("/chat/harbour")
    assert room.status_code == 200
    assert all(words in room.text for words in ("Low water", f"at home at <code>{AT}</code>", 'data-group="harbour"'))
    # its script shows it where one may join
    assert '<form method="dialog" id="membership" data-group="harbour" hidden>' in room.text
    places = (await page("/communities")).text
    assert "The square" in places
    assert AT in places
    assert 'href="/c/square"' not in places
    assert (await page("/c/square")).status_code == 404
    assert "The square" not in str(await api.get("search?q=square&type=submolts"))
