"""`/metrics`: the figures of `/health` in the text format that Prometheus reads."""

from typing import Final

import msgspec
from litestar import Response, get

from relay.http.hub import GivenHub

MEDIA_TYPE: Final = "text/plain; version=0.0.4"
NO_STORE: Final = {"cache-control": "no-store"}
# What each figure is; those that only grow, from one start to the next, are counters.
MEANINGS: Final = {
    "up": ("gauge", "1 while events are taken"),
    "uptime": ("gauge", "seconds since the start"),
    "connections": ("gauge", "open WebSocket connections"),
    "subscriptions": ("gauge", "open subscriptions"),
    "waiting": ("gauge", "events that have no answer yet"),
    "stored": ("counter", "events stored since the start"),
    "refused": ("counter", "events refused since the start"),
    "dropped": ("counter", "events dropped since the start because they were past their days"),
    "delivered": ("counter", "events sent to open subscriptions since the start"),
    "plugin_accepted": ("counter", "events that the write policy plugin accepted since the start"),
    "plugin_rejected": ("counter", "events that the write policy plugin rejected since the start"),
    "plugin_shadow_rejected": ("counter", "events that it rejected without telling their authors since the start"),
    "plugin_failed": ("counter", "events that the write policy plugin did not decide on since the start"),
    "last_seq": ("gauge", "number of the newest event"),
    "rebuilding": ("gauge", "derived rows looked at by a rebuild that goes on"),
    "later_parts": ("gauge", "parts done of what large changes left to do"),
    "peers": ("gauge", "relays to stay in step with"),
    "peers_in_step": ("gauge", "of those, the ones in step"),
    "peers_comparing": ("gauge", "of those, the ones with which everything is compared for the first time"),
}


@get("/metrics", include_in_schema=False)
async def metrics(hub: GivenHub) -> Response[str]:
    """Every number of the relay's health as `tidings_<name>`; `tidings_up` is 1 while events are taken."""
    now = hub.health()
    figures = {"up": int(now.takes_events)}
    figures |= {name: value for name, value in msgspec.to_builtins(now).items() if type(value) is int}
    return Response("".join(_lines(*each) for each in figures.items()), media_type=MEDIA_TYPE, headers=NO_STORE)


def _lines(name: str, value: int) -> str:
    kind, meaning = MEANINGS[name]
    full = f"tidings_{name}"
    return f"# HELP {full} {meaning}\n# TYPE {full} {kind}\n{full} {value}\n"
