"""Strangers' text: Markdown comes out as the renderer's own tags, and everything else as text."""

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.http.rendering import highlighting, markdown
from relay.http.rendering import prose as proses
from relay.http.rendering.prose import MAX_EXCERPT, MAX_MARKDOWN, Mention, ago, excerpt, hue, opens, plain, prose

OURS = {
    *("p", "br", "em", "strong", "s", "code", "pre", "blockquote", "ul", "ol", "li", "hr", "a"),
    *("h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td"),
    *("div", "span", "sup", "section", "button"),
}
# And no style, which the policy forbids.
ATTRIBUTES = {
    *("href", "rel", "class", "start", "title", "target", "id", "tabindex", "type"),
    *("role", "aria-label", "data-copy-code"),
}
LINKS = re.compile(
    r"https?://|nostr:[a-z0-9]+$|/u/[\w.%-]+$|/post/[0-9a-f]+$|/(t|knowledge)/[^/?#]+$|#[nr][\w-]*-[0-9]+(-[0-9]+)?$",
    re.I,
)
NPUB = "npub1" + "q" * 58
NOTE = "note1" + "q" * 58
MENTIONS = {
    "@alice": Mention("/u/alice", "@alice"),
    "@x": Mention("/u/x", "@x"),
    f"nostr:{NPUB}": Mention("/u/bob", "@bob"),
    f"nostr:{NOTE}": Mention("/post/" + "ab" * 32, "“Tide <b>”"),
}


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
        ("~~gone~~", "<p><s>gone</s></p>"),
        (
            "|a|\n|-:|\n|b|",
            '<table tabindex="0">\n<thead>\n<tr>\n<th class="align-right">a</th>\n</tr>\n</thead>\n'
            '<tbody>\n<tr>\n<td class="align-right">b</td>\n</tr>\n</tbody>\n</table>',
        ),
        (
            "- [x] a\n- [ ] b",
            '<ul class="contains-task-list">\n<li class="task"><span class="box" role="img" aria-label="Done">☑</span> a</li>\n'
            '<li class="task"><span class="box" role="img" aria-label="To do">☐</span> b</li>\n</ul>',
        ),
        (
            "```\na <b>\n```",
            '<div class="code"><pre tabindex="0"><code>a &lt;b&gt;\n</code></pre>'
            '<button type="button" class="plain-button" data-copy-code>Copy</button></div>',
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


def test_a_picture_is_a_link_that_says_what_it_is_and_who_has_it() -> None:
    shown = prose("![A *<b>tracker</b>*](https://www.evil.example/pixel.png)")
    assert 'href="https://www.evil.example/pixel.png" rel="nofollow ugc noopener noreferrer" target="_blank"' in shown
    assert '<span class="alt">A &lt;b&gt;tracker&lt;/b&gt;</span> <span class="host">evil.example ↗</span>' in shown
    assert "<img" not in shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See [[Chart Datum]].", '<p>See <a href="/knowledge/chart-datum">Chart Datum</a>.</p>\n'),
        ("[[Storm surge|what the wind adds]]", '<p><a href="/knowledge/storm-surge">what the wind adds</a></p>\n'),
        ("`[[Code]]`", "<p><code>[[Code]]</code></p>\n"),
        ("[[!?]] and [[]] and [[a]", "<p>[[!?]] and [[]] and [[a]</p>\n"),
    ],
)
def test_double_brackets_are_wiki_links_except_in_code(text, shown):
    assert prose(text) == shown
    assert "<a href=" not in prose(f"[{text}](https://e.example)").replace('<a href="https://e.example"', "")


def test_an_address_in_double_brackets_is_no_name_of_an_article():
    shown = prose("[[https://e.example/a]] [[see https://e.example/a|here]]")
    assert "/knowledge/" not in shown
    assert shown.count('href="https://e.example/a') == 2


def test_a_link_holds_no_other_link() -> None:
    assert prose("[![words](https://a.example/x.png) @alice #tide](https://b.example/)").count("<a ") == 1


