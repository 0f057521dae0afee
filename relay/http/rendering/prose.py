"""Strangers' text as HTML: Markdown without any HTML of its own, and the small words around it.

Rule: whatever comes in, only the tags that the renderer itself writes come out, and only http and https are linked.

What one text and one page may cost is bounded, counted in steps of the renderer: at how many places it looked for how many
kinds of markup. A text that takes more, or comes when its page has used up its share, is shown as it was written. What was
rendered is kept, so that the next look at a page is cheap and goes on where the last one stopped.

Whom a text mentions is looked up before the page is made (`mentions.py`) and put into what was kept, each time anew: who is
named so may be gone tomorrow.
"""

import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

import msgspec
from markupsafe import Markup, escape

from relay.http.rendering import markdown
from relay.http.rendering.markdown import NUL, TooMuch, clip
from relay.protocol import names, urls

HUES: Final = 12
MAX_MARKDOWN: Final = 5_000  # characters; what is longer is shown as it was written
MAX_EXCERPT: Final = 320
EXCERPTS: Final = 1_000  # kept, of at most 4 * MAX_EXCERPT characters each
NOTHING: Final = "(nothing to see)"  # in place of a title that nobody would see anything of
MAX_STEPS: Final = 4_000  # of one text: four times what prose of MAX_MARKDOWN characters takes, some 15 ms
PAGE_STEPS: Final = 20_000  # of the texts of a page together
CACHE_BYTES: Final = 16 * 1024 * 1024  # of texts and what was rendered of them
MAX_ARTICLE: Final = 60_000  # characters of a text that has a page of its own; it may take all steps of that page
ARTICLE_BYTES: Final = 8 * 1024 * 1024  # as CACHE_BYTES, of articles
_OPEN: Final = re.compile(f"{NUL}([^{NUL}]*){NUL}")  # what a rendered text leaves open
_ALONE: Final = re.compile(f"<p>{NUL}(nostr:[^{NUL}]*){NUL}</p>\n?")
_ITEM: Final = re.compile(r"[^\w-]")
_HEADING: Final = re.compile(r"(?<=\s)#{2,6}\s")  # in a snippet, whose lines are joined
_MARKS: Final = re.compile(
    r"^\s{0,3}(?:#{1,6} |> ?|[-*+] (?:\[[ xX]\] )?|```.*$|\|?(?:\s{0,9}:?-{1,99}:?\s{0,9}\|){1,99}[\s:-]{0,99}$)"
    r"|\[\^[^\s\]]{1,64}\]:?|\*\*|__|~~|`|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)|^\s{0,3}\||\|\s{0,9}$",
    re.MULTILINE,
)
_CODE: Final = re.compile(r"`([^`\n]{1,200})`")
_LINK: Final = re.compile(r"!?\[([^\]\[]{0,200})\]\((?:[^()\s]|\([^()\s]{0,100}\)){0,500}\)")


class Mention(msgspec.Struct, frozen=True):
    """Whom or what a text means by an `@name` or a `nostr:` text: where that is here, and what it is called.

    Of a post or a comment also who wrote it, and its text.
    """

    path: str
    words: str
    by: str = ""
    text: str = ""


QUOTE: Final = "quote "  # with the id of an item: what that quotes
Mentions = Mapping[str, Mention]  # by `@name` in lower case, by the whole `nostr:…`, or by QUOTE and an item
NONE: Final[Mentions] = MappingProxyType({})


