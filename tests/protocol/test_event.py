"""The event: canonical bytes, strict parsing, tags (NIP-01)."""

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import nostr_sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynostr.event import Event as PynostrEvent

from relay.errors import Reject
from relay.protocol import event as events
from relay.protocol.event import Event, compute_id, parse, parse_known, serialize, wire
from tests.factories import NOW, keypair, make_event

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "serialization.json").read_text(encoding="utf-8")
)
NAMES = [vector["name"] for vector in VECTORS]


def changed(**fields: object) -> bytes:
    """A valid event's JSON with some fields replaced."""
    return json.dumps(json.loads(wire(make_event(content="x"))) | fields).encode()


def spliced(old: bytes, new: bytes) -> bytes:
    """A valid event's JSON with raw bytes replaced, for what no encoder would write."""
    data = wire(make_event(content="x"))
    assert data.count(old) == 1
    return data.replace(old, new)


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_serializes_every_character_as_the_spec_says(vector: dict[str, Any]) -> None:
    fields = [vector[name] for name in ("pubkey", "created_at", "kind", "tags", "content")]
    assert serialize(*fields).decode() == vector["serialized"]
    assert hashlib.sha256(vector["serialized"].encode()).hexdigest() == vector["id"]


@pytest.mark.parametrize("vector", VECTORS, ids=NAMES)
def test_agrees_with_other_implementations_on_the_id(vector: dict[str, Any]) -> None:
    event = make_event(1, vector["kind"], vector["content"], vector["tags"], vector["created_at"])
    assert event.id == vector["id"]
    other = PynostrEvent(
        content=event.content, pubkey=event.pubkey, created_at=event.created_at, kind=event.kind, tags=vector["tags"]
    )
    other.compute_id()
    assert other.id == event.id
    assert nostr_sdk.Event.from_json(wire(event).decode()).verify()


@given(content=st.text(), value=st.text())
def test_the_wire_form_reads_back_as_the_same_event(content: str, value: str) -> None:
    event = Event("0" * 64, "1" * 64, NOW, 1, [["t", value]], content, "2" * 128)
    assert parse(wire(event)) == parse_known(wire(event)) == event
    assert json.loads(wire(event)) == msgspec.structs.asdict(event)


@given(
    name=st.sampled_from(["id", "pubkey", "sig"]),
    value=st.text("0123456789abcdefABCDEFg \n\u0660é", min_size=63, max_size=65)
    | st.text("0a", min_size=63, max_size=129),
)
def test_takes_for_hex_what_the_patterns_of_the_fields_take(name: str, value: str) -> None:
    data = changed(**{name: value})
    try:
        expected: Event | None = msgspec.json.decode(data, type=Event)
    except msgspec.ValidationError:
        expected = None
    try:
        found: Event | None = parse(data)
    except Reject:
        found = None
    assert found == expected


@given(content=st.text(), value=st.text())
def test_the_serialization_is_what_the_rule_for_each_character_gives(content: str, value: str) -> None:
    def quoted(text: str) -> str:
        named = {"\n": "\\n", '"': '\\"', "\\": "\\\\", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
        return '"' + "".join(named.get(c, f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in text) + '"'

    expected = f'[0,"{"a" * 64}",{NOW},1,[["t",{quoted(value)}]],{quoted(content)}]'
    assert serialize("a" * 64, NOW, 1, [["t", value]], content).decode() == expected


def test_any_change_of_a_signed_field_changes_the_id() -> None:
    event = make_event(content="x", tags=[["t", "a"]])
    changes: list[dict[str, Any]] = [
        {"pubkey": keypair(2).pubkey},
        {"created_at": NOW + 1},
        {"kind": 2},
        {"tags": [["t", "b"]]},
        {"tags": [["t", "a"], []]},
        {"content": "y"},
    ]
    ids = {compute_id(msgspec.structs.replace(event, **change)) for change in changes}
    assert len(ids | {event.id}) == len(changes) + 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("created_at", 1.0),
        ("created_at", 1.5),
        ("created_at", True),
        ("created_at", "1"),
        ("created_at", None),
        ("created_at", -1),
        ("created_at", 2**53),
        ("created_at", 10**400),
        ("kind", True),
        ("kind", -1),
        ("kind", 65536),
        ("kind", 1.0),
        ("kind", "1"),
        ("tags", None),
        ("tags", {}),
        ("tags", "t"),
        ("tags", [[]]),
        ("tags", ["t"]),
        ("tags", [["t", 1]]),
        ("tags", [["t", None]]),
        ("tags", [["t", ["x"]]]),
        ("content", None),
        ("content", 1),
        ("content", {}),
        ("id", "a" * 63),
        ("id", "a" * 65),
        ("id", "A" * 64),
        ("id", "g" * 64),
        ("id", "a" * 64 + "\n"),
        ("id", None),
        ("pubkey", "a" * 63 + "\n"),
        ("pubkey", "a" * 64 + "\n"),
        ("pubkey", "02" + "a" * 64),
        ("sig", "a" * 127),
        ("sig", "a" * 128 + "\n"),
        ("sig", "a" * 64 + " " + "a" * 64),
        ("sig", ""),
    ],
)
def test_refuses_a_field_of_the_wrong_type_range_or_form_and_names_it(field: str, value: object) -> None:
    with pytest.raises(Reject, match="invalid: ") as refusal:
        parse(changed(**{field: value}))
    assert str(refusal.value).startswith(f"invalid: {field}")


