"""Short ids: a beginning means the one id that was shown and begins so, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.client.ids import SHORT, ShownIds

# Ids that often begin alike.
IDS = st.builds(
    lambda head, tail: head + tail * (64 - len(head)), st.text("01", min_size=4, max_size=SHORT), st.sampled_from("01")
)


@given(st.lists(IDS, max_size=30), st.integers(1, 10), st.text("01", min_size=4, max_size=20))
def test_a_beginning_means_the_one_shown_id_that_begins_so(shown: list[str], most: int, asked: str) -> None:
    ids = ShownIds(most)
    for one in shown:
        assert ids.short(one) == one[:SHORT]
    kept: list[str] = []
    for one in shown:
        if one not in kept:
            kept = [*kept, one][-most:]
    meant = [one for one in kept if one.startswith(asked)]
    if len(meant) == 1:
        assert ids.whole(asked) == meant[0]
    else:
        with pytest.raises(ValueError, match=r"was shown lately|several ids"):
            ids.whole(asked)


def test_a_whole_id_needs_not_to_have_been_shown() -> None:
    assert ShownIds().whole(f" [{'A' * 64}] ") == "a" * 64


@pytest.mark.parametrize("said", ["", "abc", "xyz12345", "a" * 65, "a b c d e f"])
def test_what_is_no_id_is_refused(said: str) -> None:
    with pytest.raises(ValueError, match="is no id"):
        ShownIds().whole(said)
