"""`/health`: figures for whatever watches the relay, and a status code that a load balancer understands."""

from typing import Any

from litestar import Response, get

from relay.http.hub import GivenHub


@get("/health")
async def health(hub: GivenHub) -> Response[Any]:
    """200 while events can be read and written, 503 when the relay is draining or cannot write.

    A fault that leaves both possible is told in the figures only: whatever takes a relay that answers 503 out of service
    would let a single wrong event do so.
    """
    now = hub.health()
    return Response(now, status_code=200 if now.takes_events else 503, headers={"cache-control": "no-store"})
