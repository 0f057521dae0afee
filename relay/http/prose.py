"""Strangers' text as HTML: Markdown without any HTML of its own, and the small words around it.

Rule: whatever comes in, only the tags that the renderer itself writes come out, and only http and https are linked.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from relay.protocol import names

HUES: Final = 12
MAX_MARKDOWN: Final = 5_000  # characters; what is longer is shown as it was written
MAX_EXCERPT: Final = 320
_CACHED: Final = 512  # texts
_TOP_HEADING: Final = 3  # a page has its own first two levels
_REL: Final = "nofollow ugc noopener noreferrer"
_SCHEMES: Final = ("https://", "http://")
_BARE_LINK: Final = re.compile(r"https?://[^\s<>\"'`\x00-\x1f]*[^\s<>\"'`\x00-\x1f.,;:!?)\]]")
_MARKS: Final = re.compile(
    r"^\s{0,3}(?:#{1,6} |> ?|[-*+] |```.*$)|\*\*|__|`|(?<!\w)[*_](?=\w)|(?<=\w)[*_](?!\w)", re.MULTILINE
)
_LINK: Final = re.compile(r"!?\[([^\]\[]{0,200})\]\((?:[^()\s]|\([^()\s]{0,100}\)){0,500}\)")


@lru_cache(maxsize=_CACHED)
def prose(text: str) -> Markup:
    """Markdown as HTML, safe to put into a page."""
    if len(text) > MAX_MARKDOWN:
        return Markup('<p class="verbatim">%s</p>') % text
    try:
        return Markup(_markdown.render(text))
    except (RecursionError, IndexError):  # no way through: show what was written
        return Markup('<p class="verbatim">%s</p>') % text


def excerpt(text: str) -> str:
    """The beginning of a Markdown text as one plain paragraph."""
    plain = _MARKS.sub("", _LINK.sub(r"\1", text[: 4 * MAX_EXCERPT]))
    return clip(" ".join(plain.split()), MAX_EXCERPT)


def plain(text: str) -> str:
    """A title without directional and hidden characters: some close what the markup opened, and turn what stands beside it."""
    return names.shown(text, MAX_EXCERPT)


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


def host(url: str) -> str:
    """The host of a link, as people say it; "" where it has none."""
    try:
        return (urlsplit(url).hostname or "").removeprefix("www.")
    except ValueError:
        return ""


def _is_web(url: str) -> bool:
    return url.lower().startswith(_SCHEMES)


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
        yield Token("text", "", 0, content=text[at : found.start()])
        yield Token("link_open", "a", 1, attrs={"href": found[0], "rel": _REL})
        yield Token("text", "", 0, content=clip(found[0], 80))
        yield Token("link_close", "a", -1)
        at = found.end()
    yield Token("text", "", 0, content=text[at:])


def _make() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 12})
    markdown.enable(["strikethrough", "table"]).disable(["image", "html_block", "html_inline", "reference"])
    markdown.validateLink = _is_web  # type: ignore[method-assign]
    markdown.core.ruler.push("tame", _tame)
    return markdown


_markdown: Final = _make()
FILTERS: Final = {"prose": prose, "shown": plain, "excerpt": excerpt, "ago": ago, "hue": hue, "host": host}
