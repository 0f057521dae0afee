"""What clients of the Moltbook API read beside posts: standing, metadata, pictures, search by kind, lean lists."""

import pytest

from tests.factories import PNG
from tests.http.api.homes import BASE


@pytest.fixture
async def told(alice, bob):
    """A post by alice with a comment by bob and alice's answer."""
    post = await alice.post("Low water", content="The tide is out.")
    comment = await bob.comment(post, "So it is")
    return post, comment, await alice.comment(post, "And back soon", parent_id=comment["id"])


async def test_a_comment_has_its_author_as_an_object_and_its_name_beside(alice, bob, told):
    post, comment, _ = told
    bobs = await bob.get("agents/me")
    assert comment["author"] == {
        "id": bobs["id"],
        "name": "bob",
        "display_name": bobs["display_name"],
        "pubkey": bobs["pubkey"],
    }
    assert (comment["author_name"], comment["author_id"], comment["author_pubkey"]) == (
        "bob",
        bobs["id"],
        bobs["pubkey"],
    )
    (listed,) = (await alice.get(f"posts/{post['id']}/comments"))["comments"]
    assert (listed["author"]["name"], listed["replies"][0]["author"]["name"]) == ("bob", "alice")


async def test_only_the_client_that_reads_a_name_is_given_one(alice, told):
    post, comment, _ = told
    as_sdk = {"user_agent": "moltbook-python-sdk/0.1.0"}
    listed = (await alice.told("GET", f"posts/{post['id']}/comments", **as_sdk))["comments"]
    assert (listed[0]["author"], listed[0]["replies"][0]["author"]) == ("bob", "alice")
    assert (await alice.told("GET", f"comments/{comment['id']}", **as_sdk))["comment"]["author"] == "bob"
    written = await alice.told("POST", f"posts/{post['id']}/comments", {"content": "x"}, 201, **as_sdk)
    assert written["comment"]["author"] == "alice"


async def test_a_post_comes_with_the_first_comments(api, told):
    post, comment, reply = told
    read = await api.get(f"posts/{post['id']}")
    assert [one["id"] for one in read["comments"]] == [comment["id"]]
    assert [one["id"] for one in read["comments"][0]["replies"]] == [reply["id"]]


async def test_best_is_top_and_controversial_has_votes_both_ways_first(alice, bob, api):
    carol = await api.registered("carol")
    post = await alice.post()
    liked, disputed, _ = [await alice.comment(post, text) for text in ("liked", "disputed", "quiet")]
    for who, what, way in [(bob, liked, "up"), (carol, liked, "up"), (bob, disputed, "up"), (carol, disputed, "down")]:
        await who.told("POST", f"comments/{what['id']}/{way}vote")
    path = f"posts/{post['id']}/comments"

    async def order(sort):
        return [one["content"] for one in (await api.get(f"{path}?sort={sort}"))["comments"]]

    assert (await order("best")) == (await order("top"))
    assert (await order("best"))[0] == "liked"
    assert (await order("controversial"))[0] == "disputed"


async def test_controversial_pages_hold_every_comment_once(alice, bob, api):
    post = await alice.post()
    for number in range(5):
        comment = await alice.comment(post, str(number))
        await (bob if number % 2 else alice).told("POST", f"comments/{comment['id']}/upvote")
        await (alice if number % 2 else bob).told("POST", f"comments/{comment['id']}/downvote")
    found, cursor = [], ""
    while cursor is not None:
        page = await api.get(f"posts/{post['id']}/comments?sort=controversial&limit=2&cursor={cursor}")
        found += [one["content"] for one in page["comments"]]
        cursor = page["next_cursor"]
    assert sorted(found) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize("path", ["posts", "feed", "submolts/general/posts", "search?q=tide", "search/posts?q=tide"])
async def test_a_lean_list_leaves_the_events_out(alice, told, path):
    key = "results" if path.startswith("search") else "posts"
    whole, lean = await alice.get(path), await alice.get(f"{path}{'&' if '?' in path else '?'}events=false")
    assert whole[key]
    assert [{name: value for name, value in one.items() if name != "event"} for one in whole[key]] == lean[key]
    assert all("event" in one for one in whole[key])


async def test_a_lean_list_of_comments_is_lean_further_down(alice, told):
    post, *_ = told
    (comment,) = (await alice.get(f"posts/{post['id']}/comments?events=false"))["comments"]
    assert "event" not in comment
    assert "event" not in comment["replies"][0]


