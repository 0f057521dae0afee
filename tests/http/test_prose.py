"""Strangers' text: Markdown comes out as the renderer's own tags, and everything else as text."""

import html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http import prose as proses
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
    found = Tags(proses._render(text)[0])
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


HOSTILE = [
    "[" * 4980,
    "![" * 2490,
    "[a](" * 1245,
    "[[a]" * 1245,
    "- " * 2490,
    "- - a\n" * 830,
    ">" * 4980,
    "> > a\n" * 830,
    "a_b*" * 1245,
    "**a" * 1660,
    "|" * 4980,
    "a\n-\n" * 1245,
    "a|" * 800 + "\n" + "-|" * 800 + "\n" + "|\n" * 800,
    "`" * 4980,
    "<" * 4980,
    "&" * 4980,
]


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> proses._Cache:
    """A cache with nothing in it."""
    cache = proses._Cache(proses.CACHE_BYTES)
    monkeypatch.setattr(proses, "_cache", cache)
    return cache


@pytest.mark.parametrize("text", HOSTILE)
def test_what_one_text_costs_is_bounded_and_so_is_what_comes_out(text: str) -> None:
    rendered, steps = proses._render(text)
    assert steps <= proses.MAX_STEPS + 1
    assert len(rendered) <= 10 * len(text)


def test_prose_costs_a_part_of_what_it_may() -> None:
    sentence = "Some *plain* words with a [link](https://example.org/a), `code` and **more**.\n\n- one\n- two\n\n"
    rendered, steps = proses._render((sentence * 60)[:MAX_MARKDOWN])
    assert "<em>plain</em>" in rendered
    assert steps < proses.MAX_STEPS / 2


def test_a_table_is_a_table_until_it_is_all_filling() -> None:
    row = "|a|b|\n"
    assert "<table>" in prose(row + "|-|-|\n" + row * 100)
    wide = "a|" * 60 + "\n" + "-|" * 60 + "\n" + "|\n" * 60
    assert "<table>" not in prose(wide)


def test_what_a_page_costs_is_bounded_and_the_next_look_goes_on(empty: proses._Cache) -> None:
    texts = [f"{number} *a* " + "*x* " * 500 for number in range(40)]
    _, steps = proses._render(texts[0])
    assert steps * len(texts) > proses.PAGE_STEPS

    def look() -> int:
        with proses.one_page():
            return sum("<em>" in prose(text) for text in texts)

    first = look()
    assert first == -(-proses.PAGE_STEPS // steps)
    assert look() == min(len(texts), 2 * first)
    while look() < len(texts):
        pass
    assert [prose(text) for text in texts] == [proses._render(text)[0] for text in texts]


def test_what_is_rendered_once_costs_nothing_the_next_time(
    empty: proses._Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prose("a *b*")
    monkeypatch.setattr(proses, "_render", None)
    assert prose("a *b*") == first


def test_the_cache_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    cache = proses._Cache(100_000)
    monkeypatch.setattr(proses, "_cache", cache)
    texts = [f"{number} " + "x" * 1000 for number in range(200)]
    for text in texts:
        prose(text)
        prose(texts[0])  # used all the time: stays
    assert cache.bytes <= 100_000
    assert cache.bytes == sum(proses._size(text, rendered) for text, rendered in cache._held.items())
    assert cache.get(texts[0]) is not None
    assert cache.get(texts[-1]) is not None
    assert cache.get(texts[1]) is None
