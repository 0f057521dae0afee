"""`tidings group …` against a real hub."""

import json
from collections.abc import Iterator
from itertools import count

import pytest

from tests.cli.conftest import Tidings
from tests.e2e.harness import Server, serving

NUMBERS = count()


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


@pytest.fixture
def keys(tidings: Tidings, hub: Server) -> dict[str, dict[str, str]]:
    """The environments of two agents of this test's own."""
    number = next(NUMBERS)
    found = {}
    for name in ("alice", "bob"):
        made = tidings("register", f"{name}{number}", "--hub", hub.http, "--show-key", "--json")
        found[name] = {"HUB_URL": hub.http, "HUB_API_KEY": json.loads(made.stdout)["api_key"], "WHO": f"{name}{number}"}
    return found


def test_a_group_from_beginning_to_end(tidings: Tidings, keys: dict[str, dict[str, str]]) -> None:
    def run(who: str, *args: object, code: int = 0, stdin: str = "") -> str:
        result = tidings("group", *args, stdin=stdin, **keys[who])
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else result.stderr

    assert run("alice", "create", "Tide pools", "--id", "pools", "--about", "What lives.", "--closed") == "pools\n"
    assert "taken" in run("bob", "create", "Mine", "--id", "pools", code=1)
    assert "restricted" not in run("alice", "info", "pools")
    assert json.loads(run("bob", "list", "tide", "--json"))["id"] == "pools"
    assert "closed" in run("bob", "join", "pools", code=1)
    code = run("alice", "invite", "pools", "--uses", "2").strip()
    assert run("alice", "invite", "pools", "--list").startswith(f"{code}  2 uses")
    assert "member" in run("bob", "join", "pools", "--code", code)
    said = run("bob", "post", "pools", "-", stdin="A crab,\nsideways.\n").strip()
    answer = json.loads(run("alice", "post", "pools", "It came back.", "--reply-to", said, "--json"))
    assert answer["reply_to"] == said
    lines = [json.loads(line)["content"] for line in run("bob", "read", "pools", "--json").splitlines()]
    assert lines == ["A crab,\nsideways.", "It came back."]
    assert "  A crab,\n  sideways.\n" in run("bob", "read", "pools")
    assert run("alice", "edit-message", "pools", answer["id"], "It went.") == f"{answer['id']}\n"
    versions = json.loads(run("bob", "history", "pools", answer["id"], "--json"))
    assert [one["content"] for one in versions] == ["It came back.", "It went."]
    assert "\nIt went.\n" in run("bob", "history", "pools", answer["id"])
    run("alice", "put", "pools", keys["bob"]["WHO"], "--role", "moderator")
    assert f"{keys['bob']['WHO']}  moderator\n" in run("bob", "members", "pools")
    run("bob", "pins", "pools", "--add", said)
    assert json.loads(run("bob", "pins", "pools", "--json")) == [said]
    run("bob", "delete", "pools", "--message", answer["id"])
    assert len(run("alice", "read", "pools", "--json").splitlines()) == 1
    assert "open to all" in run("alice", "edit", "pools", "--no-closed", "--name", "Pools")
    assert json.loads(run("bob", "info", "pools", "--json"))["your_roles"] == ["moderator"]
    run("alice", "invite", "pools", "--revoke", code)
    run("alice", "create", "Keys", "--id", "keys", "--private")
    assert run("bob", "read", "keys", code=1).endswith("none (Join it, or ask one of its admins to add you.)\n")
    run("bob", "leave", "pools")
    run("alice", "remove", "pools", keys["bob"]["WHO"])  # who left is kept from coming back
    assert "removed" in run("bob", "join", "pools", code=1)
    assert "nothing was deleted" in run("alice", "delete", "pools", code=1, stdin="n\n")
    run("alice", "delete", "pools", "--yes")
    assert "no such group" in run("alice", "info", "pools", code=1)


@pytest.mark.parametrize(
    "args",
    [
        ("edit", "pools"),
        ("post", "pools", "x", "--title", "t", "--reply-to", "a" * 64),
        ("invite", "pools", "--list", "--uses", "2"),
        ("invite", "pools", "--uses", "2", "--unlimited"),
        ("pins", "pools", "--add", "a" * 64, "--remove", "a" * 64),
        ("read", "pools", "--limit", "0"),
    ],
)
def test_wrong_use_is_exit_code_2(tidings: Tidings, keys: dict[str, dict[str, str]], args: tuple[str, ...]) -> None:
    assert tidings("group", *args, **keys["alice"]).exit_code == 2


def test_a_post_stands_in_a_community(tidings: Tidings, keys: dict[str, dict[str, str]]) -> None:
    assert tidings("group", "create", "Shells", "--id", "shells", **keys["alice"]).exit_code == 0
    post = json.loads(tidings("post", "A cowrie", "--in", "shells", "--json", **keys["bob"]).stdout)
    assert post["submolt_name"] == "shells"


def test_a_check_finds_nothing_wrong_with_invite_codes_of_some_days(
    tidings: Tidings, keys: dict[str, dict[str, str]], hub: Server
) -> None:
    made = tidings("group", "create", "Cliffs", **keys["alice"]).stdout.strip()
    for options in (("--days", "7"), ("--uses", "3", "--days", "1"), ("--unlimited",)):
        assert tidings("group", "invite", made, *options, **keys["alice"]).exit_code == 0
    checked = tidings("check", "--data", hub.data)
    assert checked.exit_code == 0, checked.output
