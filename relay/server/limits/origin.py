"""Under which URL a client knows this relay: the setting, else what a trusted proxy says that it was asked for.

Rule: a host is never taken from somebody who is not a trusted proxy. Who could choose it could use proofs (NIP-42, NIP-98)
that were made for another relay.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final

from relay.config import Config
from relay.protocol import urls
from relay.server.limits import addresses

FORWARDED: Final = "forwarded"  # as `server.address_header`: RFC 7239, which tells all three
_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_NAME: Final = re.compile(r"[a-z0-9._:-]{1,253}")  # in ASCII, or an address
_ELEMENT: Final = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_PAIR: Final = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:\\.|[^"\\])*)"|([^\s;,"]*))')


def public_url(config: Config, peer: str, values: Callable[[str], Sequence[str]]) -> str | None:
    """`relay.url`, else the ws:// or wss:// URL that a trusted proxy was asked for; None where nobody says.

    `peer` is the address at the other end of the connection, `values` gives those of a header, in order.
    """
    return config.relay.url or _by_proxy(config, peer, values)


def base_url(websocket: str) -> str:
    """Where HTTP is answered, given the WebSocket's URL: scheme, host and port."""
    found = urls.parse(websocket)
    return "" if found is None else found.origin.replace("ws", "http", 1)


def _by_proxy(config: Config, peer: str, values: Callable[[str], Sequence[str]]) -> str | None:
    if not addresses.is_trusted(peer, addresses.networks(config.server.trusted_proxies)):
        return None
    if config.server.address_header.lower() == FORWARDED:
        said = forwarded(",".join(values(FORWARDED)))
        scheme, host = said.get("proto", ""), said.get("host", "") or _last(values("host"))
    else:
        scheme, host = _last(values("x-forwarded-proto")), _last(values("x-forwarded-host")) or _last(values("host"))
    known = _SCHEMES.get(scheme.lower())
    return None if known is None else of_host(known, host)


def of_host(scheme: str, host: str) -> str | None:
    """The URL of a host, with or without a port, as a header gives it; None for what is none.

    It stands in commands that people paste, so it has no character that a shell knows.
    """
    found = urls.parse(f"{scheme}://{host}", urls.WEBSOCKET)
    if found is None or found.names_user or (found.path, found.query) != ("/", "") or not _NAME.fullmatch(found.host):
        return None
    return found.origin


def _last(values: Sequence[str]) -> str:
    """What the nearest proxy wrote: the last item of the last value."""
    return values[-1].rpartition(",")[2].strip() if values else ""


def forwarded(value: str) -> dict[str, str]:
    """The pairs of the last element of a Forwarded header, which the nearest proxy wrote."""
    elements = _ELEMENT.findall(value)
    pairs = _PAIR.findall(elements[-1]) if elements else []
    return {name.lower(): re.sub(r"\\(.)", r"\1", quoted) or bare for name, quoted, bare in pairs}
