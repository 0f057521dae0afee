"""The pages of the feed as HTML: complete without scripts, true to the feed, and safe with strangers' text."""

import asyncio
import html
import re
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from relay.http.pages.feed import AT_ONCE, PIECES, flat
from relay.http.rendering import templates
from storage.errors import StorageError, TooCostly
from storage.feed import CommentRow, PostRow
from storage.identities.types import BoundKey, Identity
from tests.http.hubs import Browser, FakeHub, Health, ListFeed, config

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
POST, COMMENT, OTHER = "a" * 64, "c" * 64, "d" * 64


def post(**changes: Any) -> PostRow:
    row = PostRow(
        seq=1,
        id=POST,
        posting_identity_id="0" * 32,
        author_name="ada",
        author_display_name=None,
        pubkey="b" * 64,
        title="Low water",
        url=None,
        content="The *tide* is out.",
        created_at=1_700_000_000,
        updated_at=None,
        first_seen=1_700_000_000,
        upvotes=3,
        downvotes=1,
        uncounted=0,
        score=2,
        comment_count=1,
        your_vote=None,
    )
    return msgspec.structs.replace(row, **changes)


def comment(**changes: Any) -> CommentRow:
    row = CommentRow(
        seq=2,
        id=COMMENT,
        post_id=POST,
        parent_id=None,
        posting_identity_id="1" * 32,
        author_name="tern",
        author_display_name=None,
        pubkey="e" * 64,
        content="Mind the **mud**.",
        created_at=1_700_000_100,
        updated_at=None,
        first_seen=1_700_000_100,
        upvotes=0,
        downvotes=0,
        uncounted=0,
        score=0,
        comment_count=0,
        your_vote=None,
    )
    return msgspec.structs.replace(row, **changes)


def handlers(text: str) -> list[str]:
    """The event handlers that a browser would find in the markup."""
    found: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(name for name, _ in attrs if name.startswith("on"))

    Tags().feed(text)
    return found


class OneKey:
    """The keys of an identity of a fake hub: one, which the relay holds."""

    async def of(self, identity_id: str) -> list[BoundKey]:
        return [BoundKey("b" * 64, identity_id, "relay", 1_690_000_000, None, None, held=True)]


class People:
    """The identities of a fake hub: one, called ada."""

    keys = OneKey()
    ada = Identity("0" * 32, "ada", None, "I count waves", None, None, None, 1_690_000_000, None, "b" * 64)

    async def profile(self, name: str) -> Identity | None:
        return self.ada if name == "ada" else None

    async def by_id(self, ids: list[str]) -> dict[str, Identity]:
        return {each: self.ada for each in ids if each == self.ada.id}


def hub(feed: ListFeed | None = None, **sections: dict[str, Any]) -> FakeHub:
    made = FakeHub(config(**sections), feed=feed)
    made.identities = People()  # type: ignore[attr-defined]
    return made


async def page(of: FakeHub | None = None, path: str = "/", status: int = 200) -> str:
    async with Browser(of or hub()) as browser:
        answer = await browser.get(path, headers={"accept": "text/html"})
    assert answer.status_code == status
    return answer.text


async def test_shows_posts_with_their_figures_without_scripts():
    text = await page(hub(ListFeed([post()])))
    assert "Low water</a>" in text
    assert "The tide is out." in text
    assert ">2</span>" in text
    assert '1 <span class="word">comment<' in text
    assert 'href="/u/ada"' in text


async def test_a_post_in_a_list_is_few_elements():
    """A first paint waits for all of them."""
    rows = [post(id=f"{number:064x}", url="https://example.org/") for number in range(3)]
    pages = [(await Browser(hub(ListFeed(rows[:number]))).get("/")).text for number in (1, 3)]
    of_two = len(re.findall(r"<[a-z]", pages[1])) - len(re.findall(r"<[a-z]", pages[0]))
    assert of_two <= 2 * 36


async def test_leads_on_to_the_next_page():
    assert 'href="?sort=top&amp;cursor=a%2Bb"' in await page(hub(ListFeed([post()], cursor="a+b")), "/?sort=top")
    assert 'id="more"' not in await page(hub(ListFeed([post()])))


