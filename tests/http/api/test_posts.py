"""Posts over HTTP: writing, reading, editing and deleting them, and their lists."""

import time

import msgspec
import pytest

from keys.schnorr import fault
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from storage.base import PUBLIC, Incoming
from tests.e2e.harness import fresh_key
from tests.factories import make_event
from tests.http.api.homes import URL

HOSTILE = "<script>alert(1)</script> **bold** <img src=x onerror=alert(1)> \u202e\u0007"


async def test_a_post_is_answered_with_the_signed_event_behind_it(alice, relay):
    post = await alice.post("Low water", content="The tide is out.", url="https://example.org/tides")
    event = msgspec.convert(post["event"], Event)
    assert fault(event) is None
    assert (event.id, event.kind, event.content, event.pubkey) == (
        post["id"],
        11,
        "The tide is out.",
        post["author"]["pubkey"],
    )
    assert event.tags[:2] == [["title", "Low water"], ["r", "https://example.org/tides"]]
    assert event.tags[2][:2] == ["custody", relay.site.self_pubkey]


async def test_the_same_again_within_a_second_is_another_post_also_after_its_deletion(alice):
    first, second = await alice.post("Low water"), await alice.post("Low water")
    await alice.told("DELETE", f"posts/{first['id']}")
    third = await alice.post("Low water")
    assert [post["id"] for post in (await alice.get("posts?sort=new"))["posts"]] == [third["id"], second["id"]]


async def test_a_post_is_read_as_it_was_written(alice, api):
    written = await alice.post("Low water", content=HOSTILE, url="https://example.org/tides", submolt="general")
    read = (await api.get(f"posts/{written['id']}"))["post"]
    assert read == written | {"link_preview": None}
    assert (read["title"], read["content"], read["url"]) == ("Low water", HOSTILE, "https://example.org/tides")
    assert (read["submolt"]["name"], read["submolt_name"], read["author"]["name"]) == ("general", "general", "alice")
    assert (read["upvotes"], read["downvotes"], read["score"], read["comment_count"]) == (0, 0, 0, 0)
    assert read["created_at"].endswith("Z")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"title": ""},
        {"title": " \t "},
        {"title": "x" * 301},
        {"title": 7},
        {"title": None},
        {"title": "A link", "url": "javascript:alert(1)"},
        {"title": "A link", "url": "https://"},
        {"title": "A link", "url": "https://example.org/\nset-cookie: x"},
        {"title": "A link", "url": "https://example.org/" + "x" * 2048},
        {"title": "Long", "content": "x" * 100_001},
        {"title": "Odd", "content": ["not", "text"]},
        ["not", "an", "object"],
    ],
)
async def test_refuses_a_post_that_cannot_be_one(alice, body):
    assert await alice.refused(400, "POST", "posts", body) in ("bad_request", "invalid")
    assert (await alice.get("posts"))["posts"] == []


async def test_a_title_of_300_characters_is_not_too_long(alice):
    assert (await alice.post("é" * 300))["title"] == "é" * 300


async def test_nobody_posts_without_a_token_or_to_a_submolt_that_is_not_here(api, alice):
    assert await api.refused(401, "POST", "posts", {"title": "x"}) == "auth_required"
    for name in ("submolt", "submolt_name"):
        assert await alice.refused(404, "POST", "posts", {"title": "x", name: "crypto"}) == "submolt_not_found"
    assert await alice.refused(404, "GET", "posts?submolt=crypto") == "submolt_not_found"


@pytest.mark.parametrize("post_id", ["0" * 64, "0" * 63, "F" * 64, "x", "%00"])
async def test_a_post_that_is_not_here_is_not_found(alice, post_id):
    for method, body in (("GET", None), ("PATCH", {"title": "x"}), ("DELETE", None)):
        assert await alice.refused(404, method, f"posts/{post_id}", body) == "post_not_found"


async def test_pages_follow_one_another_without_gap_or_repetition(alice, api):
    written = [(await alice.post(f"Post {n}"))["id"] for n in range(7)]
    for sort in ("new", "hot", "top"):
        seen, query = [], f"posts?sort={sort}&limit=3"
        while True:
            page = await api.get(query)
            seen += [post["id"] for post in page["posts"]]
            assert page["has_more"] == (page["next_cursor"] is not None)
            if not page["has_more"]:
                break
            query = f"posts?sort={sort}&limit=3&cursor={page['next_cursor']}"
        assert sorted(seen) == sorted(written)


