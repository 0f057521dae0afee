"""What can be the URL of a relay or of a hub, found out before the network is asked for anything.

It may hold the name and the password for a proxy before it: no error shows them.
"""

import re
from typing import Final

import httpx
from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from relay.client.errors import BadUrl
from relay.protocol.hosts import is_host

_LOGIN: Final = re.compile(r"//[^/?#]*@")


def _shown(url: str) -> str:
    return _LOGIN.sub("//…@", url)


def check_relay(url: str) -> None:
    """Raises BadUrl unless this is ws:// or wss:// with a host (NIP-01)."""
    try:
        host = parse_uri(url).host
    except InvalidURI:
        what = "has no part after a #" if "#" in url else "starts with ws:// or wss:// and names a host"
        raise BadUrl(f"{_shown(url)} is no relay's URL: it {what}") from None
    except ValueError as error:  # a port or an address that is none, letters that no host has
        raise BadUrl(f"{_shown(url)} is no relay's URL: {error}") from None
    if not is_host(host):
        raise BadUrl(f"{_shown(url)} is no relay's URL: {host!r} is no host")


def hub_root(url: str) -> str:
    """Where a hub is, given that or where its API is, as clients of the Moltbook API have it: `https://hub.example/api/v1`."""
    return url.rstrip("/").removesuffix("/api/v1").rstrip("/")


def check_hub(url: str) -> None:
    """Raises BadUrl unless this is http:// or https:// with a host, and neither a query nor a fragment."""
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode()
        scheme, port = parsed.scheme, parsed.port
    except (httpx.InvalidURL, ValueError) as error:  # IDNA's errors are ValueErrors
        raise BadUrl(f"{_shown(url)} is no hub's URL: {error}") from None
    if scheme not in ("http", "https") or not host:
        raise BadUrl(f"{_shown(url)} is no hub's URL: it starts with http:// or https:// and names a host")
    if not is_host(host):
        raise BadUrl(f"{_shown(url)} is no hub's URL: {host!r} is no host")
    if port is not None and port > 65535:
        raise BadUrl(f"{_shown(url)} is no hub's URL: its port is beyond 65535")
    if "?" in url or "#" in url:  # with nothing behind it, too: the path of each route would come after it
        raise BadUrl(f"{_shown(url)} is no hub's URL: nothing may follow its path")
