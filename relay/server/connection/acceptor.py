"""Taking connections from the listening socket, which all fronts share."""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import time
from collections.abc import Callable
from typing import Any, Final

LOOK_AWAY: Final = 0.003  # seconds in which another front may take a connection
REST: Final = 1.0  # seconds without accepting where not even one descriptor is left
TOLD: Final = 60.0  # seconds between two lines in the log about descriptors that ran out
_RAN_OUT: Final = (errno.EMFILE, errno.ENFILE)

log = logging.getLogger("tidings.listener")


class Acceptor:
    """Accepts on a listening socket that several fronts share, one connection each time the loop looks at it.

    A front that took all that wait would leave the others idle, and the one that is awake would take most. So a front that
    `has_more` connections than another looks away for a moment; what waits then still, it takes all the same.

    Where the process may open no more files, those who come are answered with `full`, by a descriptor that is kept for that.
    `servers` of uvicorn are closed and waited for by these names.
    """

    def __init__(
        self, sock: socket.socket, protocol: Callable[[], asyncio.Protocol], has_more: Callable[[], bool], full: bytes
    ) -> None:
        self._has_more = has_more
        self._looked_away = False
        self._socket = sock
        self._protocol = protocol
        self._full = full
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._spare = _spare()
        self._tell_at = 0.0
        sock.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Take nothing more."""
        self._closed = True
        self._loop.remove_reader(self._socket)
        self._give_up_spare()

    async def wait_closed(self) -> None:
        """Returns when what was accepted has its protocol."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _listen(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        if not self._looked_away and self._has_more():
            self._looked_away = True
            self._loop.remove_reader(self._socket)
            self._loop.call_later(LOOK_AWAY, self._listen)
            return
        self._looked_away = False
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, ConnectionError):
            return  # another front was faster, or the client left again
        except OSError as error:
            self._ran_out(error)
            return
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _ran_out(self, error: OSError) -> None:
        if time.monotonic() >= self._tell_at:
            self._tell_at = time.monotonic() + TOLD
            advice = "; each connection is a file: raise LimitNOFILE= or ulimit -n" if error.errno in _RAN_OUT else ""
            log.error("connections cannot be taken: %s%s", error.strerror, advice)
        if self._spare is not None and error.errno in _RAN_OUT:
            self._turn_away()
        else:
            self._loop.remove_reader(self._socket)
            self._loop.call_later(REST, self._listen)
            self._spare = self._spare or _spare()

    def _turn_away(self) -> None:
        """Tell one who waits that there is no room."""
        self._give_up_spare()
        with contextlib.suppress(OSError):
            connection, _ = self._socket.accept()
            with connection:
                connection.setblocking(False)
                connection.send(self._full)
        self._spare = _spare()

    def _give_up_spare(self) -> None:
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None


def _spare() -> int | None:
    """A descriptor that holds a place free; None where there is none."""
    with contextlib.suppress(OSError):
        return os.open(os.devnull, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    return None