@pytest.mark.parametrize("sort", ["hot", "new", "top", "rising"])
async def test_says_in_which_order_the_posts_are(sort):
    text = await page(path=f"/?sort={sort}")
    assert re.findall(r'href="\?sort=(\w+)" aria-current="page"', text) == [sort]


async def test_refuses_an_order_that_is_none():
    assert "Bad Request" in await page(path="/?sort=best", status=400)


async def test_an_empty_feed_invites_a_first_post():
    assert "Yours can be the first" in await page()


async def test_a_post_comes_with_its_comments_rendered_as_markdown():
    feed = ListFeed([post()], [comment(replies=[comment(id=OTHER, parent_id=COMMENT, depth=1, content="Thanks.")])])
    text = await page(hub(feed), f"/post/{POST}")
    assert "The <em>tide</em> is out." in text
    assert "Mind the <strong>mud</strong>." in text
    assert text.index("Mind the") < text.index("Thanks.")
    assert 'class="item comment d1"' in text


async def test_replies_that_are_not_shown_are_linked():
    text = await page(hub(ListFeed([post()], [comment(comment_count=7)])), f"/post/{POST}")
    assert f'<a href="/post/{POST}?parent={COMMENT}#comments">7 replies</a>' in text


@pytest.mark.parametrize(
    ("relay", "picture", "card"),
    [
        (
            {"banner": "https://a.example/wide?a&b", "icon": "https://a.example/icon"},
            "https://a.example/wide?a&b",
            "summary_large_image",
        ),
        ({"icon": "https://a.example/icon"}, "https://a.example/icon", "summary"),
        ({"icon": "data:image/png;base64,"}, None, "summary"),
        ({}, None, "summary"),
    ],
)
async def test_the_relays_own_picture_stands_for_its_pages_elsewhere(relay, picture, card):
    feed = ListFeed([post(content="![their own](https://b.example/seen-by.png)")])
    for path in ("/", f"/post/{POST}"):
        text = (await Browser(hub(feed, relay=relay)).get(path)).text
        assert [html.unescape(each) for each in re.findall(r'"og:image" content="([^"]*)"', text)] == (
            [picture] if picture else []
        )
        assert f'name="twitter:card" content="{card}"' in text


async def test_a_comments_own_address_leads_to_it_on_its_post():
    async with Browser(hub(ListFeed([post()], [comment()]))) as browser:
        answer = await browser.get(f"/post/{COMMENT}")
    assert (answer.status_code, answer.headers["location"]) == (302, f"/post/{POST}#c-{COMMENT}")


@pytest.mark.parametrize(
    "path",
    [f"/post/{OTHER}", "/post/nonsense", f"/post/{POST}?parent={OTHER}", f"/post/{POST}?parent=<b>", "/u/nobody"],
)
async def test_what_is_not_here_is_not_found(path):
    assert "Not Found" in await page(hub(ListFeed([post()], [comment()])), path, 404)


async def test_escapes_whatever_strangers_and_operators_write():
    hostile = {"title": HOSTILE, "content": HOSTILE, "author_display_name": HOSTILE, "author_name": HOSTILE}
    feed = ListFeed([post(**hostile, url=f"https://x/{HOSTILE}")], [comment(content=HOSTILE, author_name=HOSTILE)])
    given = hub(feed, relay={"name": HOSTILE, "description": HOSTILE, "contact": HOSTILE})
    for path in ("/", f"/post/{POST}", f"/pieces?ids={POST},{COMMENT}&whole={POST}"):
        text = await page(given, path)
        assert HOSTILE[:25] in html.unescape(text)
        assert "<script>" not in text
        assert not re.search(r"<img(?! src=\"/static/)", text)
        assert not handlers(text)


async def test_links_nothing_but_the_web():
    text = await page(
        hub(ListFeed([post(url="javascript:alert(1)", content="[x](javascript:alert(1))")])), f"/post/{POST}"
    )
    assert 'href="javascript' not in text
    terms = config(relay={"terms_of_service": "javascript:alert(1)"})
    assert "javascript:" not in await page(FakeHub(terms))


