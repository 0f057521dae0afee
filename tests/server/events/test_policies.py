import json
from typing import Any

import msgspec
import pytest

from relay.config import Access, Config, LimitSettings
from relay.errors import Prefix
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from relay.server.events import policies
from relay.server.events.policies import POLICIES, Sender, refuse
from tests.factories import NOW, keypair, make_event

ALICE, BOB = keypair(1).pubkey, keypair(2).pubkey
CLIENT = Sender(Door.CLIENT)
KEY = f"tdi_{'0' * 64}"


def limits(**values: Any) -> Config:
    return Config(limits=LimitSettings(**values))


def access(**values: Any) -> Config:
    return Config(access=Access(**values))


def prefix(event: Event, config: Config, author: Sender = CLIENT) -> Prefix | None:
    refusal = refuse(event, author, config, NOW)
    return None if refusal is None else refusal.prefix


def with_zero_bits(bits: int, tags: list[list[str]]) -> Event:
    """An event whose id has exactly this many leading zero bits; policies look at the id and do not hash."""
    number = (1 << (255 - bits)) | 1
    return msgspec.structs.replace(make_event(tags=tags), id=f"{number:064x}")


TOO_MUCH: list[tuple[str, Event, Config, Prefix]] = [
    ("kind not allowed", make_event(kind=1), access(allowed_kinds=[7]), Prefix.BLOCKED),
    ("kind denied", make_event(kind=7), access(denied_kinds=[7]), Prefix.BLOCKED),
    ("key not allowed", make_event(1), access(allowed_keys=[BOB]), Prefix.RESTRICTED),
    ("key denied", make_event(1), access(denied_keys=[ALICE]), Prefix.BLOCKED),
    ("too many tags", make_event(tags=[["t", "a"]] * 3), limits(max_event_tags=2), Prefix.INVALID),
    ("content too long", make_event(content="é" * 4), limits(max_content_length=3), Prefix.INVALID),
    ("too far ahead", make_event(created_at=NOW + 11), limits(created_at_future=10), Prefix.INVALID),
    ("too long ago", make_event(created_at=NOW - 11), limits(created_at_past=10), Prefix.INVALID),
    ("too little work", with_zero_bits(7, []), limits(min_pow=8), Prefix.POW),
    ("not authenticated", make_event(), access(auth_to_write=True), Prefix.AUTH_REQUIRED),
    ("vanishing elsewhere", make_event(kind=62, tags=[["relay", "wss://other.example"]]), Config(), Prefix.INVALID),
    ("protected", make_event(tags=[["-"]]), Config(), Prefix.AUTH_REQUIRED),
    ("the relay's own", make_event(kind=8000), Config(), Prefix.RESTRICTED),
    ("an API key", make_event(content=f"mine is {KEY}, use it"), Config(), Prefix.INVALID),
    ("a claim", make_event(content=f"https://hub.example/claim#tdc_{'1a' * 32}"), Config(), Prefix.INVALID),
]
JUST_RIGHT: list[tuple[str, Event, Config]] = [
    ("kind allowed", make_event(kind=7), access(allowed_kinds=[7])),
    ("kind not denied", make_event(kind=1), access(denied_kinds=[7])),
    ("key allowed", make_event(1), access(allowed_keys=[ALICE])),
    ("key not denied", make_event(1), access(denied_keys=[BOB])),
    ("a part of an API key", make_event(content=KEY[:-1]), Config()),
    ("longer than an API key", make_event(content=f"{KEY}0"), Config()),
    ("an invite", make_event(content=f"come: tdm_{'0' * 64}"), Config()),
    ("a code where it belongs", make_event(kind=28934, tags=[["claim", f"tdk_{'0' * 64}"]]), Config()),
    ("as many tags as may be", make_event(tags=[["t", "a"]] * 2), limits(max_event_tags=2)),
    ("as long as may be", make_event(content="é" * 3), limits(max_content_length=3)),
    ("as far ahead as may be", make_event(created_at=NOW + 10), limits(created_at_future=10)),
    ("as long ago as may be", make_event(created_at=NOW - 10), limits(created_at_past=10)),
    ("any time", make_event(created_at=0), Config()),
    ("any future", make_event(created_at=2**50), limits(created_at_future=0)),
    ("enough work", with_zero_bits(8, []), limits(min_pow=8)),
]


