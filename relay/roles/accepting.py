"""The listening socket of a role that fronts ask: it outlives the role, so nobody may be at its other end for a while."""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

AGAIN: Final = 0.1  # seconds until connections are accepted again when the system has no room for one

log = logging.getLogger("tidings.roles")


async def accept(listener: socket.socket, made: Callable[[], asyncio.Protocol]) -> None:
    """Serve whoever connects, until cancelled. The listening socket stays the caller's, open and where it is."""
    loop = asyncio.get_running_loop()
    listener.setblocking(False)
    while True:
        try:
            sock, _ = await loop.sock_accept(listener)
        except OSError as error:
            log.warning("no connection could be accepted: %s", error)
            await asyncio.sleep(AGAIN)
            continue
        await loop.connect_accepted_socket(made, sock)
