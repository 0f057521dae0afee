"""What issues and their edits say, and the room between ranks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.protocol.control_plane import issues
from relay.protocol.control_plane.issues import IssueText
from relay.protocol.event import Event
from relay.protocol.groups.state import Group
from tests.factories import NOW, keypair, make_event

ALICE, BOB = keypair(1).pubkey, keypair(2).pubkey
REPO = f"30617:{ALICE}:tides"
RANKS = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=12)


def issue(*tags: list[str], content: str = "It leaks.\nAt high water.") -> Event:
    return make_event(1, 1621, content, tags)


def read(*tags: list[str], content: str = "It leaks.\nAt high water.") -> IssueText:
    event = issue(*tags, content=content)
    return issues.read(event, event)


def test_an_issue_without_tags_is_titled_by_its_first_line() -> None:
    event = issue()
    first = f"{NOW:016d}{event.id[:16]}i"
    assert issues.read(event, event) == IssueText(
        "It leaks.", "It leaks.\nAt high water.", "none", None, (), first, None
    )


def test_all_tags_are_read() -> None:
    tags = [["subject", "A leak"], ["t", "bug"], ["t", "ui"], ["t", "bug"], ["priority", "high"], ["rank", "0i"]]
    text = read(*tags, ["due", "77"], ["p", BOB, "", "assignee"])
    assert text == IssueText("A leak", "It leaks.\nAt high water.", "high", BOB, ("bug", "ui"), "0i", 77)


def test_whom_nip_34_names_as_owner_of_the_repository_is_not_assigned() -> None:
    assert read(["p", ALICE]).assignee == ALICE
    assert read(["a", REPO], ["p", ALICE]).assignee is None
    assert read(["a", REPO], ["p", ALICE], ["p", BOB, "", "assignee"]).assignee == BOB


def test_an_issue_of_nothing_has_a_title_all_the_same() -> None:
    assert read(content="\u200b").title == "(no title)"


@pytest.mark.parametrize(
    ("tags", "content", "reason"),
    [
        ([], " \u200b", "subject tag or a text"),
        ([["subject", "\u200b"]], "x", "subject"),
        ([["subject", "x" * 301]], "x", "subject"),
        ([["priority", "asap"]], "x", "priority"),
        ([["rank", "A"]], "x", "rank"),
        ([["rank", ""]], "x", "rank"),
        ([["due", "soon"]], "x", "due"),
        ([["t", str(n)] for n in range(51)], "x", "labels"),
        ([["t", "x" * 101]], "x", "labels"),
        ([["t", "\u3164 "]], "x", "labels"),
    ],
)
def test_what_cannot_be_read_is_named(tags: list[list[str]], content: str, reason: str) -> None:
    assert reason in (issues.fault(issue(*tags, content=content)) or "")


def test_what_can_be_read_has_no_fault() -> None:
    assert issues.fault(issue(["subject", "A leak"], ["due", "0"], ["t", "bug"])) is None


@given(RANKS, RANKS)
def test_between_two_ranks_is_another_or_no_room(one: str, other: str) -> None:
    low, high = sorted((one, other))
    try:
        found = issues.between(low, high)
    except ValueError:
        assert high.startswith(low)
        assert set(high.removeprefix(low)) <= {"0"}
    else:
        assert low < found < high
        assert issues.is_rank(found)


@given(RANKS)
def test_there_is_room_after_every_rank_and_before_all_but_the_first(rank: str) -> None:
    assert rank < issues.between(rank, None)
    if rank.strip("0"):
        assert issues.between(None, rank) < rank


def test_many_moves_into_one_place_find_room() -> None:
    low, high = issues.first_rank(issue()), issues.first_rank(issue(["t", "x"]))
    low, high = sorted((low, high))
    for _ in range(300):
        high = issues.between(low, high)
        assert issues.is_rank(high)


@pytest.mark.parametrize(
    ("name", "prefix"), [("Tides app", "TIDE"), ("42 é tide", "TIDE"), ("海", "ISSUE"), ("", "ISSUE"), ("ab", "AB")]
)
def test_identifiers_begin_as_their_projects_name(name: str, prefix: str) -> None:
    assert issues.prefix_of(name) == prefix


def test_a_group_may_say_how_its_identifiers_begin() -> None:
    assert issues.prefix_in(Group("proj", ALICE, 1, name="Tides", extra=(("issue_prefix", "SEA"),))) == "SEA"
    assert issues.prefix_in(Group("proj", ALICE, 1, name="Tides", extra=(("issue_prefix", "sea"),))) == "TIDE"


def test_an_issue_is_numbered_in_its_group_or_its_repository_or_not_at_all() -> None:
    group = Group("proj", ALICE, 1, name="Sand")
    in_group, in_repo = issue(["h", "proj"], ["a", REPO]), issue(["a", REPO])
    numbered = issues.number_of(in_group, group)
    assert numbered is not None
    assert (numbered.scope, numbered.prefix) == ("proj", "SAND")
    numbered = issues.number_of(in_repo, None)
    assert numbered is not None
    assert (numbered.scope, numbered.prefix) == (REPO, "TIDE")
    assert issues.number_of(in_group, None) is None
    assert issues.number_of(issue(), None) is None
