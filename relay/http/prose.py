"""Strangers' text as HTML: Markdown without any HTML of its own, and the small words around it.

Rule: whatever comes in, only the tags that the renderer itself writes come out, and only http and https are linked.

What one text and one page may cost is bounded, counted in steps of the renderer: at how many places it looked for how many
kinds of markup. A text that takes more, or comes when its page has used up its share, is shown as it was written. What was
rendered is kept, so that the next look at a page is cheap and goes on where the last one stopped.
"""

import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from relay.protocol import names, urls

HUES: Final = 12
MAX_MARKDOWN: Final = 5_000  # characters; what is longer is shown as it was written
MAX_EXCERPT: Final = 320
NOTHING: Final = "(nothing to see)"  # in place of a title that nobody would see anything of
MAX_STEPS: Final = 4_000  # of one text: four times what prose of MAX_MARKDOWN characters takes, some 15 ms
PAGE_STEPS: Final = 20_000  # of the texts of a page together
MAX_CELLS: Final = 2_000  # of tables: a row of one character is filled up with as many cells as the first row has
CACHE_BYTES: Final = 16 * 1024 * 1024  # of texts and what was rendered of them
MAX_ARTICLE: Final = 60_000  # characters of a text that has a page of its own; it may take all steps of that page
ARTICLE_BYTES: Final = 8 * 1024 * 1024  # as CACHE_BYTES, of articles
_TOP_HEADING: Final = 3  # a page has its own first two levels
_REL: Final = "nofollow ugc noopener noreferrer"
_STEPS: Final = "steps"  # in the environment of a rendering: those taken, and how many there may be
_MOST_STEPS: Final = "most steps"
_BARE_LINK: Final = re.compile(r"https?://[^\s<>\"'`\x00-\x1f]*[^\s<>\"'`\x00-\x1f.,;:!?)\]]")
_MARKS: Final = re.compile(
    r"^\s{0,3}(?:#{1,6} |> ?|[-*+] |```.*$)|\*\*|__|`|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)", re.MULTILINE
)
_LINK: Final = re.compile(r"!?\[([^\]\[]{0,200})\]\((?:[^()\s]|\([^()\s]{0,100}\)){0,500}\)")


class _TooMuch(Exception):
    """The text takes more steps than it may."""


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
    """How many steps the page that is made on this thread may still take; None outside of a page."""

    left: int | None = None


_page: Final = _Page()
_cache: Final = _Cache(CACHE_BYTES)
_articles: Final = _Cache(ARTICLE_BYTES)


@contextmanager
def one_page() -> Iterator[None]:
    """What is rendered meanwhile, on this thread, is bounded together."""
    _page.left = PAGE_STEPS
    try:
        yield
    finally:
        _page.left = None


def prose(text: str) -> Markup:
    """Markdown as HTML, safe to put into a page."""
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


def article(text: str) -> Markup:
    """The same of a text that has a page of its own, and may be longer."""
    if len(text) > MAX_ARTICLE:
        return _verbatim(text)
    found = _articles.get(text)
    if found is None:
        found, _ = _render(text, PAGE_STEPS)
        _articles.put(text, found)
    return found


def _verbatim(text: str) -> Markup:
    return Markup('<p class="verbatim">%s</p>') % text


def _render(text: str, most_steps: int = MAX_STEPS) -> tuple[Markup, int]:
    """The text rendered, and the steps that this took."""
    lines = text.split("\n")
    cells = (max(line.count("|") for line in lines) + 1) * len(lines)
    renderer = _markdown if cells <= MAX_CELLS else _without_tables
    spent: dict[str, int] = {_STEPS: 0, _MOST_STEPS: most_steps}
    try:
        return Markup(renderer.render(text, spent)), spent[_STEPS]
    except (_TooMuch, RecursionError, IndexError):  # no way through: show what was written
        return _verbatim(text), spent[_STEPS]


def excerpt(text: str) -> str:
    """The beginning of a Markdown text as one plain paragraph."""
    plain = _MARKS.sub("", _LINK.sub(r"\1", text[: 4 * MAX_EXCERPT]))
    return clip(" ".join(plain.split()), MAX_EXCERPT)


def plain(text: str) -> str:
    """A title without directional and hidden characters: some close what the markup opened, and turn what stands beside it."""
    return names.shown(text, MAX_EXCERPT) or NOTHING


def clip(text: str, longest: int) -> str:
    """At most `longest` characters; an ellipsis stands for the rest."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


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


def segment(text: str) -> str:
    """Anything as one segment of a path: the id of a group may have slashes."""
    return quote(text, safe="")


def opens(url: str | None) -> str:
    """The host that a stranger's link opens, as people say it; "" for what is shown as no link (`urls.link`)."""
    found = urls.link(url) if url else None
    return "" if found is None else found.host.removeprefix("www.")


def _is_web(url: str) -> bool:
    return urls.link(url) is not None


def _tame(state: Any) -> None:
    """Links that give nothing away and vouch for nothing, headings below the page's own, no styles of a table's cells."""
    for token in state.tokens:
        token.attrs.pop("style", None)
        if token.tag in {"h1", "h2", "h3", "h4", "h5", "h6"}:
            token.tag = f"h{min(6, int(token.tag[1]) + _TOP_HEADING - 1)}"
        if token.children:
            token.children = list(_linked(token.children))


def _linked(tokens: list[Token]) -> Iterator[Token]:
    inside = 0
    for token in tokens:
        inside += token.nesting if token.type in {"link_open", "link_close"} else 0
        if token.type == "link_open":
            token.attrSet("rel", _REL)
        if token.type == "text" and not inside:
            yield from _split(token.content)
        else:
            yield token


def _split(text: str) -> Iterator[Token]:
    at = 0
    for found in _BARE_LINK.finditer(text):
        if urls.link(found[0]) is None:
            continue  # it would open something else than it reads
        yield Token("text", "", 0, content=text[at : found.start()])
        yield Token("link_open", "a", 1, attrs={"href": found[0], "rel": _REL})
        yield Token("text", "", 0, content=clip(found[0], 80))
        yield Token("link_close", "a", -1)
        at = found.end()
    yield Token("text", "", 0, content=text[at:])


def _step(state: Any, *_where: Any) -> bool:
    """A rule that never holds: it counts how often the renderer tries its rules."""
    state.env[_STEPS] += 1
    if state.env[_STEPS] > state.env[_MOST_STEPS]:
        raise _TooMuch
    return False


def _make(tables: bool = True) -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 12})
    markdown.enable(["strikethrough", *(["table"] if tables else [])]).disable(
        ["image", "html_block", "html_inline", "reference"]
    )
    markdown.validateLink = _is_web  # type: ignore[method-assign]
    markdown.core.ruler.push("tame", _tame)
    markdown.inline.ruler.before("text", "step", _step)
    markdown.block.ruler.before("table", "step", _step, {"alt": ["paragraph", "blockquote", "list"]})
    return markdown


_markdown: Final = _make()
_without_tables: Final = _make(tables=False)
FILTERS: Final = {
    "prose": prose,
    "shown": plain,
    "excerpt": excerpt,
    "ago": ago,
    "hue": hue,
    "segment": segment,
    "opens": opens,
}
