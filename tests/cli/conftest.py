"""The command, run in this process with a home of its own and no settings from outside."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from relay.cli import main

Tidings = Callable[..., Result]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without anything saved in it."""
    for name in list(os.environ):
        if name.startswith(("TIDINGS_", "NOSTR_", "XDG_")):
            monkeypatch.delenv(name)
    directory = tmp_path / "home"
    directory.mkdir()
    monkeypatch.setenv("HOME", str(directory))
    return directory


@pytest.fixture
def tidings() -> Tidings:
    """Run the command with these arguments; exceptions that nobody has put into words fail the test."""

    def run(*args: object, stdin: str | bytes = b"", **environ: str) -> Result:
        result = CliRunner().invoke(main, [str(arg) for arg in args], input=stdin, env=environ)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Where a database may be made."""
    return tmp_path / "data"
