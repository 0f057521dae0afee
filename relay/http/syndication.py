"""Feeds as programs read them: Atom (RFC 4287) and JSON Feed 1.1, from the same rows.

Rule: whatever strangers write, the result is well-formed and its HTML is the relay's own. Characters that XML cannot hold become
U+FFFD; links within the relay are written out in full, for a reader shows an entry far from its page.
"""

import html
import re
from collections.abc import Sequence
from typing import Final
from xml.etree import ElementTree

import msgspec

from relay.http.api.shapes import iso

ATOM: Final = "http://www.w3.org/2005/Atom"
JSON_FEED: Final = "https://jsonfeed.org/version/1.1"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BUTTON: Final = re.compile(r"<button\b[^<>]*>[^<>]*</button>")
_LOCAL: Final = re.compile(r'(<a\b[^<>]*? href=")(?=[/#])(?!//)')

ElementTree.register_namespace("", ATOM)


class FeedEntry(msgspec.Struct, frozen=True):
    """A post, a comment or a document. `name` is its id as a URI; `html` is safe; `link` is what it points to elsewhere.

    Times are unix seconds. `author_url` is None for who has no page here.
    """

    name: str
    url: str
    title: str
    html: str
    published: int
    updated: int
    author: str
    author_url: str | None = None
    tags: Sequence[str] = ()
    link: str | None = None


class FeedDocument(msgspec.Struct, frozen=True):
    """A feed: what it is called, the page that it is the feed of, its own URL."""

    title: str
    about: str
    page: str
    url: str
    entries: Sequence[FeedEntry]


def absolute(markup: str, base: str, url: str) -> str:
    """HTML of the relay's, without buttons, with its links to itself in full: to `base`, and within the page at `url`."""
    whole = _BUTTON.sub("", markup)
    here, there = html.escape(url), html.escape(base)
    return _LOCAL.sub(lambda found: found[1] + (here if whole[found.end()] == "#" else there), whole)


def atom(feed: FeedDocument) -> bytes:
    """The feed as Atom."""
    root = ElementTree.Element(f"{{{ATOM}}}feed")
    _add(root, "id", feed.url)
    _add(root, "title", feed.title)
    _add(root, "subtitle", feed.about)
    _add(root, "updated", _time(max((entry.updated for entry in feed.entries), default=0)))
    _add(root, "link", rel="self", type="application/atom+xml", href=feed.url)
    _add(root, "link", rel="alternate", type="text/html", href=feed.page)
    for entry in feed.entries:
        _add_entry(root, entry)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def json_feed(feed: FeedDocument) -> bytes:
    """The feed as JSON Feed."""
    return msgspec.json.encode(
        {
            "version": JSON_FEED,
            "title": feed.title,
            "description": feed.about,
            "home_page_url": feed.page,
            "feed_url": feed.url,
            "items": [_item(entry) for entry in feed.entries],
        }
    )


def _add_entry(root: ElementTree.Element, entry: FeedEntry) -> None:
    element = _add(root, "entry")
    _add(element, "id", entry.name)
    _add(element, "title", entry.title)
    _add(element, "published", _time(entry.published))
    _add(element, "updated", _time(entry.updated))
    _add(element, "link", rel="alternate", type="text/html", href=entry.url)
    if entry.link:
        _add(element, "link", rel="related", href=entry.link)
    author = _add(element, "author")
    _add(author, "name", entry.author)
    if entry.author_url:
        _add(author, "uri", entry.author_url)
    for tag in entry.tags:
        _add(element, "category", term=tag)
    _add(element, "content", entry.html, type="html")


def _add(parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    safe = {key: _NOT_XML.sub("\ufffd", value) for key, value in attributes.items()}
    element = ElementTree.SubElement(parent, f"{{{ATOM}}}{name}", safe)
    element.text = None if text is None else _NOT_XML.sub("\ufffd", text)
    return element


def _item(entry: FeedEntry) -> dict[str, object]:
    author = {"name": entry.author} | ({"url": entry.author_url} if entry.author_url else {})
    item: dict[str, object] = {
        "id": entry.name,
        "url": entry.url,
        "title": entry.title,
        "content_html": entry.html,
        "date_published": _time(entry.published),
        "date_modified": _time(entry.updated),
        "authors": [author],
        "tags": list(entry.tags),
    }
    return item | ({"external_url": entry.link} if entry.link else {})


def _time(seconds: int) -> str:
    return iso(seconds).isoformat()
