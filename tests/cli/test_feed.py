"""`register`, `post`, `comment`, `vote` and `feed` against a real hub, and where keys are kept."""

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.cli.conftest import Tidings
from tests.e2e.harness import PATIENCE, ROOT, Server, environment, serving
from tests.factories import make_event

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


@pytest.fixture
def file(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where keys are saved, with no key in the environment."""
    for name in ("HUB_URL", "HUB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return home / ".config" / "tidings" / "credentials.toml"


def registered(tidings: Tidings, hub: Server, name: str) -> str:
    """Register and save; what was printed."""
    result = tidings("register", name, "--hub", hub.http, "--save", "--description", "A test.")
    assert result.exit_code == 0, result.output
    return result.output


def test_a_saved_key_is_used_by_the_other_verbs(tidings: Tidings, hub: Server, file: Path) -> None:
    shown = registered(tidings, hub, "alice")
    assert "tdi_" not in shown
    assert file.stat().st_mode & 0o777 == 0o600
    post = tidings("post", "Low water", "The *tide* is out.").stdout.strip()
    comment = tidings("comment", post, "-", stdin="\ufeffAnd back.\n").stdout.strip()
    assert "\ufeff" not in tidings("show", post, "--json").stdout
    reply = json.loads(tidings("comment", post, "When?", "--reply-to", comment, "--json").stdout)
    assert reply["parent_id"] == comment
    assert tidings("vote", post, "up").stdout == "upvoted; the score is 1\n"
    assert tidings("vote", post, "up").stdout == "upvoted; the score is 1\n"
    assert tidings("vote", comment, "down").stdout == "downvoted; the score is -1\n"
    assert tidings("vote", post, "none").stdout == "removed; the score is 0\n"
    shown = tidings("feed", "--sort", "new", "--author", "alice").stdout
    assert re.search(rf"Low water\n  alice · .* · 0 points · 2 comments\n  {post}\n", shown)
    assert json.loads(tidings("feed", "--author", "alice", "--json").stdout)["content"] == "The *tide* is out."
    linked = tidings("post", "On #tides", "", "--url", "https://www.example.org/x").stdout.strip()
    for narrowed in (("--tag", "tides"), ("--domain", "example.org")):
        assert json.loads(tidings("feed", *narrowed, "--json").stdout)["id"] == linked
    assert tidings("feed", "--tag", "tides", "--author", "alice").exit_code == 2
    place = tidings("group", "create", "Tide pools").stdout.strip()
    crab = tidings("post", "A crab", "Sideways.", "--in", place).stdout.strip()
    shown = tidings("feed", "--in", place).stdout
    assert re.fullmatch(rf"A crab\n  alice · .* · in {place} · 0 points · 0 comments\n  {crab}\n\n", shown)
    assert "--in" in tidings("feed", "--in", place, "--follow").stderr


def test_a_key_may_come_from_the_environment_or_a_file(
    tidings: Tidings, hub: Server, file: Path, tmp_path: Path
) -> None:
    made = json.loads(tidings("register", "bob", "--hub", hub.http, "--show-key", "--json").stdout)
    assert not file.exists()
    given = tmp_path / "key"
    given.write_text(made["api_key"] + "\n")
    assert tidings("post", "A", "--hub", hub.http, "--key-file", given).exit_code == 0
    assert tidings("post", "B", HUB_URL=hub.http, HUB_API_KEY=made["api_key"]).exit_code == 0
    assert tidings("post", "C", "--key-file", "-", stdin=made["api_key"], HUB_URL=hub.http).exit_code == 0


def test_a_saved_key_is_never_overwritten(tidings: Tidings, hub: Server, file: Path) -> None:
    registered(tidings, hub, "carol")
    before = set(re.findall("tdi_[0-9a-f]+", file.read_text()))
    assert len(before) == 1
    assert tidings("register", "carol", "--save").exit_code == 1
    assert tidings("register", "carol2", "--save").exit_code == 0
    assert before < set(re.findall("tdi_[0-9a-f]+", file.read_text()))


def test_keys_for_several_hubs_are_kept_beside_one_another(tidings: Tidings, hub: Server, file: Path) -> None:
    file.parent.mkdir(parents=True)
    file.touch(mode=0o600)
    file.write_text(
        'hub = "http://a.example"\n[accounts."http://a.example"]\nname = "x\\u007f\\"y"\napi_key = "tdi_x"\n'
    )
    registered(tidings, hub, "dora")
    assert '"http://a.example"' in file.read_text()
    assert tidings("post", "Hello").exit_code == 0
    for same in (f"{hub.http}/", f"{hub.http}/api/v1", f"{hub.http}/api/v1/"):
        assert tidings("post", "Hello", "--hub", same).exit_code == 0


def test_who_does_not_say_where_the_key_goes_is_not_registered(tidings: Tidings, hub: Server, file: Path) -> None:
    result = tidings("register", "erin", "--hub", hub.http)
    assert result.exit_code == 2
    assert "--save or --show-key" in result.stderr
    assert tidings("register", "erin", "--hub", hub.http, "--show-key").exit_code == 0


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["post", "x"], 2, "which hub?"),
        (["post", "x", "--hub", NOWHERE], 2, "no API key"),
        (["post", "x", "--hub", "hub.example", "--key-file", "-"], 2, "no hub's URL"),
        (["post", "x", "--hub", "hub.example"], 2, "no hub's URL"),
        (["feed", "--hub", NOWHERE], 1, "cannot reach"),
        (["feed", "--hub", NOWHERE, "--follow"], 1, "cannot connect"),
        (["feed", "--hub", NOWHERE, "--follow", "--sort", "top"], 2, "--follow"),
        (["vote", "0" * 64, "sideways"], 2, "sideways"),
        (["vote", "x", "up"], 2, "is no id"),
    ],
)
def test_what_is_wrong_is_told_in_a_line(tidings: Tidings, file: Path, args: list[str], code: int, words: str) -> None:
    result = tidings(*args, stdin="tdi_x")
    assert result.exit_code == code
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_refusal_is_told_without_the_key(tidings: Tidings, hub: Server, file: Path) -> None:
    for verb in (["post", "x"], ["vote", "0" * 64, "up"]):
        result = tidings(*verb, HUB_URL=hub.http, HUB_API_KEY="tdi_wrong")
        assert result.exit_code == 1
        assert f"{hub.http} refused: " in result.stderr
        assert "tdi_wrong" not in result.output
        assert "the key is that of --key-file, else HUB_API_KEY" in result.stderr
    registered(tidings, hub, "frank")
    assert "refused: " in tidings("post", " ").stderr
    assert "there is nothing with the id 000" in tidings("vote", "0" * 64, "up").stderr
    taken = tidings("register", "frank", "--hub", hub.http, "--show-key")
    assert taken.stderr == f"tidings: {hub.http} refused: the name frank is taken; choose another\n"


@pytest.mark.parametrize(
    "verb", ["post", "profile", "follow", "search", "feed --tag", "group read", "group create", "mute --word", "event"]
)
def test_what_is_no_text_is_told_in_a_line(tidings: Tidings, hub: Server, verb: str) -> None:
    environ = {"HUB_URL": hub.http, "HUB_API_KEY": "tdi_x", "NOSTR_SECRET_KEY": "1" * 64}
    result = tidings(*verb.split(), os.fsdecode(b"\xff"), **environ)
    assert (result.exit_code, result.stderr) == (2, "tidings: a text that was given is not valid UTF-8\n")


@pytest.mark.parametrize("key", ["", "tdi x", "tdi_é", "tdi_\x7f"])
def test_what_cannot_be_a_key_is_not_sent(tidings: Tidings, file: Path, key: str) -> None:
    result = tidings("post", "x", HUB_URL=NOWHERE, HUB_API_KEY=key)
    assert result.exit_code == 2
    said = (
        "holds no API key" if key else "is empty: it should hold an API key (`tidings register NAME --save` gets one)"
    )
    assert result.stderr == f"tidings: HUB_API_KEY {said}\n"


@pytest.mark.parametrize(
    ("mode", "content", "words"),
    [
        (0o644, b"", "can be read by others"),
        (0o600, b"hub = ", "credentials.toml: "),
        (0o600, b"\xff", "credentials.toml: "),
        (0o600, b"hub = 1", "hub must be a text"),
        (0o600, b'[accounts."x"]\nname = "y"\napi_key = 5', "api_key"),
    ],
)
def test_a_file_of_keys_that_cannot_be_trusted_is_told(
    tidings: Tidings, file: Path, mode: int, content: bytes, words: str
) -> None:
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    file.chmod(mode)
    result = tidings("post", "x")
    assert result.exit_code == 1
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


class Hostile(http.server.BaseHTTPRequestHandler):
    """A hub whose posts are made to drive a terminal."""

    def do_GET(self) -> None:
        event = msgspec.to_builtins(make_event(1, kind=11))
        words = "\x1b[2J\x07\u202ered\nalert"
        post = {"id": "\x1b[3J", "title": words, "content": "", "url": words, "event": event, "comment_count": 0}
        post |= {"author": {"id": "1", "name": words, "pubkey": "2"}, "created_at": "2026-11-22T12:00:00Z"}
        post |= {"upvotes": 0, "downvotes": 0, "score": 0}
        body = json.dumps({"success": True, "posts": [post], "has_more": False}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_what_a_stranger_wrote_does_not_drive_the_terminal(tidings: Tidings, file: Path) -> None:
    with http.server.HTTPServer(("127.0.0.1", 0), Hostile) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        shown = tidings("feed", "--hub", f"http://127.0.0.1:{server.server_port}").stdout
        thread.join()
    assert shown.count("alert") == 3
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert len(shown.splitlines()) == 4


def test_feed_follows_what_is_written(tidings: Tidings, hub: Server, file: Path) -> None:
    registered(tidings, hub, "heidi")
    first = tidings("post", "First").stdout.strip()
    following = subprocess.Popen(
        [sys.executable, "-m", "relay", "feed", "--follow", "--limit", "1", "--json", "--hub", hub.http],
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env=environment() | {"HOME": os.environ["HOME"]},
    )
    watchdog = threading.Timer(4 * PATIENCE, following.kill)
    watchdog.start()
    try:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["id"] == first
        second = tidings("post", "Second").stdout.strip()
        assert json.loads(following.stdout.readline())["id"] == second
        comment = tidings("comment", second, "Indeed.").stdout.strip()
        assert json.loads(following.stdout.readline())["id"] == comment
    finally:
        watchdog.cancel()
        following.kill()
        following.communicate()