@pytest.mark.parametrize(("_name", "event", "config", "expected"), TOO_MUCH, ids=[row[0] for row in TOO_MUCH])
def test_refuses_what_is_over_a_limit(_name: str, event: Event, config: Config, expected: Prefix) -> None:
    assert prefix(event, config) is expected


@pytest.mark.parametrize(("_name", "event", "config"), JUST_RIGHT, ids=[row[0] for row in JUST_RIGHT])
def test_takes_what_is_at_a_limit(_name: str, event: Event, config: Config) -> None:
    assert prefix(event, config) is None


def test_every_policy_refuses_something_here() -> None:
    refusing = {
        row.check for _, event, config, _ in TOO_MUCH for row in POLICIES if row.check(event, CLIENT, config, NOW)
    }
    assert refusing == {row.check for row in POLICIES}


PASSED_BY = {  # whom each policy lets pass; the others guard every door
    policies.secrets: {Door.PEER, Door.IMPORT},
    policies.past: {Door.IMPORT},
    policies.work: {Door.IMPORT},
    policies.protected: {Door.IMPORT},
    policies.vanishes_here: {Door.PEER, Door.IMPORT},
    policies.authenticated: {Door.HTTP, Door.PEER, Door.IMPORT},
}


def test_every_policy_guards_the_doors_of_its_row_only() -> None:
    for row in POLICIES:
        assert set(Door) - row.doors == PASSED_BY.get(row.check, set())
        _, event, config, _ = next(case for case in TOO_MUCH if row.check(case[1], CLIENT, case[2], NOW))
        for door in Door:
            assert (prefix(event, config, Sender(door)) is not None) == (door in row.doors), (row.check, door)


def test_an_archive_may_be_old_but_not_from_a_denied_key() -> None:
    archive = Sender(Door.IMPORT)
    assert prefix(make_event(created_at=1), limits(created_at_past=10), archive) is None
    assert prefix(make_event(1), access(denied_keys=[ALICE]), archive) is Prefix.BLOCKED


def test_the_work_must_have_been_meant_for_this_difficulty() -> None:
    config = limits(min_pow=8)
    assert prefix(with_zero_bits(20, [["nonce", "776", "8"]]), config) is None
    assert prefix(with_zero_bits(20, [["nonce", "776", "7"]]), config) is Prefix.POW
    assert prefix(with_zero_bits(20, [["nonce", "776"]]), config) is None


@pytest.mark.parametrize("target", ["", "-8", "8.0", "9" * 5000, "٨", "eight"])
def test_a_target_that_is_no_number_is_no_work(target: str) -> None:
    assert prefix(with_zero_bits(20, [["nonce", "1", target]]), limits(min_pow=8)) is Prefix.POW


def test_what_the_relay_signs_itself_needs_no_work() -> None:
    ours = Sender(Door.HTTP, frozenset((ALICE,)), signed_here=True)
    assert prefix(with_zero_bits(0, []), limits(min_pow=8), ours) is None


def test_the_id_of_zeros_is_all_the_work_there_is() -> None:
    for tags in ([], [["nonce", "1", "256"]]):
        assert prefix(msgspec.structs.replace(make_event(tags=tags), id="0" * 64), limits(min_pow=256)) is None


def test_a_protected_event_comes_from_its_authenticated_author_only() -> None:
    event = make_event(1, tags=[["t", "x"], ["-"]])
    assert prefix(event, Config(), Sender(Door.CLIENT, frozenset((BOB,)))) is Prefix.RESTRICTED
    assert prefix(event, Config(), Sender(Door.CLIENT, frozenset((ALICE, BOB)))) is None


@pytest.mark.parametrize("kind", [6, 16])
def test_a_repost_may_not_carry_a_protected_event(kind: int) -> None:
    inner = wire(make_event(2, tags=[["-"]])).decode()
    assert prefix(make_event(1, kind, inner), Config()) is Prefix.RESTRICTED
    assert prefix(make_event(1, kind, inner), Config(), Sender(Door.CLIENT, frozenset((ALICE,)))) is Prefix.RESTRICTED


