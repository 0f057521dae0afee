"""keys.custody: what is sealed opens in its place under its master secret only; what the relay signs says so."""

import pytest

from keys import nip49
from keys.custody import SIGNED, Custody, CustodyError, unsigned
from keys.schnorr import fault, public_key
from relay.protocol.event import Draft, values
from storage.identities.types import Held
from tests.factories import NOW, keypair

RELAY = keypair(9).pubkey


@pytest.fixture
def custody() -> Custody:
    return Custody(bytes(32))


def draft(kind: int = 11) -> Draft:
    return Draft(kind, [["title", "Hello"]], "text", NOW)


def test_what_was_sealed_opens_in_its_place(custody: Custody) -> None:
    sealed = custody.seal("users", "github_access_token", "a", b"secret")
    assert custody.open("users", "github_access_token", "a", sealed) == b"secret"
    assert b"secret" not in sealed


@pytest.mark.parametrize(
    "place", [("users", "github_access_token", "b"), ("users", "email", "a"), ("us", "ersgithub_access_token", "a")]
)
def test_a_ciphertext_does_not_open_elsewhere(custody: Custody, place: tuple[str, str, str]) -> None:
    sealed = custody.seal("users", "github_access_token", "a", b"secret")
    with pytest.raises(CustodyError, match="cannot be decrypted"):
        custody.open(*place, sealed)


def test_another_master_secret_opens_nothing_and_says_so(custody: Custody) -> None:
    other = Custody(bytes([1]) * 32)
    with pytest.raises(CustodyError, match="cannot be decrypted with this master secret"):
        other.open("t", "c", "r", custody.seal("t", "c", "r", b"secret"))
    assert other.check != custody.check


@pytest.mark.parametrize("damage", [b"", b"\x01", b"\x02" + bytes(40)])
def test_a_damaged_ciphertext_is_no_crash(custody: Custody, damage: bytes) -> None:
    with pytest.raises(CustodyError):
        custody.open("t", "c", "r", damage)


def test_a_held_key_signs_and_the_event_names_the_relay(custody: Custody) -> None:
    key = custody.new_key()
    event = custody.sign(key, RELAY, draft())
    assert fault(event) is None
    assert event.pubkey == key.pubkey
    assert values(event, "custody") == [RELAY]


def test_the_same_draft_signed_twice_is_two_events(custody: Custody) -> None:
    key = custody.new_key()
    assert custody.sign(key, RELAY, draft()).id != custody.sign(key, RELAY, draft()).id


def test_a_caller_cannot_name_another_relay_as_the_signer(custody: Custody) -> None:
    event = custody.sign(custody.new_key(), RELAY, Draft(1111, [["custody", "0" * 64]], "", NOW))
    assert values(event, "custody") == [RELAY]


@pytest.mark.parametrize("kind", [13, 62, 1059, 22242, 24133, 27235, 28934, 28936])
def test_never_signs_proofs_seals_or_vanishing(custody: Custody, kind: int) -> None:
    assert kind not in SIGNED
    with pytest.raises(CustodyError, match=f"no kind {kind}"):
        custody.sign(custody.new_key(), RELAY, draft(kind))


def test_a_retired_key_only_deletes_and_vanishes(custody: Custody) -> None:
    key = custody.new_key()
    retired = Held(key.pubkey, key.ciphertext, retired=True)
    assert fault(custody.sign(retired, RELAY, draft(5))) is None
    assert fault(custody.sign_vanish(retired, RELAY, draft(62))) is None
    with pytest.raises(CustodyError, match="retired"):
        custody.sign(retired, RELAY, draft(11))


def test_a_vanish_is_signed_by_its_own_way_only(custody: Custody) -> None:
    with pytest.raises(CustodyError):
        custody.sign_vanish(custody.new_key(), RELAY, draft(11))


def test_an_export_opens_with_its_password(custody: Custody) -> None:
    key = custody.new_key()
    assert public_key(nip49.decrypt(custody.export(key, "pass"), "pass")).hex() == key.pubkey


def test_a_recoded_secret_opens_under_the_next_master_secret_only(custody: Custody) -> None:
    following = Custody(bytes([7]) * 32)
    sealed = custody.recode(following, "t", "c", "r", custody.seal("t", "c", "r", b"secret"))
    assert following.open("t", "c", "r", sealed) == b"secret"
    with pytest.raises(CustodyError):
        custody.open("t", "c", "r", sealed)


def test_its_text_form_holds_no_secret() -> None:
    assert repr(Custody(b"\xab" * 32)) == "Custody()"


def test_an_unsigned_event_has_the_id_that_its_owner_will_sign(custody: Custody) -> None:
    key = keypair(3)
    event = unsigned(key.pubkey, draft())
    assert event.sig == ""
    assert event.pubkey == key.pubkey
    assert len(event.id) == 64
