"""What a service manager and a relay tell each other, as systemd says it: a socket that is passed on (sd_listen_fds(3)), and the
state of the service (sd_notify(3)).

Only the process that the service manager started may speak, which is the supervisor where a relay is several. Where no service
manager asks for it, nothing is said and no socket is given.
"""

import logging
import os
import socket
from typing import Final

from relay.setting_parts import ConfigError

UP: Final = "READY=1"
ENDING: Final = "STOPPING=1"
FIRST_GIVEN: Final = 3  # the first descriptor that is passed on

log = logging.getLogger("tidings")


def given_socket() -> socket.socket | None:
    """The listening socket that was passed on (LISTEN_FDS), None where there is none.

    Connections wait in it while the relay is started again. Raises ConfigError where it is something else.
    """
    number = os.environ.pop("LISTEN_FDS", "") or "0"
    if os.environ.pop("LISTEN_PID", "") != str(os.getpid()) or number == "0":
        return None
    if number != "1":
        raise ConfigError(
            f"LISTEN_FDS: a relay takes one socket, not {number[:10]!r}: one ListenStream= (and `[::]:PORT` hears IPv4 too)"
        )
    try:
        sock = socket.socket(fileno=FIRST_GIVEN)
    except OSError as error:
        raise ConfigError(f"LISTEN_FDS: descriptor {FIRST_GIVEN} is no socket: {error.strerror}") from None
    if not (
        sock.type == socket.SOCK_STREAM
        and sock.family in (socket.AF_INET, socket.AF_INET6)
        and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    ):
        sock.close()
        raise ConfigError(f"LISTEN_FDS: descriptor {FIRST_GIVEN} is no TCP socket that listens")
    os.set_inheritable(FIRST_GIVEN, False)
    return sock


def tell(state: str) -> None:
    """Say `UP` or `ENDING` at the datagram socket that NOTIFY_SOCKET names ("@" for an abstract one), if it names any.

    A service goes on where nobody listens there; the log tells it.
    """
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.sendto(state.encode(), f"\0{name[1:]}" if name.startswith("@") else name)
    except OSError as error:
        log.warning("NOTIFY_SOCKET: %s cannot be told that %s: %s", name, state, error.strerror or error)
