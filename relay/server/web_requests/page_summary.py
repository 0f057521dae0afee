"""What a page of the web says of itself in its head: a title, a description and a picture (Open Graph, and HTML's own).

The page is a stranger's: it is read by the standard library's parser, no further than its body begins, and what comes out is plain
text without hidden characters, bounded, and the URL of a picture that reads as what it opens.
"""

import codecs
import contextlib
import re
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urljoin

import msgspec

from relay.protocol import names, urls

MAX_TITLE: Final = 200  # characters
MAX_DESCRIPTION: Final = 400
_MAX_RAW: Final = 4_000  # characters of a text before it is cleaned
_MAX_PARTS: Final = 5_000  # tags and pieces of text that are looked at; a head has hundreds
_TITLES: Final = ("og:title", "twitter:title", "title")  # the first of these that says something
_DESCRIPTIONS: Final = ("og:description", "twitter:description", "description")
_PICTURES: Final = ("og:image:secure_url", "og:image", "og:image:url", "twitter:image")
_DECLARED: Final = 1024  # bytes in which a page declares its charset (HTML standard)
_CHARSET: Final = re.compile(rb"""charset\s{0,9}=\s{0,9}["']?([\w.:-]{1,40})""", re.IGNORECASE)
# Others than these are not for the web, or are no text at all to Python.
_CODECS: Final = re.compile(
    r"utf-8|utf-16(-le|-be)?|ascii|iso8859-\d+|cp125\d|koi8-[ru]|shift_jis|cp932|euc_jp|euc_kr|cp949|gb2312|gbk|gb18030|big5|big5hkscs"
)


class PageSummary(msgspec.Struct, frozen=True):
    """A title, which is never empty; a description, and the https URL of a picture, or ""."""

    title: str
    description: str
    picture: str


class _HeadRead(Exception):
    """The rest of the page is its body."""


class _HeadParser(HTMLParser):
    """Gathers what the head says, the first of each name."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._title: list[str] | None = None
        self._parts = 0

    def _count(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise _HeadRead

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._count()
        if tag == "body":
            raise _HeadRead
        if tag == "title" and "title" not in self.found:
            self._title = []
        elif tag == "meta":
            given = {name: value or "" for name, value in reversed(attrs)}
            name = given.get("property") or given.get("name") or ""
            self.found.setdefault(name.strip().lower()[:40], given.get("content", "")[:_MAX_RAW])

    def handle_endtag(self, tag: str) -> None:
        if tag == "head":
            raise _HeadRead
        if tag == "title" and self._title is not None:
            self.found["title"] = "".join(self._title)[:_MAX_RAW]
            self._title = None

    def handle_data(self, data: str) -> None:
        self._count()
        if self._title is not None:
            self._title.append(data)


def of_page(text: str, url: str) -> PageSummary | None:
    """What the page at `url` says of itself; None where it has no title. `text` may be its beginning only."""
    parser = _HeadParser()
    with contextlib.suppress(_HeadRead, AssertionError):  # so that parser ends at a declaration that is none
        parser.feed(text)  # and not closed: what is cut off in the middle is not read as something else
    title = _first(parser.found, _TITLES, MAX_TITLE)
    if not title:
        return None
    description = _first(parser.found, _DESCRIPTIONS, MAX_DESCRIPTION)
    return PageSummary(title, "" if description == title else description, _picture(parser.found, url))


def _first(found: dict[str, str], wanted: tuple[str, ...], most: int) -> str:
    return next((text for name in wanted if (text := _cleaned(found.get(name, ""), most))), "")


def _cleaned(text: str, most: int) -> str:
    return names.shown(" ".join(text.split()), most)


def _picture(found: dict[str, str], url: str) -> str:
    for name in _PICTURES:
        try:
            address = urls.link(urljoin(url, found.get(name, "").strip())) if found.get(name, "").strip() else None
        except ValueError:  # a host that is none
            continue
        if address is not None and address.scheme == "https":
            return f"{address.origin}{address.path}{address.query}"
    return ""


def decoded(body: bytes, content_type: str) -> str:
    """A page as text, by the charset that its answer names, or it itself does, else UTF-8."""
    named = _CHARSET.search(content_type.encode("latin-1", "replace")) or _CHARSET.search(body[:_DECLARED])
    codec = "utf-8"
    if named is not None:
        try:
            known = codecs.lookup(named[1].decode("ascii", "replace")).name
        except LookupError:
            known = ""
        codec = known if _CODECS.fullmatch(known) else codec
    return body.decode(codec, "replace").removeprefix("\ufeff")
