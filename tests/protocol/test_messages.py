"""Client messages: typed, or answered; relay messages: valid JSON of the right shape (NIP-01, 42, 45, 67)."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.errors import Prefix, Reject
from relay.protocol import messages
from relay.protocol.event import wire
from relay.protocol.filter import Filter
from relay.protocol.messages import Auth, Close, Count, Malformed, Publish, Req, decode
from tests.factories import make_event

NOTE = make_event(content='x"y', tags=[["t", "a"]])
SHAPES = {"OK": 4, "CLOSED": 3, "NOTICE": 2, "NEG-ERR": 3}


def answer(data: bytes) -> list[Any]:
    """The relay's answer to a message that cannot be acted on, checked for its shape."""
    with pytest.raises(Malformed) as malformed:
        decode(data)
    reply = json.loads(malformed.value.reply)
    assert len(reply) == SHAPES[reply[0]]
    assert reply[-1].startswith(("invalid: ", "unsupported: "))
    return list(reply)


def test_decodes_each_verb() -> None:
    event = wire(NOTE)
    assert decode(b'["EVENT",' + event + b"]") == Publish(NOTE)
    assert decode(b'["AUTH",' + event + b"]") == Auth(NOTE)
    assert decode(b'["CLOSE","a"]') == Close("a")
    assert decode(b'["REQ","a",{"kinds":[1]},{}]') == Req("a", (Filter(kinds=frozenset([1])), Filter()))
    assert decode(b'["COUNT","a",{"kinds":[1]}]') == Count("a", (Filter(kinds=frozenset([1])),))


def test_white_space_escapes_and_further_elements_change_nothing() -> None:
    event = wire(NOTE)
    assert decode(b' [ "EVENT" , ' + event + b' , "more" ] ') == Publish(NOTE)
    assert decode(b'["EV\\u0045NT",' + event + b"]") == Publish(NOTE)
    assert decode(b'["CLOSE","a",1,{}]') == Close("a")


def test_a_count_of_one_filter_with_a_tag_has_an_hll_offset() -> None:
    assert decode(b'["COUNT","a",{"#t":["x"]}]').offset is not None  # type: ignore[union-attr]
    assert decode(b'["COUNT","a",{"#t":["x"]},{}]').offset is None  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["a", "a" * 64, "😀" * 64, '"\\', " ", "\x00"])
def test_a_subscription_id_is_any_text_of_1_to_64_characters(name: str) -> None:
    assert decode(json.dumps(["REQ", name, {}]).encode()) == Req(name, (Filter(),))


@pytest.mark.parametrize("name", ["", "a" * 65, "a" * 256, 1, -1, 1.5, 2**70])
@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
def test_a_wrong_subscription_id_that_can_be_echoed_is_closed(verb: str, name: object) -> None:
    assert answer(json.dumps([verb, name, {}]).encode())[:2] == ["CLOSED", name]


def test_what_is_echoed_is_bounded() -> None:
    assert answer(json.dumps(["REQ", "a" * 1000, {}]).encode())[1] == "a" * messages.MAX_ECHO
    assert answer(b'["REQ",' + b"1" * 1000 + b",{}]")[0] == "NOTICE"


@pytest.mark.parametrize("name", [None, True, ["a"], {}])
@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
def test_what_is_no_name_gets_a_notice(verb: str, name: object) -> None:
    assert answer(json.dumps([verb, name, {}]).encode())[0] == "NOTICE"


@pytest.mark.parametrize("name", ["", "a" * 65, 1, None, True, ["a"], {}])
def test_a_close_of_what_cannot_be_open_gets_a_notice(name: object) -> None:
    assert answer(json.dumps(["CLOSE", name]).encode())[0] == "NOTICE"


@pytest.mark.parametrize(
    ("verb", "name"),
    [(verb, name) for verb in ("NEG-OPEN", "NEG-MSG") for name in ("a", "", "a" * 65, 7)]
    + [("NEG-CLOSE", name) for name in ("", "a" * 65, 7)],
)
def test_clients_of_nip_77_get_the_error_they_wait_for(verb: str, name: object) -> None:
    reply = answer(json.dumps([verb, name, {}, "6"]).encode())
    assert reply[:2] == ["NEG-ERR", name]
    assert reply[2].startswith("invalid: ")


@pytest.mark.parametrize("parts", [["NEG-OPEN", "ab"], ["NEG-OPEN", "ab", {}], ["NEG-MSG", "ab"]])
def test_what_lacks_its_message_of_negentropy_gets_the_error_too(parts: list[object]) -> None:
    assert answer(json.dumps(parts).encode())[:2] == ["NEG-ERR", "ab"]


def test_negentropy_without_a_name_gets_a_notice() -> None:
    assert answer(b'["NEG-OPEN"]')[0] == answer(b'["NEG-OPEN",null]')[0] == "NOTICE"


@pytest.mark.parametrize("verb", ["EVENT", "AUTH"])
def test_a_bad_event_whose_id_can_be_read_gets_a_false_ok(verb: str) -> None:
    reply = answer(json.dumps([verb, {"id": "ab" * 32, "kind": "1"}]).encode())
    assert reply[:3] == ["OK", "ab" * 32, False]


