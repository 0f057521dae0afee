"""Which kinds go to which handler, and the NIPs they add."""

import pytest

from handlers.table import HANDLERS, NIPS, row_of
from relay.protocol import kinds
from tests.factories import make_event
from tests.handlers.known import admit

SPENT = (kinds.EPHEMERAL_GIFT_WRAP, kinds.JOIN, kinds.INVITE, kinds.LEAVE)  # not stored, by a handler of their own
ADDRESSABLE = ("addressable", "knowledge", "repositories", "records", "replicas")
FAMILIES = {
    "deletion": [5],
    "vanish": [62],
    "private": [4, 1059, 21059],
    "profiles": [0],
    "joining": [28934],
    "moderation": [9000, 9005, 9011, 9020, 9021, 9022],
    "invites": [28935],
    "leaving": [28936],
    "contacts": [3],
    "replaceable": [10000, 19999],
    "ephemeral": [20000, 21058, 29999],
    "addressable": [30000, 39999],
    "posts": [11],
    "edits": [1010],
    "comments": [1111],
    "votes": [7],
    "chat": [9],
    "issues": [1621],
    "states": [1630, 1633],
    "repositories": [30617, 30618],
    "records": [30078],
    "regular": [1, 2, 6, 13, 44, 1060, 8999, 9023, 9999, 40000, 65535],
}


@pytest.mark.parametrize(("family", "kind"), [(family, kind) for family, found in FAMILIES.items() for kind in found])
def test_each_kind_goes_to_its_family(family: str, kind: int) -> None:
    assert row_of(kind).name == family


def test_every_kind_has_the_first_row_that_covers_it() -> None:
    for kind in range(0, kinds.MAX_KIND + 1, 7):
        assert row_of(kind) is next(row for row in HANDLERS if any(kind in covered for covered in row.kinds))


def test_the_rows_agree_with_the_ranges_of_nip_01() -> None:
    for kind in range(kinds.MAX_KIND + 1):
        assert kinds.is_replaceable(kind) == (row_of(kind).name in ("replaceable", "contacts", "profiles"))
        assert kinds.is_addressable(kind) == (row_of(kind).name in ADDRESSABLE)
        assert kinds.is_ephemeral(kind) == (row_of(kind).name == "ephemeral" or kind in SPENT)


@pytest.mark.parametrize("kind", [1, 7, 44, 1111, 40000])
def test_regular_events_are_stored_for_everyone(kind: int) -> None:
    admission = admit(make_event(kind=kind))
    assert (admission.store, admission.audience, admission.removals) == (True, None, ())


@pytest.mark.parametrize("kind", [20000, 24133, 29999])
def test_ephemeral_events_are_sent_and_never_stored(kind: int) -> None:
    admission = admit(make_event(kind=kind))
    assert (admission.store, admission.refusal) == (False, None)


def test_the_nips_of_the_rows_are_sorted_and_named_once() -> None:
    assert list(NIPS) == sorted(set(NIPS))
    assert {1, 9, 17, 40, 59, 62, 65} <= set(NIPS)