async def test_a_lean_list_of_documents_leaves_the_texts_out(alice):
    await alice.told("POST", "knowledge", {"title": "Tides", "content": "The tide turns."}, 201)
    (listed,) = (await alice.get("knowledge?events=false"))["documents"]
    (found,) = (await alice.get("knowledge/search?q=tide&events=false"))["results"]
    assert ("event" in listed, "event" in found["document"]) == (False, False)
    assert (listed["title"], found["passage"]["content"]) == ("Tides", "The tide turns.")


@pytest.mark.parametrize("name", ["alice", "@alice", "ALICE", "@Alice"])
async def test_an_agent_is_found_by_name_with_or_without_the_sign(bob, alice, name):
    assert (await bob.get(f"agents/{name}"))["name"] == "alice"
    assert (await bob.get(f"agents/profile?name={name}"))["name"] == "alice"
    assert (await bob.told("POST", f"agents/{name}/follow"))["success"]


async def test_an_agent_is_found_by_its_id(bob, alice):
    me = await alice.get("agents/me")
    assert (await bob.get(f"agents/{me['id']}"))["name"] == "alice"
    assert await bob.refused(404, "GET", f"agents/{'0' * 32}") == "agent_not_found"


async def test_a_profile_tells_the_agents_standing(alice, bob, api, told):
    post, comment, _ = told
    carol = await api.registered("carol")
    for who in (bob, carol):
        await who.told("POST", f"posts/{post['id']}/upvote")
        await who.told("POST", "agents/alice/follow")
    await alice.told("POST", f"comments/{comment['id']}/downvote")
    await alice.told("POST", "agents/carol/follow")

    def standing(profile):
        return tuple(
            profile[name] for name in ("karma", "follower_count", "following_count", "posts_count", "comments_count")
        )

    assert standing(await alice.get("agents/me")) == (2, 2, 1, 1, 1)
    assert standing((await alice.get("agents/me"))["agent"]) == (2, 2, 1, 1, 1)
    assert standing(await api.get("agents/bob")) == (-1, 0, 1, 0, 1)
    assert (await bob.get("agents/alice"))["is_following"] is True
    assert (await alice.get("agents/bob"))["is_following"] is False
    assert (await api.get("agents/alice"))["is_following"] is False
    await bob.told("DELETE", f"comments/{comment['id']}")
    assert standing(await api.get("agents/bob")) == (0, 0, 1, 0, 0)


async def test_metadata_alone_is_kept_and_given_back(alice, bob):
    kept = {"model": "tide-1", "skills": ["waiting"]}
    told = await alice.told("PATCH", "agents/me", {"metadata": kept})
    assert (told["metadata"], told["agent"]["metadata"], told["event"]) == (kept, kept, None)
    assert (await bob.get("agents/alice"))["metadata"] == kept
    await alice.told("PUT", "me", {"description": "stands still"})
    me = await alice.get("me")
    assert (me["metadata"], me["description"]) == (kept, "stands still")
    assert (await alice.told("PATCH", "agents/me", {"metadata": {}}))["metadata"] == {}


async def test_metadata_has_an_end(alice):
    assert await alice.refused(400, "PATCH", "agents/me", {"metadata": {"a": "x" * 5000}}) == "invalid"
    assert await alice.refused(400, "PATCH", "agents/me", {"metadata": "text"}) == "bad_request"
    assert (await alice.get("agents/me"))["metadata"] == {}


async def upload(api, image, name="a.png"):
    headers = {"authorization": f"Bearer {api.token}"}
    return await api.client.post(f"{BASE}/agents/me/avatar", files={"file": (name, image)}, headers=headers)


async def test_an_avatar_is_shown_and_taken_away(alice, api):
    answer = await upload(alice, PNG)
    assert answer.status_code == 200, answer.text
    url = answer.json()["avatar_url"]
    assert (await api.get("agents/alice"))["avatar_url"] == url
    shown = await api.client.get(url.removeprefix("http://relay.example:7447"))
    assert (shown.content, shown.headers["content-type"]) == (PNG, "image/png")
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in shown.headers["content-security-policy"]
    profile = (await api.told("GET", "search/agents?q=ali"))["agents"][0]
    assert profile["avatar_url"] == url
    assert (await alice.told("DELETE", "agents/me/avatar"))["avatar_url"] is None
    assert (await alice.told("DELETE", "agents/me/avatar"))["success"]
    assert (await api.get("agents/alice"))["avatar_url"] is None
    assert await api.refused(404, "GET", "agents/alice/avatar") == "not_found"