@pytest.mark.parametrize("field", Event.__struct_fields__)
def test_refuses_an_event_without_one_of_its_fields(field: str) -> None:
    data = json.loads(changed())
    del data[field]
    with pytest.raises(Reject, match=field):
        parse(json.dumps(data))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"1700000000", b"17e8"),
        (b"1700000000", b"1700000000.0"),
        (b"1700000000", b"01700000000"),
        (b"1700000000", b"NaN"),
        (b"1700000000", b"Infinity"),
        (b"1700000000", b"-0.0"),
        (b'"x"', b'"\\ud83d"'),
        (b'"x"', b'"\\ude00"'),
        (b'"x"', b'"\\ud83dx"'),
        (b'"x"', b'"\\ude00\\ud83d"'),
        (b'"x"', b'"\xed\xa0\x80"'),
        (b'"x"', b'"\xc0\x80"'),
        (b'"x"', b'"\xf4\x90\x80\x80"'),
        (b'"x"', b'"\xff"'),
        (b'"x"', b'"a\nb"'),
        (b'"x"', b'"a\x00b"'),
        (b'"x"', b'"\\x41"'),
        (b'"x"', b"'x'"),
        (b'"x"', b'"x'),
        (b'"x"', b'"x",'),
        (b'"tags":[]', b'"tags":[],"more":' + b"[" * 100_000),
        (b'"tags":[]', b'"tags":' + b"[" * 100_000),
    ],
)
def test_refuses_what_is_not_strict_json_or_utf_8(old: bytes, new: bytes) -> None:
    with pytest.raises(Reject, match="invalid: "):
        parse(spliced(old, new))


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b'"x"', b"1", b"{}", b"{", b"\xef\xbb\xbf{}", b"\x00"])
def test_refuses_what_is_no_event(data: bytes) -> None:
    with pytest.raises(Reject, match="invalid: "):
        parse(data)


def test_duplicate_keys_and_unknown_fields_do_not_survive() -> None:
    event = parse(spliced(b'"kind":1', b'"kind":1,"seen_on":["x"],"kind":7'))
    assert event.kind == 7
    assert wire(event).count(b'"kind"') == 1
    assert b"seen_on" not in wire(event)


def test_a_surrogate_pair_is_one_character_and_is_sent_as_itself() -> None:
    event = parse(spliced(b'"x"', b'"\\ud83d\\ude00\\u0000\\u007f"'))
    assert event.content == "😀\0\x7f"
    assert '"😀\\u0000\x7f"'.encode() in wire(event)


def test_the_address_of_an_event_takes_the_first_d_tag() -> None:
    def address(kind: int, *tags: list[str]) -> str | None:
        return events.address_of(make_event(1, kind=kind, tags=tags))

    author = keypair(1).pubkey
    assert address(30023, ["d", "x"], ["d", "y"]) == f"30023:{author}:x"
    assert address(30023, ["D", "x"]) == address(30023, ["d"]) == address(30023) == f"30023:{author}:"
    assert address(10002, ["d", "x"]) == f"10002:{author}:"
    assert address(1, ["d", "x"]) is address(20000, ["d", "x"]) is None


def test_only_first_values_of_single_ascii_letters_are_indexed() -> None:
    tags = [["e", "1", "2"], ["E", "3"], ["t"], ["tt", "4"], ["é", "5"], ["1", "6"], ["", "7"], ["t", ""], ["-"]]
    assert list(events.indexed_tags(make_event(tags=tags))) == [("e", "1"), ("E", "3"), ("t", "")]


def test_values_are_the_first_of_each_tag_of_that_name_in_order() -> None:
    event = make_event(tags=[["p", "b", "x"], ["p"], ["q", "c"], ["p", "a"]])
    assert events.values(event, "p") == ["b", "a"]
    assert events.first_value(event, "p") == "b"
    assert events.first_value(event, "z") is None
    assert events.first_value(make_event(tags=[["p"], ["p", "a"]]), "p") == ""


def test_the_first_expiration_tag_counts() -> None:
    assert events.expiration(make_event(tags=[["expiration", "7"], ["expiration", "9"]])) == 7
    assert events.expiration(make_event()) is None
