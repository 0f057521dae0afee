"""Feeds as programs read them: RSS 2.0, Atom (RFC 4287) and JSON Feed 1.1, from the same rows; FORMATS has each once.

Rule: whatever strangers write, the result is well-formed and its HTML is the relay's own. Characters that XML cannot hold become
U+FFFD; links within the relay are written out in full, for a reader shows an entry far from its page.
"""

import html
import re
from collections.abc import Callable, Sequence
from email.utils import format_datetime
from typing import Final
from xml.etree import ElementTree

import msgspec

from relay.api_types import iso

ATOM: Final = "http://www.w3.org/2005/Atom"
DUBLIN_CORE: Final = "http://purl.org/dc/elements/1.1/"
JSON_FEED: Final = "https://jsonfeed.org/version/1.1"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_BUTTON: Final = re.compile(r"<button\b[^<>]*>[^<>]*</button>")
_LOCAL: Final = re.compile(r'(<a\b[^<>]*? href=")(?=[/#])(?!//)')


class FeedEntry(msgspec.Struct, frozen=True):
    """A post, a comment, a message, an issue or a document.

    `name` is its id as a URI; `html` is safe; `link` is what it points to elsewhere. Times are unix seconds. `author_url` is None
    for who has no page here.
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


class FeedFormat(msgspec.Struct, frozen=True):
    """A form of feeds: its media type, what it is called, and how one is written."""

    media_type: str
    title: str
    write: Callable[[FeedDocument], bytes]


def absolute(markup: str, base: str, url: str) -> str:
    """HTML of the relay's, without buttons, with its links to itself in full: to `base`, and within the page at `url`."""
    whole = _BUTTON.sub("", markup)
    here, there = html.escape(url), html.escape(base)
    return _LOCAL.sub(lambda found: found[1] + (here if whole[found.end()] == "#" else there), whole)


def atom(feed: FeedDocument) -> bytes:
    """The feed as Atom."""
    root = ElementTree.Element("feed", xmlns=ATOM)
    _add(root, "id", feed.url)
    _add(root, "title", feed.title)
    _add(root, "subtitle", feed.about)
    _add(root, "updated", _time(_changed(feed)))
    _add(root, "link", rel="self", type=FORMATS["atom"].media_type, href=feed.url)
    _add(root, "link", rel="alternate", type="text/html", href=feed.page)
    for entry in feed.entries:
        _add_atom_entry(root, entry)
    return _xml(root)


def rss(feed: FeedDocument) -> bytes:
    """The feed as RSS 2.0; what that has no element for is Atom's, or Dublin Core's."""
    root = ElementTree.Element("rss", {"version": "2.0", "xmlns:atom": ATOM, "xmlns:dc": DUBLIN_CORE})
    channel = _add(root, "channel")
    _add(channel, "title", feed.title)
    _add(channel, "link", feed.page)
    _add(channel, "description", feed.about or feed.title)
    _add(channel, "lastBuildDate", _mail_date(_changed(feed)))
    _add(channel, "atom:link", rel="self", type=FORMATS["rss"].media_type, href=feed.url)
    for entry in feed.entries:
        _add_rss_item(channel, entry)
    return _xml(root)


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


FORMATS: Final = {  # by what its address ends in; pages name them in this order
    "atom": FeedFormat("application/atom+xml", "Atom", atom),
    "rss": FeedFormat("application/rss+xml", "RSS", rss),
    "json": FeedFormat("application/feed+json", "JSON Feed", json_feed),
}


def _add_atom_entry(root: ElementTree.Element, entry: FeedEntry) -> None:
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


def _add_rss_item(channel: ElementTree.Element, entry: FeedEntry) -> None:
    item = _add(channel, "item")
    _add(item, "title", entry.title)
    _add(item, "link", entry.url)
    _add(item, "guid", entry.name, isPermaLink="false")
    _add(item, "pubDate", _mail_date(entry.published))
    _add(item, "atom:updated", _time(entry.updated))
    _add(item, "dc:creator", entry.author)
    if entry.link:
        _add(item, "atom:link", rel="related", href=entry.link)
    for tag in entry.tags:
        _add(item, "category", tag)
    _add(item, "description", entry.html)


def _add(parent: ElementTree.Element, name: str, text: str | None = None, **attributes: str) -> ElementTree.Element:
    safe = {key: _NOT_XML.sub("\ufffd", value) for key, value in attributes.items()}
    element = ElementTree.SubElement(parent, name, safe)
    element.text = None if text is None else _NOT_XML.sub("\ufffd", text)
    return element


def _xml(root: ElementTree.Element) -> bytes:
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


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


def _changed(feed: FeedDocument) -> int:
    return max((entry.updated for entry in feed.entries), default=0)


def _time(seconds: int) -> str:
    return iso(seconds).isoformat()


def _mail_date(seconds: int) -> str:
    """As RFC 822 writes it."""
    return format_datetime(iso(seconds), usegmt=True)
