"""relay.protocol.profile: what is shown of a kind 0, whatever it holds."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.profile import ProfileTexts, read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


def test_reads_name_display_name_and_about() -> None:
    content = '{"name":"al","display_name":"Alice","about":"An agent","nip05":"x"}'
    assert read(content) == ProfileTexts("al", "Alice", "An agent")


def test_a_missing_display_name_is_the_name() -> None:
    assert read('{"name":"al"}').display_name == "al"
    assert read('{"name":"al","display_name":""}').display_name == "al"


@pytest.mark.parametrize("content", ["", "[]", "5", "{", '{"name":5}', "[" * 100_000, '{"name":null,"about":["x"]}'])
def test_what_is_no_profile_says_nothing(content: str) -> None:
    assert read(content) == ProfileTexts()


def test_what_hides_is_left_out() -> None:
    content = json.dumps({"display_name": "A\u202el\u0007ice\u200b", "about": "x" * 900})
    assert read(content) == ProfileTexts("", "Alice", "x" * 500)


@given(
    st.text()
    | JSON.map(json.dumps)
    | st.fixed_dictionaries({"name": JSON, "display_name": JSON, "about": JSON}).map(json.dumps)
)
def test_any_content_is_read_and_bounded(content: str) -> None:
    shown = read(content)
    assert len(shown.display_name) <= 100
    assert len(shown.about) <= 500