@pytest.mark.parametrize("event_id", ["", "ab" * 31, "AB" * 32, "ab" * 32 + "\n", "x", 1])
@pytest.mark.parametrize("verb", ["EVENT", "AUTH"])
def test_a_bad_id_is_echoed_in_a_false_ok(verb: str, event_id: object) -> None:
    wrong = json.loads(wire(NOTE)) | {"id": event_id}
    assert answer(json.dumps([verb, wrong]).encode())[:3] == ["OK", event_id, False]


@pytest.mark.parametrize("event", [{}, {"id": None}, {"id": ["ab" * 32]}, {"kind": 1}, {"id": True}])
@pytest.mark.parametrize("verb", ["EVENT", "AUTH"])
def test_an_event_without_a_name_gets_a_false_ok_all_the_same(verb: str, event: object) -> None:
    assert answer(json.dumps([verb, event]).encode())[:3] == ["OK", "", False]


@pytest.mark.parametrize("verb", ["EVENT", "AUTH"])
def test_what_is_no_json_is_answered_by_the_name_that_can_be_read(verb: str) -> None:
    begin = f' ["{verb}", '.encode()
    assert answer(begin + b'{"content":"\\ud800 \\"id\\":\\"y\\"","id" : "x"}]')[:3] == ["OK", "x", False]
    assert answer(begin + b'{"tags":NaN}]')[:3] == ["OK", "", False]
    assert answer(begin + b'{"id":"x"')[:3] == ["OK", "x", False]
    assert answer(begin + b"[")[0] == "NOTICE"


@pytest.mark.parametrize("verb", ["REQ", "COUNT", "NEG-OPEN", "NEG-MSG"])
def test_a_question_that_is_no_json_is_answered_by_its_name(verb: str) -> None:
    reply = "NEG-ERR" if verb.startswith("NEG-") else "CLOSED"
    assert answer(f'["{verb}" , "a",{{"search":"\\ud800"}}]'.encode())[:2] == [reply, "a"]
    assert "half a character" in answer(f'["{verb}","a",{{"search":"\\ud800"}}]'.encode())[2]
    assert answer(f'["{verb}","a",'.encode() + b'{"a":' * 100_000)[:2] == [reply, "a"]
    for name in ('a"b\\', "\u00e9\n", "", "x" * 65, 7, -1.5):
        assert answer(f'["{verb}",{json.dumps(name)},{{"kinds":[1],}}]'.encode())[:2] == [reply, name]
    assert answer(f'["{verb}","\\ud800",{{}}]'.encode())[0] == "NOTICE"


@pytest.mark.parametrize("verb", ["EVENT", "AUTH"])
def test_an_event_of_far_too_many_tags_is_refused_before_they_are_decoded(verb: str) -> None:
    fields = json.loads(wire(NOTE))
    most = [["t", "abcdef"]] * (messages.MAX_LISTS - 1)
    decoded = decode(json.dumps([verb, fields | {"tags": most}]).encode())
    assert isinstance(decoded, Publish | Auth)
    assert len(decoded.event.tags) == len(most)
    for tags in ([*most, ["t", "x"]], [[]] * 100_000):
        reply = answer(json.dumps([verb, {"tags": tags} | fields | {"tags": tags}]).encode())
        assert reply[:3] == ["OK", NOTE.id, False]
        assert "tags" in reply[3]


def test_brackets_in_a_long_content_are_no_tags() -> None:
    event = make_event(content="[" * 99_000)
    assert decode(b'["EVENT",' + wire(event) + b"]") == Publish(event)


@pytest.mark.parametrize("verb", ["REQ", "COUNT"])
@pytest.mark.parametrize(
    "rest",
    ["", ",null", ",[]", ",1", ',{"kinds":[true]}', ',{"ids":["ab"]}', ',{},{"since":1.5}', ',{"search":1}'],
)
def test_a_bad_filter_gets_closed_for_that_subscription(verb: str, rest: str) -> None:
    assert answer(f'["{verb}","a"{rest}]'.encode())[:2] == ["CLOSED", "a"]


def test_invalid_utf_8_in_a_filter_gets_closed() -> None:
    assert answer(b'["REQ","a",{"#t":["\xff"]}]')[:2] == ["CLOSED", "a"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"[]",
        b"{}",
        b"null",
        b'"EVENT"',
        b"[",
        b'["EVENT"]',
        b'["EVENT",null]',
        b'["EVENT",[]]',
        b'["EVENT",',
        b'["AUTH"]',
        b'["AUTH","x"]',
        b'["REQ"]',
        b'["CLOSE"]',
        b'["event",{}]',
        b'["NOPE"]',
        b"[1]",
        b"[[]]",
        b'[{"a":1}]',
        b"\xff",
        b'["\xff"]',
        b'["\\ud800"]',
        b'["REQ","\\udc00",{}]',
        b'\xef\xbb\xbf["CLOSE","a"]',
        b'["CLOSE","a"]x',
        b'["CLOSE","a"]["CLOSE","a"]',
        b'["CLOSE",NaN]',
        b"[" * 100_000,
        b'["EVENT",' + b"[" * 100_000,
        b'["' + b"x" * 100_000 + b'"]',
        b"\x00" * 100,
    ],
)
def test_what_cannot_be_attributed_gets_a_short_notice(data: bytes) -> None:
    reply = answer(data)
    assert reply[0] == "NOTICE"
    assert len(reply[1]) < 300


