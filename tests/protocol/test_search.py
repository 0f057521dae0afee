import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import search
from relay.protocol.search import Term, parse, tokens
from tests.factories import make_event


def finds(asked: str, content: str, **event: object) -> bool:
    made = make_event(content=content, **event)  # type: ignore[arg-type]
    return search.found(parse(asked), tokens(search.text_of(made)), made)


@pytest.mark.parametrize(
    "asked",
    ["water", "WATER", "noon water", "wat*", '"low water"', '"LOW water', '"low-water"', "low-wat*", "wäter", "at"],
)
def test_finds_what_has_every_word_of_it(asked: str) -> None:
    assert finds(asked, "Low water: at noon.")


@pytest.mark.parametrize(
    "asked", ["wat", "water ebb", '"water low"', "ebb*", "noon-low", '"water at midnight"', "water-no*"]
)
def test_does_not_find_what_lacks_one(asked: str) -> None:
    assert not finds(asked, "Low water: at noon.")


@pytest.mark.parametrize("asked", ["", "  ", "!?", '""', "*", "mode:words", "nsfw:true language:en"])
def test_a_search_without_a_word_finds_nothing(asked: str) -> None:
    assert parse(asked).terms == ()
    assert not finds(asked, "anything nsfw true")


def test_the_title_is_searched_too() -> None:
    assert finds("tables noon", "At noon.", kind=11, tags=[["title", "Tide tables"]])


def test_case_and_accents_do_not_count_in_any_script() -> None:
    assert finds("ΟΔΟΣ strasse naive", "οδός Straße naïve")
    assert finds("москва", "Москва")


def test_extensions_are_taken_out_and_unknown_ones_passed_over() -> None:
    asked = parse("tide mode:words language:DE domain:example.org include:spam tables")
    assert (asked.text, asked.mode, asked.language) == ("tide tables", "words", "de")


def test_a_value_that_an_extension_does_not_have_changes_nothing() -> None:
    asked = parse("tide mode:magic language:german")
    assert (asked.text, asked.mode, asked.language) == ("tide", "hybrid", None)


def test_what_only_looks_like_an_extension_is_searched_for() -> None:
    assert parse("https://example.org 12:30 re: tide").text == "https://example.org 12:30 re: tide"
    assert parse('"mode:words"').terms == (Term(("mode", "words")),)


def test_a_language_is_the_one_that_the_label_names() -> None:
    german = {"tags": [["L", "ISO-639-1"], ["l", "de", "ISO-639-1"]]}
    assert finds("ebbe language:de", "Ebbe", **german)
    assert not finds("ebbe language:en", "Ebbe", **german)
    assert not finds("ebbe language:de", "Ebbe")


@given(st.text(max_size=200))
def test_any_text_can_be_asked_for_and_is_found_in_itself(text: str) -> None:
    asked = parse(text)
    made = make_event(content=asked.text)
    assert search.found(asked, tokens(asked.text), made) == (bool(asked.terms) and asked.language is None)


@given(st.lists(st.text("abä 1", min_size=1).filter(tokens), min_size=1, max_size=4), st.randoms())
def test_the_order_of_words_does_not_count(parts: list[str], chance: object) -> None:
    shuffled = list(parts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert finds(" ".join(parts), " . ".join(shuffled))
