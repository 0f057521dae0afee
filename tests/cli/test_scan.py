"""`scan`, `count` and `delete` with a database."""

import json
from pathlib import Path

import pytest

from relay.protocol import event as events
from relay.protocol import filter as filters
from relay.protocol.event import Event
from tests.cli.conftest import Tidings
from tests.factories import keypair, make_event

EVENTS = [
    make_event(number % 3, kind=(1, 7)[number % 2], content=f"event {number}", created_at=1000 + number // 4)
    for number in range(40)
] + [make_event(1, kind=1059, content="private", tags=[["p", keypair(2).pubkey]])]
FILTERS = [
    "{}",
    '{"kinds":[1]}',
    '{"kinds":[7],"since":1003,"until":1005}',
    json.dumps({"authors": [keypair(1).pubkey]}),
    json.dumps({"ids": [EVENTS[3].id, EVENTS[4].id]}),
    json.dumps({"#p": [keypair(2).pubkey]}),
    '{"kinds":[]}',
]


@pytest.fixture
def full(tidings: Tidings, data: Path) -> Path:
    """A data directory that holds these events."""
    text = b"".join(events.wire(event) + b"\n" for event in EVENTS)
    assert tidings("import", "--data", data, stdin=text).exit_code == 0
    return data


def matching(text: str) -> list[Event]:
    """The events that a filter matches, in the order of the log."""
    return [event for event in EVENTS if filters.matches(filters.parse_json(text), event)]


@pytest.mark.parametrize("wanted", FILTERS)
def test_scan_prints_what_matches_in_the_order_of_the_log(tidings: Tidings, full: Path, wanted: str) -> None:
    result = tidings("scan", wanted, "--data", full)
    assert result.stdout_bytes.splitlines() == [events.wire(event) for event in matching(wanted)]


@pytest.mark.parametrize("limit", [0, 1, 3, 10, 1000])
def test_scan_with_a_limit_prints_the_newest_first_and_of_equals_the_lowest_id(
    tidings: Tidings, full: Path, limit: int
) -> None:
    result = tidings("scan", json.dumps({"kinds": [1, 7], "limit": limit}), "--data", full)
    expected = sorted(EVENTS[:40], key=lambda event: (-event.created_at, event.id))[:limit]
    assert [events.parse(line) for line in result.stdout.splitlines()] == expected


def test_scan_refuses_a_limit_that_would_fill_the_memory(tidings: Tidings, full: Path) -> None:
    assert tidings("scan", '{"limit":100001}', "--data", full).exit_code == 2


def test_scan_tells_how_an_event_came_when_asked(tidings: Tidings, full: Path) -> None:
    result = tidings("scan", json.dumps({"ids": [EVENTS[5].id]}), "--meta", "--data", full)
    row = json.loads(result.stdout)
    assert (row["seq"], row["door"]) == (6, "import")
    assert row["event"] == json.loads(events.wire(EVENTS[5]))
    assert row["received_at"] > 1_700_000_000


@pytest.mark.parametrize("wanted", FILTERS)
def test_count_counts_private_events_too(tidings: Tidings, full: Path, wanted: str) -> None:
    expected = len(matching(wanted))
    assert tidings("count", wanted, "--data", full).stdout == f"{expected}\n"
    assert json.loads(tidings("count", wanted, "--json", "--data", full).stdout) == {"count": expected}


@pytest.mark.parametrize("answer", ["n\n", "\n", ""])
def test_delete_asks_first_and_takes_only_a_yes(tidings: Tidings, full: Path, answer: str) -> None:
    result = tidings("delete", '{"kinds":[7]}', "--data", full, stdin=answer)
    assert result.exit_code == 1
    assert "20 stored events match" in result.stderr
    assert tidings("count", "{}", "--data", full).stdout == "41\n"


def test_delete_removes_for_good_after_a_yes(tidings: Tidings, full: Path) -> None:
    result = tidings("delete", '{"kinds":[7]}', "--data", full, stdin="y\n")
    assert (result.exit_code, result.stdout) == (0, "20 events removed\n")
    assert tidings("count", "{}", "--data", full).stdout == "21\n"
    again = tidings("import", "--data", full, "--json", stdin=events.wire(EVENTS[1]))
    assert again.exit_code == 1
    assert json.loads(again.stdout)["refused"] == 1


def test_delete_without_a_question_and_for_scripts(tidings: Tidings, full: Path) -> None:
    wanted = json.dumps({"#p": [keypair(2).pubkey]})
    result = tidings("delete", wanted, "--yes", "--json", "--data", full)
    assert json.loads(result.stdout) == {"matched": 1, "removed": 1}


def test_a_dry_run_removes_nothing(tidings: Tidings, full: Path) -> None:
    result = tidings("delete", "{}", "--dry-run", "--json", "--data", full)
    assert json.loads(result.stdout) == {"matched": 41, "removed": 0}
    assert tidings("count", "{}", "--data", full).stdout == "41\n"


def test_delete_keeps_to_the_filters_limit(tidings: Tidings, full: Path) -> None:
    result = tidings("delete", '{"kinds":[1],"limit":3}', "--yes", "--data", full)
    assert result.stdout == "3 events removed\n"
    assert tidings("count", '{"kinds":[1]}', "--data", full).stdout == "17\n"


def test_delete_of_nothing_asks_nothing(tidings: Tidings, full: Path) -> None:
    result = tidings("delete", '{"kinds":[3]}', "--data", full)
    assert (result.exit_code, result.stdout) == (0, "0 events removed\n")


@pytest.mark.parametrize("verb", ["scan", "count", "delete"])
def test_a_directory_without_a_database_is_told_and_left_as_it_is(tidings: Tidings, data: Path, verb: str) -> None:
    result = tidings(verb, "{}", "--data", data)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert str(data) in result.stderr
    assert not data.exists()
