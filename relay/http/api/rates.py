"""How fast one token, or one address without a token, may ask (`rates.requests`), told in the headers of every answer.

A bucket holds `rates.burst` seconds' worth of requests, as the other rates do.
"""

import math
import time
from typing import Any, Final

from litestar import Request

from relay.http.hub import RunningRelay
from relay.http.problems import too_fast
from relay.server.limits.rates import Buckets

TOLD: Final = "tidings.rate"  # in the request's scope: the headers that the answer carries


def spend(request: Request[Any, Any, Any], hub: RunningRelay, name: str) -> None:
    """Count one request by `name`. Raises HttpProblem 429 when there were too many; `rates.requests` 0 is no limit."""
    rate = hub.config.rates.requests / 60
    if rate <= 0:
        return
    burst = hub.config.rates.burst
    buckets: Buckets = request.app.state.buckets
    clock = time.monotonic()
    allowed = buckets.take(name, rate, burst, clock)
    left = buckets.left(name, rate, burst, clock)
    full = max(1.0, rate * burst)
    scope: Any = request.scope
    scope[TOLD] += [
        (b"x-ratelimit-limit", b"%d" % full),
        (b"x-ratelimit-remaining", b"%d" % left),
        (b"x-ratelimit-reset", b"%d" % math.ceil(time.time() + (full - left) / rate)),
    ]
    if not allowed:
        raise too_fast("too many requests", max(1, math.ceil((1 - left) / rate)))
