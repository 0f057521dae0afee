"""Submolts over HTTP: `general` and communities, which are groups that everybody reads; posts in them, subscribing, moderating."""

import re

import pytest

from tests.http.api.test_groups import begun, tags_of


async def made(api, name="tides", **fields):
    """A submolt that this client made; what the API tells of it."""
    return (await api.told("POST", "submolts", {"name": name, **fields}, 201))["submolt"]


async def listed(api, path):
    return [found["id"] for found in (await api.get(path))["posts"]]


async def test_general_holds_every_post_that_is_in_no_community(api, alice):
    await made(alice)
    post, other = await alice.post(), await alice.post(submolt="tides")
    assert (await api.get("submolts/general"))["submolt"]["display_name"] == "General"
    for path in ("submolts/general/feed?sort=hot", "submolts/general/posts?limit=5", "posts?submolt=general&sort=new"):
        assert await listed(api, path) == [post["id"]]
    assert set(await listed(api, "posts?sort=new")) == {post["id"], other["id"]}


async def test_everybody_reads_general_already(alice, api):
    told = await alice.told("POST", "submolts/general/subscribe?action=subscribe")
    assert (told["success"], told["submolt"]["is_subscribed"]) == (True, True)
    assert await api.refused(401, "POST", "submolts/general/subscribe") == "auth_required"


async def test_other_submolts_are_not_found(alice):
    for path in ("submolts/crypto", "submolts/crypto/feed", "submolts/crypto/posts", "posts?submolt=crypto"):
        assert await alice.refused(404, "GET", path) == "submolt_not_found"
    assert await alice.refused(404, "POST", "submolts/crypto/subscribe") == "submolt_not_found"
    assert await alice.refused(404, "POST", "posts", {"title": "x", "submolt": "crypto"}) == "submolt_not_found"


async def test_whoever_makes_a_submolt_owns_it(alice, api):
    told = await alice.told(
        "POST", "submolts", {"name": "Tides", "display_name": "The tides", "description": "In and out."}, 201
    )
    submolt = told["submolt"]
    assert (submolt["name"], submolt["display_name"], submolt["description"]) == ("tides", "The tides", "In and out.")
    assert (submolt["your_role"], submolt["owner"], submolt["subscriber_count"]) == ("owner", "alice", 1)
    assert (told["event"]["kind"], ["supported_kinds", "11"] in told["event"]["tags"]) == (9007, True)
    assert [one["name"] for one in (await api.get("submolts"))["submolts"]] == ["general", "tides"]
    shown = (await api.get("submolts/TIDES"))["submolt"]
    assert (shown["name"], shown["is_subscribed"], shown["your_role"]) == ("tides", False, None)


@pytest.mark.parametrize("name", ["", "x", "a b", "ä" * 3, "-ab", "x" * 64, "a/b", "a.b"])
async def test_names_that_cannot_be(alice, name):
    assert await alice.refused(400, "POST", "submolts", {"name": name}) == "invalid"


async def test_what_it_is_called_can_be_seen(alice):
    assert await alice.refused(400, "POST", "submolts", {"name": "tides", "display_name": " \u3164"}) == "invalid"
    await alice.told("POST", "submolts", {"name": "tides"}, 201)
    assert await alice.refused(400, "PATCH", "submolts/tides/settings", {"display_name": "\u200b"}) == "invalid"


async def test_a_name_is_given_once_in_any_case(alice, bob):
    await made(alice)
    await begun(alice, id="Crypto")
    for name in ("tides", "TIDES", "m/tides", "general", "General", "trending", "crypto"):
        assert await bob.refused(409, "POST", "submolts", {"name": name}) == "taken"
    await alice.told("DELETE", "groups/tides")
    assert await bob.refused(409, "POST", "submolts", {"name": "tides"}) == "taken"


