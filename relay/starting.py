"""What a start takes before it loads anything heavy: the data directory and the port.

From then on whoever comes back after a restart waits in line instead of being refused. Loading takes longer than the second
after which most clients try again, and one library (NDK) tries once.
"""

import contextlib
import errno
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from relay import service_manager
from relay.config import Config, split_listen
from relay.setting_parts import ConfigError
from storage.errors import Locked
from storage.sqlite.files import database_file

BACKLOG: Final = 2048  # connections that wait
ROLES_END: Final = 5.0  # seconds that roles may need to end after their supervisor was killed


def as_processes(config: Config) -> bool:
    """Whether the settings ask for processes on this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return config.server.processes == "on" or (config.server.processes == "auto" and cores > 1)


@contextlib.contextmanager
def locked(data: Path) -> Iterator[database_file.Lock]:
    """The lock of the data directory. Raises Locked, StorageError.

    Where a supervisor was killed, its roles notice at once and end, but what they are doing takes a moment.
    """
    deadline = time.monotonic() + ROLES_END
    while True:
        try:
            lock = database_file.Lock(data)
            break
        except Locked:
            if _lives(data) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
    try:
        yield lock
    finally:
        lock.release()


def _lives(data: Path) -> bool:
    """Whether the process that took the lock is there; True where nobody knows."""
    try:
        os.kill(int((data / database_file.LOCK).read_text("ascii")), 0)
    except ProcessLookupError:
        return False
    except (OSError, ValueError):
        return True
    return True


def bind(config: Config) -> socket.socket:
    """A listening socket on `server.listen`, or the one that is passed by a service manager.

    Raises ConfigError when the address cannot be had.
    """
    given = service_manager.given_socket()
    if given is not None:
        return given
    host, port = split_listen(config.server.listen)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with contextlib.ExitStack() as undo:
            sock = undo.enter_context(socket.socket(family, kind, protocol))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(BACKLOG)
            undo.pop_all()
    except OSError as error:
        taken = (
            "; perhaps a relay runs already; --listen chooses another port" if error.errno == errno.EADDRINUSE else ""
        )
        raise ConfigError(
            f"server.listen: cannot listen on {config.server.listen}: {error.strerror or error}{taken}"
        ) from None
    return sock


def url_of(sock: socket.socket, scheme: str) -> str:
    """The URL under which this machine reaches the socket."""
    host, port = sock.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