def test_a_footnote_and_its_place_lead_to_each_other_and_to_no_other_item_s() -> None:
    text = "A[^1] b[^x] c[^1].\n\n[^1]: First *note*.\n[^x]: Second."
    one, other = prose(text, "aa"), prose(text, "bb")
    ids = re.findall(r' id="([^"]+)"', one)
    assert ids == ["raa-1-1", "raa-2-1", "raa-1-2", "naa-1", "naa-2"]
    assert set(re.findall(r'href="#([^"]+)"', one)) == set(ids)
    assert not set(ids) & set(re.findall(r' id="([^"]+)"', other))
    assert ">First <em>note</em>." in one


def test_footnotes_are_bounded_in_number() -> None:
    text = "[^a]" * 400 + "\n\n[^a]: note"
    assert prose(text).count("<sup>") == markdown.MAX_FOOTNOTES
    assert html.unescape(re.sub("<[^>]*>", "", prose(text))).count("[^a]") == 400 - markdown.MAX_FOOTNOTES


def test_who_is_mentioned_is_linked_where_they_are_here() -> None:
    text = f"Hi @Alice. @nobody, nostr:{NPUB} wrote nostr:{NOTE}; mail a@alice.example `@alice`"
    with proses.one_page(MENTIONS):
        shown = prose(text)
    assert shown == (
        '<p>Hi <a class="mention" href="/u/alice">@alice</a>. @nobody, <a class="mention" href="/u/bob">@bob</a> wrote '
        f'<a class="mention" href="/post/{"ab" * 32}">“Tide &lt;b&gt;”</a>; mail a@alice.example <code>@alice</code></p>\n'
    )
    assert f'href="nostr:{NPUB}" rel="nofollow ugc noopener noreferrer">npub1qqqqqqq…qqqq</a>' in prose(text)
    assert "/u/" not in prose(text)  # what is kept of a text is nobody's: they may be gone


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("#Tide #low-water and #ebb_2.", ["/t/tide", "/t/low-water", "/t/ebb_2"]),
        ("#ñandú (#水)", ["/t/%C3%B1and%C3%BA", "/t/%E6%B0%B4"]),
        ("#12 a#b https://a.example/#frag ## #", []),
        ("[words](https://a.example/#x) `#code`", []),
        ("#" + "a" * 65, []),
    ],
)
def test_tags_lead_to_what_is_posted_about_them(text: str, paths: list[str]) -> None:
    assert re.findall(r'<a href="([^"]*)" class="hashtag">', prose(text)) == paths


PIECES = [
    *("<b>", "&lt;", "&#0;", "\0", "\0@x\0", "\0\0", "@alice", "@x.", f"nostr:{NPUB}", f"nostr:{NOTE}", "#tag", "#"),
    *(
        "![a](https://e.example/x.png)",
        "[a](https://e.example)",
        "[^1]",
        "[^1]: ",
        "[[A & B]]",
        "[[",
        "]]",
        "|",
        "- [x] ",
        "- [ ] ",
        "|a|b|\n|-:|:-|\n|c|d|\n",
    ),
    *(
        "```py\n",
        "```\n",
        "\n",
        "\n\n",
        "    ",
        "> ",
        "*",
        "_",
        "~~",
        "`",
        "\"'><img src=x onerror=y>",
        "javascript:x",
        "](",
        "\u202e",
    ),
]


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=40).map("".join))
def test_whatever_comes_in_only_our_own_tags_come_out(text: str) -> None:
    with proses.one_page(MENTIONS):
        shown = prose(text, "item")
    found = Tags(shown)
    assert found.tags <= OURS
    assert {name for name, _ in found.attributes} <= ATTRIBUTES
    assert all(LINKS.match(value or "") for name, value in found.attributes if name == "href")
    ids = [value for name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert "\0" not in shown


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
    assert excerpt("As [[Chart Datum]] and [[seiche|its waves]] say") == "As Chart Datum and its waves say"


def test_an_excerpt_has_the_words_of_everything_and_none_of_its_marks() -> None:
    text = (
        "- [x] done\n- [ ] to do\n\n|a|b|\n|:-|-:|\n|c|d|\n\n~~old~~ ![chart](https://e.example/x.png) note[^1] @alice #tag "
        f"nostr:{NPUB} nostr:{NOTE}\n\n[^1]: The note."
    )
    with proses.one_page(MENTIONS):
        assert excerpt(text) == "done to do a|b c|d old chart note @alice #tag @bob “Tide <b>” The note."
    assert "npub1qqqqqqq…qqqq" in excerpt(text)


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
    "[^a]: x\n" + "[^" * 2480,
    "[^a]: x\n" + "[^a]" * 1240,
    "[^a]:" * 990,
    "".join(f"[^{n}]: [^{n + 1}]\n" for n in range(300)) + "[^0]",
    "- [x] " * 830,
    "- [x] a\n" * 620,
    "@a " * 1660,
    "@" * 4980,
    "#a " * 1660,
    "#" + "a-" * 2490,
    f"nostr:{NPUB} " * 70,
    "nostr:npub1" * 450,
    "![a](https://a.example/) " * 199,
    "[![" * 1660,
    "```py\n" + "1+" * 1400,
    "```js\n" + "/*" * 1400,
]


