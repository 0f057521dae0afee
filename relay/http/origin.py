"""Where a visitor found this relay: for what it proves, and for the links that it is shown."""

from contextvars import ContextVar
from typing import Any, Final

from litestar import Request
from litestar.types import HTTPScope

from relay.http.hub import RunningRelay
from relay.server.limits import origin

# Set for every request (`relay.http.front`).
visit: Final[ContextVar[HTTPScope | None]] = ContextVar("visit", default=None)


def proven(request: Request[Any, Any, Any], hub: RunningRelay) -> str:
    """The ws:// or wss:// URL that this visitor's proofs must name."""
    return _told(request, hub) or hub.identities.relay_url


def shown(request: Request[Any, Any, Any], hub: RunningRelay) -> str:
    """The ws:// or wss:// URL to show to this visitor: where nobody says, the host that they asked for themselves."""
    told = _told(request, hub)
    if told is not None:
        return told
    return origin.of_host("ws", request.headers.get("host", "")) or f"ws://{hub.config.server.listen}"


def base_here(hub: RunningRelay) -> str:
    """Where the visitor who is answered just now reaches HTTP; our own address outside of a request."""
    scope = visit.get()
    return base_url(hub.identities.relay_url if scope is None else shown(Request(scope), hub))


def base_url(websocket: str) -> str:
    """Where HTTP is answered, given the WebSocket's URL: scheme, host and port."""
    return origin.base_url(websocket)


def _told(request: Request[Any, Any, Any], hub: RunningRelay) -> str | None:
    peer = request.client.host if request.client else ""
    return origin.public_url(hub.config, peer, lambda name: request.headers.getall(name, []))
