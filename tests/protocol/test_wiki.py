"""Names of articles as NIP-54 has them, and titles that are one."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.wiki import MAX_TITLE, is_same, loses, normalized


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Wiki Article", "wiki-article"),
        ("What's Up?", "whats-up"),
        ("  Hello  World  ", "hello-world"),
        ("Article 1", "article-1"),
        ("ウィキペディア", "ウィキペディア"),
        ("Ñoño", "ñoño"),
        ("Москва", "москва"),
        ("日本語 Article", "日本語-article"),
        ("!?", ""),
    ],
)
def test_names_are_those_of_nip_54(text: str, name: str) -> None:
    assert normalized(text) == normalized(unicodedata.normalize("NFD", text)) == unicodedata.normalize("NFC", name)


@pytest.mark.parametrize("text", ["C++", "C#", "What's up", "a_b", "🎉"])
def test_a_name_that_others_have_too_is_known(text: str) -> None:
    assert loses(text)


@pytest.mark.parametrize("text", ["C", "Tide tables", "tide-tables", "Ёлка", "日本語 Article", "हिन्दी"])
def test_a_name_that_says_all_is_known(text: str) -> None:
    assert not loses(text)
    assert not loses(unicodedata.normalize("NFD", text))


@given(st.text(max_size=50))
def test_a_name_is_its_own_name_and_loses_nothing(text: str) -> None:
    name = normalized(text)
    assert normalized(name) == name
    assert not loses(name)


@given(st.text(max_size=50))
def test_titles_that_are_one_have_one_name(text: str) -> None:
    for other in (unicodedata.normalize("NFD", text), unicodedata.normalize("NFC", text), f" {text}\n"):
        assert is_same(text, other)
        assert normalized(text) == normalized(other)


def test_titles_that_differ_in_a_sign_are_two() -> None:
    assert not is_same("C", "C++")
    assert is_same("Tide  Tables", "tide tables")


def test_of_long_titles_so_much_is_compared() -> None:
    assert is_same("x" * MAX_TITLE + "y", "x" * MAX_TITLE + "z")
    assert not is_same("x" * MAX_TITLE, "x" * (MAX_TITLE - 1))
