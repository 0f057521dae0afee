"""What the events of the feed point at."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import feed
from tests.factories import make_event

A, B = "a" * 64, "b" * 64


@pytest.mark.parametrize(
    ("tags", "title"),
    [
        ([["title", "One"], ["title", "Two"]], "One"),
        ([["title", "é" * 300]], "é" * 300),
        ([["title", "é" * 301]], None),
        ([["title", "  "], ["title", "Two"]], None),
        ([["title"]], None),
        ([["Title", "One"]], None),
        ([], None),
    ],
)
def test_the_title_is_the_first_title_tag(tags: list[list[str]], title: str | None) -> None:
    assert feed.title(make_event(kind=11, tags=tags)) == title


@given(st.text(st.sampled_from("aé漢 \u200b\u3164\u202e\u00a0\n\x00\x7f\u2028\u2029\ud800\ue000"), max_size=6))
def test_a_title_is_one_line_of_which_people_see_something(text: str) -> None:
    breaks = any(unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") for char in text)
    assert (feed.title_fault(text) is None) == (not breaks and any(char in "aé漢" for char in text))


@pytest.mark.parametrize(
    ("tags", "grouped"), [([["h", "g"]], True), ([["h"]], True), ([["H", "g"]], False), ([], False)]
)
def test_an_h_tag_makes_it_a_groups(tags: list[list[str]], grouped: bool) -> None:
    assert feed.in_group(make_event(kind=11, tags=tags)) is grouped


@pytest.mark.parametrize(
    ("tags", "root", "parent"),
    [
        ([["E", A]], A, None),
        ([["E", A], ["e", A]], A, None),
        ([["e", B], ["E", A], ["E", B], ["e", A]], A, B),
        ([["E", A], ["e", "x"]], A, None),
        ([["E", A.upper()], ["e", B + "0"]], None, None),
        ([["e", B]], None, B),
        ([["E"], ["E", A]], None, None),
    ],
)
def test_a_comment_stands_under_its_first_upper_case_e_and_answers_its_first_lower_case_one(
    tags: list[list[str]], root: str | None, parent: str | None
) -> None:
    comment = make_event(kind=1111, tags=tags)
    assert (feed.root(comment), feed.parent(comment)) == (root, parent)


@pytest.mark.parametrize(
    ("content", "tags", "target"),
    [
        ("+", [["e", A], ["e", B]], B),
        ("", [["e", A], ["p", B]], A),
        ("-", [["e", A], ["e"]], A),
        ("+", [["e", A], ["e", "x"]], None),
        ("+", [["E", A]], None),
        ("+", [], None),
        ("♥", [["e", A]], None),
    ],
)
def test_a_vote_is_on_its_last_e_and_an_emoji_is_none(content: str, tags: list[list[str]], target: str | None) -> None:
    assert feed.voted(make_event(kind=7, content=content, tags=tags)) == target


@pytest.mark.parametrize(("kind", "subject"), [(7, B), (1010, A), (1, None), (1111, None), (5, None)])
def test_only_votes_and_edits_are_about_something(kind: int, subject: str | None) -> None:
    assert feed.subject(make_event(kind=kind, content="+", tags=[["e", A], ["e", B]])) == subject
