"""Markdown as Tidings reads it: CommonMark with tables, strikethrough, task lists, footnotes, wiki links, mentions and tags.

It has no HTML. Rule: only the tags and attributes that are written here, or that the renderer writes itself, come out. Nothing
that a page shows is loaded from elsewhere: a picture is a link with its words and its host.

What one text may cost is counted in steps of the renderer: at how many places it looked for how many kinds of markup. More
than MAX_STEPS is TooMuch.

What a text does not say by itself is left open in what is rendered, so that it can be kept: a marker between two NULs, which
no text can hold, stands for whom an `@name` or a `nostr:` text means (`prose.py` looks that up), and MARK for the item that a
footnote belongs to.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import escape
from mdit_py_plugins.footnote import footnote_plugin

from relay.http.rendering.highlighting import highlight
from relay.protocol import topics, urls, wiki

MAX_CELLS: Final = 2_000  # of tables: a row of one character is filled up with as many cells as the first row has
MAX_FOOTNOTES: Final = 50  # places in one text that refer to a footnote; further ones are text
MAX_REFERENCE: Final = 600  # characters of a `nostr:` text that is read
LONGEST_LINK: Final = 300  # characters between double brackets
NUL: Final = "\0"
MARK: Final = "\0\0"  # the item that a text belongs to
_TOP_HEADING: Final = 3  # a page has its own first two levels
_REL: Final = "nofollow ugc noopener noreferrer"
_STEPS: Final = "steps"  # in the environment of a rendering: how many there may be yet
_FOOTNOTES: Final = "footnote places"
_LONG_LABEL: Final = re.compile(r"\[\^[^\s\]]{64}")
_ALIGNED: Final = re.compile(r"text-align:(left|center|right)")

NAME: Final = re.compile(r"(?<![A-Za-z0-9_./@-])@(?P<name>[A-Za-z0-9_.-]{1,64})")
REFERENCE: Final = re.compile(
    rf"(?<!\w)nostr:(?P<reference>(?:npub|nprofile|note|nevent|naddr)1[02-9ac-hj-np-z]{{20,{MAX_REFERENCE}}})(?!\w)"
)
_LINK: Final = re.compile(r"(?P<link>https?://[^\s<>\"'`\x00-\x1f]*[^\s<>\"'`\x00-\x1f.,;:!?)\]])")
# A wiki link (NIP-54) names an article; an address in double brackets is no name.
WIKI_LINK: Final = re.compile(
    rf"\[\[(?P<wiki>(?![^\[\]|]*://)[^\[\]|]{{1,{LONGEST_LINK}}})(?:\|(?P<words>[^\[\]|]{{1,{LONGEST_LINK}}}))?\]\]"
)
_WORDS: Final = re.compile("|".join(each.pattern for each in (WIKI_LINK, _LINK, REFERENCE, NAME, topics.HASHTAG)))


class TooMuch(Exception):
    """The text takes more steps than it may. `steps` are those that were taken."""

    def __init__(self, steps: int) -> None:
        super().__init__(steps)
        self.steps = steps


def render(text: str, most: int) -> tuple[str, int]:
    """The text as HTML with markers, and the steps that it took. Raises TooMuch where these are more than `most`."""
    lines = text.split("\n")
    cells = (max(line.count("|") for line in lines) + 1) * len(lines)
    left: dict[str, int] = {_STEPS: most, _FOOTNOTES: MAX_FOOTNOTES}
    try:
        made = (_markdown if cells <= MAX_CELLS else _without_tables).render(text, left)
    except (_NoStepLeft, RecursionError, IndexError):  # no way through
        raise TooMuch(most - left[_STEPS]) from None
    return made, most - left[_STEPS]


class _NoStepLeft(Exception):
    """Ends a rendering from within."""


def clip(text: str, longest: int) -> str:
    """At most `longest` characters; an ellipsis stands for the rest."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


# What becomes of the tokens, before they are rendered


def _tame(state: Any) -> None:
    """Links that vouch for nothing, headings below the page's own, a table's cells aligned by class and not by style."""
    for token in state.tokens:
        aligned = _ALIGNED.fullmatch(str(token.attrs.pop("style", "")))
        if aligned:
            token.attrSet("class", f"align-{aligned[1]}")
        if token.type == "table_open":
            token.attrSet("tabindex", "0")  # a wide one is scrolled by the keyboard, too
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
        elif token.type == "image" and inside:  # a link holds no other
            yield Token("text", "", 0, content=_alt(token))
        else:
            yield token


def _split(text: str) -> Iterator[Token]:
    """A text with what stands for itself in it: wiki links, URLs, mentions and tags."""
    at = 0
    for found in _WORDS.finditer(text):
        if found.lastgroup == "link" and urls.link(found[0]) is None:
            continue  # it would open something else than it reads
        if found["wiki"] and not wiki.normalized(found["wiki"]):
            continue  # nothing can be called so
        yield Token("text", "", 0, content=text[at : found.start()])
        yield from _word(found)
        at = found.end()
    yield Token("text", "", 0, content=text[at:])


def _word(found: re.Match[str]) -> Iterator[Token]:
    match found.lastgroup:
        case "link":
            yield from _anchor({"href": found[0], "rel": _REL}, clip(found[0], 80))
        case "tag":
            yield from _anchor(
                {"href": f"/t/{quote(topics.normal(found['tag']), safe='')}", "class": "hashtag"}, found[0]
            )
        case "wiki" | "words":
            name = quote(wiki.normalized(found["wiki"]), safe="")
            yield from _anchor({"href": f"/knowledge/{name}"}, (found["words"] or found["wiki"]).strip())
        case _:  # @name or nostr:…; neither has a character that HTML or a marker reads as its own
            yield Token("html_inline", "", 0, content=f"{NUL}{found[0]}{NUL}")


