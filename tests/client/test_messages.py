"""A relay's messages: what is understood, and that nothing else gets through."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.client import messages
from relay.client.errors import MAX_WORDS
from relay.client.messages import Challenge, Closed, CountAnswer, Eose, EventMessage, Notice, Ok, Unintelligible
from relay.protocol import event as events
from relay.protocol.filter import Filter
from tests.factories import make_event

EVENT = make_event(1, content="Grüße", tags=[["t", "x"]])


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (f'["EVENT","s",{events.wire(EVENT).decode()}]', EventMessage("s", EVENT)),
        (f'[ "EVENT" , "s" , {events.wire(EVENT).decode()} , 1 ]', EventMessage("s", EVENT)),
        ('["OK","ab",true,""]', Ok("ab", True, "")),
        ('["OK","ab",false]', Ok("ab", False, "")),
        ('["EOSE","s"]', Eose("s", None)),
        ('["EOSE","s",[]]', Eose("s", None)),
        ('["EOSE","s",["new","finish"]]', Eose("s", True)),
        ('["EOSE","s",["more"]]', Eose("s", False)),
        ('["CLOSED","s","error: x"]', Closed("s", "error: x")),
        ('["CLOSED","s"]', Closed("s", "")),
        ('["COUNT","s",{"count":3}]', CountAnswer("s", 3, None)),
        ('["COUNT","s",{"count":3,"approximate":true,"hll":"00"}]', CountAnswer("s", 3, "00")),
        ('["NOTICE","hello"]', Notice("hello")),
        ('["AUTH","c"]', Challenge("c")),
    ],
)
def test_what_a_relay_says_is_understood(text: str, word: messages.Word) -> None:
    assert messages.decode(text) == word
    assert messages.decode(text.encode()) == word


@pytest.mark.parametrize("message", [["OK", "ab", False], ["CLOSED", "s"], ["NOTICE"], ["NEG-ERR", "s"]])
def test_of_what_is_said_for_a_person_no_more_is_kept_than_they_would_read(message: list[object]) -> None:
    word = messages.decode(json.dumps([*message, "x" * 100_000]))
    assert getattr(word, "words", None) == "x" * MAX_WORDS


@pytest.mark.parametrize(
    "data",
    [
        "",
        "{}",
        "[]",
        "[1]",
        "null",
        '["EVENT","s"]',
        '["EVENT",1,{}]',
        '["EVENT","s",{"id":"x"}]',
        '["OK","ab"]',
        '["OK","ab","true",""]',
        '["EOSE"]',
        '["EOSE",{}]',
        '["COUNT","s",{"count":"3"}]',
        '["COUNT","s",{"count":true}]',
        '["COUNT","s"]',
        '["AUTH",1]',
        '["REQ","s",{}]',
        "[" * 100_000,
        b"\xff\xfe",
        '["NOTICE","\ud800"]'.encode("utf-8", "surrogatepass"),
        '["NOTICE","\ud800"]',
        "[\udcff",
    ],
)
def test_anything_else_is_unintelligible(data: str | bytes) -> None:
    with pytest.raises(Unintelligible):
        messages.decode(data)


@given(st.one_of(st.binary(), st.text(), st.recursive(st.none() | st.booleans() | st.text(), st.lists).map(json.dumps)))
def test_no_data_raises_anything_but_unintelligible(data: str | bytes) -> None:
    with contextlib.suppress(Unintelligible):
        messages.decode(data)


def test_a_client_says_what_nip_01_says() -> None:
    one, two = Filter(kinds=frozenset({1}), limit=0), Filter(tags={"t": frozenset({"x"})})
    asked = [{"kinds": [1], "limit": 0}, {"#t": ["x"]}]
    assert json.loads(messages.publish(EVENT)) == ["EVENT", json.loads(events.wire(EVENT))]
    assert json.loads(messages.authenticate(EVENT)) == ["AUTH", json.loads(events.wire(EVENT))]
    assert json.loads(messages.req("s", [one, two])) == ["REQ", "s", *asked]
    assert json.loads(messages.count("s", [one, two])) == ["COUNT", "s", *asked]
    assert json.loads(messages.close("s")) == ["CLOSE", "s"]