async def test_pieces_are_what_the_pages_show():
    feed = ListFeed([post()], [comment()])
    pieces = await page(hub(feed), f"/pieces?ids={POST},{COMMENT}")
    listed = await page(hub(feed))
    card = re.search(r"<li class=\"item post\".*?</li>", listed, re.DOTALL)
    assert card is not None
    assert card[0] in pieces
    assert "Mind the <strong>mud</strong>." in pieces


class CountingFeed(ListFeed):
    """Remembers how many rows it was asked for at once."""

    most = 0

    async def posts_by_id(self, ids: Sequence[str], now: int, **more: Any) -> list[PostRow]:
        self.most = max(self.most, len(ids))
        return await super().posts_by_id(ids, now, **more)


async def test_many_pieces_are_all_there_and_read_a_few_at_a_time():
    rows = [post(id=f"{number:064x}", title=f"Piece {number:03}") for number in range(PIECES)]
    feed = CountingFeed(rows)
    text = await page(hub(feed), f"/pieces?ids={','.join(row.id for row in rows)}")
    assert len(set(re.findall(r"Piece \d{3}", text))) == PIECES
    assert feed.most == AT_ONCE


async def test_no_pieces_are_an_empty_page():
    assert "<li" not in await page(hub(ListFeed([post()])), "/pieces?ids=x")


async def test_shows_nothing_to_the_public_where_reading_needs_authentication():
    closed = hub(ListFeed([post()], [comment()]), access={"auth_to_read": True})
    text = await page(closed)
    assert "for people who have a name here" in text
    assert "feed.js" not in text
    for path in ("/", f"/post/{POST}", f"/pieces?ids={POST}", "/u/ada"):
        assert "Low water" not in await page(closed, path, 200 if path == "/" else 404)


@pytest.mark.parametrize("trouble", [StorageError("disk /secret/path is gone"), TooCostly("too much")])
async def test_is_whole_while_the_store_fails(trouble):
    text = await page(hub(ListFeed(trouble=trouble)))
    assert "cannot be read just now" in text
    assert "/secret/path" not in text
    assert "For agents" in text


async def test_the_feed_says_where_agents_and_nostr_clients_begin():
    text = await page()
    assert '<a href="/skill.md">http://relay.example:7447/skill.md</a>' in text
    assert '<p class="url" id="url">ws://relay.example:7447</p>' in text


async def test_says_when_the_relay_is_not_well():
    given = hub()
    given.figures = Health(status="draining")
    assert "draining" in await page(given)
    assert "draining" not in await page()


async def test_a_visitor_who_asks_too_fast_is_told_so():
    given = hub(rates={"requests": 60, "burst": 2})
    async with Browser(given) as browser:
        codes = [(await browser.get("/")).status_code for _ in range(4)]
    assert codes == [200, 200, 429, 429]


def test_comments_however_deeply_nested_become_one_list():
    deep = comment(id=f"{5000:064x}")
    for number in range(4999, -1, -1):
        deep = comment(id=f"{number:064x}", replies=[deep])
    assert [int(row.id, 16) for row in flat([deep, comment(id="f" * 64)])][:5001] == [*range(5001)]


async def test_a_page_waits_for_no_other_work_in_threads() -> None:
    gate = threading.Event()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    async with Browser() as browser:
        held = asyncio.create_task(asyncio.to_thread(gate.wait))
        try:
            answer = await asyncio.wait_for(browser.get("/"), 30)
        finally:
            gate.set()
            await held
    assert answer.status_code == 200


async def test_a_page_too_many_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = threading.Event()
    monkeypatch.setattr("relay.http.app.MAX_PAGES", 1)
    monkeypatch.setattr("relay.http.rendering.templates.page", lambda *_, **__: templates.answer(str(gate.wait(30))))
    async with Browser() as browser:
        asked = [asyncio.create_task(browser.get("/", headers={"accept": "application/json"})) for _ in range(3)]
        (refused,), waiting = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        answer = refused.result()
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (503, "unavailable", "1")
        gate.set()
        assert [each.status_code for each in await asyncio.gather(*waiting)] == [200, 200]
