import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import search
from relay.protocol.search import SearchedText, Term, parse
from relay.protocol.tokenizer import words
from tests.factories import make_event


def finds(asked: str, content: str, **event: object) -> bool:
    return search.found(parse(asked), SearchedText(make_event(content=content, **event)))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "asked",
    [
        "water",
        "WATER",
        "noon water",
        "wat*",
        '"low water"',
        '"LOW water',
        '"low-water"',
        "low-wat*",
        "wäter",
        "at",
        "at*",
    ],
)
def test_finds_what_has_every_word_of_it(asked: str) -> None:
    assert finds(asked, "Low water: at noon.")


@pytest.mark.parametrize(
    "asked", ["wat", "w*", "water ebb", '"water low"', "ebb*", "noon-low", '"water at midnight"', "water-no*"]
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
    asked = parse("tide mode:words language:DE domain:example.org include:spam sort:hot tables")
    assert (asked.text, asked.mode, asked.language) == ("tide tables", "words", "de")


def test_an_unknown_pair_is_searched_for_where_nothing_else_is() -> None:
    assert parse("error:timeout").terms == (Term(("error", "timeout")),)
    assert parse('error:timeout "" language:en').text == 'error:timeout ""'
    assert parse("error:timeout relay").terms == (Term(("relay",)),)
    assert parse("domain:example.org").terms == ()


def test_an_unknown_pair_is_searched_for_by_those_who_do_not_speak_nip_50() -> None:
    asked = parse("error:timeout relay mode:words nsfw:true", pairs_are_words=True)
    assert asked == search.TextSearch("error:timeout relay", (Term(("error", "timeout")), Term(("relay",))), "words")


def test_a_value_that_an_extension_does_not_have_changes_nothing() -> None:
    asked = parse("tide mode:magic language:german")
    assert (asked.text, asked.mode, asked.language) == ("tide", "hybrid", None)


def test_what_only_looks_like_an_extension_is_searched_for() -> None:
    assert parse("https://example.org 12:30 re: tide").text == "https://example.org 12:30 re: tide"
    assert parse('"mode:words"').terms == (Term(("mode", "words")),)


def test_what_a_search_looks_for_is_bounded() -> None:
    assert len(parse(" ".join(f"word{n}" for n in range(100))).terms) == search.MAX_TERMS
    assert len(parse("㍿" * search.MAX_SEARCH).terms[0].words) == search.MAX_PHRASE


def test_no_phrase_begins_in_the_title_and_ends_in_the_text() -> None:
    tagged = {"kind": 11, "tags": [["title", "Low"]]}
    assert finds("low water", "Water.", **tagged)
    assert not finds('"low water"', "Water.", **tagged)


def test_of_a_profile_its_names_address_and_text_are_searched_and_not_the_json() -> None:
    content = (
        '{"name":"sandpiper","display_name":"Sand Piper","about":"Wades.","nip05":"piper@tide.example","lud16":"a@b.c"}'
    )
    for asked in ("sandpiper", '"sand piper"', "wades", '"tide example"', "sandp*"):
        assert finds(asked, content, kind=0), asked
    for asked in ("about", "lud16", "display_name", "piper@b.c"):
        assert not finds(asked, content, kind=0), asked


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", '{"name":3,"about":null}', '{"name":"\\ud800"}', "[" * 100_000]
)
def test_a_profile_that_is_none_has_no_text(content: str) -> None:
    assert not SearchedText(make_event(kind=0, content=content)).present


def test_the_words_of_a_text_are_looked_at_up_to_a_bound() -> None:
    many = " ".join(f"w{number}" for number in range(search.MAX_WORDS + 1))
    assert finds(f"w{search.MAX_WORDS - 1}", many)
    assert not finds(f"w{search.MAX_WORDS}", many)


def test_phrases_are_looked_for_in_so_much_text_and_then_taken_for_found() -> None:
    text = SearchedText(make_event(content="a b " * 10_000))
    phrase = Term(("b", "b"))
    answers = [text.has(phrase) for _ in range(search.MAX_SCANNED // 40_000 + 2)]
    assert answers[:2] == [False, False]
    assert answers[-1] is True
    assert not text.has(Term(("b", "c")))


def test_a_language_is_the_one_that_the_label_names() -> None:
    german = {"tags": [["L", "ISO-639-1"], ["l", "de", "ISO-639-1"]]}
    assert finds("ebbe language:de", "Ebbe", **german)
    assert not finds("ebbe language:en", "Ebbe", **german)
    assert not finds("ebbe language:de", "Ebbe")


@given(st.text(max_size=200))
def test_any_text_can_be_asked_for_and_is_found_in_itself(text: str) -> None:
    asked = parse(text)
    assert search.terms_of(asked.text) == asked.terms
    made = make_event(content=asked.text)
    assert search.found(asked, SearchedText(made)) == (bool(asked.terms) and asked.language is None)


@given(st.lists(st.text("abä 1", min_size=1).filter(words), min_size=1, max_size=4), st.randoms())
def test_the_order_of_words_does_not_count(parts: list[str], chance: object) -> None:
    shuffled = list(parts)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    assert finds(" ".join(parts), " . ".join(shuffled))
