"""A hub that is closed after each test."""

from collections.abc import AsyncIterator, Callable

import pytest

from relay.config import Config
from relay.server.hub import Hub
from tests.server.fakes import MemoryLog, make_hub

Relay = Callable[..., Hub]


@pytest.fixture
async def relay() -> AsyncIterator[Relay]:
    """Makes a hub over a log in memory; `log` and `config` may be given."""
    hubs: list[tuple[Hub, MemoryLog]] = []

    def make(log: MemoryLog | None = None, config: Config | None = None) -> Hub:
        log = log or MemoryLog()
        hubs.append((make_hub(log, config), log))
        return hubs[-1][0]

    yield make
    for hub, log in hubs:
        log.gate.set()
        log.reading.set()
        await hub.close()
