"""Filters: strict parsing and the reference meaning (NIP-01)."""

import json

import nostr_sdk
import pytest
from hypothesis import given, settings

from relay.errors import Prefix, Reject
from relay.protocol import filter as filters
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter, matches, parse, parse_json
from tests.factories import NOW, keypair, make_event
from tests.protocol import strategies

ALICE = keypair(1)
NOTE = make_event(
    ALICE, tags=[["e", "ab" * 32, "x"], ["t", "cats"], ["T", "dogs"], ["t", "birds"], ["tt", "fish"], ["q"]]
)


def wants(**fields: object) -> bool:
    """Whether the filter of these fields matches NOTE; `_t` stands for `#t`."""
    return matches(parse({name.replace("_", "#"): value for name, value in fields.items()}), NOTE)


def test_a_filter_without_conditions_matches_everything() -> None:
    assert wants()
    assert wants(limit=0)


@pytest.mark.parametrize("field", ["ids", "authors", "kinds", "#e", "#t"])
def test_a_list_that_is_present_and_empty_matches_nothing_and_stays_present(field: str) -> None:
    empty = parse({field: []})
    assert not matches(empty, NOTE)
    assert empty.is_empty()
    assert json.loads(filters.to_json(empty)) == {field: []}


def test_each_field_must_hold_and_one_value_of_it_is_enough() -> None:
    assert wants(ids=["00" * 32, NOTE.id], authors=[ALICE.pubkey], kinds=[1, 7], _t=["x", "birds"], _T=["dogs"])
    assert not wants(ids=["00" * 32])
    assert not wants(authors=["00" * 32])
    assert not wants(kinds=[2])
    assert not wants(_t=["cats"], _T=["cats"])


def test_only_the_first_value_of_a_tag_counts_and_case_matters() -> None:
    assert wants(_e=["ab" * 32])
    assert not wants(_t=["x"])
    assert not wants(_t=["Cats"])
    assert not wants(_t=["dogs"])
    assert not wants(_q=[""])


def test_since_and_until_are_inclusive() -> None:
    assert wants(since=NOW, until=NOW)
    assert not wants(since=NOW + 1)
    assert not wants(until=NOW - 1)
    assert parse({"since": 2, "until": 1}).is_empty()
    assert not parse({"since": 2, "until": 2}).is_empty()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ids", ["ab" * 31]),
        ("ids", ["AB" * 32]),
        ("ids", ["ab"]),
        ("ids", [""]),
        ("ids", ["ab" * 32 + "\n"]),
        ("ids", [1]),
        ("ids", [None]),
        ("ids", "ab" * 32),
        ("ids", None),
        ("authors", {}),
        ("authors", [["ab" * 32]]),
        ("kinds", 1),
        ("kinds", [True]),
        ("kinds", ["1"]),
        ("kinds", [1.0]),
        ("kinds", [-1]),
        ("kinds", [65536]),
        ("kinds", [10**30]),
        ("kinds", [None]),
        ("since", True),
        ("since", 1.0),
        ("since", "1"),
        ("since", None),
        ("since", 2**64),
        ("until", -(10**30)),
        ("until", [1]),
        ("limit", -1),
        ("limit", 1.5),
        ("limit", True),
        ("limit", None),
        ("#e", ["x"]),
        ("#p", ["AB" * 32]),
        ("#e", "ab" * 32),
        ("#t", [1]),
        ("#t", [["x"]]),
        ("#t", {"x": 1}),
        ("#t", None),
        ("search", ["x"]),
        ("search", None),
        ("search", "x" * 1001),
    ],
)
def test_refuses_a_field_of_the_wrong_type_or_form_and_names_it(field: str, value: object) -> None:
    with pytest.raises(Reject, match=field) as refusal:
        parse({field: value})
    assert refusal.value.prefix is Prefix.INVALID


def test_a_search_has_a_thousand_characters_at_most() -> None:
    assert parse({"search": "🔎" * 1000}).search == "🔎" * 1000


@pytest.mark.parametrize("most", [2**63 - 1, 2**63, 2**64 - 1])
def test_the_largest_numbers_of_64_bits_are_no_bound(most: int) -> None:
    wanted = parse({"since": 0, "until": most, "limit": most})
    assert matches(wanted, make_event())
    assert (wanted.until, wanted.limit) == (2**63 - 1, 2**63 - 1)
    assert not matches(parse({"since": most}), make_event())


@pytest.mark.parametrize("name", ["#", "#tt", "#é", "#1", "t", "", "searches", "Ids", "#" * 10_000])
def test_a_field_it_does_not_know_is_unsupported_rather_than_passed_over(name: str) -> None:
    with pytest.raises(Reject, match="does not know the filter field") as refusal:
        parse({name: ["x"]})
    assert refusal.value.prefix is Prefix.UNSUPPORTED
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("value", [None, [], "x", 1, True])
def test_a_filter_is_an_object(value: object) -> None:
    with pytest.raises(Reject, match="JSON object"):
        parse(value)


@pytest.mark.parametrize(
    "text", ["", "{", '{"since":1e3}', '{"#t":["\\ud800"]}', '{"a":' * 100_000, b"\xff", b'{"\xff":1}']
)
def test_refuses_text_that_is_no_filter(text: str | bytes) -> None:
    with pytest.raises(Reject):
        parse_json(text)


def test_the_last_of_duplicate_fields_counts() -> None:
    assert parse_json('{"kinds":[1],"kinds":[2]}').kinds == {2}


@given(strategies.filters() | strategies.searches())
def test_a_filter_reads_back_as_itself(wanted: Filter) -> None:
    assert parse_json(filters.to_json(wanted)) == wanted


@given(strategies.filters() | strategies.searches(), strategies.events())
def test_an_empty_filter_is_one_that_nothing_matches(wanted: Filter, event: Event) -> None:
    assert not (wanted.is_empty() and matches(wanted, event))


@settings(max_examples=200)
@given(strategies.filters(), strategies.events())
def test_agrees_with_another_implementation_on_what_matches(wanted: Filter, event: Event) -> None:
    if wanted.is_empty():
        return  # the other one takes a present, empty list for an absent one
    theirs = nostr_sdk.Filter.from_json(filters.to_json(wanted).decode())
    assert theirs.match_event(nostr_sdk.Event.from_json(wire(event).decode())) == matches(wanted, event)