def _anchor(attrs: dict[str, str | int | float], text: str) -> Iterator[Token]:
    yield Token("link_open", "a", 1, attrs=attrs)
    yield Token("text", "", 0, content=text)
    yield Token("link_close", "a", -1)


def _step(state: Any, *_where: Any) -> bool:
    """A rule that never holds: it counts how often the renderer tries its rules."""
    state.env[_STEPS] -= 1
    if state.env[_STEPS] < 0:
        raise _NoStepLeft
    return False


def _no_footnote(state: Any, silent: bool) -> bool:
    """Takes as text what would be one footnote too many, or looks for the end of its name for long.

    It stands before the rule that would read it.
    """
    if not state.src.startswith("[^", state.pos):
        return False
    if not _LONG_LABEL.match(state.src, state.pos):
        state.env[_FOOTNOTES] -= not silent
        if state.env[_FOOTNOTES] >= 0:
            return False
    if not silent:
        state.pending += "[^"
    state.pos += 2
    return True


# How tokens are written


def _alt(token: Token) -> str:
    """The words that an image stands for, without their markup."""
    words = "".join(child.content if child.content else " " for child in token.children or [] if child.nesting == 0)
    return " ".join(words.split()) or "Picture"


def _image(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """A box that says what there is to see and who has it; a click opens it, so that nobody's address goes there unasked."""
    token = tokens[index]
    address = str(token.attrs.get("src", ""))
    found = urls.link(address)
    if found is None:
        return str(escape(_alt(token)))
    return (
        f'<a class="picture" href="{escape(address)}" rel="{_REL}" target="_blank">'
        f'<span class="alt">{escape(_alt(token))}</span> '
        f'<span class="host">{escape(found.host.removeprefix("www."))} ↗</span></a>'
    )


def _code(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    """A block of code, which the keyboard scrolls, with a button that copies it (copy.js; without scripts it is not seen)."""
    token = tokens[index]
    language = token.info.split()[0] if token.info.split() else ""
    shown = highlight(token.content, language)
    return (
        f'<div class="code"><pre tabindex="0"><code>{escape(token.content) if shown is None else shown}</code></pre>'
        '<button type="button" class="plain-button" data-copy-code>Copy</button></div>\n'
    )


def _list_item(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    """An item of a list; that of a task begins with whether it is done."""
    token = tokens[index]
    if "checked" not in token.meta:
        return str(renderer.renderToken(tokens, index, options, env))
    token.attrs["class"] = "task"
    words, sign = ("Done", "☑") if token.meta["checked"] else ("To do", "☐")
    opened = renderer.renderToken(tokens, index, options, env)
    return f'{opened}<span class="box" role="img" aria-label="{words}">{sign}</span> '


def _footnote_name(token: Token, back: bool = False) -> str:
    """The anchor of a footnote, or of a place that refers to it; one of a page's many, hence the item in it."""
    number, place = token.meta["id"] + 1, token.meta.get("subId", 0)
    return f"{'r' if back else 'n'}{MARK}-{number}" + (f"-{place + 1}" if back else "")


def _footnote_reference(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    token = tokens[index]
    return (
        f'<sup><a href="#{_footnote_name(token)}" id="{_footnote_name(token, back=True)}" class="note">'
        f"{token.meta['id'] + 1}</a></sup>"
    )


def _footnotes_begin(_renderer: Any, _tokens: Sequence[Token], _index: int, _options: Any, _env: Any) -> str:
    return '<section class="notes" aria-label="Footnotes">\n<ol>\n'


def _footnotes_end(_renderer: Any, _tokens: Sequence[Token], _index: int, _options: Any, _env: Any) -> str:
    return "</ol>\n</section>\n"


def _footnote_begins(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    return f'<li id="{_footnote_name(tokens[index])}">'


def _footnote_ends(_renderer: Any, _tokens: Sequence[Token], _index: int, _options: Any, _env: Any) -> str:
    return "</li>\n"


def _footnote_back(_renderer: Any, tokens: Sequence[Token], index: int, _options: Any, _env: Any) -> str:
    token = tokens[index]
    return f' <a href="#{_footnote_name(token, back=True)}" aria-label="Back to the text">↩︎</a>'


_WRITTEN: Final = {
    "image": _image,
    "fence": _code,
    "code_block": _code,
    "list_item_open": _list_item,
    "footnote_ref": _footnote_reference,
    "footnote_block_open": _footnotes_begin,
    "footnote_block_close": _footnotes_end,
    "footnote_open": _footnote_begins,
    "footnote_close": _footnote_ends,
    "footnote_anchor": _footnote_back,
}


def _make(tables: bool = True) -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 12, "tasklists": True})
    markdown.enable(["strikethrough", *(["table"] if tables else [])])
    markdown.use(footnote_plugin, inline=False)
    markdown.disable(["html_block", "html_inline", "reference"])
    markdown.validateLink = lambda url: urls.link(url) is not None  # type: ignore[method-assign]
    markdown.core.ruler.push("tame", _tame)
    markdown.inline.ruler.before("text", "step", _step)
    markdown.inline.ruler.before("footnote_ref", "no_footnote", _no_footnote)
    markdown.block.ruler.before("table", "step", _step, {"alt": ["paragraph", "blockquote", "list"]})
    for name, rule in _WRITTEN.items():
        markdown.add_render_rule(name, rule)
    return markdown


_markdown: Final = _make()
_without_tables: Final = _make(tables=False)