@pytest.fixture
def empty(monkeypatch: pytest.MonkeyPatch) -> proses._Cache:
    """A cache with nothing in it."""
    cache = proses._Cache(proses.CACHE_BYTES)
    monkeypatch.setattr(proses, "_cache", cache)
    return cache


@pytest.mark.parametrize("text", HOSTILE)
def test_what_one_text_costs_is_bounded_and_so_is_what_comes_out(text: str) -> None:
    _, steps = proses._render(text)
    assert steps <= proses.MAX_STEPS + 1
    with proses.one_page({"@a": Mention("/u/a", "@a")}):
        assert len(prose(text, "ab" * 32)) <= 20 * len(text)


def test_prose_costs_a_part_of_what_it_may() -> None:
    sentence = "Some *plain* words with a [link](https://example.org/a), `code` and **more**.\n\n- one\n- two\n\n"
    rendered, steps = proses._render((sentence * 60)[:MAX_MARKDOWN])
    assert "<em>plain</em>" in rendered
    assert steps < proses.MAX_STEPS / 2


def test_a_table_is_a_table_until_it_is_all_filling() -> None:
    row = "|a|b|\n"
    assert "<table" in prose(row + "|-|-|\n" + row * 100)
    wide = "a|" * 60 + "\n" + "-|" * 60 + "\n" + "|\n" * 60
    assert "<table" not in prose(wide)


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


@pytest.mark.parametrize(
    ("language", "code", "shown"),
    [
        (
            "py",
            "def f(): # x",
            '<span class="hl-keyword">def </span><span class="hl-name">f</span>(): <span class="hl-comment"># x</span>',
        ),
        ("JSON", '{"a": 1}', '{<span class="hl-keyword">&#34;a&#34;</span>: <span class="hl-number">1</span>}'),
        ("diff", "-a\n+b\n", '<span class="hl-deleted">-a</span>\n<span class="hl-inserted">+b</span>\n'),
        ("made-up", "def", None),
        ("py", "x" * (highlighting.MAX_CODE + 1), None),
        ("py", "1+" * 1000, None),
    ],
)
def test_code_of_a_language_that_is_known_is_coloured_within_bounds(
    language: str, code: str, shown: str | None
) -> None:
    assert highlighting.highlight(code, language) == shown


@pytest.mark.parametrize("lexer", sorted(set(highlighting.LANGUAGES.values())))
@given(code=st.text(alphabet=st.sampled_from("<>&\"'`/*#=+-{}()[]:;\\@!$%ab01 \n\t\u00e9"), max_size=120))
def test_code_in_colours_reads_as_it_was_written(lexer: str, code: str) -> None:
    shown = highlighting.highlight(code, lexer)
    if shown is not None:
        assert html.unescape(re.sub(r'<span class="hl-[a-z]+">|</span>', "", shown)) == code


def test_code_in_the_words_of_the_documentation_is_set_as_such() -> None:
    assert proses.coded("Send `a<b` & wait") == "Send <code>a&lt;b</code> &amp; wait"
    assert proses.coded("One ` alone") == "One ` alone"


def test_headings_within_the_joined_lines_of_a_snippet_lose_their_marks() -> None:
    assert (
        proses.bare("# Where On the spit. ## When At ##high water, # 2")
        == "Where On the spit. When At ##high water, # 2"
    )


def test_a_link_that_a_snippet_cuts_in_two_leaves_no_brackets() -> None:
    assert [proses.bare(part) for part in ("see [[Inverse ", "barometer]], [[there]]")] == [
        "see Inverse ",
        "barometer, there",
    ]
