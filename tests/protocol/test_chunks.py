"""Texts are cut where people would cut them, and nothing of them is lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.chunks import Cutting, passages_of, split
from tests.factories import make_event

SENTENCE = "The quick brown fox jumps over the lazy dog and runs away."
texts = st.text(st.sampled_from("ab .\n!?é。"), max_size=600)


def test_a_short_text_is_one_passage():
    assert split("One.  Two.", 200, 20) == ["One. Two."]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (" One. Two? Three ", "One. Two? Three"),
        ("One.  Two.\nThree", "One. Two. Three"),
        ("一。二。", "一。 二。"),
        ("One.\n\nTwo", "One.\n\nTwo"),
        ("One.\tTwo\xa0three", "One. Two\xa0three"),
    ],
)
def test_between_sentences_is_one_space(text: str, found: str) -> None:
    assert split(text, 100, 10) == [found]


@pytest.mark.parametrize("text", ["", " \n\n\t ", "\u3164", "\u2800\n\n\u200b"])
def test_a_blank_text_has_no_passage(text):
    assert split(text, 200, 20) == []


@pytest.mark.parametrize(("title", "text", "found"), [("\u3164", "Seen.", [("", "Seen.")]), ("\u3164", "\u2800", [])])
def test_a_title_that_nobody_sees_is_none(title, text, found):
    event = make_event(kind=30023, content=text, tags=[("d", "x"), ("title", title)])
    assert [(row[5], row[6]) for row in passages_of(Cutting(kinds=(30023,)), event, None, None)] == found


def test_a_cut_falls_between_sentences():
    passages = split(" ".join([SENTENCE] * 8), 200, 0)
    assert len(passages) == 3
    assert all(passage.startswith("The quick") and passage.endswith("away.") for passage in passages)


def test_the_last_sentence_of_a_passage_begins_the_next():
    first, second = split("Alpha one two. Beta three four. Gamma five six.", 35, 17)
    assert first == "Alpha one two. Beta three four."
    assert second == "Beta three four. Gamma five six."


def test_a_word_without_end_is_cut_hard():
    assert [len(passage) for passage in split("x" * 1000, 300, 50)] == [298, 298, 298, 106]


@given(texts, st.integers(20, 120), st.integers(0, 9))
def test_no_passage_is_longer_than_its_size(text, size, overlap):
    assert all(len(passage) <= size for passage in split(text, size, overlap))


@given(texts, st.integers(20, 120))
def test_without_overlap_the_passages_together_are_the_text(text, size):
    assert "".join("".join(split(text, size, 0)).split()) == "".join(text.split())


@given(texts, st.integers(20, 120), st.integers(0, 9))
def test_every_passage_brings_something_new(text, size, overlap):
    passages = split(text, size, overlap)
    assert len(passages) <= len(text)


def test_an_event_with_a_title_alone_is_found_by_it():
    rows = passages_of(Cutting(kinds=(11,)), make_event(kind=11, tags=[("title", "Only  this")]), None, None)
    assert [(row[0], row[5], row[6]) for row in rows] == [("events", "Only this", "")]


def test_the_row_of_the_feed_says_what_a_post_says_now():
    rows = passages_of(Cutting(kinds=(11,)), make_event(kind=11, content="old"), "New title", "new")
    assert rows[0][5:] == ("New title", "new")


def test_tags_source_and_language_come_along():
    tags = [("t", "relays"), ("t", "relays"), ("source", "book"), ("l", "de", "ISO-639-1"), ("d", "x")]
    rows = passages_of(Cutting(knowledge=(30818,)), make_event(kind=30818, content="Text", tags=tags), None, None)
    assert rows[0][0] == "knowledge"
    assert rows[0][2:5] == ("de", '["relays"]', "book")
