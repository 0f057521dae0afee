"""What all streams of server-sent events have in common."""

import pytest

from relay.http.api import streaming
from tests.http.api.homes import Home
from tests.http.api.streams import streaming as stream
from tests.http.api.workers import user


@pytest.mark.parametrize("path", ["/stream", "/stream/notifications", "/stream/groups", "/workspace/stream"])
async def test_a_stream_that_waits_is_kept_awake_and_asks_for_no_figures(
    relay: Home, alice, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are summed over all processes, and ten thousand streams wait at once."""

    def fails() -> None:
        raise AssertionError("the figures of health were made")

    token = (await user(relay, 11)).token if path == "/workspace/stream" else alice.token
    monkeypatch.setattr(streaming, "TICK", 0.01)
    monkeypatch.setattr(streaming, "HEARTBEAT", 2)
    monkeypatch.setattr(relay.site, "health", fails)
    async with stream(relay._transport.app, path=path, authorization=f"Bearer {token}") as frames:
        assert await frames.next() == {"retry": "2000"}
        for _ in range(4):
            assert not {*await frames.next()} - {"id", "event", "data", ""}
