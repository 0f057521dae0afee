"""`tidings peers` and `tidings peer …` while no relay runs."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from relay.commands import control_client
from storage.sqlite.files.database_file import FILE
from tests.cli.conftest import Tidings

URL = "wss://relay.example"


def test_a_peer_that_was_never_reached_is_told_as_such(tidings: Tidings, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))
    assert tidings("peer", "add", URL, *data).exit_code == 0
    told = tidings("peers", *data).stdout.splitlines()
    assert told[:3] == [
        f"{URL}  both  connecting",
        "    in step never, last event never, 0 wait to be sent",
        "    not everything has been compared yet",
    ]


@pytest.mark.parametrize(
    ("comparing", "compared_at", "line"),
    [
        (True, 0, "everything is being compared for the first time"),
        (True, 1, "everything is being compared again, last "),
        (False, 1, "everything was compared "),
        (False, 0, "not everything has been compared yet"),
    ],
)
def test_whether_everything_was_compared_is_told_beside_the_state(
    monkeypatch: pytest.MonkeyPatch,
    tidings: Tidings,
    tmp_path: Path,
    *,
    comparing: bool,
    compared_at: int,
    line: str,
) -> None:
    data = tmp_path / "data"
    assert tidings("peer", "add", URL, "--data", str(data)).exit_code == 0
    with closing(sqlite3.connect(data / FILE)) as database, database:  # as a running relay notes it
        change = "status = json_set(status, '$.state', 'in step', '$.since', 1, '$.comparing', json(?))"
        database.execute(f"update peers set {change}", (json.dumps(comparing),))
        database.execute("update peers set place = json_set(place, '$.walked_at', ?)", (compared_at,))
    monkeypatch.setattr(control_client, "is_running", lambda _data: True)
    first, _, third, *_ = tidings("peers", "--data", str(data)).stdout.splitlines()
    assert (first.startswith(f"{URL}  both  in step"), third.strip().startswith(line)) == (True, True)
    monkeypatch.undo()
    assert "being compared" not in tidings("peers", "--data", str(data)).stdout  # nothing is while no relay runs


def test_each_verb_says_what_it_did(tidings: Tidings, tmp_path: Path) -> None:
    data = ("--data", str(tmp_path / "data"))

    def done(*words: str) -> str:
        told = json.loads(tidings("peer", *words, *data, "--json").stdout)
        assert told["url"] == URL
        return str(told["done"])

    assert [done("add", URL), done("add", URL), done("add", URL, "--dir", "up")] == ["added", "unchanged", "changed"]
    assert [done("pause", URL), done("pause", URL)] == ["paused", "unchanged"]
    assert [done("resume", URL), done("resume", URL)] == ["resumed", "unchanged"]
    assert tidings("peer", "pause", URL, *data).stderr == f"{URL} is left alone until `tidings peer resume {URL}`\n"
    assert tidings("peers", *data).stdout.startswith(f"{URL}  up  paused\n")
    assert done("remove", URL) == "removed"
    assert tidings("peer", "remove", URL, *data).exit_code == 1


@pytest.mark.parametrize("host", ["127.0.0.1:7448", "[::1]:7448", "localhost:7448", "10.1.2.3"])
def test_who_adds_a_private_address_is_told_at_once_what_it_takes(tidings: Tidings, tmp_path: Path, host: str) -> None:
    url, data = f"ws://{host}", ("--data", str(tmp_path / "data"))
    assert "say it again with --allow-private" in tidings("peer", "add", url, *data).stderr
    assert "private" not in tidings("peer", "add", url, "--allow-private", *data).stderr


def test_a_peer_of_the_relays_file_is_shown_and_kept_by_a_command_that_is_not_told_of_the_file(
    tidings: Tidings, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    assert tidings("peer", "add", URL, "--data", str(data)).exit_code == 0
    with closing(sqlite3.connect(data / FILE)) as database, database:  # as a relay with such a file notes it
        database.execute("update peers set settings = '', status = json_set(status, '$.direction', 'down')")
    assert tidings("peers", "--data", str(data)).stdout.startswith(f"{URL}  down  connecting")
    refused = tidings("peer", "remove", URL, "--data", str(data))
    assert (refused.exit_code, "was not added by a command" in refused.stderr) == (2, True)
    assert URL in tidings("peers", "--data", str(data)).stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[peers]\nurl = "wss://a.example"', "write [[peers]] with two brackets, once for each peer"),
        ('[[peers]]\ndirection = "up"', "[[peers]] number 1: the field url is missing"),
        (
            '[[peers]]\nurl = "wss://a.example"\nsince = "now"',
            "wss://a.example: since must be a whole number, not a text",
        ),
        ('[[peers]]\nurl = "wss://a.example"\n[[peers]]\nurl = "wss://A.example:443/"', "is there twice"),
        (
            '[[peers]]\nurl = "wss://a.example"\nfilters = [{}, {search = "nostr"}]',
            "wss://a.example: filter 2: a search finds what each relay takes for it, which cannot be compared",
        ),
        ('[[peers]]\nurl = "wss://a.example"\nurls = []', "wss://a.example: there is no field urls"),
    ],
)
def test_a_mistake_in_the_file_is_told_by_the_peer_it_is_about(
    tidings: Tidings, tmp_path: Path, text: str, told: str
) -> None:
    file = tmp_path / "settings.toml"
    file.write_text(text)
    done = tidings("peers", "--config", str(file), "--data", str(tmp_path))
    assert done.exit_code == 2
    assert told in done.stderr


@pytest.mark.parametrize("words", [["sync", URL], ["mirror", URL], ["stream", URL], ["peer", "add", URL, "--filter"]])
def test_what_two_relays_compare_is_not_searched_for(tidings: Tidings, tmp_path: Path, words: list[str]) -> None:
    done = tidings(*words, '{"search":"nostr"}', "--data", str(tmp_path))
    assert done.exit_code == 2
    assert "leave search out of the filter" in done.stderr
