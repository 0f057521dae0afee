"""One folding and one tokenizer for every script: what of a character does not count, and where words end."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import tokenizer
from relay.protocol.tokenizer import MAX_WORD, folded, spans, words
from tests.protocol.scripts import TEXTS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Low-water, at 12:30!", "low water at 12 30"),
        ("x_y don't", "x y don t"),
        ("Straße STRASSE", "strasse strasse"),
        ("ﬁn ＡＢＣ１ H₂O ㎏ ½", "fin abc1 h2o kg 1 2"),
        ("Café naïve Łódź ÅNGSTRÖM", "cafe naive łodz angstrom"),
        ("İstanbul ıI", "istanbul ıi"),
        ("чайник Чёрный ї й", "чаиник черныи і и"),
        ("Άνθρωπος ΟΔΌΣ οδός", "ανθρωποσ οδοσ οδοσ"),
        ("أحمد آية مؤمن مُحَمَّد كـــتاب", "احمد اية مومن محمد كتاب"),
        ("שָׁלוֹם", "שלום"),
        ("हिन्दी में क़लम", "हिन्दी में क़लम"),
        ("が ガ ｶﾞ か", "が ガ ガ か"),
        ("東京2024年", "東 京 2024 年"),
        ("서울에서", "서 울 에 서"),
        ("ภาษาไทย", "ภ า ษ า ไ ท ย"),
        ("ကမ္ဘာ", "က မ္ ဘာ"),
        ("👍🏽 👩‍🚀 ❤️ 1️⃣", "👍 👩 🚀 ❤ 1"),
        ("Donau\u00addampf می‌خواهم a\u200bb", "donaudampf میخواهم a b"),
        ("\u3164 \u2800 \u034f \u115f !?", ""),
    ],
)
def test_words(text: str, expected: str) -> None:
    assert folded(text) == unicodedata.normalize("NFC", expected)


@pytest.mark.parametrize("text", TEXTS)
def test_the_composed_and_the_decomposed_form_are_the_same_words(text: str) -> None:
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text)) == words(text)


@given(st.text(max_size=80))
def test_forms_of_any_text_are_the_same_words_and_words_stay_as_they_are(text: str) -> None:
    assert words(unicodedata.normalize("NFD", text)) == words(unicodedata.normalize("NFC", text))
    assert words(folded(text)) == words(text)


@given(st.text(st.characters() | st.sampled_from(" \n\x1f\x85\xa0\u200b\u3000\u0301\u3099éA1,か"), max_size=80))
def test_what_is_folded_are_the_words(text: str) -> None:
    assert folded(text) == " ".join(words(text))


def test_long_runs_are_folded_and_not_remembered() -> None:
    long = f"é{'x' * 150}"
    assert folded(f"{long} é").split() == words(f"{long} é")
    assert long not in tokenizer._FOLDED_PIECES


@given(st.text(max_size=80), st.text(max_size=80))
def test_the_words_of_two_texts_are_those_of_both(first: str, second: str) -> None:
    assert words(f"{first} . {second}") == words(first) + words(second)


@given(st.text(st.characters(max_codepoint=0x3FFF) | st.sampled_from("".join(TEXTS)), max_size=80))
def test_each_word_stands_at_its_place(text: str) -> None:
    found = spans(text)
    assert [word for word, _, _ in found] == words(text)
    assert all(0 <= start < end <= len(text) and word in words(text[start:end]) for word, start, end in found)


def test_a_long_run_is_several_words_side_by_side() -> None:
    assert words("x" * 150) == ["x" * MAX_WORD, "x" * MAX_WORD, "x" * 22]
    assert words("ж" * 150) == ["ж" * MAX_WORD, "ж" * MAX_WORD, "ж" * 22]


def test_no_character_counts_as_more_than_a_few() -> None:
    assert words("\ufdfa") == ["\ufdfa"]
    assert max(len(folded(chr(code)).replace(" ", "")) for code in range(0x30000)) <= tokenizer._LONGEST


def test_only_the_first_words_are_made_where_no_more_are_wanted() -> None:
    assert words("a b c d", 2) == ["a", "b"]
    assert words("а б в", 2) == ["а", "б"]


def test_no_text_is_normalized_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sorting a run of 80,000 combining marks takes a second; character by character none is longer than a word."""
    given: list[str] = []
    normalize = unicodedata.normalize

    def watched(form: str, text: str) -> str:
        given.append(text)
        return normalize(form, text)

    monkeypatch.setattr(tokenizer.unicodedata, "normalize", watched)
    for marks in ("\u0301\u0323", "\u093c\u094d"):
        words("a" + marks * 40_000)
    assert max(len(part) for text in given for part in text.split(" ")) <= MAX_WORD


def test_a_character_is_folded_once_and_those_of_the_large_planes_need_no_folding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folding = tokenizer._Folding()
    folded_ones: list[str] = []
    fold = tokenizer._fold
    monkeypatch.setattr(tokenizer, "_fold", lambda char: folded_ones.append(char) or fold(char))
    text = "".join(map(chr, [*range(0x20000), *range(0x20000, 0x110000, 7)]))
    for _ in range(2):
        text.translate(folding)
    assert len(folded_ones) == len(set(folded_ones))
    assert len(folding) < 0x20000 + 1000
    assert all(folding[ord(char)] == fold(char) for char in text[::11])
