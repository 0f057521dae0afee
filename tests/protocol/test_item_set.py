"""The set that is compared, beside a sorted list: the same items, the same places, the same sums, however it came about."""

import hashlib
from bisect import bisect_left

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.protocol import item_set
from relay.protocol.item_set import INFINITY, Bound, Item, ItemSet, varint

ITEMS = st.builds(
    lambda second, number, last: (second, hashlib.sha256(b"%d" % number).digest()[:31] + bytes((last,))),
    st.integers(0, 20),
    st.integers(0, 30),
    st.integers(0, 2),
)


@pytest.fixture(autouse=True, scope="module")
def small_blocks():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(item_set, "BLOCK", 4)
        patch.setattr(item_set, "_STRIDE", 3)
        yield


def fingerprint(items: list[Item]) -> bytes:
    total = sum(int.from_bytes(event_id, "little") for _, event_id in items) % 2**256
    return hashlib.sha256(total.to_bytes(32, "little") + varint(len(items))).digest()[:16]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_is_a_sorted_list_that_can_be_summed(data: st.DataObject) -> None:
    begun = data.draw(st.lists(ITEMS, unique=True, max_size=40))
    items, model = ItemSet(begun), sorted(begun)
    for _ in range(data.draw(st.integers(0, 4))):
        if data.draw(st.booleans()):
            some = data.draw(st.lists(ITEMS, max_size=30))
            items.add(some)
            model = sorted({*model, *some})
        else:
            gone = {
                event_id
                for _, event_id in data.draw(st.lists(st.sampled_from(model), max_size=9) if model else st.just([]))
            }
            items.discard(gone)
            model = [one for one in model if one[1] not in gone]
        assert (list(items), len(items)) == (model, len(model))
        assert items.fingerprint(0, len(model)) == fingerprint(model)  # it is asked between changes, too
    lower = data.draw(st.integers(0, len(model)))
    upper = data.draw(st.integers(lower, len(model)))
    assert items.fingerprint(lower, upper) == fingerprint(model[lower:upper])
    assert items.ids(lower, upper) == b"".join(event_id for _, event_id in model[lower:upper])
    bound = data.draw(st.builds(Bound, st.integers(0, 21), st.binary(max_size=32)) | st.just(Bound(INFINITY)))
    assert items.first_from(bound, 0) == bisect_left(model, (bound.created_at, bound.prefix))
    assert items.first_from(bound, upper) == max(upper, bisect_left(model, (bound.created_at, bound.prefix)))
    if lower < len(model):
        assert items.item(lower) == model[lower]
        assert items.first_from(items.bound_at(lower), 0) == lower
    if 0 < lower < len(model):
        between = items.bound_before(lower)
        assert model[lower - 1] < (between.created_at, between.prefix) <= model[lower]


def test_items_are_put_before_others_in_parts() -> None:
    whole = [(second, hashlib.sha256(b"%d" % second).digest()) for second in range(50)]
    items = ItemSet()
    for start in (40, 33, 8, 0):
        items.put_before([one for one in whole if one not in list(items) and one[0] >= start])
    assert list(items) == whole
    assert items.fingerprint(5, 45) == fingerprint(whole[5:45])


@pytest.mark.parametrize("size", [0, 31, 33])
def test_an_id_of_another_size_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        ItemSet([(1, bytes(32)), (2, bytes(size))])
