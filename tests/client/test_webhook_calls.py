"""What a receiver accepts: what the hub signed with its secret, lately, and nothing else."""

import base64

import pytest

from relay.client import BadDelivery, read_delivery
from relay.http.deliveries import signed

KEY = b"k" * 32
SECRET = "whsec_" + base64.b64encode(KEY).decode()
BODY = b'{"type":"news","agent_id":"a","cursor":"7","news":[],"has_more":false,"more":1}'
NOW = 1_700_000_000


def test_what_the_hub_signs_is_read() -> None:
    headers = signed("id", NOW, BODY, KEY)
    assert read_delivery(SECRET, headers, BODY, now=NOW + 299).cursor == "7"
    shouted = {name.upper(): value for name, value in headers.items()}
    both = shouted | {"WEBHOOK-SIGNATURE": f"v1a,x {headers['webhook-signature']}"}  # one of several is enough
    assert read_delivery(SECRET, both, BODY, now=NOW).agent_id == "a"


def test_the_signature_is_that_of_the_specification() -> None:
    """The example of the Standard Webhooks specification's reference implementations."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    headers = signed("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body, secret)
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    ("change", "body", "secret", "now", "words"),
    [
        ({}, BODY + b" ", SECRET, NOW, "not signed with this secret"),
        ({}, BODY, "whsec_" + base64.b64encode(b"x" * 32).decode(), NOW, "not signed with this secret"),
        ({"webhook-id": "other"}, BODY, SECRET, NOW, "not signed with this secret"),
        ({"webhook-signature": ""}, BODY, SECRET, NOW, "not signed with this secret"),
        ({"webhook-signature": "v1,ü"}, BODY, SECRET, NOW, "not signed with this secret"),
        ({"webhook-timestamp": "soon"}, BODY, SECRET, NOW, "does not say when"),
        ({}, BODY, SECRET, NOW + 301, "too long ago"),
        ({}, BODY, SECRET, NOW - 301, "too long ago"),
        ({}, BODY, "whsec_!", NOW, "no secret"),
    ],
)
def test_what_it_did_not_sign_lately_is_refused(
    change: dict[str, str], body: bytes, secret: str, now: int, words: str
) -> None:
    with pytest.raises(BadDelivery, match=words):
        read_delivery(secret, signed("id", NOW, BODY, KEY) | change, body, now=now)


def test_what_is_signed_and_makes_no_sense_is_refused() -> None:
    for body in (b"", b"[1]", b"\xff", b"[" * 100_000):
        with pytest.raises(BadDelivery, match="makes no sense"):
            read_delivery(SECRET, signed("id", NOW, body, KEY), body, now=NOW)
