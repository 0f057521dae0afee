"""`/health`: figures and the status code."""

import pytest

from tests.http.hubs import Browser, FakeHub, Health


async def test_gives_the_relays_figures():
    async with Browser() as browser:
        answer = await browser.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "connections": 3,
        "subscriptions": 5,
        "last_seq": 1234,
        "takes_events": True,
        "roles": [],
    }
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("status", "takes_events", "code"), [("degraded", True, 200), ("degraded", False, 503), ("draining", False, 503)]
)
async def test_is_unavailable_when_it_cannot_take_events(status: str, takes_events: bool, code: int) -> None:
    hub = FakeHub()
    hub.figures = Health(status=status, takes_events=takes_events)
    async with Browser(hub) as browser:
        answer = await browser.get("/health")
    assert (answer.status_code, answer.json()["status"]) == (code, status)
