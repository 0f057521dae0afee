"""`/health`: figures for whatever watches the relay, and a status code that a load balancer understands."""

from typing import Any

from litestar import Response, get

from relay.http.hub import GivenHub


@get("/health")
async def health(hub: GivenHub) -> Response[Any]:
    """200 while events can be read and written, 503 when the relay is draining or cannot write."""
    now = hub.health()
    return Response(now, status_code=200 if now.status == "ok" else 503, headers={"cache-control": "no-store"})
