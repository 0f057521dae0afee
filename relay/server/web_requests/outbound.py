"""Requests that the relay makes for others, to URLs that strangers choose.

Rule: a connection is made to an address that was looked at, never to a name that was: what a name leads to may change between
the two. So nobody reaches through the relay what only the relay can reach (this machine, its network, a cloud's metadata).
"""

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable
from functools import partial
from importlib import import_module
from typing import Any, Final

import httpcore
import httpx
import msgspec

from relay.certificates import trusted
from relay.errors import Prefix, Reject
from relay.protocol import urls
from relay.protocol.hosts import is_host
from relay.server.pools import Pool, PoolFull

NAMERS: Final = 4  # threads that ask for names, where nobody says how many
MAX_NAMES: Final = 64  # that wait for one
MAX_HEAD: Final = 32 * 1024  # bytes that come before an answer's body; most have less than one
PIECE: Final = 2048  # bytes that are taken apart in one turn of the event loop
ATTEMPT: Final = 3.0  # seconds in which one of a host's addresses is to answer, as long as there is another one to try

_WELL_KNOWN: Final = 1024  # ports below it are of services that speak something else, but for those of the web
_WEB_PORTS: Final = frozenset((80, 443))
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def load() -> None:
    """Make what the first request, and closing a pool, would take long to make, so that processes forked afterwards have it.

    Raises BadCertificates.
    """
    trusted()
    import_module("anyio._backends._asyncio")  # httpcore's locks load it when they are first used


class Undelivered(Exception):
    """There was no answer; the text says why, in words for who wanted the request made."""


class NotPublic(Exception):
    """A name leads to no public address."""

    def __init__(self, host: str) -> None:
        super().__init__(host)
        self.host = host

    def __str__(self) -> str:
        return f"{self.host} leads to no public address"


def is_public(address: Address) -> bool:
    """Whether this is an address of the internet: no private, local, shared, reserved or multicast one.

    An IPv6 address that stands for an IPv4 one (mapped, 6to4, NAT64) is as public as that; Teredo's are not.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address.teredo is not None or address.is_site_local:
            return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def checked_url(url: str, *, private: bool) -> str:
    """A URL that deliveries may go to, in its one spelling. Raises Reject(invalid); where a name leads is seen at each delivery."""
    found = urls.parse(url, urls.WEB if private else ("https",))
    if found is None or found.names_user:
        wanted = "an http or https" if private else "an https"
        raise Reject(Prefix.INVALID, f"url must be {wanted} URL with a host, without a user and password")
    if not is_host(found.host):
        raise Reject(Prefix.INVALID, f"{found.host} is no host: an address or a name of letters, digits and hyphens")
    if found.port < _WELL_KNOWN and found.port not in _WEB_PORTS:
        raise Reject(Prefix.INVALID, f"url must not have the port {found.port}: take 443, or one from {_WELL_KNOWN} on")
    try:
        address = ipaddress.ip_address(found.host)
    except ValueError:
        address = None
    if address is not None and not private and not is_public(address):
        raise Reject(Prefix.INVALID, f"{found.host} is no public address: nothing is delivered there")
    return f"{found.origin}{found.path}{found.query}"


def reason(error: Exception) -> str:
    """What went wrong with a request, in words; those of an exception that has none say what that comes of."""
    return str(error)[:200] or "the connection was broken off"


class BoundedStream(httpcore.AsyncNetworkStream):
    """A connection to a stranger, by which no more comes than may, a little in each turn of the event loop.

    What comes is taken apart on the loop: a million answers that announce another one would keep everybody else waiting. First
    come at most MAX_HEAD bytes, and more once `allow` says so. Raises httpcore.ReadError where more comes.
    """

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._left = MAX_HEAD

    def allow(self, more: int) -> None:
        """So many bytes more may come."""
        self._left += more

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 as httpcore has it
        """The next bytes, none at the end."""
        await asyncio.sleep(0)
        found = await self._stream.read(min(max_bytes, PIECE), timeout)
        self._left -= len(found)
        if self._left < 0:
            raise httpcore.ReadError("its answer has no end")
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 as httpcore has it
        """Send all of it."""
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        """End."""
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 as httpcore has it
    ) -> httpcore.AsyncNetworkStream:
        """The same connection from now on by TLS."""
        return BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """As httpcore has it."""
        return self._stream.get_extra_info(info)


def allow_body(answer: httpcore.Response, most: int) -> None:
    """So many bytes of the answer's body may come, and what is around them where it comes in chunks that are not tiny."""
    stream = answer.extensions["network_stream"]
    assert isinstance(stream, BoundedStream)
    stream.allow(most + most // 4)


class PublicOnly(httpcore.AsyncNetworkBackend):
    """Connects as asyncio does, to public addresses alone unless `private` says otherwise at that moment.

    A body comes only where `allow_body` was called. So many names are asked for at once as there are `namers`.
    """

    def __init__(self, private: Callable[[], bool], namers: int = NAMERS) -> None:
        self._private = private
        self._backend = httpcore.AnyIOBackend()
        # Of its own: who answers for a name may take as long as they like.
        self._names = Pool("names", namers, MAX_NAMES)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 as httpcore has it
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A connection to the first of the host's addresses that answers. Raises NotPublic, httpcore.ConnectError."""
        error: Exception = NotPublic(host)
        addresses = await self._addresses(host, port)
        for number, address in enumerate(addresses, 1):
            within = timeout if number == len(addresses) else min(ATTEMPT, timeout or ATTEMPT)
            try:
                stream = await self._backend.connect_tcp(str(address), port, within, local_address, socket_options)
                return BoundedStream(stream)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    async def _addresses(self, host: str, port: int) -> list[Address]:
        try:
            found = await self._names.run(partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError, PoolFull) as error:
            raise httpcore.ConnectError(f"{host} is not found") from error
        addresses = [ipaddress.ip_address(str(info[4][0]).partition("%")[0]) for info in found]
        return [address for address in dict.fromkeys(addresses) if self._private() or is_public(address)]

    def close(self) -> None:
        """Ask for no further names. Idempotent."""
        self._names.close()

    async def sleep(self, seconds: float) -> None:
        """As httpcore wants it."""
        await asyncio.sleep(seconds)


class Delivery(msgspec.Struct, frozen=True):
    """One POST: what is sent, and where."""

    url: str
    headers: dict[str, str]
    body: bytes


class Poster:
    """Makes POST requests, at most `most` at once, each on a connection of its own; to public addresses alone unless `private`.

    An answer's body is not read, and a redirect is not followed. However long the names of others take, each is asked for at once.
    """

    def __init__(self, agent: str, most: int, private: Callable[[], bool]) -> None:
        self._agent = agent
        self._backend = PublicOnly(private, most)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trusted(),
            max_connections=most,
            max_keepalive_connections=0,
            network_backend=self._backend,
        )

    async def send(self, delivery: Delivery) -> int:
        """The status of the answer. Raises Undelivered; how long it may take is the caller's to say."""
        host = httpx.URL(delivery.url).netloc
        headers: list[tuple[bytes | str, bytes | str]] = [("host", host), ("user-agent", self._agent)]
        headers += delivery.headers.items()
        try:
            async with self._pool.stream("POST", delivery.url, headers=headers, content=delivery.body) as answer:
                return answer.status
        except NotPublic as error:
            raise Undelivered(f"{error}: nothing is delivered there") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, ssl.SSLError) as error:
            raise Undelivered(f"it could not be reached: {reason(error)}") from None

    async def close(self) -> None:
        """Let go of the connections. Idempotent."""
        await self._pool.aclose()
        self._backend.close()
