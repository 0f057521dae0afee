"""Starts `tidings …` from a process that has its modules loaded already, one for each that runs tests.

Loading them takes seconds of a core, and the tests start some hundred relays. The loaded process does nothing but fork; what a
program is given at its start (arguments, environment, the three descriptors) the fork is given, and it ends as a program does.
Between the two stands one that waits for the fork's end and tells it, as only its parent learns of it.
"""

import atexit
import contextlib
import faulthandler
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[2]
MOST = 1 << 20  # bytes of a request


class Program:
    """`tidings` with these arguments in the tree's directory, with as much of `subprocess.Popen` as tests use.

    `stdin` is empty where none is given. What it writes to stdout is read from `stdout`, or goes to the file given.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        stderr: IO[bytes],
        environment: dict[str, str],
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
    ) -> None:
        self.returncode: int | None = None
        self.stdout: IO[bytes] | None = None
        told, telling = os.pipe()
        with contextlib.ExitStack() as ours:
            ours.callback(os.close, telling)
            if stdout is None:
                reading, writing = os.pipe()
                ours.callback(os.close, writing)
                self.stdout = os.fdopen(reading, "rb")
            else:
                writing = stdout.fileno()
            given = stdin if stdin is not None else ours.enter_context(Path(os.devnull).open("rb"))
            request = json.dumps([list(arguments), environment]).encode()
            socket.send_fds(_loaded().requests, [request], [given.fileno(), writing, stderr.fileno(), telling])
        self._told = os.fdopen(told, "rb", buffering=0)
        self.pid = int(self._told.read(12) or b"0")
        assert self.pid, "the loaded process has ended; it says why on stderr"

    def poll(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, waiting for it. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            end = select.poll()
            end.register(self._told, select.POLLIN)
            if not end.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired("tidings", timeout or 0)
            self.returncode = int(self._told.read(12))
            self._told.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Loaded:
    """The loaded process and where it takes requests. It ends with us, at the latest when nobody can ask it any more."""

    def __init__(self) -> None:
        self.requests, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with its:
            self._process = subprocess.Popen([sys.executable, "-m", "tests.e2e.loaded"], stdin=its, cwd=ROOT)
        atexit.register(self._end)

    def _end(self) -> None:
        self.requests.close()
        self._process.wait()


_loaded = cache(Loaded)


# in the loaded process


def _load() -> None:
    """What a relay loads before it starts its roles (`relay.processes.run`), and the command.

    And numpy, with the part that set operations load: it is most of what the start of the search role takes.
    """
    import numpy.ma  # noqa: F401
    import uvloop  # noqa: F401

    from relay import app, cli, processes  # noqa: F401
    from relay.config import Config
    from relay.federation import role  # noqa: F401
    from relay.http import app as http
    from relay.http import deliveries, link_previews  # noqa: F401

    http.load(Config())


def _fork_as_asked(requests: socket.socket) -> list[str] | None:
    """Fork a program for each request. Comes back with the arguments in each of them, and with None when nobody asks any more."""
    while True:
        request, descriptors, _, _ = socket.recv_fds(requests, MOST, 4)
        if not request:
            return None
        if not os.fork():
            arguments, environment = json.loads(request)
            if _waits(descriptors[3]):
                os._exit(0)
            _become(descriptors, environment)
            return arguments
        for descriptor in descriptors:
            os.close(descriptor)


def _waits(telling: int) -> bool:
    """Fork the program, tell its pid, and, when it has ended, its exit code, each in twelve bytes. False in the program."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    program = os.fork()
    if not program:
        return False
    os.closerange(0, telling)
    os.closerange(telling + 1, telling + 64)
    os.write(telling, b"%12d" % program)
    _, status = os.waitpid(program, 0)
    os.write(telling, b"%12d" % os.waitstatus_to_exitcode(status))
    return True


def _become(descriptors: Sequence[int], environment: dict[str, str]) -> None:
    for number in range(3):
        os.dup2(descriptors[number], number)
    os.closerange(3, max(descriptors) + 1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    if environment.get("PYTHONFAULTHANDLER"):
        faulthandler.enable()


def main() -> Any:
    requests = socket.socket(fileno=os.dup(0))
    _load()
    assert threading.active_count() == 1  # else a fork would miss some
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who waits needs nobody to wait for it
    arguments = _fork_as_asked(requests)
    if arguments is None:
        return None
    requests.detach()
    from relay.cli import main as tidings

    return tidings(arguments, prog_name="tidings")


if __name__ == "__main__":
    main()
