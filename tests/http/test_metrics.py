"""`/metrics`: the figures of health, for a program that collects them."""

import msgspec
import pytest

from relay.http.metrics import MEANINGS
from relay.server import health
from tests.http.hubs import Browser, FakeHub, Health


@pytest.mark.parametrize(("status", "up"), [("ok", 1), ("degraded", 1), ("degraded", 0), ("draining", 0)])
async def test_gives_every_number_of_the_relays_health(status, up):
    hub = FakeHub()
    hub.figures = Health(status=status, takes_events=bool(up), connections=3, subscriptions=5, last_seq=1234)
    async with Browser(hub) as browser:
        answer = await browser.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    assert lines[:3] == ["# HELP tidings_up 1 while events are taken", "# TYPE tidings_up gauge", f"tidings_up {up}"]
    assert {"tidings_connections 3", "tidings_subscriptions 5", "tidings_last_seq 1234"} <= set(lines)
    assert "status" not in answer.text


def test_every_number_of_health_has_a_kind_and_a_meaning():
    numbers = {field.name for field in msgspec.structs.fields(health.Health) if field.type is int}
    assert set(MEANINGS) == numbers | {"up"}
