"""Snippets show where the words stand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.search import terms_of
from storage.sqlite.search import snippets


def test_a_snippet_shows_the_words_and_marks_them():
    text = "Nothing here. " * 40 + "The kraken wakes at dawn. " + "Nothing there. " * 40
    shown, marks = snippets.snippet(text, terms_of("kraken dawn"))
    assert [shown[start:end] for start, end in marks] == ["kraken", "dawn"]
    assert len(shown) <= snippets.SNIPPET + 4


@pytest.mark.parametrize(
    ("question", "marked"),
    [
        ("tid*", ["Tidal", "tide"]),
        ("tid", []),
        ('"high tid*"', []),
        ('"high tide"', ["high", "tide"]),
        ("high* tide", ["highest", "high", "tide"]),
    ],
)
def test_a_beginning_marks_the_words_that_begin_so_and_a_word_itself_alone(question, marked):
    shown, marks = snippets.snippet("Tidal marks: the highest of all is no high tide.", terms_of(question))
    assert [shown[start:end] for start, end in marks] == marked


@given(st.text(max_size=800), st.text(max_size=60))
def test_marks_lie_within_their_snippet(content, question):
    shown, marks = snippets.snippet(content, terms_of(question))
    assert all(0 <= start < end <= len(shown) for start, end in marks)
    assert len(shown) <= snippets.SNIPPET + 4


def test_words_that_stand_everywhere_are_not_marked_where_others_remain():
    def marked(question):
        return [term.words for term in snippets.highlighted(terms_of(question))]

    assert marked("when does the tide turn") == [("tide",), ("turn",)]
    assert marked("The Who") == [("the",), ("who",)]
    assert marked('"to be" or th*') == [("to", "be"), ("th",)]
