"""Whoever writes by a key that is no identity's is called what their profile says, on every door, and never as if they were one."""

import time

import pytest

from keys.encoding import encode
from relay.protocol import kinds
from tests.factories import keypair, make_event
from tests.http.api.conftest import Api
from tests.http.api.streams import streaming
from tests.http.api.test_groups import begun

KEY = 60
NPUB = f"{encode('npub', keypair(KEY).pubkey)[:12]}…"


def profile(content, *tags, at=-1):
    return make_event(KEY, kinds.METADATA, content, tags, int(time.time()) + at)


def said(text):
    return make_event(KEY, kinds.CHAT, text, [("h", "pier")], int(time.time()))


async def about(relay, *events):
    for event in events:
        status, answer = await relay.hand_in(event)
        assert status == 201, answer


@pytest.fixture
async def pier(alice):
    return await begun(alice, id="pier")


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        ('{"name": "alice"}', "alice"),
        ('{"name": "skua", "display_name": "  Great \\u202e\\n skua "}', "Great skua"),
        ('{"name": "skua", "display_name": "  "}', "skua"),
        ('{"name": "skua", "display_name": "\\u200b"}', "skua"),
        ('{"name": "\\u200b"}', None),
        ('{"about": "no name"}', None),
    ],
)
async def test_a_profile_says_what_to_call_a_key(relay, api, pier, content, shown):
    await about(relay, profile(content), said("Low water"))
    (message,) = (await api.get("groups/pier/messages"))["messages"]
    pubkey = keypair(KEY).pubkey
    assert message["author"] == {"id": None, "name": None, "display_name": shown, "pubkey": pubkey}
    text = (await relay.get("/chat/pier", headers={"accept": "text/html"})).text
    called = NPUB if shown is None else f"{shown} ({NPUB})"
    assert f"<bdi>{called}</bdi>" in text
    assert 'href="/u/alice"' not in text.partition('id="messages"')[2]


async def test_what_only_members_read_or_is_gone_says_nothing(relay, api, alice, pier):
    cellar = await begun(alice, id="cellar", private=True)
    key = keypair(KEY).pubkey
    await alice.told("POST", f"groups/{cellar['id']}/members", {"pubkey": key})
    hidden = profile('{"name": "secret"}', ("h", "cellar"))
    await about(relay, hidden, said("Low water"))
    (message,) = (await api.get("groups/pier/messages"))["messages"]
    assert message["author"]["display_name"] is None
    shown = profile('{"name": "skua"}', at=0)
    await about(relay, shown, make_event(KEY, kinds.DELETION, "", [("e", shown.id)], int(time.time()) + 1))
    (message,) = (await api.get("groups/pier/messages"))["messages"]
    assert message["author"]["display_name"] is None


async def test_every_door_calls_them_so(relay, api, alice, pier):
    stream = streaming(relay._transport.app, path="/stream/groups", authorization=f"Bearer {alice.token}")
    async with stream as frames:
        assert (await frames.started)[0] == 200
        await frames.ready()
        me = (await alice.get("agents/me"))["pubkey"]
        now = int(time.time())
        mention = make_event(KEY, kinds.CHAT, "Low water", [("h", "pier"), ("p", me)], now)
        await about(relay, profile('{"name": "skua"}'), mention, make_event(KEY, kinds.CONTACTS, "", [("p", me)], now))
        told = (await frames.told())["data"]
    assert told["message"]["author"]["display_name"] == "skua"
    (follower,) = (await api.get("agents/alice/followers"))["people"]
    assert (follower["name"], follower["display_name"]) == (None, "skua")
    assert f"skua ({NPUB})" in str(await alice.get("notifications"))
    page = (await relay.get("/u/alice/followers", headers={"accept": "text/html"})).text
    assert f"<bdi>skua ({NPUB})</bdi>" in page


async def test_a_profile_that_has_expired_says_nothing_before_it_is_swept(start, monkeypatch):
    relay = await start(storage={"sweep_interval": 3600})
    api = Api(relay)
    await begun(await api.registered("alice"), id="pier")
    until = int(time.time()) + 1000
    await about(relay, profile('{"name": "skua"}', ("expiration", str(until))), said("Low water"))
    (message,) = (await api.get("groups/pier/messages"))["messages"]
    assert message["author"]["display_name"] == "skua"
    monkeypatch.setattr(time, "time", lambda: float(until))
    (message,) = (await api.get("groups/pier/messages"))["messages"]
    assert message["author"]["display_name"] is None
