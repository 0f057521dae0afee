"""`account`: several saved accounts of a hub, one of them in use; old files go on working."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Tidings
from tests.e2e.harness import Server, serving

OLD = 'hub = "{url}"\n[accounts."{url}"]\nname = "{name}"\napi_key = "{key}"\n'


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A running relay; its end is checked too."""
    with serving(tmp_path_factory.mktemp("hub") / "data") as server:
        yield server


@pytest.fixture
def file(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where keys are saved, with no key in the environment."""
    for name in ("HUB_URL", "HUB_API_KEY", "HUB_ACCOUNT"):
        monkeypatch.delenv(name, raising=False)
    return home / ".config" / "tidings" / "credentials.toml"


def who(tidings: Tidings, *more: str, stdin: str = "", **environ: str) -> str:
    return str(json.loads(tidings("me", "--json", *more, stdin=stdin, **environ).stdout)["name"])


def test_several_accounts_of_a_hub_are_kept_and_one_is_used(tidings: Tidings, hub: Server, file: Path) -> None:
    assert tidings("register", "ann", "--hub", hub.http, "--save").exit_code == 0
    second = tidings("register", "Ben", "--hub", hub.http, "--save")
    assert "Ben is used from now on; `tidings account use ann` goes back" in second.stderr
    assert who(tidings) == "Ben"
    assert who(tidings, "--account", "ann") == who(tidings, HUB_ACCOUNT="ANN") == "ann"
    assert tidings("account", "use", "ann").stderr == f"ann on {hub.http} is used from now on\n"
    assert who(tidings) == "ann"
    assert (
        tidings("account", "list").stdout
        == f"* ann  {hub.http}  (the hub where none is named)\n  Ben  {hub.http}  (the hub where none is named)\n"
    )
    listed = [json.loads(line) for line in tidings("account", "list", "--json").stdout.splitlines()]
    assert [(one["name"], one["in_use"]) for one in listed] == [("ann", True), ("Ben", False)]
    assert "tdi_" not in tidings("account", "list", "--json").output
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_file_of_before_there_were_several_is_read_and_kept(tidings: Tidings, hub: Server, file: Path) -> None:
    key = json.loads(tidings("register", "cleo", "--hub", hub.http, "--show-key", "--json").stdout)["api_key"]
    file.parent.mkdir(parents=True)
    file.touch(mode=0o600)
    file.write_text(
        "\ufeff" + OLD.format(url=hub.http, name="cleo", key=key), encoding="utf-8"
    )  # by an editor of Windows
    assert who(tidings) == "cleo"
    assert who(tidings, "--key-file", "-", stdin=f"\ufeff{key}\n") == "cleo"
    tidings("register", "dan", "--save")
    assert (who(tidings), who(tidings, "--account", "cleo")) == ("dan", "cleo")


def test_a_key_that_one_has_is_added_under_the_name_that_the_hub_says(
    tidings: Tidings, hub: Server, file: Path
) -> None:
    key = json.loads(tidings("register", "eve", "--hub", hub.http, "--show-key", "--json").stdout)["api_key"]
    added = tidings("account", "add", "--key-file", "-", "--hub", hub.http, stdin=key + "\n")
    assert added.stderr == f"eve on {hub.http} is saved in {file} and used from now on\n"
    assert who(tidings) == "eve"
    wrong = tidings("account", "add", "--key-file", "-", stdin="tdi_" + "0" * 64)
    assert (wrong.exit_code, "tdi_" in wrong.output) == (1, False)
    assert who(tidings) == "eve"


def test_a_forgotten_account_is_gone_and_the_next_one_used(tidings: Tidings, hub: Server, file: Path) -> None:
    for name in ("flo", "gil"):
        tidings("register", name, "--hub", hub.http, "--save")
    assert tidings("account", "forget", "gil", stdin="n\n").exit_code == 1
    assert who(tidings) == "gil"
    assert tidings("account", "forget", "gil", "--yes").stderr == "removed; flo is used from now on\n"
    assert who(tidings) == "flo"
    assert tidings("account", "forget", "flo", stdin="y\n").stderr.endswith("removed\n")
    assert tidings("me").stderr.startswith("tidings: which hub?")
    assert "tdi_" not in file.read_text()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["account", "use", "nobody"], "has no account nobody of http"),
        (["me", "--account", "nobody"], "there: ida"),
        (["me", "--account", "ida", "--key-file", "x"], "two keys"),
        (["account", "forget", "nobody"], "has no account nobody"),
    ],
)
def test_what_is_not_saved_is_told(tidings: Tidings, hub: Server, file: Path, args: list[str], words: str) -> None:
    file.parent.mkdir(parents=True)
    file.touch(mode=0o600)
    file.write_text(OLD.format(url=hub.http, name="ida", key="tdi_x"))
    result = tidings(*args)
    assert (result.exit_code, words in result.stderr, len(result.stderr.splitlines())) == (2, True, 1)


def test_an_empty_list_says_that_it_is_empty(tidings: Tidings, hub: Server, file: Path) -> None:
    assert "tidings register NAME --hub URL --save" in tidings("account", "list").stderr
    assert tidings("register", "empty", "--hub", hub.http, "--save").exit_code == 0
    for verb, words in {
        "feed --author empty": "no posts",
        "feed --following": "nothing yet of those you follow",
        "saved": "nothing is saved",
        "muted": "nobody is muted",
        "group list no-such-name": "no groups",
    }.items():
        told = tidings(*verb.split())
        assert (told.exit_code, told.stdout) == (0, ""), verb
        assert told.stderr.startswith(words), verb
