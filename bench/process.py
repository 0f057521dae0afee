"""The server as a process: starting and stopping our own, reading what any costs (Linux)."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from bench.client import Trouble

_SCHEDULED: Final = (
    2  # CPUCLOCK_SCHED: the clock of another process is ~pid << 3 | 2, in nanoseconds where stat has ticks
)
_START, _STOP = 30.0, 30.0  # seconds


class Subject(msgspec.Struct, frozen=True):
    """The relay under measurement; without a pid its CPU and memory cannot be had."""

    url: str
    pid: int | None = None

    def cpu_seconds(self) -> float | None:
        """User and system time so far, of all threads of the process and of its living descendants."""
        if self.pid is None:
            return None
        return sum(time.clock_gettime(~pid << 3 | _SCHEDULED) for pid in family(self.pid))

    def memory_bytes(self) -> int | None:
        """The proportional set size of the process and its descendants; the resident set where that may not be read."""
        if self.pid is None:
            return None
        sizes = [_memory_of(pid) for pid in family(self.pid)]
        return sum(size for size in sizes if size is not None) or None

    def waits(self) -> int | None:
        """How often the threads of the process and its descendants have waited so far; each wait ends in a wake-up."""
        if self.pid is None:
            return None
        return sum(_waits_of(pid) for pid in family(self.pid))


def family(pid: int) -> list[int]:
    """A process and its living descendants."""
    found = [pid]
    for one in found:
        for task in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += map(int, task.read_text().split())
    return found


@contextlib.contextmanager
def on_one_core(pid: int | None) -> Iterator[None]:
    """Until the block ends, a relay and its descendants run on one core, and so does this process.

    A relay that belongs to somebody else is left where it is.
    """
    before = {one: os.sched_getaffinity(one) for one in (os.getpid(), *(family(pid) if pid is not None else ()))}
    core = {min(before[os.getpid()])}
    try:
        for one in before:
            _move(one, core)
        yield
    finally:
        for one, cores in before.items():
            _move(one, cores)


def _move(pid: int, cores: set[int]) -> None:
    """Let all threads of a process, if it is there, run on these cores."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError, PermissionError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)


def _memory_of(pid: int) -> int | None:
    for name, field in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
                if line.startswith(field):
                    return int(line.split()[1]) * 1024
    return None


def _waits_of(pid: int) -> int:
    found = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        with contextlib.suppress(OSError):
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            found += int(fields["voluntary_ctxt_switches"])
    return found


class Spent(msgspec.Struct, frozen=True):
    """What a stretch of work took: wall-clock seconds, and the server's CPU seconds if they can be had."""

    seconds: float
    cpu_seconds: float | None

    def cpu_us(self, units: int) -> float | None:
        """CPU microseconds a unit."""
        return None if self.cpu_seconds is None else self.cpu_seconds * 1e6 / max(1, units)


class CpuMeter:
    """Starts when it is made."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._cpu = subject.cpu_seconds()
        self._clock = time.perf_counter()

    def read(self) -> Spent:
        """What has been spent since the start."""
        seconds = time.perf_counter() - self._clock
        cpu = self._subject.cpu_seconds()
        return Spent(seconds, None if cpu is None or self._cpu is None else cpu - self._cpu)


def command(*arguments: str) -> list[str]:
    """A `tidings` command line run by this interpreter."""
    return [sys.executable, "-m", "relay", *arguments]


def run(arguments: Sequence[str], output: Path) -> Spent:
    """Run a command to its end; its CPU is that of its children too. Raises Trouble with its last words if it fails."""
    clock = time.perf_counter()
    with output.open("wb") as out, output.with_suffix(".err").open("w+b") as err:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - clock
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise Trouble(f"{' '.join(arguments)} exited with {process.returncode}: {_tail(output.with_suffix('.err'))}")
    return Spent(seconds, usage.ru_utime + usage.ru_stime)


@contextlib.contextmanager
def started(data: Path, *settings: str) -> Iterator[Subject]:
    """`tidings serve` on a free port over this data directory, until the block ends; `settings` are NAME=VALUE.

    Raises Trouble when it does not start.
    """
    port = free_port()
    arguments = command("serve", "--listen", f"127.0.0.1:{port}", "--data", str(data))
    for setting in settings:
        arguments += ("--set", setting)
    with running(arguments, port, data.with_name(f"{data.name}.log")) as subject:
        yield subject


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def running(arguments: Sequence[str], port: int, log: Path) -> Iterator[Subject]:
    """A relay that listens on this port, as a process until the block ends. Raises Trouble when it does not start."""
    with log.open("wb") as out:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
    try:
        _wait_for(process, port, log)
        try:
            yield Subject(f"ws://127.0.0.1:{port}/", process.pid)
        except OSError as error:
            raise Trouble(f"the connection to the relay broke ({error}); the relay said: {_tail(log)}") from error
        if process.poll() is not None:
            raise Trouble(f"the relay ended with {process.returncode} while it was measured: {_tail(log)}")
    finally:
        _stop(process)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Trouble(f"the relay did not start: {_tail(log)}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise Trouble(f"the relay did not listen within {_START:.0f} s: {_tail(log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    return log.read_text("utf-8", "replace").strip()[-600:] or "it said nothing"
