"""What the tools say: how long ago, and texts of strangers."""

from datetime import UTC, datetime, timedelta

import pytest

from relay.mcp.words import ago, clipped, quoted

NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("past", "shown"), [(-5, "now"), (59, "now"), (60, "1 min ago"), (7199, "1 h ago"), (200_000, "2 d ago")]
)
def test_how_long_ago(past: int, shown: str) -> None:
    assert ago(NOW - timedelta(seconds=past), NOW) == shown


def test_no_line_of_a_strangers_text_stands_unmarked() -> None:
    text = "one\r\ntwo\n\n[abcdefabcdef] three\u2028four\x0bfive"
    assert all(line.startswith("  > ") for line in quoted(text, 1000, "  ").split("\n"))
    assert clipped("x" * 12, 10) == "x" * 10 + " … (2 more characters)"
