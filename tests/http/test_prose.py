"""Strangers' text: Markdown comes out as the renderer's own tags, and everything else as text."""

import html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http.prose import MAX_EXCERPT, MAX_MARKDOWN, ago, excerpt, hue, opens, plain, prose

OURS = {
    *("p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "hr", "a"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
}
ATTRIBUTES = {"href", "rel", "class", "start", "title"}  # and no style: the policy forbids it


class Tags(HTMLParser):
    """What a browser would make of it: tags, and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs


@pytest.mark.parametrize(
    ("markdown", "shown"),
    [
        ("a *b* **c** `d`", "<p>a <em>b</em> <strong>c</strong> <code>d</code></p>"),
        ("# Big", "<h3>Big</h3>"),
        ("###### Small", "<h6>Small</h6>"),
        ("one\ntwo", "<p>one<br />\ntwo</p>"),
        ("- x\n- y", "<ul>\n<li>x</li>\n<li>y</li>\n</ul>"),
        ("> q", "<blockquote>\n<p>q</p>\n</blockquote>"),
        (
            "|a|\n|-:|\n|b|",
            "<table>\n<thead>\n<tr>\n<th>a</th>\n</tr>\n</thead>\n<tbody>\n<tr>\n<td>b</td>\n</tr>\n</tbody>\n</table>",
        ),
        ("<b>bold</b>", "<p>&lt;b&gt;bold&lt;/b&gt;</p>"),
    ],
)
def test_renders_markdown(markdown, shown):
    assert prose(markdown).strip() == shown


@pytest.mark.parametrize(
    "text",
    ["https://example.org/a?b=1&c=2", "[here](https://example.org/a?b=1&c=2)", "<https://example.org/a?b=1&c=2>"],
)
def test_links_the_web_and_vouches_for_nothing(text):
    link = 'href="https://example.org/a?b=1&amp;c=2" rel="nofollow ugc noopener noreferrer"'
    assert link in prose(f"See {text}.")


@pytest.mark.parametrize(
    "target",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "//evil.example", "/relative"],
)
def test_links_nothing_else(target):
    assert "href" not in prose(f"[x]({target}) <{target}> ![x]({target})\n\n[r]: {target}\n\n[r]")


def test_pictures_are_links_because_they_would_come_from_elsewhere():
    assert "<img" not in prose("![tracker](https://evil.example/pixel.png)")


@given(st.text(alphabet=st.sampled_from("<>&\"'`*_[]()#!-=~|\\/\n :;xscripthref0/\u202e\u00e9"), max_size=200))
def test_whatever_comes_in_only_our_own_tags_come_out(text):
    found = Tags(prose.__wrapped__(text))
    assert found.tags <= OURS
    assert {name for name, _ in found.attributes} <= ATTRIBUTES
    assert all((value or "").lower().startswith("http") for name, value in found.attributes if name == "href")


@pytest.mark.parametrize(
    "hostile", ["[" * 5000, "> " * 2500, "*a " * 1600, "|a" * 2500, "![" * 2500, "\n" * 5000, "`" * 5000]
)
def test_text_made_to_be_slow_or_deep_is_still_shown(hostile):
    assert len(prose(hostile[:MAX_MARKDOWN])) < 60 * MAX_MARKDOWN


def test_what_is_very_long_is_shown_as_it_was_written():
    text = "**x** <b>\n" * MAX_MARKDOWN
    assert html.unescape(prose(text)) == f'<p class="verbatim">{text}</p>'


def test_an_excerpt_is_one_plain_paragraph():
    text = "# Title\n\nSome **bold** and *soft* text, [a link](https://e.example/x(y)).\n\n- one\n- two\n\n```py\ncode\n```"
    assert excerpt(text) == "Title Some bold and soft text, a link. one two code"
    assert len(excerpt("word " * 1000)) <= MAX_EXCERPT
    assert excerpt("snake_case and 2*3*4 stay") == "snake_case and 2*3*4 stay"


@pytest.mark.parametrize(
    ("past", "words"), [(-5, "now"), (59, "now"), (60, "1 min"), (7200, "2 h"), (86400 * 40, "40 d")]
)
def test_says_how_long_ago(past, words):
    assert ago(1_700_000_000 - past, 1_700_000_000) == words


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.example.org:8/x", "example.org"),
        ("HTTPS://Example.ORG", "example.org"),
        ("http://[::1]/", "::1"),
        ("https://münchen.example/", "xn--mnchen-3ya.example"),
        ("http://[", ""),
        ("https://evil.example\\@example.com/", ""),
        ("https://example.com@evil.example/", ""),
        ("https://example.com\n/", ""),
        ("https://example.com/\u202egpj.exe", ""),
        ("javascript:alert(1)//https://example.com/", ""),
        (None, ""),
    ],
)
def test_names_the_host_that_a_link_opens_and_no_other(url, name):
    assert opens(url) == name


@pytest.mark.parametrize(
    "text", ["https://evil.example\\@example.com/", "<https://example.com@evil.example/>", "https://a@b.example"]
)
def test_what_reads_as_another_host_is_no_link(text):
    assert 'href="https://e' not in prose(text) or 'href="https://evil.example"' in prose(text)
    assert "@" not in "".join(part.split('"')[0] for part in prose(text).split('href="')[1:])


def test_a_title_of_which_nobody_sees_anything_is_shown_as_such():
    assert plain("\u3164") == "(nothing to see)"
    assert plain("a\u2028b") == "ab"


def test_an_author_has_always_the_same_colour():
    assert hue("ff" * 32) == hue("ff" + "00" * 31)
    assert {hue(f"{byte:02x}" * 32) for byte in range(256)} == set(range(12))
