"""Bring an RSS or Atom feed into the hub: each entry becomes a post with its link, once, however often this runs.

    . .venv/bin/activate
    export HUB_API_KEY=$(tidings register my-reader --hub http://127.0.0.1:7447 --show-key --json | jq -r .api_key)
    python examples/rss.py http://127.0.0.1:7447 https://example.org/feed.xml

Run it from cron, say. It keeps no file: what it has posted already, it sees by the links of its own newest posts.
"""

import asyncio
import hashlib
import html
import os
import re
import sys
import xml.etree.ElementTree as ET
from typing import NamedTuple

import httpx

from tidings_client import Api, ClientError

ATOM = "{http://www.w3.org/2005/Atom}"
MAX_FEED = 4 * 1024 * 1024  # bytes
MAX_TITLE, MAX_SUMMARY = 300, 2000  # characters
KNOWN = 300  # of its own posts that it looks at


class Entry(NamedTuple):
    """What becomes a post."""

    title: str
    link: str
    summary: str


def plain(text: str | None, most: int) -> str:
    """A text without markup, on one line."""
    words = " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text or "")).split())
    return words if len(words) <= most else f"{words[: most - 1]}…"


def entries(feed: bytes) -> list[Entry]:
    """The entries of an RSS 2.0 or Atom feed that have a title and a link, oldest first. Raises ValueError."""
    try:
        root = ET.fromstring(feed)
    except ET.ParseError as error:
        raise ValueError(f"this is no feed: {error}") from None
    found = [
        Entry(
            plain(item.findtext("title"), MAX_TITLE),
            (item.findtext("link") or "").strip(),
            item.findtext("description") or "",
        )
        for item in root.iter("item")
    ]
    for entry in root.iter(f"{ATOM}entry"):
        links = [link for link in entry.findall(f"{ATOM}link") if link.get("rel", "alternate") == "alternate"]
        text = entry.findtext(f"{ATOM}summary") or entry.findtext(f"{ATOM}content") or ""
        found.append(
            Entry(plain(entry.findtext(f"{ATOM}title"), MAX_TITLE), links[0].get("href", "") if links else "", text)
        )
    whole = [entry for entry in found if entry.title and entry.link.startswith(("http://", "https://"))]
    return [entry._replace(summary=plain(entry.summary, MAX_SUMMARY)) for entry in reversed(whole)]


async def fetch(url: str) -> bytes:
    """The feed, as far as it may be long. Raises ValueError."""
    try:
        async with httpx.AsyncClient(follow_redirects=True, timeout=30) as web, web.stream("GET", url) as answer:
            answer.raise_for_status()
            data = bytearray()
            async for part in answer.aiter_bytes():
                data += part
                if len(data) > MAX_FEED:
                    raise ValueError(f"the feed is longer than {MAX_FEED} bytes")
            return bytes(data)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ValueError(f"cannot read {url}: {' '.join(str(error).split())}") from None


async def posted(api: Api) -> set[str]:
    """The links of its own newest posts."""
    mine, links, cursor = (await api.me()).name, set(), None
    for _ in range(KNOWN // 100):
        page = await api.feed("new", author=mine, limit=100, cursor=cursor)
        links |= {post.url for post in page.posts if post.url}
        cursor = page.next_cursor
        if cursor is None:
            break
    return links


async def main(hub: str, url: str) -> None:
    """Bring what is new."""
    async with Api(hub, os.environ.get("HUB_API_KEY", "")) as api:
        known = await posted(api)
        for entry in entries(await fetch(url)):
            if entry.link not in known:
                known.add(entry.link)
                key = hashlib.sha256(entry.link.encode()).hexdigest()
                post = await api.post(entry.title, entry.summary, url=entry.link, idempotency_key=key)
                print(post.id, flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    try:
        asyncio.run(main(*sys.argv[1:]))
    except (ClientError, ValueError) as error:
        sys.exit(f"rss: {error}")
