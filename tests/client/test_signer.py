"""A key in memory signs what a relay accepts, and does not show itself."""

import pytest

from keys import encoding, nip42, schnorr
from relay.client import Key
from relay.client.signer import proof
from tests.factories import NOW, keypair

PAIR = keypair(1)


async def test_an_event_is_signed_by_the_key() -> None:
    event = await Key(PAIR.secret).sign(1, "Grüße", [["t", "x"]], NOW)
    assert (event.pubkey, event.kind, event.content, event.tags) == (PAIR.pubkey, 1, "Grüße", [["t", "x"]])
    assert event.created_at == NOW
    assert schnorr.fault(event) is None


async def test_a_proof_is_what_the_relay_asks_for() -> None:
    event = await proof(Key(PAIR.secret), "wss://relay.example", "c", NOW + 0.9)
    assert schnorr.fault(event) is None
    assert nip42.authenticated_key(event, "c", "wss://relay.example", NOW) == PAIR.pubkey


@pytest.mark.parametrize("text", [PAIR.secret.hex(), encoding.encode("nsec", PAIR.secret.hex())])
def test_a_key_is_read_as_hex_and_as_nsec(text: str) -> None:
    assert Key.parse(text).pubkey == PAIR.pubkey


@pytest.mark.parametrize("text", ["", "00" * 32, "nsec1x", encoding.encode("npub", PAIR.pubkey), "é" * 64])
def test_what_is_no_secret_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Key.parse(text)
    assert text == "" or text not in str(caught.value)


def test_a_key_does_not_show_its_secret() -> None:
    key = Key(PAIR.secret)
    assert PAIR.secret.hex() not in repr(key) + str(key)
    assert encoding.encode("npub", PAIR.pubkey) in repr(key)


def test_a_new_key_is_a_new_one_each_time() -> None:
    assert Key.generate().pubkey != Key.generate().pubkey
