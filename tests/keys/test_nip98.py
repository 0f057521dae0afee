"""keys.nip98: a proof counts for one request: its URL, its method, its body, its minute."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys import nip98
from relay.errors import Reject
from relay.protocol.event import Event, parse, wire
from tests.factories import NOW, keypair, make_event

URL = "https://hub.example.com/api/v1/users/me?x=1"
BODY = b'{"name":"a"}'


def proof(url: str = URL, method: str = "POST", body: bytes = BODY, created_at: int = NOW, kind: int = 27235) -> Event:
    tags = [["u", url], ["method", method], ["payload", hashlib.sha256(body).hexdigest()]]
    return make_event(1, kind, tags=tags, created_at=created_at)


def check(event: Event, url: str = URL, method: str = "POST", body: bytes = BODY, now: int = NOW) -> str:
    return nip98.authenticated_key(event, url, method, nip98.payload_of(body), now)


def test_a_proof_for_this_request_gives_its_key() -> None:
    assert check(proof()) == keypair(1).pubkey


def test_the_event_of_the_nip_proves_its_key_at_its_time() -> None:
    event = parse(
        '{"id":"fe964e758903360f28d8424d092da8494ed207cba823110be3a57dfe4b578734",'
        '"pubkey":"63fe6318dc58583cfe16810f86dd09e18bfd76aabc24a0081ce2856f330504ed","content":"","kind":27235,'
        '"created_at":1682327852,"tags":[["u","https://api.snort.social/api/v1/n5sp/list"],["method","GET"]],'
        '"sig":"5ed9d8ec958bc854f997bdc24ac337d005af372324747efe4a00e24f4c30437ff4dd8308684bed467d9d6be3e5a517bb43b1732cc7d'
        '33949a3aaf86705c22184"}'
    )
    url = "https://api.snort.social/api/v1/n5sp/list"
    assert nip98.authenticated_key(event, url, "GET", None, 1682327852 + 60) == event.pubkey


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (proof(kind=22242), "kind 27235"),
        (proof(created_at=NOW - 61), "60 seconds"),
        (proof(created_at=NOW + 61), "60 seconds"),
        (proof(url="https://hub.example.com/api/v1/users/me"), "another URL"),
        (proof(url="https://evil.example.com/api/v1/users/me?x=1"), "another URL"),
        (proof(url=URL + "&y=2"), "another URL"),
        (proof(method="GET"), "another method"),
        (proof(body=b"{}"), "payload"),
        (make_event(1, 27235, tags=[["u", URL], ["method", "POST"]]), "exactly one payload"),
        (make_event(1, 27235, tags=[["u", URL], ["u", URL], ["method", "POST"]]), "exactly one u"),
    ],
)
def test_refuses_a_proof_of_something_else(event: Event, reason: str) -> None:
    with pytest.raises(Reject, match=reason):
        check(event)


def test_where_the_payload_may_be_left_out_what_it_says_is_right_all_the_same() -> None:
    def key(event: Event) -> str:
        return nip98.authenticated_key(event, URL, "POST", nip98.payload_of(BODY), NOW, required=False)

    assert key(proof()) == key(make_event(1, 27235, tags=[["u", URL], ["method", "POST"]])) == keypair(1).pubkey
    with pytest.raises(Reject, match="payload"):
        key(proof(body=b"another"))


def test_the_payload_may_be_in_capitals() -> None:
    digest = hashlib.sha256(BODY).hexdigest().upper()
    assert check(make_event(1, 27235, tags=[["u", URL], ["method", "POST"], ["payload", digest]])) == keypair(1).pubkey


def test_a_request_without_a_body_needs_no_payload() -> None:
    event = make_event(1, 27235, tags=[["u", URL], ["method", "GET"]])
    assert check(event, method="GET", body=b"") == keypair(1).pubkey


def test_where_the_method_does_not_matter_none_is_needed() -> None:
    event = make_event(1, 27235, tags=[["u", URL]])
    assert nip98.authenticated_key(event, URL, None, None, NOW) == keypair(1).pubkey
    with pytest.raises(Reject, match="exactly one method"):
        nip98.authenticated_key(event, URL, "GET", None, NOW)


@pytest.mark.parametrize(
    "given_url", ["http://localhost:7447/a?b", "http://[::1]:7447/a?b", "http://127.0.0.1:7447/a?b"]
)
def test_the_names_of_the_loopback_are_one(given_url: str) -> None:
    assert nip98.same_url(given_url, "http://127.0.0.1:7447/a?b")
    assert not nip98.same_url(given_url, "http://127.0.0.1:7448/a?b")
    assert not nip98.same_url(given_url, "http://hub.example.com:7447/a?b")


def test_reads_the_event_in_a_header() -> None:
    event = proof()
    assert nip98.event_in_header("Nostr " + base64.b64encode(wire(event)).decode()) == event
    assert nip98.event_in_header("nostr  " + base64.b64encode(wire(event)).decode()) == event


@pytest.mark.parametrize(("scheme", "content"), [("Bearer", ""), ("Basic", ""), ("", ""), ("Nostr", "x" * 6000)])
def test_an_event_under_another_scheme_or_in_too_long_a_header_is_refused(scheme: str, content: str) -> None:
    event = make_event(1, 27235, content, created_at=NOW)
    with pytest.raises(Reject, match="must be `Nostr`"):
        nip98.event_in_header(f"{scheme} " + base64.b64encode(wire(event)).decode())


@given(st.text())
def test_any_other_header_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(Reject):
        nip98.event_in_header(text)
    with pytest.raises(Reject):
        nip98.event_in_header("Nostr " + text)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("HTTPS://Hub.Example:443/a?b", True),
        ("https://hub.example/a?c", False),
        ("https://hub.example/A?b", False),
        ("http://hub.example/a?b", False),
        ("https://evil.example\\@hub.example/a?b", False),
        ("https://hub.example@evil.example/a?b", False),
        ("hub.example/a?b", False),
    ],
)
def test_a_url_is_the_same_as_a_browser_reads_it(url: str, same: bool) -> None:
    assert nip98.same_url(url, "https://hub.example/a?b") is same
