"""The listening side as such; what it answers is tested over sockets, in tests/e2e and tests/http."""

import asyncio

import uvicorn

from relay.server.connection import listener
from relay.server.connection.listener import Listener


async def test_a_stop_is_noticed_at_once_though_nothing_is_looked_at_for_an_hour(monkeypatch):
    monkeypatch.setattr(listener, "DATE", 3600.0)
    server = Listener(uvicorn.Config("no:app", lifespan="off", log_config=None), lambda: False)
    running = asyncio.create_task(server.main_loop())
    await asyncio.sleep(0)  # it has told the date
    assert server.server_state.default_headers[0][0] == b"date"
    assert not running.done()
    server.stop()
    async with asyncio.timeout(5):
        await running
