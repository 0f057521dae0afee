"""Questions become expressions that FTS5 takes whatever they hold."""

import sqlite3

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
    assert fts.rarest(list(frequency), frequency.__getitem__) == [Term(("relay",)), Term(("of",))]


def test_one_word_is_looked_for_however_frequent_it_is():
    assert fts.rarest([Term(("the",))], lambda _: 10**9) == [Term(("the",))]
