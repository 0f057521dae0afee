"""Kinds, addresses and hex."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol import kinds
from tests.factories import keypair

ALICE = keypair(1).pubkey


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        (f"30023:{ALICE}:x", (30023, ALICE, "x")),
        (f"30023:{ALICE}:", (30023, ALICE, "")),
        (f"30023:{ALICE}:a:b::", (30023, ALICE, "a:b::")),
        (f"0:{ALICE}:", (0, ALICE, "")),
        (f"10002:{ALICE}:", (10002, ALICE, "")),
    ],
)
def test_reads_the_address_of_a_replaceable_or_addressable_event(value: str, parsed: tuple[int, str, str]) -> None:
    assert kinds.parse_address(value) == parsed


@pytest.mark.parametrize(
    "value",
    [
        "",
        ":",
        "::",
        "30023",
        f"30023:{ALICE}",
        f"1:{ALICE}:",
        f"20001:{ALICE}:x",
        f"40000:{ALICE}:x",
        f"10002:{ALICE}:x",
        f"030023:{ALICE}:x",
        f"+30023:{ALICE}:x",
        f" 30023:{ALICE}:x",
        f"３0023:{ALICE}:x",
        f"{'9' * 5000}:{ALICE}:x",
        f"30023:{ALICE.upper()}:x",
        f"30023:{ALICE[1:]}:x",
        f"30023:{ALICE}0:x",
    ],
)
def test_takes_nothing_else_for_an_address(value: str) -> None:
    assert kinds.parse_address(value) is None


@given(kind=st.integers(0, kinds.MAX_KIND).filter(kinds.has_address), d=st.text())
def test_an_address_reads_back_as_what_it_was_made_from(kind: int, d: str) -> None:
    kept = d if kinds.is_addressable(kind) else ""
    assert kinds.parse_address(kinds.address(kind, ALICE, d)) == (kind, ALICE, kept)


def test_a_kind_is_in_one_range_at_most() -> None:
    every = range(kinds.MAX_KIND + 1)
    replaceable, addressable = {0, 3, *range(10000, 20000)}, set(range(30000, 40000))
    assert {kind for kind in every if kinds.is_replaceable(kind)} == replaceable
    assert {kind for kind in every if kinds.is_addressable(kind)} == addressable
    assert {kind for kind in every if kinds.has_address(kind)} == replaceable | addressable
    assert {kind for kind in every if kinds.is_ephemeral(kind)} == set(range(20000, 30000))


@pytest.mark.parametrize("value", ["", "ab" * 31, "ab" * 33, "AB" * 32, "ab" * 31 + "a\n", "0x" + "ab" * 31, "é" * 64])
def test_hex_is_exactly_so_many_lower_case_digits(value: str) -> None:
    assert not kinds.is_hex(value, 64)
    assert kinds.is_hex("0123456789abcdef", 16)
