"""Saving, muting and reporting from the command line, and what the operator is told."""

import itertools
import json

import pytest

from tests.cli.conftest import Tidings
from tests.cli.test_account_news import hub, key_of
from tests.e2e.harness import Server

__all__ = ["hub"]

_numbers = itertools.count(1)


@pytest.fixture
def keys(tidings: Tidings, hub: Server, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """Of two people; the second has written a post, whose id is in POST."""
    monkeypatch.setenv("HUB_URL", hub.http)
    number = next(_numbers)
    alice, bob = key_of(tidings, f"alice{number}"), key_of(tidings, f"bob{number}")
    post = tidings("post", "Cheap watches", "Buy\x1b[2J now", HUB_API_KEY=bob).stdout.strip()
    monkeypatch.setenv("POST", post)
    monkeypatch.setenv("HUB_API_KEY", alice)
    return f"bob{number}", post


def test_what_is_saved_is_listed_until_it_is_no_more(tidings: Tidings, keys: tuple[str, str]) -> None:
    name, post = keys
    assert tidings("save", post).stderr == "Saved\n"
    assert tidings("saved").stdout == f"{post}  Cheap watches  post by {name}\n"
    assert json.loads(tidings("saved", "--json").stdout)["post"]["title"] == "Cheap watches"
    ended = tidings("unsave", post, "--json")
    assert (json.loads(ended.stdout), ended.stderr) == ({"message": "Saved no more"}, "")
    assert tidings("saved").stdout == ""


def test_people_and_words_are_muted_and_listed(tidings: Tidings, keys: tuple[str, str]) -> None:
    name, _ = keys
    assert tidings("mute", name).stderr == f"You muted {name}\n"
    tidings("mute", "--word", "Cheap watches")
    assert tidings("muted").stdout == f"{name}\n“cheap watches”\n"
    tidings("unmute", name)
    tidings("unmute", "--word", "cheap watches")
    assert tidings("muted").stdout == ""
    for wrong in (("mute",), ("mute", name, "--word", "both"), ("unmute",)):
        assert tidings(*wrong).exit_code == 2


def test_a_report_is_read_by_the_operator_beside_the_running_relay(
    tidings: Tidings, keys: tuple[str, str], hub: Server
) -> None:
    name, post = keys
    assert tidings("report", f"@{name}", "--reason", "impersonation").exit_code == 0
    assert tidings("report", post, "The same\nlink", "--reason", "spam").exit_code == 0
    told = tidings("reports", "--data", hub.data)
    assert (
        f"1 report (spam 1)  post {post}  by {name}\n  Cheap watches Buy\N{REPLACEMENT CHARACTER}[2J now\n"
        in told.stdout
    )
    assert ": spam: The same link\n" in told.stdout
    assert f"1 report (impersonation 1)  {name}, as somebody\n" in told.stdout
    listed = [json.loads(line) for line in tidings("reports", "--data", hub.data, "--json").stdout.splitlines()]
    assert {one["event"] and one["event"]["id"] for one in listed} == {None, post}
    assert tidings("group", "reports", "nothing").exit_code == 1
    for verb, left in (("allow", []), ("unallow", [None]), ("ban", [])):  # a person, who stands for all their keys
        assert tidings(verb, f"@{name}", "--data", hub.data).exit_code == 0
        listed = [json.loads(line) for line in tidings("reports", "--data", hub.data, "--json").stdout.splitlines()]
        assert [one["event"] for one in listed if one["event"] is None] == left
    tidings("unban", f"@{name}", "--data", hub.data)
