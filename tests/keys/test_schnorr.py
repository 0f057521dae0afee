"""BIP-340 signatures and the whole check of an event."""

import msgspec
import nostr_sdk
import pytest
from coincurve import PublicKeyXOnly
from hypothesis import given, settings
from hypothesis import strategies as st
from pynostr.key import PrivateKey as PynostrKey

from keys import schnorr
from relay.protocol.event import Event, compute_id, wire
from tests.factories import keypair, make_event

KEY = keypair(1)
MESSAGE = bytes(range(32))
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@settings(max_examples=30)
@given(st.binary(min_size=32, max_size=32), st.integers(0, 20))
def test_three_implementations_accept_each_others_signatures(message: bytes, n: int) -> None:
    key = keypair(n)
    signatures = [
        schnorr.sign(key.secret, message),
        bytes.fromhex(nostr_sdk.Keys.parse(key.secret.hex()).sign_schnorr(message)),
        PynostrKey(key.secret).sign(message),
    ]
    for signature in signatures:
        assert schnorr.verify(bytes.fromhex(key.pubkey), message, signature)
        assert PublicKeyXOnly(bytes.fromhex(key.pubkey)).verify(signature, message)


def test_public_keys_agree_with_other_implementations() -> None:
    public = schnorr.public_key(KEY.secret).hex()
    assert public == KEY.pubkey == nostr_sdk.Keys.parse(KEY.secret.hex()).public_key().to_hex()
    assert public == PynostrKey(KEY.secret).public_key.hex()


def test_a_key_is_read_once_for_many_signatures_and_each_of_them_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def reading(data: bytes) -> PublicKeyXOnly:
        read.append(data)
        return PublicKeyXOnly(data)

    monkeypatch.setattr(schnorr, "PublicKeyXOnly", reading)
    key, other = keypair(9001), keypair(9002)
    public, signature = bytes.fromhex(key.pubkey), schnorr.sign(key.secret, MESSAGE)
    assert schnorr.verify(public, MESSAGE, signature)
    assert not schnorr.verify(public, MESSAGE[::-1], signature)
    assert not schnorr.verify(public, MESSAGE, schnorr.sign(other.secret, MESSAGE))
    assert not schnorr.verify(bytes.fromhex(other.pubkey), MESSAGE, signature)
    assert schnorr.verify(public, MESSAGE, signature)
    assert read == [public, bytes.fromhex(other.pubkey)]


def test_signatures_are_fresh_each_time_and_all_verify() -> None:
    signatures = {schnorr.sign(KEY.secret, MESSAGE) for _ in range(3)}
    assert len(signatures) == 3
    assert all(schnorr.verify(bytes.fromhex(KEY.pubkey), MESSAGE, signature) for signature in signatures)


@settings(max_examples=60)
@given(st.integers(0, 511), st.sampled_from(["signature", "message", "pubkey"]))
def test_no_bit_of_signature_message_or_key_may_change(bit: int, part: str) -> None:
    parts = {
        "signature": schnorr.sign(KEY.secret, MESSAGE),
        "message": MESSAGE,
        "pubkey": bytes.fromhex(KEY.pubkey),
    }
    changed = bytearray(parts[part])
    changed[bit // 8 % len(changed)] ^= 1 << bit % 8
    parts[part] = bytes(changed)
    assert not schnorr.verify(parts["pubkey"], parts["message"], parts["signature"])


@pytest.mark.parametrize("pubkey", [bytes(32), b"\xff" * 32, bytes(31) + b"\x05", b"", bytes(33)])
def test_a_key_off_the_curve_verifies_nothing(pubkey: bytes) -> None:
    assert not schnorr.verify(pubkey, MESSAGE, schnorr.sign(KEY.secret, MESSAGE))


@pytest.mark.parametrize("signature", [b"", bytes(63), bytes(64), bytes(65), b"\xff" * 64])
def test_a_signature_of_another_form_is_false(signature: bytes) -> None:
    assert not schnorr.verify(bytes.fromhex(KEY.pubkey), MESSAGE, signature)


def test_the_second_half_of_a_signature_may_not_be_moved_by_the_group_order() -> None:
    signature = schnorr.sign(KEY.secret, MESSAGE)
    s = int.from_bytes(signature[32:])
    mirrored = signature[:32] + (ORDER - s).to_bytes(32)
    assert not schnorr.verify(bytes.fromhex(KEY.pubkey), MESSAGE, mirrored)


@pytest.mark.parametrize("secret", [bytes(32), ORDER.to_bytes(32), b"\xff" * 32])
def test_a_secret_outside_the_group_is_a_value_error(secret: bytes) -> None:
    with pytest.raises(ValueError, match=r"(?i)secret"):
        schnorr.public_key(secret)


def resigned(event: Event, **fields: object) -> Event:
    """The event with fields replaced and its id recomputed, the signature left as it was."""
    changed = msgspec.structs.replace(event, **fields)
    return msgspec.structs.replace(changed, id=compute_id(changed))


def test_a_signed_event_has_no_fault_here_nor_elsewhere() -> None:
    event = make_event(KEY, content="x", tags=[["t", "y"]])
    assert schnorr.fault(event) is None
    assert nostr_sdk.Event.from_json(wire(event).decode()).verify()


def test_rejects_an_event_whose_id_is_not_its_hash() -> None:
    event = make_event(KEY)
    assert "hash" in str(schnorr.fault(msgspec.structs.replace(event, content="forged")))
    assert "hash" in str(schnorr.fault(msgspec.structs.replace(event, id="0" * 64)))


def test_rejects_an_event_that_another_key_signed() -> None:
    event = make_event(KEY)
    for forged in (
        resigned(event, pubkey=keypair(2).pubkey),
        resigned(event, content="x"),
        resigned(event, sig="0" * 128),
    ):
        assert str(schnorr.fault(forged)).startswith("invalid: the signature")


def test_rejects_an_event_of_a_key_off_the_curve() -> None:
    assert str(schnorr.fault(resigned(make_event(KEY), pubkey="f" * 64))).startswith("invalid: the signature")
