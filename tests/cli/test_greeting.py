"""What the relay says when it is up: commands that work as they are pasted."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from relay import greeting, starting
from relay.loading import load
from relay.setting_parts import ConfigError
from tests.cli.conftest import Tidings


def program(directory: Path) -> Path:
    """A file that the shell would run."""
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "tidings"
    file.write_text("#!/bin/sh\n")
    file.chmod(0o755)
    return file


def greeted(script: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """How its commands begin."""
    monkeypatch.setattr(sys, "argv", [str(script)])
    text = greeting.text(load(None, {}, {}), "http://127.0.0.1:7447")
    return [line.strip() for line in text.splitlines() if line.endswith(" key generate --save")]


def test_the_command_has_its_name_where_the_shell_finds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = program(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(script.parent))
    assert greeted(script, monkeypatch) == ["tidings key generate --save"]


def test_another_program_of_the_name_is_not_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(program(tmp_path / "other").parent))
    script = program(tmp_path / "bin")
    assert greeted(script, monkeypatch) == [f"{script} key generate --save"]


def test_the_command_is_a_path_from_here_only_when_it_is_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    script = program(tmp_path / "tree" / ".venv" / "bin")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("/")  # as a service
    assert greeted(script, monkeypatch) == [f"{script} key generate --save"]
    monkeypatch.chdir(tmp_path / "tree")
    assert greeted(script, monkeypatch) == [".venv/bin/tidings key generate --save"]
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert greeted(script, monkeypatch) == [f"{script} key generate --save"]


def test_a_path_with_a_space_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    script = program(tmp_path / "a b")
    assert greeted(script, monkeypatch) == [f"'{script}' key generate --save"]


def test_a_module_is_called_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.chdir(tmp_path)
    assert greeted(tmp_path / "relay" / "__main__.py", monkeypatch) == [
        f"{sys.executable} -m relay key generate --save"
    ]


def test_a_port_that_is_taken_is_told_with_what_to_do(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ConfigError, match=f"cannot listen on {place}.*--listen chooses another port"):
            starting.bind(load(None, {}, {"server.listen": place}))


@pytest.mark.parametrize("processes", ["on", "off"])
def test_whoever_comes_back_is_not_refused_while_the_relay_is_loaded(tmp_path: Path, processes: str) -> None:
    """The port is open before anything is loaded that takes its time."""
    told = """
import sys
from relay import cli, starting
from relay.setting_parts import ConfigError

def bind(config):
    raise ConfigError(repr([name for name in ("uvicorn", "uvloop", "relay.app", "relay.http.app") if name in sys.modules]))

starting.bind = bind
cli.main()
"""
    arguments = ["serve", "--data", tmp_path / "data", "--set", f"server.processes={processes}"]
    run = subprocess.run([sys.executable, "-c", told, *arguments], capture_output=True, text=True, check=False)
    assert run.stderr.endswith("[]\n")


def test_a_directory_without_a_database_is_told_with_what_to_do(tidings: Tidings, tmp_path: Path) -> None:
    result = tidings("count", "{}", "--data", tmp_path / "elsewhere")
    assert result.exit_code == 1
    assert "--data names its place" in result.stderr


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"relay.url": "wss://r.example"}, "public     wss://r.example (relay.url)"),
        ({}, "public     ws://127.0.0.1:7447; relay.url sets another"),
        (
            {"server.trusted_proxies": "10.0.0.0/8"},
            "public     what the trusted proxies say, ws://127.0.0.1:7447 without them",
        ),
    ],
)
def test_it_says_which_public_url_is_assumed(settings: dict[str, str], told: str) -> None:
    assert told in greeting.text(load(None, {}, settings), "http://127.0.0.1:7447")