@pytest.mark.parametrize(
    "image", [b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"\x89PNG\r\n\x1a\n" + b"x" * 600_000]
)
async def test_what_is_no_picture_or_too_large_is_refused(relay, alice, image):
    answer = await upload(alice, image)
    assert answer.status_code in (400, 413), answer.text
    assert (await alice.get("agents/me"))["avatar_url"] is None


async def test_what_an_agent_kept_goes_when_it_vanishes(relay, alice):
    await alice.told("PATCH", "agents/me", {"metadata": {"a": 1}})
    await upload(alice, PNG)
    await alice.told("POST", "notifications/read-all")
    me = (await alice.get("agents/me"))["id"]
    await alice.told("POST", "agents/me/vanish", {"confirm": "alice"})
    kept = await relay.site.reader.ask(lambda tables: (tables.metadata(me), tables.avatar(me), tables.read_marks(me)))
    assert kept == ("{}", None, {})


async def test_search_gives_what_it_found_by_kind(api, told):
    post, comment, _ = told
    found = await api.get("search?q=tide")
    assert [one["id"] for one in found["posts"]] == [post["id"]]
    assert found["posts"][0]["author"]["name"] == "alice"
    said = await api.get("search/comments?q=so+it+is&mode=words")
    assert ([one["id"] for one in said["comments"]], said["type"], said["posts"]) == ([comment["id"]], "comments", [])
    assert (await api.get("search/posts?q=tide&mode=words"))["type"] == "posts"


async def test_search_finds_agents_and_submolts_by_name(api, alice, bob):
    for path in ("search?q=ali", "search?q=@Alice&type=users", "search?q=ali&type=agents", "search/agents?q=%40ali"):
        assert [one["name"] for one in (await api.get(path))["agents"]] == ["alice"], path
    assert (await api.get("search/agents?q=zzz"))["agents"] == []
    assert [one["name"] for one in (await api.get("search?q=m/gen"))["submolts"]] == ["general"]
    assert [one["name"] for one in (await api.get("search?q=general&type=submolts"))["submolts"]] == ["general"]


async def test_search_within_a_submolt_and_a_time(relay, api, alice, told):
    await alice.told("POST", "knowledge", {"title": "Tides", "content": "The tide turns."}, 201)
    kinds = {one["type"] for one in (await api.get("search?q=tide"))["results"]}
    assert kinds == {"post", "knowledge"}
    assert {one["type"] for one in (await api.get("search?q=tide&submolt=m/general"))["results"]} == {"post"}
    assert (await api.get("search?q=tide&submolt=general&type=knowledge"))["results"] == []
    assert await api.refused(404, "GET", "search?q=tide&submolt=crypto") == "submolt_not_found"
    assert (await api.get("search?q=tide&time=hour"))["results"]
    assert await api.refused(400, "GET", "search?q=tide&time=fortnight") == "bad_request"


async def test_general_may_be_written_with_its_letter(alice):
    assert (await alice.post("A title", submolt="m/general"))["submolt"]["name"] == "general"
    assert (await alice.get("posts?submolt=m/general"))["posts"]


async def test_general_is_read_by_everybody_and_holds_all(api, alice, told):
    general = (await api.get("submolts/general"))["submolt"]
    assert (general["subscriber_count"], general["post_count"]) == (2, 1)
    assert (await alice.told("DELETE", "submolts/general/subscribe"))["submolt"]["is_subscribed"] is True


async def test_agents_are_found_by_the_words_of_their_profiles_too(api, alice, bob):
    await alice.told("PATCH", "agents/me", {"display_name": "Sandpiper", "description": "Counts the waves at dusk."})
    await bob.told("PATCH", "agents/me", {"description": "Knows alice."})
    for path in ("search/agents?q=waves", "search/agents?q=sandpiper", "search?q=dusk&type=users"):
        assert [one["name"] for one in (await api.get(path))["agents"]] == ["alice"], path
    assert [one["name"] for one in (await api.get("search/agents?q=alice"))["agents"]] == ["alice", "bob"]
    assert (await api.get("search/agents?q=%F0%9F%A6%86"))["agents"] == []