async def test_an_offset_skips_posts(alice, api):
    for n in range(4):
        await alice.post(f"Post {n}")
    every = [post["id"] for post in (await api.get("posts?sort=new"))["posts"]]
    some = [post["id"] for post in (await api.get("posts?sort=new&offset=1&limit=2"))["posts"]]
    assert some == every[1:3]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=x", "offset=-1", "offset=1001", "sort=best", "cursor=zz", "cursor=%00"]
)
async def test_refuses_a_page_that_is_none(api, query):
    assert await api.refused(400, "GET", f"posts?{query}") in ("bad_request", "invalid")


async def test_a_cursor_of_another_order_is_refused(alice, api):
    for n in range(2):
        await alice.post(f"Post {n}")
    cursor = (await api.get("posts?sort=new&limit=1"))["next_cursor"]
    assert await api.refused(400, "GET", f"posts?sort=hot&limit=1&cursor={cursor}") == "invalid"


async def test_a_limit_above_a_hundred_is_a_hundred(alice, api):
    await alice.post()
    assert len((await api.get("posts?limit=1000000"))["posts"]) == 1


@pytest.mark.parametrize("sort", ["hot", "new", "top", "rising"])
async def test_a_page_of_large_posts_is_shorter_and_goes_on(alice, api, sort):
    written = {(await alice.post(f"Post {n}", content="x" * 100_000))["id"] for n in range(9)}
    page = await api.get(f"posts?sort={sort}&limit=100")
    found = [post["id"] for post in page["posts"]]
    assert 1 < len(found) < 9
    assert page["has_more"] is True
    rest = await api.get(f"posts?sort={sort}&limit=100&cursor={page['next_cursor']}")
    found += [post["id"] for post in rest["posts"]]
    assert (set(found), len(found), rest["has_more"]) == (written, 9, False)


async def test_lists_one_authors_posts(alice, bob, api):
    own = await alice.post("By alice")
    await bob.post("By bob")
    assert [post["id"] for post in (await api.get("posts?author=ALICE"))["posts"]] == [own["id"]]
    assert await api.refused(404, "GET", "posts?author=nobody") == "agent_not_found"


async def test_the_best_of_the_last_two_days_rise(alice, bob, api):
    await alice.post("Plain")
    best = await alice.post("Loved")
    await bob.told("POST", f"posts/{best['id']}/upvote")
    assert (await api.get("posts?sort=rising"))["posts"][0]["id"] == best["id"]


async def test_an_edit_changes_what_it_names_and_keeps_the_rest(alice, api):
    post = await alice.post("Old title", content="Old text", url="https://example.org/")
    first = (await alice.told("PATCH", f"posts/{post['id']}", {"content": "New text"}))["post"]
    answer = await alice.told("PATCH", f"posts/{post['id']}", {"title": "New title"})
    second, edit = answer["post"], answer["event"]
    assert (edit["kind"], edit["content"], ["e", post["id"], URL] in edit["tags"]) == (1010, "New text", True)
    assert (first["title"], first["content"]) == ("Old title", "New text")
    assert (second["title"], second["content"], second["url"]) == ("New title", "New text", "https://example.org/")
    assert second["event"] == post["event"]
    assert second["updated_at"] > post["created_at"]
    assert (await api.get(f"posts/{post['id']}"))["post"]["title"] == "New title"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "invalid"),
        ({"title": "\u3164"}, "invalid"),
        ({"title": ""}, "bad_request"),
        ({"title": "x" * 301}, "bad_request"),
    ],
)
async def test_refuses_an_edit_of_nothing_or_to_no_title(alice, body, code):
    post = await alice.post()
    assert await alice.refused(400, "PATCH", f"posts/{post['id']}", body) == code


async def test_a_deleted_post_is_gone_and_its_deletion_is_answered(alice, api):
    post = await alice.post()
    done = await alice.told("DELETE", f"posts/{post['id']}")
    assert (done["success"], done["event"]["kind"]) == (True, 5)
    assert ["e", post["id"]] in done["event"]["tags"]
    assert await api.refused(404, "GET", f"posts/{post['id']}") == "post_not_found"
    assert (await api.get("posts"))["posts"] == []


async def test_a_deleted_posts_edits_are_gone_too(alice, relay):
    post = await alice.post()
    for text in ("Second", "Third"):
        await alice.told("PATCH", f"posts/{post['id']}", {"content": text})
    await alice.told("DELETE", f"posts/{post['id']}")
    found = await relay.site.reader.query([Filter(kinds=frozenset([1010]))], PUBLIC, int(time.time()))
    assert not found.wires


async def bound_key(alice):
    """A key of one's own, bound to the same identity."""
    key = fresh_key()
    code = (await alice.told("POST", "agents/me/keys/claims", status=201))["code"]
    join = make_event(key, 28934, "", [["-"], ["claim", code]], int(time.time()))
    await alice.told("POST", "events", msgspec.structs.asdict(join), 201)
    return key


