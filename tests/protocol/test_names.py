"""relay.protocol.names: what an identity may be called, and what of a text is shown."""

import timeit
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import names


@pytest.mark.parametrize("name", ["a", "Alice", "a.b-c_d", "0", "x" * 64, "_a", "a..b"])
def test_takes_a_name_of_letters_digits_and_three_marks(name: str) -> None:
    assert names.is_name(name)
    assert names.foreign_character(name) is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 65,
        ".",
        "..",
        "_-",
        "a b",
        "a\n",
        "\u0430lice",
        "ａｌｉｃｅ",
        "a\u200bb",
        "a\u202eb",
        "a/b",
        "é",
        "٣",
        "\u212a",
    ],
)
def test_refuses_every_other_name(name: str) -> None:
    assert not names.is_name(name)


def test_names_the_first_character_that_does_not_belong() -> None:
    assert names.foreign_character("\u0430lice") == "U+0430 CYRILLIC SMALL LETTER A"
    assert names.foreign_character("a\x07") == "U+0007 control character"


def test_case_makes_no_other_name() -> None:
    assert names.name_key("ALICE") == names.name_key("alice")


def test_shows_text_without_what_hides_or_turns_it() -> None:
    assert names.shown(" a\x1b[31m\u202eb\u200b\u2066c\ufeff ", 100) == "a[31mbc"
    assert names.shown("line\nline", 100) == "line\nline"
    assert names.shown("👩\u200d🚀", 100) == "👩\u200d🚀"


@given(st.text(), st.integers(1, 20))
def test_what_is_shown_is_short_visible_and_stays_so(text: str, most: int) -> None:
    shown = names.shown(text, most)
    assert len(shown) <= most
    assert all(unicodedata.category(char) not in ("Cc", "Cs") or char == "\n" for char in shown)
    assert names.shown(shown, most) == shown


@pytest.mark.parametrize("text", ["", " \t\n", "\u200b\u2060\ufeff", "\u202e\u202c", "\u200d", "\u00a0\u3000"])
def test_what_nobody_would_see_is_blank(text: str) -> None:
    assert names.is_blank(text)
    assert not names.is_blank(text + "é" + text)


@pytest.mark.parametrize(
    "text",
    [
        "\u3164",
        "\u2800\u2800",
        "\u115f\u1160",
        "\u034f",
        "\ufe0f",
        "\uffa0 \u17b4",
        "\U000e0100",
        "\U0001d159",
        "\u180b\u00ad",
    ],
)
def test_what_nothing_is_drawn_for_is_blank(text: str) -> None:
    assert names.is_blank(text)
    assert names.shown(text, 10) == ""
    assert not names.is_blank(f"{text}a")
    assert not names.is_plain(f"a{text}")


@pytest.mark.parametrize("text", ["❤️", "👩\u200d🚀", "か\u3099", "한", "a\u0301", "\u2801", "⚧️"])
def test_marks_and_joiners_beside_something_visible_stay(text: str) -> None:
    assert not names.is_blank(text)
    assert names.shown(text, 10) == text


def is_drawn(char: str) -> bool:
    """The slow and obvious one."""
    hidden = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    ignorable = any(first <= ord(char) <= last for first, last in names._IGNORABLE)
    return not (hidden or ignorable or ord(char) in names._BLANK or char.isspace())


def test_every_character_is_blank_or_drawn() -> None:
    """Whole planes without names are left out, but for their first and last character."""
    for point in (*range(0x31400), *range(0xE0000, 0xE1001), 0xF0000, 0xFFFFF, 0x10FFFF):
        char = chr(point)
        assert names.is_blank(char) != is_drawn(char), hex(point)
        assert names.is_plain(char) == is_drawn(char), hex(point)


HIDDEN = "\u3164\u2800\u200b\u034f \n\ue000\U000f0000\u0378\u2028"


@given(st.text(st.sampled_from(HIDDEN + "aé漢"), max_size=12))
def test_a_text_is_blank_as_its_characters_are(text: str) -> None:
    assert names.is_blank(text) == (not any(map(is_drawn, text)))
    assert names.is_plain(text) == all(map(is_drawn, text))


@pytest.mark.parametrize("char", HIDDEN)
def test_a_long_text_of_nothing_costs_about_what_one_of_words_does(char: str) -> None:
    """Anybody may send it, and the writer looks at it: 0.2 s once. The share is of another pass over the same characters."""
    text = char * 200_000
    assert names.is_blank(text)
    looked, passed = (
        min(timeit.repeat(work, number=1, repeat=3)) for work in (lambda: names.is_blank(text), lambda: [*text])
    )
    assert looked < 30 * passed


@given(st.text())
def test_what_is_plain_is_seen_whole(text: str) -> None:
    assert names.is_plain(text) == all(not names.is_blank(char) for char in text)


@given(st.text(st.one_of(st.characters(max_codepoint=0x7F), st.characters()), max_size=12), st.integers(0, 12))
def test_what_is_shown_is_every_character_that_is_not_hidden(text: str, most: int) -> None:
    kept = "".join(char for char in text if names._is_visible(char)).strip()[:most].strip()
    assert names.shown(text, most) == ("" if names.is_blank(kept) else kept)