def test_a_verb_that_is_not_known_names_those_that_are() -> None:
    notice = answer(b'["NOPE"]')[1]
    assert all(verb in notice for verb in ("NOPE", "EVENT", "REQ", "CLOSE", "COUNT", "AUTH"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
VERB = st.sampled_from(["EVENT", "REQ", "CLOSE", "COUNT", "AUTH", "NEG-OPEN"])
FIELDS = st.sampled_from(["id", "ids", "kinds", "#e", "#t", "since", "limit", "tags", "created_at", "content"])
SUBSCRIPTION = st.text(max_size=66) | JSON
ALMOST = st.tuples(VERB, SUBSCRIPTION, st.dictionaries(FIELDS, JSON)) | st.tuples(VERB, st.dictionaries(FIELDS, JSON))


def check_any_answer(data: bytes) -> None:
    """Whatever comes in: a Message, or Malformed with an answer of the right shape; nothing else is ever raised."""
    try:
        message = decode(data)
    except Malformed as malformed:
        reply = json.loads(malformed.reply)
        assert len(reply) == SHAPES[reply[0]]
        assert isinstance(reply[-1], str)
    else:
        assert isinstance(message, Publish | Auth | Req | Count | Close)


@settings(max_examples=500)
@given(st.binary())
def test_any_bytes_are_a_message_or_get_an_answer(data: bytes) -> None:
    check_any_answer(data)


@settings(max_examples=500)
@given(JSON | ALMOST)
def test_any_json_is_a_message_or_gets_an_answer(value: object) -> None:
    check_any_answer(json.dumps(value).encode())


VALID = [
    b'["EVENT",' + wire(NOTE) + b"]",
    b'["REQ","sub",{"ids":["' + b"ab" * 32 + b'"],"kinds":[1],"#t":["x\\u00e9"],"since":1,"limit":5},{}]',
]


@settings(max_examples=500)
@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 3), st.binary(max_size=4)), max_size=3),
)
def test_a_valid_message_with_broken_bytes_is_a_message_or_gets_an_answer(
    data: bytes, edits: list[tuple[int, int, bytes]]
) -> None:
    for at, dropped, inserted in edits:
        place = at % (len(data) + 1)
        data = data[:place] + inserted + data[place + dropped :]
    check_any_answer(data)


@given(st.text(), st.text())
def test_relay_messages_are_json_whatever_text_they_carry(subscription: str, text: str) -> None:
    refusal = Reject(Prefix.ERROR, text)
    assert json.loads(messages.ok("ab", True)) == ["OK", "ab", True, ""]
    assert json.loads(messages.ok("ab", False, str(refusal))) == ["OK", "ab", False, f"error: {text}"]
    assert json.loads(messages.eose(subscription)) == ["EOSE", subscription]
    assert json.loads(messages.eose(subscription, "more")) == ["EOSE", subscription, ["more"]]
    assert json.loads(messages.closed(subscription, refusal)) == ["CLOSED", subscription, f"error: {text}"]
    assert json.loads(messages.notice(text)) == ["NOTICE", text]
    assert json.loads(messages.challenge(text)) == ["AUTH", text]
    assert json.loads(messages.count(subscription, 3)) == ["COUNT", subscription, {"count": 3}]
    assert json.loads(messages.count(subscription, 3, "00"))[2] == {"count": 3, "hll": "00"}
    assert json.loads(messages.event_prefix(subscription) + wire(NOTE) + b"]")[:2] == ["EVENT", subscription]


PIECES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 70_000),
    st.text(max_size=70),
    st.sampled_from(["REQ", "CLOSE", "COUNT", "", "x" * 64, "x" * 65, "\u20ac"]),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(
        st.sampled_from(["kinds", "ids", "limit", "since", "#t", "#e", "search", "nonsense"]),
        st.one_of(
            st.integers(-2, 9), st.lists(st.integers(0, 9), max_size=3), st.lists(st.text(max_size=3)), st.text()
        ),
        max_size=3,
    ),
)


@given(st.sampled_from(["REQ", "CLOSE"]), st.lists(PIECES, max_size=4), st.sampled_from(["", " ", "]", "\x00"]))
def test_a_usual_question_is_decoded_as_any_other(verb: str, parts: list[object], after: str) -> None:
    data = json.dumps([verb, *parts], separators=(",", ":"), ensure_ascii=False).encode() + after.encode()

    def decoded() -> object:
        try:
            return messages.decode(data)
        except messages.Malformed as malformed:
            return malformed.reply, malformed.subscription

    usual = decoded()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(messages, "_usual", lambda _data: None)
        assert decoded() == usual
