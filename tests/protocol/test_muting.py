"""What a mute list hides: people by their keys, and texts with its words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import muting
from relay.protocol.muting import Muted
from relay.protocol.tokenizer import words
from tests.factories import keypair

ALICE, BOB = keypair(0).pubkey, keypair(1).pubkey

texts = st.text(alphabet=st.sampled_from("abAB éÉ-潮水。ก 😀\n"), max_size=30)


@pytest.mark.parametrize(
    ("word", "text", "hidden"),
    [
        ("tide", "The TIDE, again", True),
        ("tide", "tides", False),
        ("ass", "a class", False),
        ("low water", "low, water", True),
        ("low water", "water low", False),
        ("café", "CAFE", True),
        ("潮", "低潮時刻", True),
        ("😀", "well 😀", True),
        ("...", "...", False),
        ("", "anything", False),
    ],
)
def test_a_word_hides_texts_that_have_it_as_a_word(word, text, hidden):
    assert muting.muted([], [word]).hides(ALICE, text) is hidden
    assert muting.muted([], [word]).hides(ALICE, "", text) is hidden


def test_whom_one_has_muted_is_hidden_whatever_they_write():
    found = muting.muted([ALICE], [])
    assert found.hides(ALICE, "anything")
    assert not found.hides(BOB, "anything")


def test_nothing_muted_hides_nothing():
    assert not Muted()
    assert not Muted().hides(ALICE, "anything")


def test_no_more_words_are_looked_for_than_a_list_may_have():
    found = muting.muted([], [f"word{n}" for n in range(200)])
    assert found.hides(ALICE, "word99")
    assert not found.hides(ALICE, "word100")


@given(st.lists(texts, max_size=4), texts)
def test_is_what_a_slow_search_word_by_word_finds(chosen, text):
    there = words(text)
    expected = any(
        wanted and wanted == there[at : at + len(wanted)] for wanted in map(words, chosen) for at in range(len(there))
    )
    assert muting.muted([], chosen).hides(ALICE, text) == expected