@pytest.mark.parametrize("content", ["", "not json", "[" * 100_000, "null", json.dumps({"tags": [["e"], ["p", "-"]]})])
def test_other_reposts_pass(content: str) -> None:
    assert prefix(make_event(1, 6, content), limits(max_content_length=200_000)) is None


def test_what_the_relay_signs_after_its_clock_was_wrong_follows_on_what_it_signed_then() -> None:
    """A profile, a list, an edit or an article would stay as it is until the clock comes to that time."""
    rules, here = limits(created_at_future=10), Sender(Door.HTTP, signed_here=True)
    far, near = make_event(created_at=NOW + 86_400), make_event(created_at=NOW + 11)
    assert (prefix(far, rules, here), prefix(near, rules, here)) == (None, Prefix.INVALID)
    assert prefix(far, rules, Sender(Door.HTTP)) is Prefix.INVALID


def test_a_note_may_quote_anything() -> None:
    assert prefix(make_event(1, 1, wire(make_event(2, tags=[["-"]])).decode()), Config()) is None


RULES = [
    access(allowed_keys=[BOB]),
    access(denied_keys=[ALICE]),
    access(allowed_kinds=[1]),
    access(denied_kinds=[5, 62, 9022, 28934, 28936]),
    access(auth_to_write=True),
    limits(min_pow=256),
    limits(created_at_past=1),
    limits(created_at_future=1),
]


@pytest.mark.parametrize("rules", RULES, ids=str)
@pytest.mark.parametrize("door", Door)
@pytest.mark.parametrize("at", [NOW - 100, NOW + 100])
@pytest.mark.parametrize("kind", [5, 62, 9022, 28936])
def test_taking_back_vanishing_and_leaving_are_stopped_by_no_rule(
    rules: Config, door: Door, at: int, kind: int
) -> None:
    assert prefix(make_event(1, kind, tags=[["relay", "ALL_RELAYS"]], created_at=at), rules, Sender(door)) is None


@pytest.mark.parametrize("rules", RULES, ids=str)
def test_a_request_to_join_is_stopped_by_nothing_but_a_denied_key(rules: Config) -> None:
    expected = Prefix.BLOCKED if rules.access.denied_keys else None
    assert prefix(make_event(1, 28934, created_at=NOW - 100), rules) is expected


@pytest.mark.parametrize("kind", [5, 62, 9022, 28934, 28936])
def test_size_holds_for_all(kind: int) -> None:
    assert prefix(make_event(1, kind, content="xx"), limits(max_content_length=1)) is Prefix.INVALID
    assert prefix(make_event(1, kind, tags=[["e"]] * 2), limits(max_event_tags=1)) is Prefix.INVALID


@pytest.mark.parametrize("door", Door)
@pytest.mark.parametrize("kind", [8000, 8001, 13534, 33534, *range(39000, 39006)])
def test_what_a_relay_tells_comes_from_its_own_key_by_any_door(kind: int, door: Door) -> None:
    told = make_event(1, kind)
    assert prefix(told, Config(), Sender(door, relay=BOB)) is Prefix.RESTRICTED
    assert prefix(told, Config(), Sender(door, frozenset((ALICE,)), BOB)) is Prefix.RESTRICTED
    assert prefix(told, Config(), Sender(door)) is Prefix.RESTRICTED
    assert prefix(told, Config(), Sender(door, relay=ALICE)) is None


def test_every_advertised_field_of_a_policy_is_in_nip_11() -> None:
    from relay.http.nip11 import Limitation

    known = {field.name for field in msgspec.structs.fields(Limitation)}
    assert {name for row in POLICIES for name in row.advertised} <= known


@pytest.mark.parametrize("url", ["ws://127.0.0.1:7447", "wss://Public.Example/", "ALL_RELAYS"])
def test_a_request_to_vanish_names_the_relay_by_any_url_under_which_its_author_knows_it(url: str) -> None:
    request = make_event(kind=62, tags=[["relay", "wss://other.example"], ["relay", url]])
    here = ("ws://127.0.0.1:7447/", "wss://public.example")
    for door in (Door.CLIENT, Door.HTTP):
        assert prefix(request, Config(), Sender(door, urls=here)) is None
    if url != "ALL_RELAYS":
        assert prefix(request, Config(), Sender(Door.CLIENT, urls=("wss://third.example",))) is Prefix.INVALID
