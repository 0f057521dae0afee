"""Authentication events (NIP-42)."""

import pytest

from keys.nip42 import authenticated_key
from relay.errors import Prefix, Reject
from relay.protocol.event import Event
from tests.factories import NOW, keypair, make_event

CHALLENGE = "c0ffee"
RELAY = "wss://relay.example.com/"


def auth(
    challenge: str = CHALLENGE, relay: str = RELAY, kind: int = 22242, age: int = 0, more: tuple[list[str], ...] = ()
) -> Event:
    return make_event(1, kind, tags=[["relay", relay], ["challenge", challenge], *more], created_at=NOW - age)


def refused(event: Event) -> str:
    with pytest.raises(Reject) as refusal:
        authenticated_key(event, CHALLENGE, RELAY, NOW)
    assert refusal.value.prefix is Prefix.INVALID
    return str(refusal.value)


@pytest.mark.parametrize("age", [0, 600, -600])
def test_gives_the_key_within_ten_minutes(age: int) -> None:
    assert authenticated_key(auth(age=age), CHALLENGE, RELAY, NOW) == keypair(1).pubkey


@pytest.mark.parametrize(
    "relay",
    [
        "wss://relay.example.com",
        "WSS:\\\\relay.example.com",
        "wss:///relay.example.com",
        "wss://relay.example.com.",
        "ws://relay.example.com:7447",
        "wss://RELAY.example.com/path?x",
    ],
)
def test_the_relay_tag_is_compared_by_host(relay: str) -> None:
    assert authenticated_key(auth(relay=relay), CHALLENGE, RELAY, NOW) == keypair(1).pubkey


@pytest.mark.parametrize("age", [601, -601, NOW])
def test_refuses_an_event_of_another_time(age: int) -> None:
    assert "created_at" in refused(auth(age=age))


@pytest.mark.parametrize("kind", [1, 22241, 27235])
def test_refuses_another_kind(kind: int) -> None:
    assert "22242" in refused(auth(kind=kind))


@pytest.mark.parametrize("challenge", ["", "c0ffe", "c0ffee0", "C0FFEE", "é"])
def test_refuses_another_challenge(challenge: str) -> None:
    assert "challenge" in refused(auth(challenge=challenge))


@pytest.mark.parametrize(
    "relay",
    [
        "",
        "relay.example.com",
        "wss://other.example.com",
        "wss://relay.example.com.evil.example",
        "wss://evil.example\\@relay.example.com/",
        "https:\\\\evil.example\\@relay.example.com",
        "wss://relay.example.com@evil.example",
        "wss://[::1",
    ],
)
def test_refuses_another_relay(relay: str) -> None:
    assert "relay" in refused(auth(relay=relay))


@pytest.mark.parametrize("name", ["relay", "challenge"])
def test_needs_exactly_one_tag_of_each(name: str) -> None:
    value = {"relay": RELAY, "challenge": CHALLENGE}[name]
    assert f"exactly one {name} tag, not 2" in refused(auth(more=([name, value],)))
    other = [["relay", RELAY], ["challenge", CHALLENGE]]
    without = make_event(1, 22242, tags=[tag for tag in other if tag[0] != name])
    assert f"exactly one {name} tag, not 0" in refused(without)


def test_a_relay_that_does_not_know_its_own_host_authenticates_nobody() -> None:
    with pytest.raises(Reject):
        authenticated_key(auth(relay=""), CHALLENGE, "", NOW)
