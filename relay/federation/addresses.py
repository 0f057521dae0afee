"""Where a peer is: its host's addresses, looked up and looked at before anything is opened.

A name may point into the network that this relay stands in, and may point elsewhere a moment later. So the addresses are looked
up once, those that are not of the public Internet are refused unless the operator allows them, and the connection is opened to
the very address that was looked at.
"""

import asyncio
import errno
import ipaddress
import os
import socket
from collections.abc import Iterable
from typing import Final

from relay.client import urls as client_urls
from relay.client.errors import BadUrl, Disconnected, unreached
from relay.peer_settings import PeerSettings
from relay.protocol import urls
from relay.server.web_requests import outbound

MOST_TRIED: Final = 4  # addresses of a host

Address = tuple[socket.AddressFamily, tuple[str, int]]


def normal(url: str) -> str:
    """The one spelling of a relay's URL: without a slash at the end, a default port or capital letters. Raises BadUrl."""
    client_urls.check_relay(url)
    found = urls.parse(url, urls.WEBSOCKET)
    if found is None or found.names_user:
        raise BadUrl(f"{url} is no relay's URL: it starts with ws:// or wss:// and names a host, and no user")
    return f"{found.origin}{found.path}{found.query}".removesuffix("/")


def normal_or_empty(url: str) -> str:
    """As `normal`, "" for what is no such URL."""
    try:
        return normal(url)
    except BadUrl:
        return ""


def by_url(peers: Iterable[PeerSettings]) -> dict[str, PeerSettings]:
    """Peers by the one spelling of their URL; one that has none is passed over."""
    return {url: one for one in peers if (url := normal_or_empty(one.url))}


def is_public(text: str) -> bool:
    """Whether an IP address is one of the public Internet, see relay.server.web_requests.outbound. Raises ValueError."""
    return outbound.is_public(ipaddress.ip_address(text.partition("%")[0]))


def is_private(url: str) -> bool:
    """Whether the URL itself says so: its host is no name, or `localhost`, and not of the public Internet. Raises BadUrl."""
    place = urls.parse(normal(url), urls.WEBSOCKET)
    assert place is not None
    try:
        return not is_public(place.host)
    except ValueError:
        return place.host == "localhost"


async def find(url: str, *, allow_private: bool) -> list[Address]:
    """The addresses of a relay's host, at most MOST_TRIED. Raises BadUrl, Disconnected when there are none to open."""
    place = urls.parse(normal(url), urls.WEBSOCKET)
    assert place is not None
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Disconnected(f"{place.host} has no address: {error.strerror or error}") from None
    every: list[Address] = list(dict.fromkeys((family, (str(at[0]), int(at[1]))) for family, _, _, _, at in found))
    allowed = [one for one in every if allow_private or is_public(one[1][0])]
    if not allowed:
        if not every:
            raise Disconnected(f"{place.host} has no address")
        found_at = every[0][1][0]
        what = "is a private address" if found_at == place.host else f"is at {found_at}, a private address"
        raise Disconnected(
            f"{place.host} {what}; allow_private = true lets it have one (--allow-private; of those that are joined by follow, "
            "federation.follow_private)"
        )
    return allowed[:MOST_TRIED]


async def open_socket(url: str, *, allow_private: bool) -> socket.socket:
    """A connected TCP socket to the relay's host. Raises BadUrl, Disconnected."""
    loop = asyncio.get_running_loop()
    problem: OSError | None = None
    found = await find(url, allow_private=allow_private)
    for number, (family, at) in enumerate(found, 1):
        # Named, else the loop leaves Nagle's delays on.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        sock.setblocking(False)
        try:
            async with asyncio.timeout(None if number == len(found) else outbound.ATTEMPT):
                await loop.sock_connect(sock, at)
        except OSError as error:  # TimeoutError too
            sock.close()
            problem = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    assert problem is not None
    raise Disconnected(f"cannot connect to {url}: {_why(problem)}")


def _why(problem: OSError) -> str:
    if problem.errno is None or problem.errno == errno.ECONNREFUSED:
        return unreached(problem)
    return os.strerror(problem.errno)  # asyncio's own words name the call and the address as Python writes them
