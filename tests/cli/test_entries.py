"""`show`, `edit`, `remove`, `me`, `profile`, `follow`, short ids and URLs, against a real hub."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys import encoding
from tests.cli.conftest import Tidings
from tests.e2e.harness import ROOT, Server, environment, serving


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


@pytest.fixture(autouse=True)
def account(
    request: pytest.FixtureRequest, tidings: Tidings, hub: Server, home: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """An account of the test's own, in use; its name."""
    monkeypatch.setenv("HUB_URL", hub.http)
    monkeypatch.setenv("NO_COLOR", "1")
    name = re.sub(r"\W", "-", request.node.name)[5:60]
    assert tidings("register", name, "--save").exit_code == 0
    return name


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person reads what is printed."""
    monkeypatch.setattr("relay.commands.shown.for_people", lambda: True)


def test_a_post_is_written_shown_changed_and_deleted(tidings: Tidings, hub: Server, account: str) -> None:
    written = tidings("post", "Low water", "The tide\n\x1b[2Jis out.")
    post = written.stdout.strip()
    assert written.stderr == f"{hub.http}/post/{post}\n"
    commented = tidings("comment", post, "And back.")
    comment = commented.stdout.strip()
    assert commented.stderr == f"{hub.http}/post/{post}#c-{comment}\n"
    tidings("comment", post, "When?", "--reply-to", comment)
    shown = tidings("show", post).stdout
    assert shown.startswith("Low water\n" + account)
    assert f"\n{hub.http}/post/{post}\n" in shown
    assert "\nThe tide\n\N{REPLACEMENT CHARACTER}[2Jis out.\n" in shown
    assert re.search(rf"\n{account} · .* · 0 points · {comment}\nAnd back\.\n\n  {account} · .*\n  When\?\n", shown)
    assert json.loads(tidings("show", post, "--json").stdout)["post"]["title"] == "Low water"
    assert tidings("show", comment).stdout.count("When?") == 1
    edited = tidings("edit", post, "The tide is back.", "--title", "High water")
    assert (edited.stdout, edited.stderr) == (f"{post}\n", f"{hub.http}/post/{post}\n")
    assert tidings("edit", post, "--title", "Higher water").exit_code == 0
    told = json.loads(tidings("show", post, "--json").stdout)["post"]
    assert (told["title"], told["content"]) == ("Higher water", "The tide is back.")
    assert "say what changes" in tidings("edit", post).stderr
    again = tidings("edit", comment, "And back at six.")
    assert (again.stdout, again.stderr) == (f"{comment}\n", f"{hub.http}/post/{post}#c-{comment}\n")
    for wrong in (["--title", "None"], ["And back.", "--title", "None"]):
        assert "a comment has a text and no title" in tidings("edit", comment, *wrong).stderr
    told = [one["content"] for one in json.loads(tidings("history", comment, "--json").stdout)]
    assert told == ["And back.", "And back at six."]
    assert "\nHigh water\nThe tide is back.\n\n" in tidings("history", post).stdout
    assert tidings("remove", comment).stderr == "deleted\n"
    assert tidings("remove", post).stderr == "deleted\n"


def test_every_verb_about_an_id_says_in_one_way_that_nothing_has_it(tidings: Tidings) -> None:
    nobodys = "0" * 64
    for verb in (
        ("show",),
        ("history",),
        ("remove",),
        ("edit", "text"),
        ("edit", "--title", "T"),
        ("edit", "text", "--title", "T"),
        ("vote", "up"),
        ("vote", "none"),
        ("save",),
        ("report", "--reason", "spam"),
    ):
        gone = tidings(verb[0], nobodys, *verb[1:])
        assert gone.exit_code == 1
        assert gone.stderr.startswith("tidings: there is no")
        assert gone.stderr.endswith("; `tidings feed` and `tidings search` show ids\n")


def test_a_document_is_shown_and_deleted(tidings: Tidings, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    Path("knots.md").write_text("# Knots\n\nA bowline holds.\n")
    assert tidings("knowledge", "add", "knots.md").exit_code == 0
    found = json.loads(tidings("search", "bowline", "--type", "knowledge", "--json").stdout.splitlines()[0])
    assert "\nA bowline holds.\n" in tidings("show", found["id"]).stdout
    assert tidings("remove", found["id"]).stderr == "deleted\n"


def test_a_terminal_shows_short_ids_and_verbs_take_them(tidings: Tidings, hub: Server, terminal: None) -> None:
    short = tidings("post", "Low water").stdout.strip()
    assert re.fullmatch("[0-9a-f]{12}", short)
    assert f"  {short}\n" in tidings("feed", "--sort", "new").stdout
    comment = tidings("comment", short[:8], "And back.").stdout.strip()
    assert tidings("vote", comment, "up").stdout == "upvoted; the score is 1\n"
    assert f" · {comment}\n" in tidings("show", short).stdout
    assert len(json.loads(tidings("show", short, "--json").stdout)["post"]["id"]) == 64
    unknown = tidings("vote", "abcd", "up")
    assert (unknown.exit_code, "was shown lately" in unknown.stderr) == (2, True)


def test_an_id_may_be_a_url_or_a_nostr_pointer(tidings: Tidings, hub: Server) -> None:
    post = tidings("post", "Low water").stdout.strip()
    url = tidings("comment", f"{hub.http}/post/{post}", "And back.").stderr.strip()
    comment = url.rpartition("#c-")[2]
    assert json.loads(tidings("show", url, "--json").stdout)["comment"]["id"] == comment
    assert tidings("comment", url, "To the post").exit_code == 0
    assert tidings("comment", f"{hub.http}/post/{post}?sort=new#comments", "Too", "--reply-to", url).exit_code == 0
    for pointer in (encoding.encode("note", post), encoding.encode_pointer(encoding.EventPointer(post))):
        assert json.loads(tidings("show", pointer, "--json").stdout)["post"]["comment_count"] == 3
    for wrong in (
        "",
        "x",
        "note1qqqq",
        encoding.encode_pointer(encoding.ProfilePointer(post)),
        "https://a.example/post/1",
    ):
        refused = tidings("show", wrong)
        assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)


def test_colours_are_for_terminals_that_want_them(
    tidings: Tidings, terminal: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    tidings("post", "Low water")
    assert "\x1b" not in tidings("feed").stdout
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[1mLow water\x1b[0m\n" in tidings("feed").stdout


def test_who_one_is_and_whom_one_follows(tidings: Tidings, hub: Server, account: str) -> None:
    shown = tidings("me", "--display-name", "Somebody", "--description", "Counts the waves.").stdout
    assert shown.startswith(f"{account} (Somebody)\nCounts the waves.\n")
    assert shown.endswith(f"0 points · 0 posts · 0 comments · 0 followers · follows 0\n{hub.http}/u/{account}\n")
    assert json.loads(tidings("register", "followed", "--show-key", "--json").stdout)["name"] == "followed"
    assert tidings("follow", "followed").stderr == "You follow followed\n"
    assert (
        tidings("profile", "followed").stdout.splitlines()[1].startswith("0 points · 0 posts · 0 comments · 1 follower")
    )
    assert json.loads(tidings("profile", "@FOLLOWED", "--json").stdout)["name"] == "followed"
    tidings("post", "Mine")
    assert tidings("feed", "--following").stdout == ""
    assert "Mine" in tidings("feed").stdout
    assert tidings("unfollow", "followed").stderr == "You follow followed no more\n"
    assert tidings("feed", "--following", "--follow").exit_code == 2
    assert tidings("feed", "--following", "--author", "x").exit_code == 2


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_what_it_needs_to_complete(tidings: Tidings, shell: str) -> None:
    script = tidings("completion", shell).stdout
    assert f"_TIDINGS_COMPLETE={shell}_complete" in script
    at = "acc" if shell == "fish" else "1"  # the word itself, or which one it is
    asked = {"COMP_WORDS": "tidings acc", "COMP_CWORD": at, "_TIDINGS_COMPLETE": f"{shell}_complete"}
    done = subprocess.run(
        [sys.executable, "-c", "from relay.cli import main\nmain(prog_name='tidings')"],
        cwd=ROOT,
        env=environment() | asked,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert "account" in done.stdout
    assert "serve" not in done.stdout
