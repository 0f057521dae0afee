"""HyperLogLog as NIP-45 describes it."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.hll import offset_of, registers

ID = "0" * 32 + "f" + "0" * 31


@pytest.mark.parametrize(
    ("raw", "offset"),
    [
        ({"#e": [ID]}, 23),
        ({"kinds": [7], "#e": [ID, "0" * 64]}, 23),
        ({"#p": ["0" * 64], "#e": [ID]}, 8),
        ({"#a": [f"30023:{ID}:x:y"]}, 23),
        ({"#t": ["cats"]}, int(hashlib.sha256(b"cats").hexdigest()[32], 16) + 8),
        ({"#t": [ID.upper()]}, int(hashlib.sha256(ID.upper().encode()).hexdigest()[32], 16) + 8),
        ({"#t": [""]}, int(hashlib.sha256(b"").hexdigest()[32], 16) + 8),
    ],
)
def test_the_offset_comes_from_the_first_value_of_the_first_tag(raw: dict[str, object], offset: int) -> None:
    assert offset_of(raw) == offset


@pytest.mark.parametrize("raw", [{}, {"kinds": [1]}, {"#e": []}, {"ids": [ID]}])
def test_a_filter_without_a_tag_value_has_no_offset(raw: dict[str, object]) -> None:
    assert offset_of(raw) is None


def test_a_register_holds_the_most_leading_zero_bits_after_the_offset_plus_one() -> None:
    def pubkey(index: int, rest: str) -> bytes:
        return bytes(8) + bytes([index]) + bytes.fromhex(rest.ljust(46, "0"))

    found = bytes.fromhex(registers([pubkey(3, "80"), pubkey(3, "10"), pubkey(4, "0001"), pubkey(255, "")], 8))
    assert (found[3], found[4], found[255]) == (4, 16, 23 * 8 + 1)
    assert sum(found) == 4 + 16 + 23 * 8 + 1


@given(keys=st.lists(st.binary(min_size=32, max_size=32)), offset=st.integers(8, 23))
def test_agrees_with_the_text_taken_bit_by_bit_in_any_order(keys: list[bytes], offset: int) -> None:
    expected = [0] * 256
    for key in keys:
        bits = "".join(f"{byte:08b}" for byte in key[offset + 1 :])
        expected[key[offset]] = max(expected[key[offset]], len(bits) - len(bits.lstrip("0")) + 1)
    assert registers(keys, offset) == registers(reversed(keys * 2), offset) == bytes(expected).hex()
    assert len(registers(keys, offset)) == 512