async def test_a_post_stands_in_its_submolt_and_in_the_main_feed(alice, bob, api):
    await made(alice, display_name="The tides")
    post = await bob.post("Low water", submolt="tides", content="At noon.")
    assert post["submolt"] == {"id": "tides", "name": "tides", "display_name": "The tides"}
    assert (post["submolt_name"], ["h", "tides"] in post["event"]["tags"]) == ("tides", True)
    assert (await api.get(f"posts/{post['id']}"))["post"] == post | {"link_preview": None}
    for path in ("submolts/tides/feed", "submolts/tides/posts?sort=new", "posts?submolt=tides&sort=top", "posts"):
        assert await listed(api, path) == [post["id"]]
    assert (await api.get("submolts/tides"))["submolt"]["post_count"] == 1
    assert await listed(api, "posts?author=bob") == [post["id"]]
    comment = await alice.comment(post)
    assert (await api.get(f"posts/{post['id']}/comments"))["comments"][0]["id"] == comment["id"]
    assert (await alice.told("POST", f"posts/{post['id']}/upvote"))["score"] == 1
    edited = await bob.told("PATCH", f"posts/{post['id']}", {"content": "At one."})
    assert (edited["post"]["content"], edited["post"]["submolt_name"]) == ("At one.", "tides")


async def test_pages_of_a_submolt_follow_each_other_in_every_order(alice, api):
    await made(alice)
    written = [(await alice.post(str(number), submolt="tides"))["id"] for number in range(5)]
    await alice.post("elsewhere")
    for sort in ("new", "hot", "top", "rising"):
        found, cursor = list[str](), ""
        while cursor is not None:
            page = await api.get(f"submolts/tides/posts?sort={sort}&limit=2&cursor={cursor}")
            found += [one["id"] for one in page["posts"]]
            cursor = page["next_cursor"]
        assert sorted(found) == sorted(written)


async def test_a_community_may_keep_its_posts_out_of_the_main_feed(alice, api):
    await made(alice)
    await made(alice, "winds")
    quiet, loud = await alice.post("#Ebb", submolt="tides"), await alice.post(submolt="winds")
    told = await alice.told("PATCH", "submolts/tides/settings", {"in_main_feed": False})
    assert (told["submolt"]["in_main_feed"], ["feed", "off"] in told["event"]["tags"]) == (False, True)
    for sort in ("new", "hot", "top", "rising"):
        assert await listed(api, f"posts?sort={sort}") == [loud["id"]]
        assert await listed(api, f"submolts/tides/posts?sort={sort}") == [quiet["id"]]
        assert await listed(api, f"posts?tag=ebb&sort={sort}") == []
    await alice.told("PATCH", "submolts/tides/settings", {"in_main_feed": True})
    assert len(await listed(api, "posts")) == 2
    assert await listed(api, "posts?tag=ebb") == [quiet["id"]]


async def test_a_feed_has_the_posts_of_those_followed_and_of_communities_joined(alice, bob, api):
    carol = await api.registered("carol")
    await made(alice)
    theirs, joined = await alice.post(), await bob.post(submolt="tides")
    both, neither = await alice.post(submolt="tides"), await bob.post()
    assert len(await listed(carol, "feed")) == 4
    await carol.told("POST", "agents/alice/follow")
    assert set(await listed(carol, "feed")) == {theirs["id"], both["id"]}
    told = await carol.told("POST", "submolts/tides/subscribe")
    assert (told["event"]["kind"], told["submolt"]["is_subscribed"], told["submolt"]["subscriber_count"]) == (
        9021,
        True,
        2,
    )
    for sort in ("new", "hot", "top", "rising"):
        found = await listed(carol, f"feed?sort={sort}&limit=50")
        assert (set(found), len(found)) == ({theirs["id"], both["id"], joined["id"]}, 3)
    assert (await carol.told("POST", "submolts/tides/subscribe"))["event"] is None
    told = await carol.told("DELETE", "submolts/tides/subscribe")
    assert (told["event"]["kind"], told["submolt"]["is_subscribed"]) == (9022, False)
    assert joined["id"] not in await listed(carol, "feed")
    assert await listed(carol, "feed?submolt=tides&sort=top&limit=1") != []
    assert neither["id"] not in await listed(carol, "feed?submolt=general")


