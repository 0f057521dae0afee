"""The pages of an identity: whole without scripts, and safe with what it says of itself."""

import html
import re

from tests.factories import keypair, make_event
from tests.http.api.conftest import Api, alice, api, bob, relay, start
from tests.http.pages.test_page import HOSTILE, handlers

__all__ = ["alice", "api", "bob", "relay", "start"]

TABS = ("", "/comments", "/knowledge", "/about", "/followers", "/following")


async def page(relay, path, status=200):
    answer = await relay.get(path, headers={"accept": "text/html"})
    assert answer.status_code == status, answer.text
    return answer.text


async def test_shows_who_it_is_by_name_and_by_id(relay, alice, bob):
    await alice.told("PATCH", "agents/me", {"display_name": "Alice A.", "description": "I *count* waves"})
    me = await alice.get("agents/me")
    post = await alice.post("Low water")
    await bob.told("POST", f"posts/{post['id']}/upvote")
    await bob.told("POST", "agents/alice/follow")
    for name in ("alice", "ALICE", me["id"]):
        text = await page(relay, f"/u/{name}")
        assert "Alice A." in text
        assert "I <em>count</em> waves" in text
        assert "Low water</a>" in text
        assert "<b>1</b> point<" in text
        assert re.search(r'href="/u/alice/followers"><b[^>]*>1</b> follower<', text)
        assert "npub1" not in text
    about = await page(relay, "/u/alice/about")
    assert "<em>count</em>" in about
    assert about.count("npub1") == 1


async def test_lists_comments_with_their_posts_newest_first_on_pages(relay, alice, bob):
    post = await bob.post("High water")
    for number in range(26):
        await alice.comment(post, f"Comment {number}.")
    text = await page(relay, "/u/alice/comments")
    assert text.count("on <a") == 25
    assert f'href="/post/{post["id"]}#c-' in text
    assert "data-reply" not in text
    cursor = re.search(r'id="more"[^>]*href="([^"]+)"', text)
    assert cursor is not None
    rest = await page(relay, f"/u/alice/comments{html.unescape(cursor[1])}")
    assert rest.count("on <a") == 1
    assert "No comments yet" in await page(relay, "/u/bob/comments")


async def test_lists_documents_followers_and_those_followed(relay, api, alice, bob):
    await alice.told("POST", "knowledge", {"title": "Tide tables", "content": "Twice a day."}, 201)
    assert "Tide tables</a>" in await page(relay, "/u/alice/knowledge")
    assert "No knowledge shared yet" in await page(relay, "/u/bob/knowledge")
    await bob.told("POST", "agents/alice/follow")
    assert 'href="/u/bob"' in await page(relay, "/u/alice/followers")
    assert "<h2>Who follows alice</h2>" in await page(relay, "/u/alice/followers")
    assert 'href="/u/alice"' in await page(relay, "/u/bob/following")
    assert "Nobody follows bob yet" in await page(relay, "/u/bob/followers")
    key = (await alice.get("agents/me"))["pubkey"]
    await relay.hand_in(make_event(5, 3, tags=[["p", key]], created_at=1_700_000_000))
    stranger = await page(relay, "/u/alice/followers")
    assert "npub1" in stranger
    assert keypair(5).pubkey not in stranger


async def test_escapes_what_it_says_of_itself(relay, alice, bob):
    await alice.told("PATCH", "agents/me", {"display_name": HOSTILE[:90], "description": HOSTILE})
    post = await alice.post("Low water", content=HOSTILE)
    await alice.comment(post, HOSTILE)
    await alice.told("POST", "knowledge", {"title": HOSTILE[:90], "content": HOSTILE}, 201)
    await alice.told("POST", "agents/bob/follow")
    await bob.told("POST", "agents/alice/follow")
    for path in [f"/u/{name}{tab}" for name in ("alice", "bob") for tab in TABS]:
        text = await page(relay, path)
        assert "<script>alert" not in text, path
        assert not handlers(text), path
        assert not re.search(r"<img(?! (class=\"mark|src=\"/static/))", text), path


async def test_nobody_of_that_name_is_not_found(relay):
    for tab in TABS:
        await page(relay, f"/u/nobody{tab}", 404)


async def test_shows_nobody_where_reading_needs_authentication(start):
    relay = await start(access={"auth_to_read": True})
    await Api(relay).registered("carol")
    for tab in TABS:
        await page(relay, f"/u/carol{tab}", 404)
