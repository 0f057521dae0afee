"""A service manager as systemd is one: it keeps the listening socket, and is told when the relay is up and when it ends."""

import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.harness import PATIENCE, ROOT, TIDINGS, environment

# As systemd starts a service: the socket is descriptor 3, and the process is told that it is meant.
START = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.execve(sys.argv[2], sys.argv[2:], os.environ | {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"})
"""


@contextlib.contextmanager
def _service(data: Path, processes: str, listener: socket.socket, manager: socket.socket) -> Iterator[None]:
    """The relay as a service that is up. It is asked to end, and its end is checked."""
    arguments = ["serve", "--listen", "127.0.0.1:1", "--data", str(data), "--set", f"server.processes={processes}"]
    given = str(listener.fileno())
    with (
        (data.parent / f"{processes}.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-c", START, given, *TIDINGS, *arguments],
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=ROOT,
            env=environment() | {"NOTIFY_SOCKET": manager.getsockname()},
            pass_fds=[listener.fileno()],
        ) as process,
    ):
        try:
            assert manager.recv(100) == b"READY=1"
            yield
            process.send_signal(signal.SIGTERM)
            assert manager.recv(100) == b"STOPPING=1"
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


def test_connections_wait_in_the_socket_that_is_passed_on_until_the_relay_is_up_again(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(2 * PATIENCE)
        with (
            _service(tmp_path / "data", "on", listener, manager),
            socket.create_connection(listener.getsockname(), PATIENCE) as now,
        ):
            assert _health(now).startswith(b"HTTP/1.1 200")
        with (
            socket.create_connection(listener.getsockname(), PATIENCE) as early,  # nobody is there; it is not refused
            _service(tmp_path / "data", "off", listener, manager),
        ):
            assert _health(early).startswith(b"HTTP/1.1 200")


def _health(connection: socket.socket) -> bytes:
    connection.sendall(b"GET /health HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n")
    with connection.makefile("rb") as answer:
        return answer.read()
