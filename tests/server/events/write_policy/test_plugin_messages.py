"""What a write policy plugin is asked, and what its answers are, whatever it writes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import Prefix
from relay.protocol.admission import Door
from relay.protocol.event import wire
from relay.server.events.policies import Sender
from relay.server.events.write_policy.plugin_messages import (
    MOST,
    UNWANTED,
    Action,
    AnswerLines,
    OutOfStep,
    PluginAnswer,
    answer,
    question,
    refusal,
)
from storage.base import Incoming
from tests.factories import NOW, keypair, make_event

EVENT = make_event(content='a "quoted"\nline', tags=[["t", "ü"]])
OWN, OTHER = EVENT.pubkey, keypair(2).pubkey


@pytest.mark.parametrize(
    ("sender", "said"),
    [
        (Sender(Door.CLIENT, address="203.0.113.7"), {"sourceType": "IP4", "sourceInfo": "203.0.113.7"}),
        (Sender(Door.CLIENT, address="2001:db8:0::7"), {"sourceType": "IP6", "sourceInfo": "2001:db8::7"}),
        (Sender(Door.CLIENT, address="::ffff:203.0.113.7"), {"sourceType": "IP4", "sourceInfo": "203.0.113.7"}),
        (Sender(Door.HTTP, address="203.0.113.7"), {"sourceType": "IP4", "sourceInfo": "203.0.113.7"}),
        (Sender(Door.HTTP), {"sourceType": "IP4", "sourceInfo": "127.0.0.1"}),
        (Sender(Door.CLIENT, address="local"), {"sourceType": "IP4", "sourceInfo": "127.0.0.1"}),
        (Sender(Door.IMPORT), {"sourceType": "Import", "sourceInfo": ""}),
        (Sender(Door.PEER, address="wss://a.example"), {"sourceType": "Sync", "sourceInfo": "wss://a.example"}),
        (
            Sender(Door.PEER, address="wss://a.example", is_live=True),
            {"sourceType": "Stream", "sourceInfo": "wss://a.example"},
        ),
        (
            Sender(Door.CLIENT, frozenset([OTHER]), address="203.0.113.7"),
            {"sourceType": "IP4", "sourceInfo": "203.0.113.7", "authed": OTHER},
        ),
        (
            Sender(Door.CLIENT, frozenset([OTHER, OWN, keypair(3).pubkey]), address="203.0.113.7"),
            {"sourceType": "IP4", "sourceInfo": "203.0.113.7", "authed": OWN},
        ),
    ],
)
def test_a_question_is_one_line_with_the_event_and_how_it_came(sender: Sender, said: dict[str, str]) -> None:
    line = question(Incoming(EVENT, wire(EVENT), sender.door, NOW), sender)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {"type": "new", "event": json.loads(wire(EVENT)), "receivedAt": NOW, **said}


def test_an_answer_is_what_the_plugin_says() -> None:
    assert answer(b'{"id":"a","action":"accept"}') == PluginAnswer("a", Action.ACCEPT)
    assert answer(b'{"id":"a","action":"accept","msg":null,"score":1}\r') == PluginAnswer("a", Action.ACCEPT)
    assert answer(b' {"msg":"blocked: no","action":"shadowReject","id":"a"}') == PluginAnswer(
        "a", Action.SHADOW_REJECT, "blocked: no"
    )


@pytest.mark.parametrize("line", [b"hello", b"{", b"42", b"[]", b'"accept"', b"\xff", b"[" * 5000, b"null", b"NaN"])
def test_what_is_no_object_is_no_answer(line: bytes) -> None:
    assert answer(line) is None


@pytest.mark.parametrize(
    "line",
    [
        b"{}",
        b'{"id":"a"}',
        b'{"action":"accept"}',
        b'{"id":1,"action":"accept"}',
        b'{"id":"a","action":"allow"}',
        b'{"id":"a","action":["accept"]}',
        b'{"id":"a","action":"accept","msg":7}',
    ],
)
def test_an_object_that_answers_nothing_is_out_of_step(line: bytes) -> None:
    with pytest.raises(OutOfStep):
        answer(line)


@pytest.mark.parametrize(
    ("msg", "told"),
    [
        ("blocked: no spam", "blocked: no spam"),
        ("rate-limited: slow down", "rate-limited: slow down"),
        ("auth-required: who are you?", "auth-required: who are you?"),
        ("no spam", "blocked: no spam"),
        ("because: no", "blocked: because: no"),
        ("unsupported: x", "blocked: unsupported: x"),
        ("", f"blocked: {UNWANTED}"),
        ("pow:", f"pow: {UNWANTED}"),
        ("blocked: two\nlines\tand \u202e\x00 more", "blocked: two lines and  more"),
    ],
)
def test_a_refusal_has_a_prefix_that_clients_know(msg: str, told: str) -> None:
    assert str(refusal(msg)) == told


@given(st.text(st.characters(codec="latin-1"), max_size=30))
def test_any_message_is_told_in_one_line_with_a_prefix(msg: str) -> None:
    told = refusal(msg)
    assert told.prefix in set(Prefix)
    assert told.message.isprintable()
    assert told.message


@given(st.lists(st.binary(max_size=40), max_size=20), st.lists(st.integers(1, 30), max_size=20))
def test_lines_are_the_same_however_they_come(lines: list[bytes], cuts: list[int]) -> None:
    text = b"\n".join(lines)
    whole, parted = AnswerLines(), AnswerLines()
    expected = whole.feed(text + b"\n")
    found = []
    for cut in cuts:
        found += parted.feed(text[:cut])
        text = text[cut:]
    assert found + parted.feed(text + b"\n") == expected


@given(st.binary(max_size=300))
def test_whatever_comes_is_an_answer_nothing_or_out_of_step(data: bytes) -> None:
    for line in AnswerLines().feed(data + b"\n"):
        try:
            found = answer(line)
        except OutOfStep:
            continue
        assert found is None or isinstance(found, PluginAnswer)


def test_a_line_that_is_too_long_is_passed_over_and_nothing_of_it_kept() -> None:
    lines = AnswerLines()
    for _ in range(100):
        assert lines.feed(b"x" * 1000) == []
    assert len(lines._rest) <= MOST
    assert lines.feed(b"x\nshort\n\n \nrest") == [b"short"]
    assert lines.skipped == 1
    assert lines.feed(b"x" * MOST + b"\n") == []
    assert lines.feed(b"y" * MOST + b"\n") == [b"y" * MOST]
