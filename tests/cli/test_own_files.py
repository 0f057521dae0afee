"""What is of the person who runs a command is in that person's folder, wherever the command runs."""

from pathlib import Path

import pytest

from relay.commands import credentials, key_tools, shown


@pytest.mark.parametrize("given", ["", "config", "./here"])
def test_a_folder_that_is_none_is_not_the_one_somebody_is_in(
    given: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", given)
    for file in (credentials.saved_file(), key_tools.saved_file(), shown.shown_file()):
        assert file.parent == tmp_path / ".config" / "tidings"


def test_a_folder_that_is_named_is_taken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert credentials.saved_file() == tmp_path / "tidings" / "credentials.toml"
