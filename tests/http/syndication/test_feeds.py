"""Feeds of everything, read by a feed reader."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import feedparser
import pytest
import pytest_asyncio

from relay.api_types import Writer
from relay.protocol.event import wire
from storage.errors import StorageError
from tests.factories import make_event
from tests.http.api.homes import Home, home
from tests.http.api.workers import project, user
from tests.http.hubs import Browser, ListFeed
from tests.http.pages.test_page import HOSTILE, POST, comment, hub, post

pytestmark = pytest.mark.asyncio(loop_scope="module")
HERE = "http://relay.example:7447"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def written(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Home, dict[str, str]]]:
    """A relay with a community, posts, comments, documents, rooms and projects, some of them private, and what they are called."""
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
        ids["document"] = (await told("/knowledge", title="Tide tables", content="Twice a day.", tags=["tide"]))[
            "document"
        ]["id"]
        other = (await relay.register("tern"))["api_key"]
        await relay.ask("POST", "/knowledge", other, title="Mud", content="Soft.")
        for name, access in (("harbour", {}), ("cellar", {"private": True}), ("attic", {"hidden": True})):
            await told("/groups", id=name, name=name.title(), **access)
            await told(f"/groups/{name}/messages", content="The *ferry* is late")
        ids["message"] = (await told("/groups/harbour/messages", content="It came"))["message"]["id"]
        await told("/groups/harbour/messages", content="Welcome", reply_to=ids["message"])
        ann = await user(relay, 11)
        for name, public in (("open", True), ("closed", False)):
            ids[name] = await project(ann, name=name.title(), issue_prefix="TIDE", public=public)
            fields = {"project_id": ids[name], "title": "It leaks", "description": "At *high* water."}
            issue = (await ann.told("POST", "issues", fields, 201))["issue"]
            ids |= {f"issue-{name}": issue["id"], "ann": Writer(pubkey=issue["event"]["pubkey"]).called()}
            await ann.told("POST", f"issues/{ids[f'issue-{name}']}/comments", {"content": "So it does"}, 201)
        yield relay, ids


def parsed(content: bytes) -> Any:
    """What a reader makes of a feed that is XML."""
    found = feedparser.parse(content)
    assert not found.bozo, found.get("bozo_exception")
    return found


def facts(found: Any) -> list[Any]:
    """What an entry says, which is the same in whatever form."""
    return [
        (
            entry.id,
            entry.link,
            entry.title,
            entry.author,
            entry.published_parsed,
            entry.updated_parsed,
            (entry.content[0] if "content" in entry else entry.summary_detail).value,
            [tag.term for tag in entry.get("tags", [])],
            [each.href for each in entry.links if each.rel == "related"],
        )
        for entry in found.entries
    ]


async def read(relay: Browser, path: str, query: str = "") -> Any:
    """What a reader makes of the Atom feed of a page, the others having the same in the same order."""
    atom = await relay.get(f"{path}/feed.atom{query}")
    assert (atom.status_code, atom.headers["content-type"]) == (200, "application/atom+xml"), atom.text
    found = parsed(atom.content)
    assert found.version == "atom10"
    simple = await relay.get(f"{path}/feed.rss{query}")
    assert (simple.status_code, simple.headers["content-type"]) == (200, "application/rss+xml")
    also = parsed(simple.content)
    assert (also.version, also.feed.title, also.feed.link) == ("rss20", found.feed.title, found.feed.link)
    assert [each.href for each in also.feed.links if each.rel == "self"] == [f"{HERE}{path}/feed.rss{query}"]
    assert also.feed.updated_parsed == found.feed.updated_parsed
    assert facts(also) == facts(found)
    given = await relay.get(f"{path}/feed.json{query}")
    assert given.headers["content-type"] == "application/feed+json"
    json = given.json()
    assert (json["version"], json["title"]) == ("https://jsonfeed.org/version/1.1", found.feed.title)
    assert json["feed_url"] == f"{HERE}{path}/feed.json{query}"
    assert json["home_page_url"] == found.feed.link
    assert [(item["id"], item["url"], item["title"]) for item in json["items"]] == [
        (entry.id, entry.link, entry.title) for entry in found.entries
    ]
    return found


SAID = ["ada on “Low water”"] * 2
MESSAGES = ["ada: The ferry is late", "ada: It came", "ada: Welcome"]


@pytest.mark.parametrize(
    ("path", "title", "entries"),
    [
        ("", "Harbour", ["A link", "Low water"]),
        ("/c/tides", "Tides · Harbour", ["A link"]),
        ("/t/mud", "#mud · Harbour", ["Low water"]),
        ("/d/example.org", "example.org · Harbour", ["A link"]),
        ("/u/ada", "ada · Harbour", ["A link", "Low water"]),
        ("/u/ada/comments", "Comments by ada · Harbour", SAID),
        ("/post/{plain}", "Comments on “Low water” · Harbour", SAID),
        ("/knowledge", "Knowledge · Harbour", ["Tide tables", "Mud"]),
        ("/knowledge?tag=tide", "Knowledge #tide · Harbour", ["Tide tables"]),
        ("/knowledge?author=tern", "Knowledge by tern · Harbour", ["Mud"]),
        ("/chat/harbour", "Harbour · Harbour", MESSAGES),
        ("/project/{open}", "Open · Harbour", ["TIDE-1 It leaks"]),
        ("/project/{open}/issue/{issue-open}", "Comments on TIDE-1 “It leaks” · Harbour", ["{ann} on TIDE-1"]),
        ("/search?q=water&how=words", "water · Harbour", ["Low water"]),
        ("/search?q=deep&type=comments&how=words", "deep · Harbour", ["ada on “Low water”"]),
    ],
)
async def test_a_reader_finds_what_the_page_shows(written, path, title, entries):
    relay, ids = written
    path, mark, query = path.format(**ids).partition("?")
    found = await read(relay, path, mark + query)
    assert found.feed.title == title
    page = await relay.get(found.feed.link.removeprefix(HERE), headers={"accept": "text/html"})
    assert page.status_code == 200
    assert f'href="{path}/feed.rss' in page.text
    assert sorted(entry.title for entry in found.entries) == sorted(each.format(**ids) for each in entries)


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


async def test_a_message_says_what_a_reader_needs(written):
    relay, ids = written
    entries = {entry.title: entry for entry in (await read(relay, "/chat/harbour")).entries}
    came = entries["ada: It came"]
    assert came.link == f"{HERE}/chat/harbour#m-{ids['message']}"
    assert (came.author, came.author_detail.href) == ("ada", f"{HERE}/u/ada")
    assert "<em>ferry</em>" in entries["ada: The ferry is late"].content[0].value


@pytest.mark.parametrize(
    "path", ["/", "/c/tides", "/t/mud", "/d/example.org", "/u/ada", "/post/{plain}", "/chat/harbour"]
)
async def test_a_page_names_its_feeds(written, path):
    relay, ids = written
    page = (await relay.get(path.format(**ids), headers={"accept": "text/html"})).text
    links = re.findall(r'<link rel="alternate" type="([^"]+)" title="[^"]+" href="([^"]+)">', page)
    assert [kind for kind, _ in links] == ["application/atom+xml", "application/rss+xml", "application/feed+json"]
    for kind, link in links:
        assert (await relay.get(link)).headers["content-type"] == kind


@pytest.mark.parametrize("path", ["/feed.atom", "/feed.rss", "/u/ada/comments/feed.rss", "/chat/harbour/feed.atom"])
async def test_who_has_a_feed_is_told_so(written, path):
    relay, _ = written
    first = await relay.get(path)
    again = await relay.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    other = await relay.get("/feed.json", headers={"if-none-match": first.headers["etag"]})
    assert (other.status_code, other.headers["access-control-allow-origin"]) == (200, "*")


@pytest.mark.parametrize(
    "path",
    [
        *("/c/none", "/t/%23", "/d/x@y", "/u/nobody", f"/post/{'0' * 64}", "/post/x", "/c/tides/x", "/nothing"),
        *("/u/nobody/comments", "/chat/none", "/project/none", "/project/{open}/issue/x", "/search"),
        *("/chat/cellar", "/chat/attic", "/project/{closed}", "/project/{closed}/issue/{issue-closed}"),
        *("/project/{closed}/issue/{issue-open}", "/project/{open}/issue/{issue-closed}"),
    ],
)
async def test_what_is_not_here_or_private_has_no_feed(written, path):
    relay, ids = written
    for form in ("atom", "rss", "json"):
        assert (await relay.get(f"{path.format(**ids)}/feed.{form}")).status_code == 404


async def test_a_feed_of_what_cannot_be_asked_for_says_so(written):
    relay, _ = written
    for query, status in (("q=x&type=people", 404), ("q=x&since=yesterday", 400), ("q=x&author=nobody", 404)):
        assert (await relay.get(f"/search/feed.rss?{query}")).status_code == status
    assert (await relay.get("/knowledge/feed.rss?author=nobody")).status_code == 404


async def test_a_relay_for_known_readers_gives_no_feed():
    closed = hub(ListFeed([post()], [comment()]), access={"auth_to_read": True})
    async with Browser(closed) as browser:
        paths = ("", "/u/ada", "/u/ada/comments", f"/post/{POST}", "/t/mud", "/d/example.org", "/knowledge")
        for path in (*paths, "/chat/harbour", "/project/x", "/search"):
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
        simple = await browser.get("/feed.rss")
        items = (await browser.get("/feed.json")).json()["items"]
    assert answer.status_code == 200
    assert not feedparser.parse(answer.content, sanitize_html=False).bozo
    assert not feedparser.parse(simple.content, sanitize_html=False).bozo
    for markup in (
        feedparser.parse(answer.content, sanitize_html=False).entries[0].content[0].value,
        feedparser.parse(simple.content, sanitize_html=False).entries[0].summary,
        items[0]["content_html"],
    ):
        assert "<script" not in markup
        assert "<img" not in markup
        assert 'href="javascript' not in markup
    assert "external_url" not in items[0]