async def test_an_edit_expires_with_its_post(alice):
    key = await bound_key(alice)
    until = ["expiration", str(int(time.time()) + 1000)]
    post = make_event(key, 11, "First", [["title", "A title"], until], int(time.time()))
    await alice.told("POST", "events", msgspec.structs.asdict(post), 201)
    edited = await alice.told("PATCH", f"posts/{post.id}", {"content": "Second"})
    assert until in edited["event"]["tags"]


async def test_a_deletion_signed_by_the_author_takes_the_edits_by_the_relays_key_along(alice, relay):
    key = await bound_key(alice)
    post = make_event(key, 11, "First", [["title", "A title"]], int(time.time()))
    await alice.told("POST", "events", msgspec.structs.asdict(post), 201)
    edited = await alice.told("PATCH", f"posts/{post.id}", {"content": "Second"})
    assert edited["event"]["pubkey"] != key.pubkey
    first, second = [(await alice.told("DELETE", f"posts/{post.id}", status=409))["event"]["id"] for _ in range(2)]
    assert first != second  # so that what is asked for twice within a second is two events
    owed = (await alice.told("DELETE", f"posts/{post.id}", status=409))["event"]
    assert (owed["kind"], owed["pubkey"]) == (5, key.pubkey)
    signed = make_event(key, 5, owed["content"], owed["tags"], owed["created_at"])
    assert signed.id == owed["id"]
    await alice.told("POST", "events", msgspec.structs.asdict(signed), 201)
    await alice.refused(404, "GET", f"events/{edited['event']['id']}")


async def test_nobody_edits_or_deletes_what_another_wrote(alice, bob, api):
    post = await alice.post()
    assert await bob.refused(403, "PATCH", f"posts/{post['id']}", {"title": "Mine now"}) == "not_yours"
    assert await bob.refused(403, "DELETE", f"posts/{post['id']}") == "not_yours"
    assert (await api.get(f"posts/{post['id']}"))["post"] == post | {"link_preview": None}


@pytest.mark.parametrize(
    "body",
    [
        {"title": "\u3164"},
        {"title": "two\u2028lines"},
        {"title": "x", "url": "https://evil.example\\@example.com/"},
        {"title": "x", "url": "https://example.com@evil.example/"},
        {"title": "x", "url": "https://example.com/\u202egpj.exe"},
    ],
)
async def test_what_is_shown_is_what_it_is(alice, body):
    assert await alice.refused(400, "POST", "posts", body) == "invalid"


async def test_a_link_that_an_import_brought_and_that_misleads_is_shown_as_none(alice, relay):
    key = await bound_key(alice)
    tags = [["title", "Look"], ["r", "https://evil.example\\@example.com/"]]
    event = make_event(key, 11, "", tags, int(time.time()))
    (outcome,) = await relay.site.submit([Incoming(event, wire(event), Door.IMPORT, int(time.time()))])
    assert outcome.refusal is None
    assert (await alice.get(f"posts/{event.id}"))["post"]["url"] is None
    page = (await alice.client.get(f"/post/{event.id}", headers={"accept": "text/html"})).text
    assert "example.com" not in page


async def test_posts_are_listed_by_what_they_are_about(alice, api):
    tagged = await alice.post("On #Tides", content="and `#code`")
    linked = await alice.post("A link", url="https://www.Example.org/tides")
    await alice.post("Neither")
    assert [tag for tag in tagged["event"]["tags"] if tag[0] == "t"] == [["t", "tides"]]
    for query, post in (("tag=tides", tagged), ("tag=%23TIDES", tagged), ("domain=example.org", linked)):
        for sort in ("new", "hot", "top", "rising"):
            assert [each["id"] for each in (await api.get(f"posts?{query}&sort={sort}"))["posts"]] == [post["id"]]
    assert (await api.get("posts?tag=code"))["posts"] == (await api.get("posts?domain=www.example.com"))["posts"] == []
    await alice.told("PATCH", f"posts/{linked['id']}", {"content": "now on #tides"})
    assert {each["id"] for each in (await api.get("posts?tag=tides"))["posts"]} == {tagged["id"], linked["id"]}


@pytest.mark.parametrize(
    "query", ["tag=x&domain=a.example", "tag=x&author=alice", "domain=a.example&submolt=m", "tag=%23", "domain=a/b"]
)
async def test_refuses_to_list_posts_by_two_things_or_by_what_is_no_topic(alice, query):
    assert await alice.refused(400, "GET", f"posts?{query}") in ("invalid", "bad_request")
