"""keys.nip49: the vectors of NIP-49, and what does not open."""

import pytest

from keys import encoding, nip49

VECTOR = (
    "ncryptsec1qgg9947rlpvqu76pj5ecreduf9jxhselq2nae2kghhvd5g7dgjtcxfqtd67p9m0w57lspw8gsq6yphnm8623nsl8xn9j4jdzz84zm3frztj3"
    "z7s35vpzmqf6ksu8r89qk5z2zxfmu5gv8th8wclt0h4p"
)
SECRET = bytes.fromhex("3501454135014541350145413501453fefb02227e449e57cf4d3a3ce05378683")


def test_opens_the_vector_of_the_nip() -> None:
    assert nip49.decrypt(VECTOR, "nostr") == SECRET


def test_what_was_encrypted_opens_with_the_same_password() -> None:
    text = nip49.encrypt(SECRET, "correct horse", log_n=4)
    assert text.startswith("ncryptsec1")
    assert nip49.decrypt(text, "correct horse") == SECRET


def test_a_password_counts_the_same_however_its_characters_are_composed() -> None:
    text = nip49.encrypt(SECRET, "\u212b\u2126\u1e9b\u0323", log_n=4)
    assert nip49.decrypt(text, "\u00c5\u03a9\u1e69") == SECRET


def test_two_encryptions_of_one_secret_differ() -> None:
    assert nip49.encrypt(SECRET, "x", log_n=4) != nip49.encrypt(SECRET, "x", log_n=4)


def test_a_wrong_password_opens_nothing_and_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="the password is wrong") as error:
        nip49.decrypt(nip49.encrypt(SECRET, "right", log_n=4), "wr0ng")
    assert "wr0ng" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("ncryptsec1nonsense", "not bech32"),
        (encoding.encode("npub", "00" * 32), "no ncryptsec"),
        (encoding.to_bech32("ncryptsec", bytes(90)), "no ncryptsec"),
        (encoding.to_bech32("ncryptsec", bytes([1]) + bytes(90)), "no ncryptsec"),
        (encoding.to_bech32("ncryptsec", bytes([2, 31]) + bytes(89)), "scrypt parameter"),
    ],
)
def test_refuses_what_it_cannot_open(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        nip49.decrypt(text, "nostr")
