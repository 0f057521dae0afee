"""What the tools say: ids by their beginnings, and texts of strangers."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mcp.server.mcpserver.exceptions import ToolError

from relay.mcp.words import SHORT, Ids, ago, clipped, quoted

NOW = datetime(2025, 1, 1, tzinfo=UTC)
# Ids that often begin alike.
IDS = st.builds(
    lambda head, tail: head + tail * (64 - len(head)), st.text("01", min_size=4, max_size=SHORT), st.sampled_from("01")
)


@given(st.lists(IDS, max_size=30), st.integers(1, 10), st.text("01", min_size=4, max_size=20))
def test_a_beginning_means_the_one_shown_id_that_begins_so(shown: list[str], most: int, asked: str) -> None:
    ids = Ids(most)
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
        with pytest.raises(ToolError):
            ids.whole(asked)


def test_a_whole_id_needs_not_to_have_been_shown() -> None:
    assert Ids().whole(f" [{'A' * 64}] ") == "a" * 64


@pytest.mark.parametrize("said", ["", "abc", "xyz12345", "a" * 65, "a b c d e f"])
def test_what_is_no_id_is_refused(said: str) -> None:
    with pytest.raises(ToolError, match="is no id"):
        Ids().whole(said)


@pytest.mark.parametrize(
    ("past", "shown"), [(-5, "now"), (59, "now"), (60, "1 min ago"), (7199, "1 h ago"), (200_000, "2 d ago")]
)
def test_how_long_ago(past: int, shown: str) -> None:
    assert ago(NOW - timedelta(seconds=past), NOW) == shown


def test_no_line_of_a_strangers_text_stands_unmarked() -> None:
    text = "one\r\ntwo\n\n[abcdefabcdef] three\u2028four\x0bfive"
    assert all(line.startswith("  > ") for line in quoted(text, 1000, "  ").split("\n"))
    assert clipped("x" * 12, 10) == "x" * 10 + " … (2 more characters)"
