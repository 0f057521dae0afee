"""The peers of a relay, in one process with it: what it does when something fails that nobody foresaw."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay import app
from relay.config import Config
from tests.e2e.harness import PATIENCE
from tests.federation.test_peers import until

URL = "ws://127.0.0.1:9"  # the port where nobody answers


async def test_a_failure_that_nobody_foresaw_keeps_no_relay_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It used to wait for ever for peers that were not looked at again."""
    given = {"server": {"data": str(tmp_path)}, "peers": [{"url": URL, "direction": "down", "allow_private": True}]}
    async with app.core(msgspec.convert(given, Config)) as site:
        look_up, failures = site.reader.peers.all, ["once"]

        async def failing() -> Any:
            if failures:
                failures.pop()
                raise RuntimeError("nobody foresaw this")
            return await look_up()

        monkeypatch.setattr(site.reader.peers, "all", failing)

        async def known() -> bool:
            return URL in [row.url for row in await look_up()]

        async with asyncio.timeout(PATIENCE), app.federating(site):
            await until(known)