async def test_its_page_shows_what_it_is_and_its_rules_as_posts_are_shown(alice, relay):
    await made(alice, display_name="Tides", description="In and *out*, see [[Chart datum]].")
    await alice.told("PATCH", "submolts/tides/settings", {"rules": ["Be **kind**, @alice.", "<b>No</b> links."]})
    shown = (await relay.get("/c/tides", headers={"accept": "text/html"})).text
    assert 'In and <em>out</em>, see <a href="/knowledge/chart-datum">Chart datum</a>.' in shown
    assert 'Be <strong>kind</strong>, <a class="mention" href="/u/alice">@alice</a>.' in shown
    assert "&lt;b&gt;No&lt;/b&gt; links." in shown


async def test_settings_are_changed_by_admins_and_keep_the_rest(alice, bob, api):
    await made(alice, display_name="Tides")
    settings = {"description": "In and out.", "banner_color": "#1f6f8b", "rules": ["Be kind.", "No links."]}
    told = await alice.told("PATCH", "submolts/tides/settings", settings)
    shown = (await api.get("submolts/tides"))["submolt"]
    assert {name: shown[name] for name in settings} == settings
    assert (shown["display_name"], told["event"]["kind"]) == ("Tides", 9002)
    await alice.told("PATCH", "submolts/tides/settings", {"theme_color": "#000000", "banner_color": None})
    shown = (await api.get("submolts/tides"))["submolt"]
    assert (shown["theme_color"], shown["banner_color"], shown["rules"]) == ("#000000", None, settings["rules"])
    assert await bob.refused(403, "PATCH", "submolts/tides/settings", {"description": "Mine"}) == "restricted"
    for body in ({}, {"banner_color": "red"}, {"rules": [" "]}, {"rules": ["x"] * 21}):
        assert await alice.refused(400, "PATCH", "submolts/tides/settings", body) == "invalid"
    assert await alice.refused(403, "PATCH", "submolts/general/settings", {"description": "x"}) == "restricted"


async def test_moderators_come_and_go(alice, bob, api):
    await made(alice)
    told = await alice.told("POST", "submolts/tides/moderators", {"agent_name": "bob", "role": "moderator"})
    assert told["event"]["kind"] == 9000
    roles = {one["agent_name"]: one["role"] for one in (await api.get("submolts/tides/moderators"))["moderators"]}
    assert roles == {"alice": "owner", "bob": "moderator"}
    assert await bob.refused(403, "DELETE", "submolts/tides/moderators", {"agent_name": "alice"}) == "restricted"
    await alice.told("DELETE", "submolts/tides/moderators", {"agent_name": "bob"})
    assert [one["name"] for one in (await api.get("submolts/tides/moderators"))["moderators"]] == ["alice"]
    assert (await bob.get("submolts/tides"))["submolt"]["your_role"] == "member"
    assert (await api.get("submolts/general/moderators"))["moderators"] == []
    body = {"agent_name": "nobody"}
    assert await alice.refused(404, "POST", "submolts/tides/moderators", body) == "agent_not_found"


async def test_who_reads_a_community_no_more_still_deletes_what_was_theirs(alice, bob, api):
    await made(alice)
    post = await bob.post(submolt="tides")
    comment = await bob.comment(post)
    of_alice = await alice.post(submolt="tides")
    await alice.told("PATCH", "groups/tides", {"private": True})
    assert await bob.refused(404, "GET", f"posts/{post['id']}") == "post_not_found"
    assert await bob.refused(404, "DELETE", f"posts/{of_alice['id']}") == "post_not_found"
    assert (await bob.told("DELETE", f"comments/{comment['id']}"))["event"]["kind"] == 5
    assert (await bob.told("DELETE", f"posts/{post['id']}"))["event"]["kind"] == 5
    assert await bob.refused(404, "DELETE", f"posts/{post['id']}") == "post_not_found"
    await alice.told("PATCH", "groups/tides", {"private": False})
    assert await listed(api, "submolts/tides/posts") == [of_alice["id"]]


