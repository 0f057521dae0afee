"""What a relay does where its standard files are closed or cannot be written."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from relay.commands.serving import greet

_COMPLETED = """
import os, sys
from relay import open_files
open_files.complete_standard()
print("nobody reads this")
print("nor this", file=sys.stderr)
opened = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
os.write(opened, str(opened).encode())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="closes files by the shell")
def test_no_file_gets_the_number_of_a_standard_one_that_was_closed(tmp_path: Path) -> None:
    ran = subprocess.run(
        ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", sys.executable, "-c", _COMPLETED, str(tmp_path / "file")],
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0
    assert int((tmp_path / "file").read_text()) > 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="has no disk that is always full")
def test_a_greeting_that_cannot_be_written_ends_no_relay(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with caplog.at_level(logging.WARNING, "tidings"):
            greet("Tidings is up")
        full.flush()
        assert os.path.samestat(os.fstat(full.fileno()), Path(os.devnull).stat())
    assert "stdout cannot be written: No space left on device" in caplog.text
