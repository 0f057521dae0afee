"""The pages of a tag and of a host."""

import re
from typing import Any

import pytest

from relay.protocol.event import wire
from storage.feed import Page, PostRow
from tests.factories import make_event
from tests.http.hubs import ListFeed
from tests.http.pages.test_page import HOSTILE, OTHER, POST, hub, page, post


class TopicFeed(ListFeed):
    """Remembers what its posts were to be about."""

    topic: str | None = None

    async def posts(self, sort: str, limit: int, now: int, **more: Any) -> Page[PostRow]:
        self.topic = more["topic"]
        return await super().posts(sort, limit, now, **more)


@pytest.mark.parametrize(
    ("path", "topic"),
    [
        ("/t/tides", "#tides"),
        ("/t/%E6%9D%B1%E4%BA%AC", "#東京"),
        ("/d/example.org", "example.org"),
    ],
)
async def test_lists_the_posts_about_something(path, topic):
    feed = TopicFeed([post()], cursor="next")
    text = await page(hub(feed), f"{path}?sort=new")
    assert feed.topic == topic
    assert f">{topic}</h1>" in text
    assert f'data-topic="{topic}"' in text
    assert "Low water</a>" in text
    assert 'href="?sort=new&amp;cursor=next"' in text


@pytest.mark.parametrize("path", ["/t/%23", "/t/%20", f"/t/{'x' * 65}", "/d/a:80", "/d/%20", "/d/x@y"])
async def test_what_nothing_can_be_about_is_not_found(path):
    assert "Not Found" in await page(path=path, status=404)


async def test_a_tag_is_text():
    text = await page(path="/t/%3Cimg%20src%3Dx%20onerror%3Dalert%281%29%3E")
    assert "<img src=x" not in text
    assert HOSTILE not in text


async def test_what_comes_live_into_such_a_page_is_about_it():
    tagged = make_event(1, 11, "", [["t", "Tides"]])
    rows = [post(wire=wire(tagged)), post(id=OTHER, title="Another", wire=wire(make_event(1, 11)))]
    text = await page(hub(ListFeed(rows)), f"/pieces?ids={POST},{OTHER}&topic=%23tides")
    assert "Low water" in text
    assert "Another" not in text


async def test_a_post_leads_to_its_tags():
    row = post(content="On #mud.", wire=wire(make_event(1, 11, "", [["t", "Low water"]])))
    text = await page(hub(ListFeed([row])), f"/post/{POST}")
    assert re.findall(r'<a class="tag" href="([^"]+)" dir="auto">([^<]+)</a>', text) == [
        ("/t/low%20water", "low water"),
        ("/t/mud", "mud"),
    ]
