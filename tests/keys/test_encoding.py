"""NIP-19 texts."""

import nostr_sdk
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynostr import bech32
from pynostr.key import PrivateKey, PublicKey

from keys import encoding
from keys.encoding import (
    AddressPointer,
    EventPointer,
    Pointer,
    ProfilePointer,
    decode,
    decode_pointer,
    encode,
    encode_pointer,
)

HEX = st.binary(min_size=32, max_size=32).map(bytes.hex)
RELAYS = st.lists(st.text("abc:/.-?", min_size=1, max_size=40), max_size=3).map(tuple)
KIND = st.integers(0, 65535)
POINTERS = (
    st.builds(ProfilePointer, HEX, RELAYS)
    | st.builds(EventPointer, HEX, RELAYS, st.none() | HEX, st.none() | KIND)
    | st.builds(AddressPointer, KIND, HEX, st.text(max_size=60), RELAYS)
)
KEY = "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
EXAMPLES = [
    ("npub", "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg"),
    ("npub", "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"),
    ("nsec", "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"),
]


def bech(prefix: str, data: bytes, spec: bech32.Encoding = bech32.Encoding.BECH32) -> str:
    return str(bech32.bech32_encode(prefix, bech32.convertbits(data, 8, 5), spec))


@pytest.mark.parametrize(("prefix", "text"), EXAMPLES)
def test_reads_and_writes_the_examples_of_the_nip(prefix: encoding.Bare, text: str) -> None:
    assert encode(prefix, decode(prefix, text)) == text
    assert decode("npub", EXAMPLES[1][1]) == KEY


def test_reads_the_profile_of_the_nip() -> None:
    text = (
        "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv34"
        "kytnrdaksjlyr9p"
    )
    assert decode_pointer(text) == ProfilePointer(KEY, ("wss://r.x.com", "wss://djbas.sadkb.com"))


@given(HEX)
def test_agrees_with_other_implementations(value: str) -> None:
    assert encode("npub", value) == PublicKey.from_hex(value).npub
    assert encode("note", value) == nostr_sdk.EventId.parse(value).to_bech32()


def test_a_secret_agrees_with_other_implementations() -> None:
    assert encode("nsec", "11" * 32) == PrivateKey.from_hex("11" * 32).nsec
    assert encode("nsec", "11" * 32) == nostr_sdk.SecretKey.parse("11" * 32).to_bech32()


@pytest.mark.parametrize("kind", [0, 65535])
def test_the_least_and_the_greatest_kind_read_back(kind: int) -> None:
    for pointer in (AddressPointer(kind, KEY, "x", ()), EventPointer(KEY, (), None, kind)):
        assert decode_pointer(encode_pointer(pointer)) == pointer


@given(POINTERS)
def test_a_pointer_reads_back_as_itself(pointer: Pointer) -> None:
    assert decode_pointer(encode_pointer(pointer)) == pointer


def test_pointers_of_another_implementation_are_read_and_ours_by_it() -> None:
    relays, key = [nostr_sdk.RelayUrl.parse("wss://r.x.com")], nostr_sdk.PublicKey.parse(KEY)
    kind, event_id = nostr_sdk.Kind(30023), nostr_sdk.EventId.parse("ab" * 32)
    theirs = nostr_sdk.Nip19Event(event_id, key, kind, relays).to_bech32()
    ours = EventPointer("ab" * 32, ("wss://r.x.com",), KEY, 30023)
    assert decode_pointer(theirs) == ours
    assert nostr_sdk.Nip19Event.from_bech32(encode_pointer(ours)).author() == key
    address = nostr_sdk.Nip19Coordinate(nostr_sdk.Coordinate(kind, key, "é"), relays).to_bech32()
    assert decode_pointer(address) == AddressPointer(30023, KEY, "é", ("wss://r.x.com",))