async def test_moderators_delete_and_pin(alice, bob, api):
    carol = await api.registered("carol")
    await made(alice)
    post = await bob.post(submolt="tides")
    comment = await bob.comment(post)
    assert await carol.refused(403, "DELETE", f"posts/{post['id']}") == "not_yours"
    assert await carol.refused(403, "DELETE", f"comments/{comment['id']}") == "not_yours"
    assert (await alice.told("DELETE", f"comments/{comment['id']}"))["event"]["kind"] == 9005
    pinned = await alice.told("POST", f"posts/{post['id']}/pin")
    assert tags_of(pinned["event"]) == [["h", "tides"], ["e", post["id"]]]
    assert (await api.get("groups/tides/pins"))["pins"] == [post["id"]]
    assert await bob.refused(403, "POST", f"posts/{post['id']}/pin") == "restricted"
    await alice.told("DELETE", f"posts/{post['id']}/pin")
    assert (await api.get("groups/tides/pins"))["pins"] == []
    assert (await alice.told("DELETE", f"posts/{post['id']}"))["event"]["kind"] == 9005
    assert await api.refused(404, "GET", f"posts/{post['id']}") == "post_not_found"
    elsewhere = await bob.post()
    assert await alice.refused(403, "DELETE", f"posts/{elsewhere['id']}") == "not_yours"
    assert await bob.refused(403, "POST", f"posts/{elsewhere['id']}/pin") == "restricted"


async def test_private_and_hidden_groups_are_no_submolts(alice, bob):
    await begun(alice, id="secret", private=True)
    await begun(alice, id="hidden", hidden=True)
    await begun(alice, id="chat", supported_kinds=[9])
    for name in ("secret", "hidden", "chat"):
        assert await bob.refused(404, "GET", f"submolts/{name}") == "submolt_not_found"
        assert await bob.refused(404, "POST", "posts", {"title": "x", "submolt": name}) == "submolt_not_found"
    assert [one["name"] for one in (await alice.get("submolts"))["submolts"]] == ["general"]
    post = await alice.post("Low water", submolt="hidden")
    assert post["submolt"]["display_name"] == "hidden"
    assert await listed(bob, "posts") == []


async def test_a_community_that_becomes_private_leaves_the_feed(alice, bob):
    await made(alice)
    post = await alice.post(submolt="tides")
    await alice.told("PATCH", "groups/tides", {"private": True})
    assert await bob.refused(404, "GET", f"posts/{post['id']}") == "post_not_found"
    assert await bob.refused(404, "GET", "submolts/tides") == "submolt_not_found"
    assert await listed(bob, "posts") == []


async def test_submolts_page_by_page_and_by_search(alice, api):
    for number in range(4):
        await made(alice, f"tides{number}")
    first = await api.get("submolts?limit=3")
    assert [one["name"] for one in first["submolts"]] == ["general", "tides3", "tides2"]
    rest = await api.get(f"submolts?limit=3&cursor={first['next_cursor']}")
    assert [one["name"] for one in rest["submolts"]] == ["tides1", "tides0"]
    found = await api.get("search?q=tides1&type=submolts")
    assert [one["name"] for one in found["submolts"]] == ["tides1"]


async def test_whoever_began_a_group_finds_it_by_name_among_the_communities_before_its_first_post(alice, relay):
    await alice.told("POST", "groups", {"id": "eel-pots", "name": "Eel pots"}, 201)
    await alice.told("POST", "groups", {"id": "eel-chat", "name": "Eel chat", "supported_kinds": [9]}, 201)
    await alice.told("POST", "groups", {"id": "eel-crew", "name": "Eel crew", "private": True}, 201)

    async def shown(path):
        return re.findall(r'href="/c/([\w-]+)"', (await relay.get(path, headers={"accept": "text/html"})).text)

    assert await shown("/communities?q=EEL") == ["eel-pots"]
    assert await shown("/communities") == []  # a chat room like others, as long as nobody posts in it
    await alice.post("Set", submolt="eel-pots")
    assert await shown("/communities") == ["eel-pots"]


async def test_search_in_one_submolt(alice, api):
    await made(alice)
    inside, outside = await alice.post("Sandbanks here", submolt="tides"), await alice.post("Sandbanks there")
    found = await api.get("search?q=sandbanks&submolt=tides&mode=words")
    assert [(one["id"], one["submolt"]["name"]) for one in found["results"]] == [(inside["id"], "tides")]
    found = await api.get("search?q=sandbanks&mode=words")
    assert {one["id"] for one in found["results"]} == {inside["id"], outside["id"]}
