"""When something may be taken of a peer that was refused before."""

from typing import Any

import msgspec
import pytest

from relay.config import Config
from relay.federation.peer import plan_of, scope_of
from relay.federation.rules import DEFAULT, PeerRules
from relay.peer_settings import PeerPolicy, PeerSettings
from tests.factories import keypair

ONE, OTHER = keypair(1).pubkey, keypair(2).pubkey


def rules(**sections: dict[str, Any]) -> PeerRules:
    return PeerRules.of(msgspec.convert(sections, Config))


@pytest.mark.parametrize(
    ("section", "name", "strict", "loose"),
    [
        ("access", "allowed_kinds", [1], [1, 7]),
        ("access", "allowed_kinds", [1], []),
        ("access", "allowed_keys", [ONE], [OTHER]),
        ("access", "denied_kinds", [1, 7], [7]),
        ("access", "denied_keys", [ONE, OTHER], [OTHER]),
        ("limits", "max_event_tags", 10, 11),
        ("limits", "max_content_length", 10, 11),
        ("limits", "created_at_past", 10, 0),
        ("limits", "created_at_past", 10, 11),
        ("limits", "created_at_future", 900, 0),
        ("limits", "min_pow", 8, 7),
        ("search", "chunks_per_key", 10, 0),
        ("search", "knowledge_kinds", [30818, 30023], [30818]),
        ("groups", "most", 10, 11),
        ("write_policy", "plugin", "policy.py", ""),
    ],
)
def test_looser_rules_take_more_and_stricter_ones_do_not(section: str, name: str, strict: Any, loose: Any) -> None:
    before, after = rules(**{section: {name: strict}}), rules(**{section: {name: loose}})
    assert after.take_more_than(before)
    swapped = name == "allowed_keys"  # either takes what the other does not
    assert before.take_more_than(after) is swapped
    assert not after.take_more_than(after)


def test_another_plugin_may_take_what_the_one_before_refused() -> None:
    one, other = rules(write_policy={"plugin": "one"}), rules(write_policy={"plugin": "other"})
    assert one.take_more_than(other)
    assert other.take_more_than(one)


def test_longer_retention_takes_more_and_shorter_does_not() -> None:
    some = [{"kinds": [1, 7], "days": days, "keep": "members"} for days in (30, 31)]
    short, long, other = (rules(retention=[one]) for one in (*some, {"kinds": [1], "days": 3}))
    assert long.take_more_than(short)
    assert not short.take_more_than(long)
    assert DEFAULT.take_more_than(short)
    assert not short.take_more_than(DEFAULT)
    assert other.take_more_than(short)


def test_how_far_a_peer_is_was_noted_for_these_rules() -> None:
    down = plan_of(PeerSettings(url="wss://a.example"))
    up = plan_of(PeerSettings(url="wss://a.example", direction="up"))
    denied, other = rules(access={"denied_keys": [ONE, OTHER]}), rules(access={"denied_keys": [OTHER, ONE]})
    plain, policy = PeerPolicy(), PeerPolicy(denied_kinds=[7])
    assert "-" not in scope_of(down, plain, DEFAULT)
    assert scope_of(down, plain, denied) == scope_of(down, plain, other)  # in whatever order they are listed
    scopes = [
        scope_of(down, *given) for given in ((plain, DEFAULT), (plain, denied), (policy, DEFAULT), (policy, denied))
    ]
    assert len(set(scopes)) == 4
    assert len({scope.partition("-")[0] for scope in scopes}) == 1
    assert scope_of(up, policy, denied) == scope_of(up, plain, DEFAULT)  # nothing is taken