class _Cache:
    """What was rendered of each text, bounded in bytes; the longest unused goes first. For any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._held: OrderedDict[str, Markup] = OrderedDict()
        self.bytes = 0

    def get(self, text: str) -> Markup | None:
        """What was rendered of this text."""
        with self._lock:
            found = self._held.get(text)
            if found is not None:
                self._held.move_to_end(text)
            return found

    def put(self, text: str, rendered: Markup) -> None:
        """Keep it for the next time."""
        with self._lock:
            if text not in self._held:
                self._held[text] = rendered
                self.bytes += _size(text, rendered)
            while self.bytes > self._most:
                self.bytes -= _size(*self._held.popitem(last=False))


def _size(text: str, rendered: Markup) -> int:
    return sys.getsizeof(text) + sys.getsizeof(rendered)


class _Page(threading.local):
    """How many steps the page that is made on this thread may still take, None outside of a page; and whom its texts mention."""

    left: int | None = None
    mentions: Mentions = NONE


_page: Final = _Page()
_cache: Final = _Cache(CACHE_BYTES)
_articles: Final = _Cache(ARTICLE_BYTES)


@contextmanager
def one_page(mentions: Mentions = NONE) -> Iterator[None]:
    """What is rendered meanwhile, on this thread, is bounded together, and mentions these."""
    _page.left, _page.mentions = PAGE_STEPS, mentions
    try:
        yield
    finally:
        _page.left, _page.mentions = None, NONE


def prose(text: str, item: str = "") -> Markup:
    """Markdown as HTML, safe to put into a page. `item` tells its footnotes from those of others on the page."""
    return _closed(_rendered(text), item)


def article(text: str) -> Markup:
    """The same of a text that has a page of its own, and may be longer."""
    if len(text) > MAX_ARTICLE:
        return _verbatim(text)
    found = _articles.get(text)
    if found is None:
        found, _ = _render(text, PAGE_STEPS)
        _articles.put(text, found)
    return _closed(found, "article")


def _closed(rendered: Markup, item: str) -> Markup:
    """With what it leaves open: whom it mentions, and which item its footnotes belong to."""
    if NUL not in rendered:
        return rendered
    anchor, quote = _ITEM.sub("", item), quoted(item)

    def leave_out(match: re.Match[str]) -> str:
        found = _page.mentions.get(match[1])
        return "" if quote is not None and found is not None and found.path == quote.path else match[0]

    def close(match: re.Match[str]) -> str:
        return _mention(match[1]) if match[1] else anchor

    # A paragraph that is nothing but a reference to what is quoted: that is shown already, as a card.
    return Markup(_OPEN.sub(close, _ALONE.sub(leave_out, rendered) if quote else rendered))


def quoted(item: str) -> Mention | None:
    """What an item of the page quotes, if that is here."""
    return _page.mentions.get(f"{QUOTE}{item}")


def _rendered(text: str) -> Markup:
    """As it is kept: with what it leaves open."""
    if len(text) > MAX_MARKDOWN:
        return _verbatim(text)
    found = _cache.get(text)
    if found is None:
        if _page.left is not None and _page.left <= 0:
            return _verbatim(text)
        found, steps = _render(text)
        if _page.left is not None:
            _page.left -= steps
        _cache.put(text, found)
    return found


def _verbatim(text: str) -> Markup:
    return Markup('<p class="verbatim">%s</p>') % text.replace(NUL, "\ufffd")


def _render(text: str, most_steps: int = MAX_STEPS) -> tuple[Markup, int]:
    """The text rendered, and the steps that this took."""
    try:
        made, steps = markdown.render(text, most_steps)
    except TooMuch as error:  # show what was written
        return _verbatim(text), error.steps
    return Markup(made), steps


def _mention(said: str) -> str:
    """`@name` or `nostr:…` as a link to whom it means; who is not here is a word, or what a Nostr app opens (NIP-21)."""
    if said.startswith("@"):
        name = next((name for name in (said, said.rstrip(".-")) if name.lower() in _page.mentions), None)
        if name is None:
            return str(escape(said))
        found = _page.mentions[name.lower()]
        return f'<a class="mention" href="{escape(found.path)}">{escape(found.words)}</a>{escape(said[len(name) :])}'
    if said in _page.mentions:
        found = _page.mentions[said]
        return f'<a class="mention" href="{escape(found.path)}">{escape(found.words)}</a>'
    return (
        f'<a class="elsewhere" href="{escape(said)}" rel="nofollow ugc noopener noreferrer">{escape(short(said))}</a>'
    )


def short(reference: str) -> str:
    """A `nostr:` text as people can tell it from others: its beginning and end."""
    code = reference.removeprefix("nostr:")
    return f"{code[:12]}…{code[-4:]}"


def excerpt(text: str, longest: int = MAX_EXCERPT) -> str:
    """The beginning of a Markdown text as one plain paragraph, of so many characters at most."""
    plain = markdown.REFERENCE.sub(_words, _beginning(text[: 4 * longest]))
    return clip(" ".join(plain.split()), longest)


@lru_cache(EXCERPTS)
def _beginning(text: str) -> str:
    return _without_marks(text)


def bare(text: str) -> str:
    """A part of a Markdown text without its marks, for a snippet that is shown as it is; a link may be cut in two."""
    return _HEADING.sub("", _without_marks(text)).replace("[[", "").replace("]]", "")


def _without_marks(text: str) -> str:
    return _MARKS.sub("", _LINK.sub(r"\1", markdown.WIKI_LINK.sub(lambda found: found["words"] or found["wiki"], text)))


def _words(reference: re.Match[str]) -> str:
    found = _page.mentions.get(reference[0])
    return short(reference[0]) if found is None else found.words


def coded(text: str) -> Markup:
    """Words of the documentation, in which `code` stands between backticks."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def plain(text: str) -> str:
    """A title without directional and hidden characters: some close what the markup opened, and turn what stands beside it."""
    return names.shown(text, MAX_EXCERPT) or NOTHING


def isolated(text: str) -> str:
    """A title within a sentence of ours: whichever way its script runs, it turns nothing beside it."""
    return f"\u2068{plain(text)}\u2069"


def ago(then: int, now: int) -> str:
    """How long ago, in the shortest words; for more than a month, the days all the same."""
    past = max(0, now - then)
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if past >= size:
            return f"{past // size} {unit}"
    return "now"


def hue(identity_id: str) -> int:
    """Which of the page's colours an identity has, by its id: whichever of its keys signed, its colour is one."""
    return int(identity_id[:2], 16) % HUES


def initial(shown: str) -> str:
    """What stands in the mark of somebody who is shown by this name."""
    return shown[:1].upper()


def segment(text: str) -> str:
    """Anything as one segment of a path: the id of a group may have slashes."""
    return quote(text, safe="")


def opens(url: str | None) -> str:
    """The host that a stranger's link opens, as people say it; "" for what is shown as no link (`urls.link`)."""
    found = urls.link(url) if url else None
    return "" if found is None else found.host.removeprefix("www.")


def relay_host(url: str) -> str:
    """Where a relay is, as people say it: the host, and the port where that is another one than usual."""
    found = urls.parse(url, urls.WEBSOCKET)
    return "" if found is None else found.origin.partition("://")[2]


FILTERS: Final = {
    "prose": prose,
    "quoted": quoted,
    "shown": plain,
    "excerpt": excerpt,
    "bare": bare,
    "coded": coded,
    "ago": ago,
    "hue": hue,
    "initial": initial,
    "segment": segment,
    "opens": opens,
    "relay_host": relay_host,
}