@pytest.mark.parametrize("given_prefix", ["npub", "nsec", "note"])
@pytest.mark.parametrize("asked", ["npub", "nsec", "note"])
def test_each_text_decodes_only_as_what_it_says_it_is(given_prefix: encoding.Bare, asked: encoding.Bare) -> None:
    text = encode(given_prefix, KEY)
    if given_prefix == asked:
        assert decode(asked, text) == KEY
    else:
        with pytest.raises(ValueError, match=f"expected {asked}1…, found {given_prefix}1…"):
            decode(asked, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "npub1",
        KEY,
        EXAMPLES[0][1][:-1],
        EXAMPLES[0][1] + "q",
        EXAMPLES[0][1][:-1] + "q",
        EXAMPLES[0][1][:9].upper() + EXAMPLES[0][1][9:],
        " " + EXAMPLES[0][1],
        bech("npub", bytes(32), bech32.Encoding.BECH32M),
        bech("npub", bytes(31)),
        bech("npub", bytes(33)),
        bech("npub", b""),
        bech("npub2", bytes(32)),
        "npub1" + "q" * 5000,
        "npub1é" + "q" * 60,
    ],
)
def test_refuses_what_is_no_npub(text: str) -> None:
    with pytest.raises(ValueError, match=r"NIP-19|bytes|found"):
        decode("npub", text)


def test_an_error_never_repeats_a_secret() -> None:
    secret = encode("nsec", "11" * 32)
    for text in (secret, secret[:-1], secret + "q", "x" + secret):
        with pytest.raises(ValueError, match=r"expected|bech32") as error:
            decode("npub", text)
        assert secret[5:20] not in str(error.value)
        with pytest.raises(ValueError, match=r"expected|bech32") as error:
            decode_pointer(text)
        assert secret[5:20] not in str(error.value)


@pytest.mark.parametrize("value", ["", KEY.upper(), KEY[:-1], KEY + "0", KEY[:-1] + "\n", EXAMPLES[0][1]])
def test_writes_only_64_hex_digits(value: str) -> None:
    with pytest.raises(ValueError, match="64 lower-case hex digits"):
        encode("npub", value)


def items(*pairs: tuple[int, bytes]) -> bytes:
    return b"".join(bytes((kind, len(value))) + value for kind, value in pairs)


ID = (0, bytes(32))


@pytest.mark.parametrize(
    ("prefix", "data", "reason"),
    [
        ("nprofile", b"", "type 0 is missing"),
        ("nprofile", b"\x00", "middle of an item"),
        ("nprofile", b"\x00\x20" + bytes(31), "middle of an item"),
        ("nprofile", items((0, bytes(31))), "32 bytes"),
        ("nprofile", items(ID, (1, b"\xff")), "not ascii"),
        ("nevent", items(ID, (2, bytes(5))), "32 bytes"),
        ("nevent", items(ID, (3, bytes(3))), "four bytes"),
        ("nevent", items(ID, (3, b"\x00\x01\x00\x00")), "four bytes"),
        ("naddr", items((0, b"x"), (2, bytes(32))), "type 3 is missing"),
        ("naddr", items((0, b"x"), (3, bytes(4))), "type 2 is missing"),
        ("naddr", items((2, bytes(32)), (3, bytes(4))), "type 0 is missing"),
        ("naddr", items((0, b"\xff"), (2, bytes(32)), (3, bytes(4))), "not utf-8"),
        ("npub", bytes(32), "expected nprofile1"),
    ],
)
def test_refuses_a_pointer_that_lacks_or_breaks_an_item(prefix: str, data: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        decode_pointer(bech(prefix, data))


def test_items_of_unknown_type_are_passed_over() -> None:
    assert decode_pointer(bech("nevent", items((9, b"x"), ID, (200, b"")))) == EventPointer("00" * 32)


@pytest.mark.parametrize(
    "pointer",
    [
        ProfilePointer("x"),
        ProfilePointer(KEY, ("wss://é",)),
        ProfilePointer(KEY, ("w" * 256,)),
        ProfilePointer(KEY, ("w" * 255,) * 20),
        EventPointer(KEY, kind=65536),
        EventPointer(KEY, kind=-1),
        AddressPointer(30023, KEY, "é" * 128),
    ],
)
def test_refuses_to_write_what_could_not_be_read(pointer: Pointer) -> None:
    with pytest.raises(ValueError, match=r"NIP-19|hex|kind"):
        encode_pointer(pointer)


@given(st.text(max_size=80) | st.binary(max_size=80).map(lambda data: bech("nevent", data)))
def test_any_text_is_a_pointer_or_a_value_error(text: str) -> None:
    try:
        pointer = decode_pointer(text)
    except ValueError:
        return
    assert isinstance(pointer, Pointer)
