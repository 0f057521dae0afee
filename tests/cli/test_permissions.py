"""Data directories of somebody else, or that cannot be written: one clear line, no traceback."""

import contextlib
import ctypes
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from storage.sqlite.files.database_file import FILE, beside
from tests.cli.conftest import Tidings

_DROP = 24  # prctl(PR_CAPBSET_DROP)
_OVERRIDES = (1, 2)  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH: what lets root pass by the permissions of files


def _without_privileges() -> None:
    libc = ctypes.CDLL(None)
    for capability in _OVERRIDES:
        libc.prctl(_DROP, capability, 0, 0, 0)


@pytest.fixture
def made(tidings: Tidings, data: Path) -> Iterator[Path]:
    """A data directory with a database."""
    assert tidings("import", "--data", data, stdin=b"").exit_code == 0
    yield data
    with contextlib.suppress(FileNotFoundError):
        data.chmod(0o700)


def test_what_stands_where_the_database_or_its_directory_should_is_told(tidings: Tidings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert tidings("compact", "--data", tmp_path / "file").stderr == (
        f"tidings: the data directory {tmp_path / 'file'} cannot be used: it is a file, no directory; choose another with --data\n"
    )
    (tmp_path / "data" / FILE).mkdir(parents=True)
    assert tidings("compact", "--data", tmp_path / "data").stderr == (
        f"tidings: {tmp_path / 'data' / FILE} is a directory; a database should be there: restore a backup\n"
    )


def test_a_disk_that_can_only_be_read_is_told_with_what_can_be_done(
    tidings: Tidings, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in beside(made / FILE):
        file.mkdir(exist_ok=True)  # it cannot be opened then
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert tidings("info", "--data", made).stderr == (
        f"tidings: the disk of {made / FILE} can only be read, and a database needs more;"
        " a copy of the data directory on another disk can be used (--data)\n"
    )


@pytest.mark.skipif(sys.platform != "linux", reason="drops the privileges of root by prctl")
@pytest.mark.parametrize(
    ("verb", "what", "mode"),
    [
        ("serve", "", 0o555),
        ("serve", "", 0o000),
        ("serve", FILE, 0o400),
        ("compact", FILE, 0o400),
        ("check", "", 0o000),
        ("info", "", 0o555),
    ],
)
def test_what_may_not_be_used_is_told_in_one_line(made: Path, verb: str, what: str, mode: int) -> None:
    place = made / what
    before = stat.S_IMODE(place.stat().st_mode)
    place.chmod(mode)
    command = [sys.executable, "-m", "relay", verb, "--data", str(made)]
    try:
        ran = subprocess.run(
            [*command, "--listen", "127.0.0.1:0"] if verb == "serve" else command,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            preexec_fn=_without_privileges,
        )
    finally:
        place.chmod(before)
    assert ran.returncode not in (0, -9)
    assert "Traceback" not in ran.stderr
    assert "ermission" in ran.stderr.splitlines()[-1]
    assert str(made) in ran.stderr
