"""Feeds of everything, read by a feed reader."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import feedparser
import pytest
import pytest_asyncio

from relay.protocol.event import wire
from storage.base import StorageError
from tests.factories import make_event
from tests.http.api.homes import Home, home
from tests.http.hubs import Browser, ListFeed
from tests.http.test_page import HOSTILE, POST, comment, hub, post

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = "http://relay.example:7447"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def written(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Home, dict[str, str]]]:
    """A relay with a community, posts, comments and a document, and what they are called."""
    data: Path = tmp_path_factory.mktemp("feeds")
    async with home(data, relay={"name": "Harbour", "description": "What the tide does."}) as relay:
        key = (await relay.register("ada"))["api_key"]

        async def told(path: str, **body: Any) -> Any:
            status, answer = await relay.ask("POST", path, key, **body)
            assert status in (200, 201), answer
            return answer

        await told("/submolts", name="tides", display_name="Tides", description="Of the tide")
        ids = {"plain": (await told("/posts", title="Low water", content="On *#mud*."))["post"]["id"]}
        link = "https://www.example.org/x?a=1&b=2"
        ids["link"] = (await told("/posts", title="A link", url=link, submolt="tides"))["post"]["id"]
        first = (await told(f"/posts/{ids['plain']}/comments", content="First"))["comment"]["id"]
        await told(f"/posts/{ids['plain']}/comments", content="**Deep**", parent_id=first)
        status, answer = await relay.ask("PATCH", f"/comments/{first}", key, content="First, edited")
        assert status == 200, answer
        ids["document"] = (await told("/knowledge", title="Tide tables", content="Twice a day."))["document"]["id"]
        yield relay, ids


async def read(relay: Browser, path: str) -> Any:
    """What a reader makes of the Atom feed of a page, the JSON feed having the same in the same order."""
    atom = await relay.get(f"{path}/feed.atom")
    assert (atom.status_code, atom.headers["content-type"]) == (200, "application/atom+xml")
    found = feedparser.parse(atom.content)
    assert not found.bozo, found.get("bozo_exception")
    given = await relay.get(f"{path}/feed.json")
    assert given.headers["content-type"] == "application/feed+json"
    json = given.json()
    assert (json["version"], json["title"]) == ("https://jsonfeed.org/version/1.1", found.feed.title)
    assert json["feed_url"] == f"{HERE}{path}/feed.json"
    assert json["home_page_url"] == found.feed.link
    assert [(item["id"], item["url"], item["title"]) for item in json["items"]] == [
        (entry.id, entry.link, entry.title) for entry in found.entries
    ]
    return found


@pytest.mark.parametrize(
    ("path", "title", "entries"),
    [
        ("", "Harbour", ["A link", "Low water"]),
        ("/c/tides", "Tides · Harbour", ["A link"]),
        ("/t/mud", "#mud · Harbour", ["Low water"]),
        ("/d/example.org", "example.org · Harbour", ["A link"]),
        ("/u/ada", "ada · Harbour", ["A link", "Low water"]),
        ("/post/{plain}", "Comments on “Low water” · Harbour", ["ada on “Low water”"] * 2),
        ("/knowledge", "Knowledge · Harbour", ["Tide tables"]),
    ],
)
async def test_a_reader_finds_what_the_page_shows(written, path, title, entries):
    relay, ids = written
    found = await read(relay, path.format(**ids))
    assert found.feed.title == title
    assert sorted(entry.title for entry in found.entries) == sorted(entries)


async def test_an_entry_says_what_a_reader_needs(written):
    relay, ids = written
    entries = {entry.title: entry for entry in (await read(relay, "")).entries}
    plain, link = entries["Low water"], entries["A link"]
    assert plain.link == f"{HERE}/post/{ids['plain']}"
    assert re.fullmatch("nostr:note1[02-9a-z]+", plain.id)
    assert (plain.author, plain.author_detail.href) == ("ada", f"{HERE}/u/ada")
    assert "<em>" in plain.content[0].value
    assert [tag.term for tag in plain.tags] == ["mud"]
    assert plain.published.endswith("+00:00")
    assert plain.updated == plain.published
    assert [each.href for each in link.links if each.rel == "related"] == ["https://www.example.org/x?a=1&b=2"]
    deep = (await read(relay, f"/post/{ids['plain']}")).entries
    assert "<strong>Deep</strong>" in "".join(entry.content[0].value for entry in deep)
    assert sorted(entry.updated > entry.published for entry in deep) == [False, True]
    assert all(entry.link.startswith(f"{HERE}/post/{ids['plain']}#c-") for entry in deep)


@pytest.mark.parametrize("path", ["/", "/c/tides", "/t/mud", "/d/example.org", "/u/ada", "/post/{plain}"])
async def test_a_page_names_its_feeds(written, path):
    relay, ids = written
    page = (await relay.get(path.format(**ids), headers={"accept": "text/html"})).text
    links = re.findall(r'<link rel="alternate" type="([^"]+)" title="[^"]+" href="([^"]+)">', page)
    assert [kind for kind, _ in links] == ["application/atom+xml", "application/feed+json"]
    for kind, link in links:
        assert (await relay.get(link)).headers["content-type"] == kind


async def test_who_has_a_feed_is_told_so(written):
    relay, _ = written
    first = await relay.get("/feed.atom")
    again = await relay.get("/feed.atom", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await relay.get("/feed.json", headers={"if-none-match": first.headers["etag"]})
    assert (other.status_code, other.headers["access-control-allow-origin"]) == (200, "*")


@pytest.mark.parametrize(
    "path", ["/c/none", "/t/%23", "/d/x@y", "/u/nobody", f"/post/{'0' * 64}", "/post/x", "/c/tides/x", "/nothing"]
)
async def test_what_is_not_here_has_no_feed(written, path):
    relay, _ = written
    for form in ("atom", "json"):
        assert (await relay.get(f"{path}/feed.{form}")).status_code == 404


async def test_a_relay_for_known_readers_gives_no_feed():
    closed = hub(ListFeed([post()], [comment()]), access={"auth_to_read": True})
    async with Browser(closed) as browser:
        for path in ("", "/u/ada", f"/post/{POST}", "/t/mud", "/d/example.org", "/knowledge"):
            answer = await browser.get(f"{path}/feed.atom")
            assert (answer.status_code, "Low water" in answer.text) == (404, False)


async def test_a_feed_is_not_empty_while_the_store_fails():
    async with Browser(hub(ListFeed(trouble=StorageError("gone")))) as browser:
        assert (await browser.get("/feed.atom")).status_code == 503


async def test_whatever_strangers_write_is_text_in_a_sound_feed():
    hostile = {"title": HOSTILE + "\x00\x0b]]>", "content": HOSTILE + "\x00\x0b\ufffe [x](javascript:alert(1))"}
    row = post(**hostile, author_display_name=HOSTILE, url="javascript:alert(1)", wire=wire(make_event(1, 11)))
    async with Browser(hub(ListFeed([row]))) as browser:
        answer = await browser.get("/feed.atom")
        items = (await browser.get("/feed.json")).json()["items"]
    assert answer.status_code == 200
    assert not feedparser.parse(answer.content, sanitize_html=False).bozo
    for markup in (
        feedparser.parse(answer.content, sanitize_html=False).entries[0].content[0].value,
        items[0]["content_html"],
    ):
        assert "<script" not in markup
        assert "<img" not in markup
        assert 'href="javascript' not in markup
    assert "external_url" not in items[0]
