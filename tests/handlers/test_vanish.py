"""Requests to vanish (NIP-62)."""

import pytest

from handlers import vanish
from relay.errors import Reject
from relay.protocol.admission import Door, RemoveAuthor
from relay.protocol.facts import Facts
from tests.factories import NOW, keypair, make_event
from tests.handlers.known import RELAY, admit, refused


@pytest.mark.parametrize(
    "relay",
    [
        "ALL_RELAYS",
        "wss://relay.example.com",
        "wss://relay.example.com/",
        "WSS://Relay.Example.COM",
        "wss://relay.example.com:443/",
    ],
)
def test_a_request_that_names_this_relay_removes_its_author(relay: str) -> None:
    admission = admit(make_event(1, kind=62, tags=[["relay", "wss://other.example"], ["relay", relay]]))
    assert admission.store
    assert admission.removals == (RemoveAuthor(keypair(1).pubkey, NOW),)


@pytest.mark.parametrize(
    "relay",
    [
        "all_relays",
        "",
        "wss://relay.example.com:444",
        "wss://relay.example.com/other",
        "ws://relay.example.com",
        "wss://relay.example.com.evil.example",
        "relay.example.com",
        "wss://[::1",
        "wss://relay.example.com:99999",
        "wss://relay.example.com/" + "x" * 100_000,
    ],
)
def test_a_request_for_another_relay_is_refused_saying_so(relay: str) -> None:
    with pytest.raises(Reject, match="this request to vanish is for another relay"):
        vanish.admit_at(RELAY)(
            make_event(1, kind=62, tags=[["relay", relay]]), Facts(keys={keypair(1).pubkey: None}), NOW, Door.PEER
        )


def test_clients_may_know_the_relay_by_another_url_which_their_door_compares() -> None:
    request = make_event(1, kind=62, tags=[["relay", "wss://public.example"]])
    assert vanish.admit_at("ws://127.0.0.1:7447")(
        request, Facts(keys={request.pubkey: None}), NOW, Door.CLIENT
    ).removals


def test_a_request_needs_a_relay_tag() -> None:
    assert refused(make_event(1, kind=62)).startswith("invalid:")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("ws://127.0.0.1:7447", "ws://127.0.0.1:7447/"),
        ("ws://[::1]:7447/", "ws://[::1]:7447"),
        ("ws://relay.example.com:80", "ws://relay.example.com"),
    ],
)
def test_spellings_of_one_url_are_one_relay(ours: str, theirs: str) -> None:
    request = make_event(1, kind=62, tags=[["relay", theirs]])
    assert vanish.admit_at(ours)(request, Facts(keys={request.pubkey: None}), NOW, Door.IMPORT).removals


def test_a_relay_at_another_port_is_another_relay() -> None:
    request = make_event(1, kind=62, tags=[["relay", "ws://127.0.0.1:7448"]])
    with pytest.raises(Reject, match="another relay"):
        vanish.admit_at("ws://127.0.0.1:7447")(request, Facts(keys={request.pubkey: None}), NOW, Door.PEER)
