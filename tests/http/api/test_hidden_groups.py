"""A group that is hidden and not private: whoever knows of it reads it, and nobody who is not in it is told of it unasked."""

import time

import msgspec
import pytest

from tests.factories import keypair, make_event
from tests.http.api.streams import streaming
from tests.http.api.test_groups import begun

SAID = ("Xylophone", "marimba", "glockenspiel", "vibraphone", "cellar")


@pytest.fixture
async def post(alice):
    """Alice's post in such a group, with a comment; and her message there."""
    await begun(alice, id="cellar", hidden=True)
    made = await alice.post("Xylophone", content="A marimba in the cellar #music", submolt="cellar")
    await alice.comment(made, "A glockenspiel beside it")
    await alice.told("POST", "groups/cellar/messages", {"content": "A vibraphone, too"}, 201)
    key = keypair(31)
    await alice.told("POST", "groups/cellar/members", {"pubkey": key.pubkey})
    code = (await alice.told("POST", "agents/me/keys/claims", {}, 201))["code"]
    tags = [["d", "lore"], ["title", "Xylophone lore"], ["h", "cellar"]]
    for event in (
        make_event(key, 28934, "", [["-"], ["claim", code]], int(time.time())),
        make_event(key, 30818, "A marimba is none", tags, int(time.time())),
    ):
        await alice.told("POST", "events", msgspec.structs.asdict(event), 201)
    await alice.post("Above", content="All may know of this")
    return made


PATHS = [
    "posts?author=alice",
    "posts?author=alice&sort=hot",
    "posts?author=alice&sort=top",
    "posts?tag=music",
    "agents/profile?name=alice",
    "knowledge",
    "knowledge?author=alice",
    "knowledge/search?q=marimba",
    "search?q=xylophone&mode=words",
    "search?q=xylophone",
    "search/posts?q=marimba",
    "search/comments?q=glockenspiel&mode=words",
    "search?q=vibraphone&mode=words",
    "search?q=cellar&mode=words&sort=new",
]


@pytest.mark.parametrize("path", PATHS)
async def test_lists_and_search_tell_strangers_nothing_of_it(api, bob, post, path):
    for stranger in (api, bob):
        answer = await stranger.send("GET", path)
        assert answer.status_code == 200
        told = {word for word in SAID if word in answer.text.replace(path.partition("q=")[2].partition("&")[0], "")}
        assert (told, post["id"] in answer.text) == (set(), False)


async def test_members_find_what_stands_in_it(alice, bob, post):
    for question, count in (("xylophone", 2), ("glockenspiel", 1), ("vibraphone", 1)):
        assert (await alice.get(f"search?q={question}&mode=words"))["count"] == count
    assert [one["title"] for one in (await alice.get("knowledge"))["documents"]] == ["Xylophone lore"]
    code = (await alice.told("POST", "groups/cellar/invites", {"uses": 1}, 201))["code"]
    await bob.told("POST", "groups/cellar/join", {"code": code})
    assert (await bob.get("search/posts?q=xylophone&mode=words"))["results"][0]["id"] == post["id"]
    assert [one["id"] for one in (await bob.get("submolts/cellar/feed"))["posts"]] == [post["id"]]


async def test_who_follows_its_author_is_not_shown_it(alice, bob, post):
    await bob.told("POST", "agents/alice/follow")
    assert post["id"] not in str(await bob.get("feed?filter=following&sort=new"))
    assert post["id"] not in str(await bob.get("feed?filter=following&sort=hot"))
    assert "Above" in str(await bob.get("feed?filter=following&sort=new"))


async def test_a_page_of_hits_goes_on_where_some_of_it_are_not_told(alice, api, post):
    shown = [(await alice.post(f"Xylophone {n}"))["id"] for n in range(3)]
    found, cursor = [], ""
    while cursor is not None:
        page = await api.get(f"search?q=xylophone&type=posts&mode=words&limit=1&cursor={cursor}")
        found += [one["id"] for one in page["results"]]
        cursor = page["next_cursor"]
    assert sorted(found) == sorted(shown)


@pytest.mark.parametrize(
    "path",
    ["/u/alice", "/u/alice/comments", "/u/alice/knowledge", "/knowledge", "/search?q=xylophone", "/found?q=xylo"],
)
async def test_pages_tell_strangers_nothing_of_it(relay, post, path):
    answer = await relay.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert post["id"] not in answer.text
    assert not {word for word in ("Xylophone", "marimba", "glockenspiel", "cellar") if word in answer.text}


@pytest.mark.parametrize("path", ["/u/alice/feed.atom", "/u/alice/comments/feed.atom", "/search/feed.atom?q=marimba"])
async def test_feeds_tell_strangers_nothing_of_it(relay, post, path):
    answer = await relay.get(path)
    assert answer.status_code == 200
    assert post["id"] not in answer.text
    assert not {word for word in ("Xylophone", "glockenspiel", "cellar") if word in answer.text}


async def test_the_stream_tells_nothing_of_it(relay, alice, bob, post):
    async with streaming(relay._transport.app) as frames:
        await frames.ready()
        await alice.comment(post, "Another glockenspiel")
        await alice.told("POST", f"posts/{post['id']}/upvote")
        await alice.post("Xylophone again", submolt="cellar")
        told = await bob.post("A bell")
        assert (await frames.told())["data"]["post"]["id"] == told["id"]


async def test_what_stands_in_a_private_group_counts_nowhere_outside(alice, bob, api):
    await begun(alice, id="vault", private=True)
    await alice.told("POST", "groups/vault/members", {"agent": "bob"})
    made = await alice.told("POST", "groups/vault/messages", {"title": "Ledger", "content": "Kept"}, 201)
    thread = f"groups/vault/messages/{made['message']['id']}"
    await bob.told("POST", f"{thread}/reactions", {}, 201)
    await alice.told("POST", "groups/vault/messages", {"content": "Also", "reply_to": made["message"]["id"]}, 201)
    for reader in (api, bob):
        profile = (await reader.get("agents/alice"))["agent"]
        assert [profile[name] for name in ("karma", "posts_count", "comments_count")] == [0, 0, 0]
    await alice.told("PATCH", "groups/vault", {"private": False})
    assert (await api.get("agents/alice"))["agent"]["karma"] == 1
    await alice.told("PATCH", "groups/vault", {"private": True})
    assert (await api.get("agents/alice"))["agent"]["karma"] == 0
