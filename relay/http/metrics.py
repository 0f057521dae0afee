"""`/metrics` for Prometheus: the figures of `/health`, and what the roles count and time (`relay.roles.metrics`).

The text is `prometheus_client`'s: OpenMetrics for who names it in `Accept`, else the plain format. Everything is named
`tidings_<name>`; what only grows from one start to the next ends with `_total`.
"""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Final

from litestar import Response, get
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from relay.http.api.common import AnyRequest
from relay.http.hub import GivenHub, HealthFigures, RunningRelay
from relay.roles import metrics as measured

Encode = Callable[[Collector], bytes]

FRESH: Final = 1.0  # seconds; the other processes tell theirs as often
OPENMETRICS: Final = "application/openmetrics-text"
PLAIN: Final = (generate_latest, CONTENT_TYPE_PLAIN_0_0_4)
NO_STORE: Final = {"cache-control": "no-store"}
# What each figure of health is, without those that are among what is measured.
GAUGES: Final = {
    "uptime": "seconds since the start",
    "connections": "open WebSocket connections",
    "subscriptions": "open subscriptions",
    "waiting": "events that have no answer yet",
    "last_seq": "number of the newest event",
    "rebuilding": "derived rows looked at by a rebuild that goes on",
    "later_parts": "parts done of what large changes left to do",
    "peers": "relays to stay in step with",
    "peers_in_step": "of those, the ones in step",
    "peers_comparing": "of those, the ones with which everything is compared for the first time",
}
COUNTERS: Final = {
    "dropped": "events dropped because they were past their days",
    "delivered": "events sent to open subscriptions",
    "plugin_accepted": "events that the write policy plugin accepted",
    "plugin_rejected": "events that the write policy plugin rejected",
    "plugin_shadow_rejected": "events that it rejected without telling their authors",
    "plugin_failed": "events that the write policy plugin did not decide on",
}


class _Figures(Collector):
    """What one relay has to say now."""

    def __init__(self, now: HealthFigures, numbers: list[int]) -> None:
        self._now = now
        self._numbers = numbers

    def collect(self) -> Iterator[Metric]:
        """In the order of the tables above, then of what is measured."""
        now = self._now
        yield GaugeMetricFamily("tidings_up", "1 while events are taken", int(now.takes_events))
        roles = GaugeMetricFamily("tidings_role_ok", "1 while a part of the relay is all right", labels=["role"])
        for role in now.roles:
            roles.add_metric([role.name], int(role.status == "ok"))
        yield roles
        for name, meaning in GAUGES.items():
            yield GaugeMetricFamily(f"tidings_{name}", meaning, getattr(now, name))
        for name, meaning in COUNTERS.items():
            yield CounterMetricFamily(f"tidings_{name}", meaning, getattr(now, name))
        for family in measured.FAMILIES:
            numbers = measured.of(family.name, self._numbers)
            yield _histogram(family, numbers) if family.bounds else _counter(family, numbers)


def _counter(family: measured.Family, numbers: list[int]) -> Metric:
    counter = CounterMetricFamily(f"tidings_{family.name}", family.meaning, labels=[family.label])
    for sort, number in zip(family.sorts, numbers, strict=True):
        counter.add_metric([sort], number)
    return counter


def _histogram(family: measured.Family, numbers: list[int]) -> Metric:
    *each, microseconds = numbers
    bounds = [*map(str, family.bounds), "+Inf"]
    buckets = list(zip(bounds, itertools.accumulate(each), strict=True))
    return HistogramMetricFamily(
        f"tidings_{family.name}", family.meaning, buckets=buckets, sum_value=microseconds / 1_000_000
    )


class Scrapes:
    """The text in each format, made once in `FRESH` seconds however many ask: making it takes the event loop a millisecond."""

    def __init__(self) -> None:
        self._made: dict[Encode, tuple[float, bytes]] = {}

    def text(self, hub: RunningRelay, encode: Encode) -> bytes:
        """The figures of this moment, or of less than `FRESH` seconds ago."""
        now = time.monotonic()
        made_at, text = self._made.get(encode, (-FRESH, b""))
        if now - made_at >= FRESH:
            registry = CollectorRegistry(auto_describe=False)
            registry.register(_Figures(hub.health(), hub.measured()))
            text = encode(registry)
            self._made[encode] = now, text
        return text


@get("/metrics", include_in_schema=False)
async def metrics(request: AnyRequest, hub: GivenHub) -> Response[bytes]:
    """`tidings_up` is 1 while events are taken."""
    scrapes: Scrapes = request.app.state.scrapes
    named = OPENMETRICS in request.headers.get("accept", "").lower()
    encode, media_type = (openmetrics.generate_latest, openmetrics.CONTENT_TYPE_LATEST) if named else PLAIN
    return Response(scrapes.text(hub, encode), media_type=media_type, headers=NO_STORE)
