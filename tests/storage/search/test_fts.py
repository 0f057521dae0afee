"""Questions become expressions that FTS5 takes whatever they hold, and snippets show where the words stand."""

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.search import MAX_TERMS, Term, terms_of
from storage.sqlite.search import fts


def test_words_phrases_and_beginnings_are_told_apart():
    found = terms_of('Hello "two words" begin*')
    assert found == (Term(("hello",)), Term(("two", "words")), Term(("begin",), prefix=True))


def test_a_star_after_one_letter_is_no_beginning():
    assert terms_of("a*") == (Term(("a",)),)


def test_diacritics_do_not_count():
    assert terms_of("Café ÜBER") == (
        Term(("cafe",)),
        Term(("uber",)),
    )


@given(st.text(max_size=300))
def test_no_question_is_a_syntax_error(text):
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5 (content, tokenize = 'unicode61 remove_diacritics 2')")
    some = terms_of(text)
    assert len(some) <= MAX_TERMS
    if some:
        for expression in (fts.all_of(some), fts.any_of(some)):
            connection.execute("SELECT * FROM t WHERE t MATCH ?", (expression,)).fetchall()
    connection.close()


def test_operators_of_fts5_are_words_like_others():
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE t USING fts5 (content)")
    connection.execute("INSERT INTO t VALUES ('cats not dogs'), ('cats')")
    found = connection.execute("SELECT content FROM t WHERE t MATCH ?", (fts.all_of(terms_of("cats NOT dogs")),))
    assert found.fetchall() == [("cats not dogs",)]
    connection.close()


def test_the_rarest_words_are_looked_for_first():
    frequency = {Term(("the",)): fts.MOST_READ, Term(("relay",)): 10, Term(("of",)): fts.MOST_READ // 2}
    assert fts.telling(list(frequency), frequency.__getitem__) == [Term(("relay",)), Term(("of",))]


def test_one_word_is_looked_for_however_frequent_it_is():
    assert fts.telling([Term(("the",))], lambda _: 10**9) == [Term(("the",))]


def test_a_snippet_shows_the_words_and_marks_them():
    text = "Nothing here. " * 40 + "The kraken wakes at dawn. " + "Nothing there. " * 40
    shown, marks = fts.snippet(text, terms_of("kraken dawn"))
    assert [shown[start:end] for start, end in marks] == ["kraken", "dawn"]
    assert len(shown) <= fts.SNIPPET + 4


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
    shown, marks = fts.snippet("Tidal marks: the highest of all is no high tide.", terms_of(question))
    assert [shown[start:end] for start, end in marks] == marked


@given(st.text(max_size=800), st.text(max_size=60))
def test_marks_lie_within_their_snippet(content, question):
    shown, marks = fts.snippet(content, terms_of(question))
    assert all(0 <= start < end <= len(shown) for start, end in marks)
    assert len(shown) <= fts.SNIPPET + 4


def test_words_that_stand_everywhere_are_not_marked_where_others_remain():
    def marked(question):
        return [term.words for term in fts.marked(terms_of(question))]

    assert marked("when does the tide turn") == [("tide",), ("turn",)]
    assert marked("The Who") == [("the",), ("who",)]
    assert marked('"to be" or th*') == [("to", "be"), ("th",)]
