"""The command as a whole: its verbs, its help, its way of failing."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

import relay
from relay.cli import main
from tests.cli.conftest import Tidings


def verbs(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every verb with the words that call it."""
    for name, verb in group.commands.items():
        if isinstance(verb, click.Group):
            yield from verbs(verb, (*path, name))
        else:
            yield (*path, name), verb


ALL = dict(verbs(main))


def test_the_verbs_of_the_design_are_there() -> None:
    words = "serve config import export scan count delete info check backup compact rebuild event req"
    assert {(word,) for word in words.split()} <= set(ALL)
    assert {("key", "generate"), ("key", "public"), ("key", "convert")} <= set(ALL)


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_verb_explains_itself_with_an_example(tidings: Tidings, path: tuple[str, ...]) -> None:
    text = tidings(*path, "--help").stdout
    assert f"tidings {' '.join(path)}" in text.split("Examples:")[1]
    options = [parameter for parameter in ALL[path].params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options)


def test_the_list_of_verbs_cuts_no_summary_short(tidings: Tidings) -> None:
    text = tidings("--help").stdout.split("Run a relay:")[1]
    assert "..." not in text
    assert [name for name in main.commands if not re.search(rf"^  {name} +[A-Z`]", text, re.MULTILINE)] == []


def test_the_version_is_told(tidings: Tidings) -> None:
    assert relay.__version__ in tidings("--version").stdout


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["--nonsense"],
        ["import", "--nonsense"],
        ["req"],
        ["key", "nonsense"],
        ["key", "--nonsense"],
        ["backup"],
        ["export", "--after", str(2**63)],
        ["peer", "add", "ws://relay.example", "--since", str(2**64)],
        ["req", "ws://relay.example", "{}", "--timeout", "nan"],
        ["event", "x", "--timeout", "inf"],
    ],
)
def test_wrong_use_ends_in_one_line_that_names_the_help(tidings: Tidings, args: list[str]) -> None:
    result = tidings(*args)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert "--help" in result.stderr


def test_what_is_said_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "relay", "config", "relay.name"]
    settings = tmp_path / "tidings.toml"
    settings.write_text('[relay]\nname = "Möwe 🌊"\n', "utf-8")
    told = subprocess.run(
        [*command, "--config", settings],
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "latin-1"},
        capture_output=True,
    )
    assert told.returncode == 0, told.stderr
    assert "Möwe 🌊" in told.stdout.decode()


def test_the_module_is_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "relay", "--version"], capture_output=True, check=True, text=True)
    assert done.stdout == f"tidings, version {relay.__version__}\n"
