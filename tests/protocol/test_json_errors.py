"""What is wrong with JSON is said in words of JSON, with where it is."""

import re
from pathlib import Path

import msgspec
import pytest

from relay.errors import Reject
from relay.protocol import event as events
from relay.protocol.json_errors import in_words
from tests.factories import make_event

FIELDS = msgspec.to_builtins(make_event())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"id": "zz"}, "id must be 64 lower-case hex digits"),
        ({"sig": "A" * 128}, "sig must be 128 lower-case hex digits"),
        ({"id": "0" * 65}, "id must have at most 64 characters"),
        ({"id": None}, "id must be a text, not null"),
        ({"kind": "1"}, "kind must be a whole number, not a text"),
        ({"kind": 65_536}, "kind must be at most 65535"),
        ({"created_at": -1}, "created_at must be at least 0"),
        ({"tags": {}}, "tags must be a list, not an object"),
        ({"tags": [["a"], []]}, "tags[1] must have at least 1 element"),
        ({"tags": [["a", 5]]}, "tags[0][1] must be a text, not a whole number"),
        ({"content": True}, "content must be a text, not true or false"),
    ],
)
def test_a_field_of_an_event_is_named_with_what_it_must_be(change: dict[str, object], said: str) -> None:
    with pytest.raises(Reject) as refused:
        events.parse(msgspec.json.encode(FIELDS | change))
    assert str(refused.value) == f"invalid: {said}"


def test_a_field_that_is_missing_is_named() -> None:
    with pytest.raises(Reject) as refused:
        events.parse(msgspec.json.encode({name: value for name, value in FIELDS.items() if name != "sig"}))
    assert str(refused.value) == "invalid: the field sig is missing"


@pytest.mark.parametrize(
    ("message", "place", "said"),
    [
        ("Expected `object`, got `array`", "", "it must be an object, not a list"),
        ("Expected `str | null`, got `int`", "url", "url must be a text or null, not a whole number"),
        ("Object missing required field `name`", "agent", "agent: the field name is missing"),
        ("Invalid RFC3339 encoded datetime", "expires_at", "expires_at must be a time with its zone, such as 2030-"),
        ("Expected `datetime` with a timezone component", "at", "at must be a time with its zone"),
        ("Timestamp is out of range ", "at", "at must be a time with its zone"),
        ("Expected `datetime | null`, got `bool`", "at", "at must be a time or null, not true or false"),
        ("Invalid UUID", "id", "id: Invalid UUID"),
        ("Input data was truncated", "", "the JSON ends before it is complete"),
        ("Number out of range - at `$[...][0]`", "", "it holds a number that is too large"),
        ("Expected `str`, got `int` - at `$.accounts[...].api_key`", "", "api_key must be a text, not a whole number"),
        ("Integer value out of range - at `$.a[1]`", "", "a[1] holds a number that is too large"),
        ("Object contains unknown field `dir`", "", "there is no field dir"),
        (
            "Expected `str` matching regex '^([a-z]{2})?$'",
            "language",
            "language must be a language of two lower-case letters",
        ),
    ],
)
def test_a_message_is_a_sentence_and_what_is_not_known_stays(message: str, place: str, said: str) -> None:
    assert in_words(message, place).startswith(said)


HALF = "has half a character{}: \\ud800 to \\udfff stand only in pairs"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (rb'{"a":"\ud800"}', f"it {HALF.format('')}"),
        (rb'{"a":"\ud800x"}', f"it {HALF.format('')}"),
        (rb'{"a":"\\\\\uDBFF"}', f"it {HALF.format('')}"),
        (rb'{"a":"\ud800 and more of it"}', f"it {HALF.format(' (byte 12)')}"),
        (rb'{"a":"\udc00"}', f"it {HALF.format(' (byte 12)')}"),
        (rb'{"a":"\ud800\ud800"}', f"it {HALF.format(' (byte 18)')}"),
        (rb'{"a":"\ud800', "the JSON ends before it is complete"),
        (rb'{"a":"\ud800\udc', "the JSON ends before it is complete"),
        (rb'{"a":"\\ud800 x"', "the JSON ends before it is complete"),
    ],
)
@pytest.mark.parametrize("kind", [bytes, str])
def test_half_a_character_is_told_from_json_that_ends(data: bytes, said: str, kind: type) -> None:
    given = data if kind is bytes else data.decode()
    with pytest.raises(msgspec.DecodeError) as error:
        msgspec.json.decode(given)
    assert events.describe(error.value, given) == said


def test_every_pattern_that_is_asked_of_a_text_has_words() -> None:
    sources = "".join(file.read_text() for file in (Path(__file__).parents[2] / "relay").rglob("*.py"))
    patterns = re.findall(r"[( ]pattern=\"([^\"]*)\"", sources)
    assert len(patterns) > 8
    said = {pattern: in_words(f"Expected `str` matching regex '{pattern}'", "it") for pattern in patterns}
    assert not [pattern for pattern, words in said.items() if "regular expression" in words]
