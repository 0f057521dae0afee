"""Roles as processes: started in order, restarted, ended in order, and never left behind."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from relay.roles import supervisor

ROOT = Path(__file__).parents[2]
PATIENCE = 30.0  # seconds for a busy machine


class Program:
    """The program of `supervised.py`, and what it has said."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.lines: list[str] = []
        self._rest = b""

    def wait_for(self, *wanted: str) -> list[str]:
        """Lines up to the one that begins with the last of the words wanted, in whatever order they come."""
        begin, missing = len(self.lines), list(wanted)
        assert self.process.stdout is not None
        while missing:
            ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE)
            assert ready, f"nothing came of {missing}; {self.lines}"
            data = os.read(self.process.stdout.fileno(), 65536)
            assert data, f"the program ended without {missing}; {self.lines}"
            *lines, self._rest = (self._rest + data).split(b"\n")
            self.lines += [line.decode() for line in lines]
            missing = [word for word in missing if not any(line.startswith(word) for line in self.lines[begin:])]
        return self.lines[begin:]

    def rest(self) -> list[str]:
        """What it says until it has ended."""
        out, _ = self.process.communicate(timeout=PATIENCE)
        return (self._rest + out).decode().splitlines()

    def pid(self, name: str) -> int:
        """The last process that said it is this role."""
        return int(next(line for line in reversed(self.lines) if line.startswith(f"{name} ")).split()[1])


@contextmanager
def program(case: str) -> Iterator[Program]:
    command = [sys.executable, "-m", "tests.roles.supervised", case]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as process:
        try:
            yield Program(process)
        finally:
            process.kill()


@pytest.fixture
def plain() -> Iterator[Program]:
    with program("plain") as running:
        running.wait_for("front1", "front2", "supervisor")
        yield running


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_stage_starts_when_the_one_before_is_ready(plain: Program) -> None:
    order = [line.split()[0] for line in plain.lines]
    assert order[0] == "writer"
    assert sorted(order[1:]) == ["front1", "front2", "supervisor"]


def test_what_dies_is_started_again_and_its_numbers_are_cleared_before(plain: Program) -> None:
    os.kill(plain.pid("front1"), signal.SIGKILL)
    lines = plain.wait_for("front1")
    assert [line.split()[0] for line in lines] == ["cleared", "front1"]


def test_the_writer_is_started_again_while_fronts_live_on(plain: Program) -> None:
    before = plain.pid("front1"), plain.pid("writer")
    os.kill(before[1], signal.SIGKILL)
    plain.wait_for("cleared writer", "writer ")
    assert plain.pid("writer") != before[1]
    assert is_alive(before[0])


def test_sigterm_ends_the_last_stage_first_and_leaves_nobody(plain: Program) -> None:
    pids = [plain.pid(name) for name in ("writer", "front1", "front2")]
    plain.process.terminate()
    lines = plain.rest()
    assert lines[-1] == "supervisor ends"
    assert lines[-2].startswith("writer ")
    assert plain.process.returncode == 0
    assert not any(is_alive(pid) for pid in pids)


def test_a_signal_to_all_processes_at_once_ends_them_in_order_too() -> None:
    with program("plain") as running:
        running.wait_for("front1", "front2", "supervisor")
        for name in ("writer", "front1", "front2"):
            os.kill(running.pid(name), signal.SIGTERM)
            os.kill(running.pid(name), signal.SIGINT)
        running.process.terminate()
        lines = running.rest()
    ended = [line.split()[0] for line in lines if line.endswith(" ends")]
    assert sorted(ended[:2]) == ["front1", "front2"]
    assert ended[2:] == ["writer", "supervisor"]


def test_sighup_reaches_every_role(plain: Program) -> None:
    plain.process.send_signal(signal.SIGHUP)
    plain.wait_for("writer", "front1", "front2")


def test_sighup_waits_for_a_role_that_is_being_started() -> None:
    with program("slow") as running:
        running.wait_for("slow ")
        begun = running.pid("slow")
        os.kill(begun, signal.SIGHUP)
        assert running.process.stdin is not None
        running.process.stdin.write(b"x")
        running.process.stdin.flush()
        assert f"slow {begun} reloads" in running.wait_for("supervisor", f"slow {begun} reloads")


def test_a_role_that_served_is_started_again_at_once_however_often_it_is_killed() -> None:
    died = 0
    for _ in range(5):
        died = supervisor.deaths(died, supervisor.STEADY + 0.1)
        assert supervisor.PAUSES[died - 1] == 0.0
    died = supervisor.deaths(supervisor.deaths(died, 0.0), 0.2)
    assert died == 3
    assert max(supervisor.PAUSES) <= 1.0  # so that it is back within a second of the end of its trouble


def test_roles_end_when_their_supervisor_is_killed(plain: Program) -> None:
    plain.process.kill()
    assert sorted(line.split()[0] for line in plain.rest() if "orphaned" in line) == ["front1", "front2", "writer"]


def test_a_role_that_does_not_end_is_killed() -> None:
    with program("stubborn") as running:
        running.wait_for("stubborn", "supervisor")
        pid = running.pid("stubborn")
        running.process.terminate()
        assert running.rest()[-1] == "supervisor ends"
        assert not is_alive(pid)


@pytest.mark.parametrize(
    ("case", "said"), [("failing", "the database is damaged"), ("raising", "raising ended at once")]
)
def test_a_role_that_cannot_start_ends_the_relay_with_its_reason(case: str, said: str) -> None:
    with program(case) as running:
        lines = running.rest()
        assert f"cannot start: {said}" in lines
        assert any(line.startswith("writer ") and line.endswith("ends") for line in lines)
        assert running.process.returncode == 2


def test_a_role_holds_only_its_own_descriptors() -> None:
    with program("descriptors") as running:
        assert "descriptors 2 open" in running.wait_for("supervisor")  # the pipes to its supervisor
