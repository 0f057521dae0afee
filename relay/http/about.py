"""`/relay` and `/key`: what this relay is and what holds here, and how to get an API key and use it."""

import re
from typing import Final

from litestar import Response, get

from relay.config import Config
from relay.http import nips, reference, templates
from relay.http.api.common import AnyRequest
from relay.http.hub import GivenHub

_HOST: Final = re.compile(r"[A-Za-z0-9.\-]{1,253}(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:[0-9]{1,5})?")


@get("/relay")
async def relay(request: AnyRequest, hub: GivenHub) -> Response[str]:
    """The relay for those who bring a client of their own: its URL, its NIPs, its limits, a first event."""
    config = hub.config
    return templates.page(
        "relay.html",
        relay=config.relay,
        url=websocket_url(config, request.url.scheme, request.headers.get("host", "")),
        health=hub.health(),
        nips=nips.described(hub.nips),
        limits=reference.in_force(config),
        pubkey=hub.self_pubkey,
        version=hub.version,
        software=hub.software,
    )


@get("/key")
async def key(request: AnyRequest, hub: GivenHub) -> Response[str]:
    """Where a visitor gets an API key, and finds the commands that use it."""
    config = hub.config
    url = websocket_url(config, request.url.scheme, request.headers.get("host", ""))
    return templates.page(
        "key.html",
        relay=config.relay,
        url=url,
        base=base_url(url),
        registration=config.identities.registration,
        work=config.identities.register_pow,
        pubkey=hub.self_pubkey or "",
        version=hub.version,
        software=hub.software,
    )


def websocket_url(config: Config, scheme: str, host: str) -> str:
    """The URL to give to clients: the configured one, else where this visitor found the page."""
    if config.relay.url:
        return config.relay.url
    if not _HOST.fullmatch(host):
        host = config.server.listen
    return f"{'wss' if scheme == 'https' else 'ws'}://{host}"


def base_url(websocket: str) -> str:
    """Where HTTP is answered, given the WebSocket's URL, without a slash at its end."""
    return websocket.replace("ws", "http", 1).rstrip("/")
