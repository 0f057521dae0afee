"""`/metrics`: the figures of `/health` in the text format that Prometheus reads."""

from typing import Final

import msgspec
from litestar import Response, get

from relay.http.hub import GivenHub

MEDIA_TYPE: Final = "text/plain; version=0.0.4"


@get("/metrics", include_in_schema=False)
async def metrics(hub: GivenHub) -> Response[str]:
    """Every number of the relay's health as `tidings_<name>`; `tidings_up` is 1 while events are taken."""
    now = hub.health()
    figures = {"up": int(now.takes_events)}
    figures |= {name: value for name, value in msgspec.to_builtins(now).items() if type(value) is int}
    text = "".join(f"# TYPE tidings_{name} gauge\ntidings_{name} {value}\n" for name, value in figures.items())
    return Response(text, media_type=MEDIA_TYPE, headers={"cache-control": "no-store"})
