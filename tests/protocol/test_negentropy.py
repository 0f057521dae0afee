"""Negentropy between two sides in memory: what they find is the difference of their sets, whatever the frame limit."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.protocol.item_set import Bound, ItemSet, varint
from relay.protocol.negentropy import BUCKETS, LEAST_LIMIT, MalformedNegentropy, OtherVersion, Reconciliation

Item = tuple[int, bytes]


def event_id(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()


def items(*numbers: int, second: int = 1_700_000_000) -> list[Item]:
    return [(second + number % 7, event_id(number)) for number in numbers]


def reconcile(ours: list[Item], theirs: list[Item], limit: int = 0) -> tuple[set[bytes], set[bytes], int]:
    """What the first side has alone, what it lacks, and how many messages it sent."""
    initiator, responder = Reconciliation(ItemSet(ours), limit), Reconciliation(ItemSet(theirs), limit)
    have: list[bytes] = []
    need: list[bytes] = []
    message, rounds = initiator.begin(), 0
    while True:
        rounds += 1
        assert rounds < 1000
        reply = responder.answer(message)
        assert not limit or max(len(message), len(reply)) <= limit
        found = initiator.go_on(reply)
        have += found.have
        need += found.need
        if found.reply is None:
            return set(have), set(need), rounds
        message = found.reply


ITEMS = st.lists(st.integers(0, 400), unique=True, max_size=300)


@settings(max_examples=60, deadline=None)
@given(ITEMS, ITEMS, st.sampled_from([0, LEAST_LIMIT]))
def test_finds_the_difference_of_two_sets(ours: list[int], theirs: list[int], limit: int) -> None:
    have, need, _ = reconcile(items(*ours), items(*theirs), limit)
    assert have == {event_id(number) for number in set(ours) - set(theirs)}
    assert need == {event_id(number) for number in set(theirs) - set(ours)}


@settings(max_examples=20, deadline=None)
@given(st.sets(st.integers(0, 255), max_size=200), st.sets(st.integers(0, 255), max_size=200))
def test_ids_that_share_most_of_their_bytes_are_told_apart(ours: set[int], theirs: set[int]) -> None:
    def close(numbers: set[int]) -> list[Item]:
        return [(5, bytes(31) + bytes((number,))) for number in numbers]

    have, need, _ = reconcile(close(ours), close(theirs))
    assert have == {one for _, one in close(ours - theirs)}
    assert need == {one for _, one in close(theirs - ours)}


def test_a_large_difference_fits_through_a_small_frame() -> None:
    ours, theirs = items(*range(6000)), items(*range(3000, 9000))
    have, need, rounds = reconcile(ours, theirs, LEAST_LIMIT)
    assert (len(have), len(need)) == (3000, 3000)
    assert rounds > 5


def test_equal_sets_take_one_round_and_a_few_hundred_bytes() -> None:
    some = items(*range(20_000))
    initiator, responder = Reconciliation(ItemSet(some)), Reconciliation(ItemSet(some))
    message = initiator.begin()
    reply = responder.answer(message)
    assert len(message) + len(reply) < 1000
    assert initiator.go_on(reply).reply is None


@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 1000)), unique_by=lambda item: item[1], max_size=120),
    st.data(),
)
def test_a_fingerprint_is_that_of_the_text(some: list[tuple[int, int]], data: st.DataObject) -> None:
    ordered = sorted((second, event_id(number)) for second, number in some)
    found = ItemSet(ordered)
    lower = data.draw(st.integers(0, len(ordered)))
    upper = data.draw(st.integers(lower, len(ordered)))
    total = sum(int.from_bytes(one, "little") for _, one in ordered[lower:upper]) % 2**256
    text = total.to_bytes(32, "little") + varint(upper - lower)
    assert found.fingerprint(lower, upper) == hashlib.sha256(text).digest()[:16]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 1000)), unique_by=lambda item: item[1], max_size=60),
    st.integers(0, 6),
    st.integers(0, 1000),
    st.integers(0, 32),
)
def test_a_bound_is_found_where_a_plain_search_finds_it(
    some: list[tuple[int, int]], second: int, number: int, size: int
) -> None:
    ordered = sorted((at, event_id(one)) for at, one in some)
    bound = Bound(second, event_id(number)[:size])
    expected = sum((at, one) < (bound.created_at, bound.prefix) for at, one in ordered)
    assert ItemSet(ordered).first_from(bound, 0) == expected


@pytest.mark.parametrize(
    ("number", "written"), [(0, "00"), (127, "7f"), (128, "8100"), (300, "822c"), (2**64 - 1, "81" + "ff" * 8 + "7f")]
)
def test_numbers_are_written_most_significant_first(number: int, written: str) -> None:
    assert varint(number).hex() == written


def test_an_unknown_version_is_answered_with_ours() -> None:
    responder = Reconciliation(ItemSet([(12345, b"\xee" * 32)]))
    assert responder.answer(bytes.fromhex("62aabbccddeeff")).hex() == "61"
    assert responder.answer(bytes.fromhex("6100000200")).hex() == "6100000201" + "ee" * 32
    with pytest.raises(OtherVersion):
        responder.go_on(bytes.fromhex("62"))


@pytest.mark.parametrize(
    "message",
    [
        "",
        "00",
        "70",
        "61ff",
        "6101",
        "610000",
        "61000001aa",
        "6100000281ffffffff7f",
        "610000" + "09",
        "610021" + "aa" * 33 + "00",
        "61" + "ff" * 12,
    ],
)
def test_nonsense_is_refused(message: str) -> None:
    with pytest.raises(MalformedNegentropy):
        Reconciliation(ItemSet(items(*range(50)))).answer(bytes.fromhex(message))


@given(st.binary(max_size=200))
def test_any_bytes_are_answered_or_refused(junk: bytes) -> None:
    side = Reconciliation(ItemSet(items(*range(100))), LEAST_LIMIT)
    for receive in (side.answer, side.go_on):
        try:
            receive(b"\x61" + junk)
        except MalformedNegentropy:
            continue


def test_the_first_message_of_a_large_set_has_a_fingerprint_a_bucket() -> None:
    message = Reconciliation(ItemSet(items(*range(1000)))).begin()
    assert len(message) < BUCKETS * (16 + 1 + 6 + 2 + 6)


def test_there_is_a_rest_after_every_range() -> None:
    rests: list[int] = []
    side = Reconciliation(ItemSet(items(*range(1000))), rest=lambda: rests.append(1))
    side.answer(Reconciliation(ItemSet(items(*range(500, 1500)))).begin())
    assert len(rests) == BUCKETS


def test_a_limit_too_small_for_a_message_is_refused() -> None:
    with pytest.raises(ValueError, match="4096"):
        Reconciliation(ItemSet([]), 100)


def test_an_id_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="32"):
        ItemSet([(1, b"short")])
