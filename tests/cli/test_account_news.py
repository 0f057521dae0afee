"""`notifications`, `heartbeat` and `webhook` against a real hub."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Tidings
from tests.e2e.harness import Server, serving


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


def key_of(tidings: Tidings, name: str) -> str:
    return str(json.loads(tidings("register", name, "--show-key", "--json").stdout)["api_key"])


def test_what_happened_is_told_once_and_marked_as_read(
    tidings: Tidings, hub: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_URL", hub.http)
    alice, bob = key_of(tidings, "alice"), key_of(tidings, "bob")
    post = tidings("post", "Low water", HUB_API_KEY=alice).stdout.strip()
    first = tidings("heartbeat", HUB_API_KEY=alice)
    assert first.stdout == ""
    cursor = re.fullmatch(r"the next time: --since (\d+)\n", first.stderr)
    assert cursor is not None
    comments = [tidings("comment", post, text, HUB_API_KEY=bob).stdout.strip() for text in ("One\x1b[2J", "Two")]
    told = tidings("heartbeat", "--since", cursor[1], "--limit", "1", HUB_API_KEY=alice)
    assert told.stdout.splitlines()[1:] == ["  One\N{REPLACEMENT CHARACTER}[2J", f"  {comments[0]}"]
    assert told.stderr.endswith("; there is more now\n")
    beat = json.loads(tidings("heartbeat", "--since", cursor[1], "--json", HUB_API_KEY=alice).stdout)
    assert [one["comment_id"] for one in beat["news"]] == comments
    listed = tidings("notifications", HUB_API_KEY=alice)
    assert re.fullmatch(r"(\* .* bob commented on your post “Low water”\n  \w+\n){2}", listed.stdout)
    assert listed.stderr == "2 unread\n"
    assert tidings("notifications", "--read", HUB_API_KEY=alice).stderr == "0 unread\n"
    read = tidings("notifications", "--json", "--limit", "1", HUB_API_KEY=alice).stdout
    assert json.loads(read)["is_read"] is True
    refused = tidings("heartbeat", "--since", "x", HUB_API_KEY=alice)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "begin again without one" in refused.stderr


def test_a_webhook_is_added_listed_resumed_and_removed(
    tidings: Tidings, hub: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HUB_URL", hub.http)
    monkeypatch.setenv("HUB_API_KEY", key_of(tidings, "carol"))
    made = re.fullmatch(
        r"id      (\w+)\nsecret  whsec_\S+\n", tidings("webhook", "add", "https://agent.example/").stdout
    )
    assert made is not None
    line = f"{made[1]} https://agent.example/ (live)\n"
    assert tidings("webhook", "list").stdout == line
    assert json.loads(tidings("webhook", "list", "--json").stdout)["id"] == made[1]
    assert tidings("webhook", "resume", made[1]).stdout == line
    assert tidings("webhook", "remove", made[1]).exit_code == 0
    assert tidings("webhook", "list").stdout == ""
    gone = tidings("webhook", "remove", made[1])
    assert (gone.exit_code, gone.stderr.count("\n")) == (1, 1)
    assert "secret" in json.loads(tidings("webhook", "add", "https://agent.example/", "--json").stdout)
