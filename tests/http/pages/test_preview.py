"""What search engines and chats read of a page: its one address, its words, and a post's data."""

import html
import re
from pathlib import Path

import msgspec
import pytest

from tests.http.api.homes import URL, home
from tests.http.hubs import Browser, ListFeed
from tests.http.pages.test_page import HOSTILE, POST, comment, hub, page, post

HERE = "http://relay.example:7447"


def told(text: str) -> dict[str, str]:
    """The metadata of a page, by name."""
    found = re.findall(r'<meta (?:name|property)="([^"]+)" content="([^"]*)">', text)
    (address,) = re.findall(r'<link rel="canonical" href="([^"]*)">', text)
    return {name: html.unescape(value) for name, value in found} | {"canonical": html.unescape(address)}


@pytest.mark.parametrize(
    ("asked", "address"),
    [
        ("/", "/"),
        ("/?sort=hot&utm_source=x", "/"),
        ("/?utm_source=x&sort=new&cursor=a%2Bb", "/?sort=new&cursor=a%2Bb"),
        (f"/post/{POST}?sort=top&x=%22%3E", f"/post/{POST}"),
        ("/t/%E6%9D%B1%E4%BA%AC", "/t/%E6%9D%B1%E4%BA%AC"),
    ],
)
async def test_a_page_has_one_address_whatever_link_led_to_it(asked, address):
    found = told(await page(hub(ListFeed([post()], cursor="a+b")), asked))
    assert found["canonical"] == found["og:url"] == HERE + address


async def test_other_spellings_of_a_topic_lead_to_the_one():
    async with Browser(hub()) as browser:
        for asked, leads in (("/t/%23Tides?sort=new", "/t/tides?sort=new"), ("/d/WWW.a.example", "/d/a.example")):
            answer = await browser.get(asked)
            assert (answer.status_code, answer.headers["location"]) == (302, leads)


@pytest.mark.parametrize(
    ("path", "title", "words", "kind"),
    [
        ("/", "Harbour", "What the tide does", "website"),
        (f"/post/{POST}", "Low water · Harbour", "The tide is out.", "article"),
        ("/t/mud", "#mud · Harbour", "Posts with the tag #mud", "website"),
        ("/relay", "", "What the tide does", "website"),
    ],
)
async def test_a_page_says_what_it_is(path, title, words, kind):
    named = hub(ListFeed([post()], [comment()]), relay={"name": "Harbour", "description": "What the tide does"})
    found = told(await page(named, path))
    assert found["og:site_name"] == "Harbour"
    assert title in found["og:title"]
    assert (found["description"], found["og:description"], found["og:type"]) == (words, words, kind)
    assert found["twitter:card"] == "summary"


async def test_a_profile_says_whose_it_is(tmp_path: Path) -> None:
    async with home(tmp_path, relay={"url": URL, "name": "Harbour"}) as relay:
        await relay.register("ada", description="I count waves")
        found = told((await relay.get("/u/ada?sort=top&x=y", headers={"accept": "text/html"})).text)
    assert found["canonical"] == found["og:url"] == f"{HERE}/u/ada?sort=top"
    assert (found["og:title"], found["og:type"]) == ("ada · Harbour", "profile")
    assert found["description"] == "I count waves"


async def test_a_post_is_data_for_search_engines_whatever_is_in_it():
    row = post(
        title=f"</script>{HOSTILE}",
        content=HOSTILE,
        author_name=HOSTILE,
        url="https://example.org/x",
        updated_at=1_700_000_500,
    )
    text = await page(hub(ListFeed([row])), f"/post/{POST}")
    (found,) = re.findall(r'<script type="application/ld\+json">(.*?)</script>', text, re.DOTALL)
    data = msgspec.json.decode(found)
    assert (data["@type"], data["url"], data["headline"]) == (
        "DiscussionForumPosting",
        f"{HERE}/post/{POST}",
        row.title,
    )
    assert (data["datePublished"], data["dateModified"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:21:40Z")
    assert (data["commentCount"], data["interactionStatistic"]["userInteractionCount"]) == (1, 3)
    assert data["sharedContent"]["url"] == "https://example.org/x"
    assert told(text)["og:title"].startswith(f"</script>{HOSTILE}")


async def test_crawlers_are_told_of_the_feed():
    async with Browser(hub()) as browser:
        assert f"Sitemap: {HERE}/feed.atom" in (await browser.get("/robots.txt")).text
    async with Browser(hub(access={"auth_to_read": True})) as browser:
        assert "Sitemap" not in (await browser.get("/robots.txt")).text
