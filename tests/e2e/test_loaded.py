"""A program that begins with its modules loaded is one that loads them itself, seen from outside."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.harness import PATIENCE, ROOT, TIDINGS, Server, command, environment
from tests.e2e.loaded import Program

RUNS = [
    (["--version"], b""),
    (["config", "relay", "server.listen"], b""),
    (["nonsense"], b""),
    (["event", "--help"], b""),
    (["key", "convert", "-"], b"no key\n"),
    (["import", "-"], b'{"no": "event"}\n'),
]


@pytest.mark.parametrize(("arguments", "stdin"), RUNS, ids=[" ".join(arguments) for arguments, _ in RUNS])
def test_it_reads_says_and_ends_the_same(tmp_path: Path, arguments: list[str], stdin: bytes) -> None:
    where = {"TIDINGS_SERVER_DATA": str(tmp_path / "data"), "TIDINGS_RELAY_NAME": "of the environment", "COLUMNS": "90"}
    env = environment() | where
    loads = subprocess.run([*TIDINGS, *arguments], input=stdin, capture_output=True, cwd=ROOT, env=env, check=False)
    asked, out, err = (tmp_path / name for name in ("asked", "out", "err"))
    asked.write_bytes(stdin)
    with asked.open("rb") as reading, out.open("wb") as writing, err.open("wb") as complaining:
        program = Program(arguments, complaining, env, reading, writing)
        assert program.wait(PATIENCE) == loads.returncode
    assert program.poll() == loads.returncode
    assert (out.read_bytes(), err.read_bytes()) == (loads.stdout, loads.stderr)
    assert loads.stdout or loads.stderr


def test_it_holds_no_descriptors_but_its_own(tmp_path: Path) -> None:
    def opened(server: Server) -> list[str]:
        found = [str(link.readlink()) for link in Path(f"/proc/{server.process.pid}/fd").iterdir()]
        return sorted(name.partition(":[")[0].replace(str(server.data), "") for name in found)

    loads = Server(tmp_path / "loads", program=TIDINGS)
    begun = Server(tmp_path / "begun")
    try:
        assert opened(begun) == opened(loads)
    finally:
        assert (loads.stop(), begun.stop()) == (0, 0)


def test_a_signal_that_ends_it_is_told(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    with pytest.raises(subprocess.TimeoutExpired):
        server.process.wait(0)
    assert server.process.poll() is None
    server.kill()
    assert server.process.returncode == -signal.SIGKILL
    assert command("check", data=tmp_path / "data").returncode == 0
