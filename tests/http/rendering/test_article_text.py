"""An article as HTML: headings that can be jumped to, wiki links, and nothing of a stranger's that becomes markup."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.http.rendering import prose
from relay.http.rendering.article_text import article


def test_headings_are_marked_each_by_a_name_of_its_own():
    text = article("# Tides\n\nBoth.\n\n## High *water*\n\n## High water\n\n### `C++` & <b>more</b>\n\n##")
    assert [(one.level, one.mark, one.text) for one in text.headings] == [
        (0, "part-tides", "Tides"),
        (1, "part-high-water", "High water"),
        (1, "part-high-water-2", "High water"),
        (2, "part-c-bmoreb", "C++ & <b>more</b>"),
        (1, "part", ""),
    ]
    assert '<h2 id="part-tides">Tides</h2>' in text.html
    assert '<h3 id="part-high-water">High <em>water</em></h3>' in text.html


def test_the_highest_heading_of_a_text_stands_under_its_title():
    text = article("### When\n\n#### At noon\n\n### Where")
    assert [one.level for one in text.headings] == [0, 1, 0]
    assert '<h2 id="part-when">When</h2>' in text.html
    assert '<h3 id="part-at-noon">At noon</h3>' in text.html


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("See [[Chart Datum]].", '<p>See <a href="/knowledge/chart-datum">Chart Datum</a>.</p>\n'),
        ("[[Storm surge|what the wind adds]]", '<p><a href="/knowledge/storm-surge">what the wind adds</a></p>\n'),
        ("[[A & B]]", '<p><a href="/knowledge/a-b">A &amp; B</a></p>\n'),
        ("[[المدّ]]", f'<p><a href="/knowledge/{"%D8%A7%D9%84%D9%85%D8%AF%D9%91"}">المدّ</a></p>\n'),
        ("`[[Code]]`", "<p><code>[[Code]]</code></p>\n"),
        ("[[!?]] and [[]] and [[a]", "<p>[[!?]] and [[]] and [[a]</p>\n"),
    ],
)
def test_double_brackets_are_wiki_links_except_in_code(text, shown):
    assert article(text).html == shown


def test_a_link_that_a_stranger_wrote_is_left_as_it_is():
    inside = article("[x [[y]] z](https://example.org)").html
    assert "/knowledge/" not in inside


def test_a_long_text_is_rendered_where_a_short_one_of_a_list_is_not():
    text = "A **bold** word. " * 1000
    assert "<strong>" not in prose.prose(text)
    assert article(text).html.count("<strong>") == 1000
    longest = "*a* " * prose.MAX_ARTICLE
    assert article(longest).html.startswith('<p class="verbatim">')


PIECES = st.sampled_from(
    ["# ", "\n\n", "[[", "]]", "|", "<b>", '"', "&lt;", "`", "a", "é", "[", "](x)", '(https://e.org/")', "*", "> "]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, max_size=30).map("".join))
def test_only_tags_of_our_own_come_out(text):
    tags = re.findall(r"<[^>]*>", article(text).html)
    plain = re.findall(r"<[^>]*>", prose.article(text))
    added = [tag for tag in tags if not re.fullmatch(r"</?h[2-6]>", tag)]
    for tag in added:
        assert tag in plain or re.fullmatch(r'<a href="/knowledge/[^"<>&\s]+">|</a>|<h[2-6] id="part[^"<>]*">', tag)
