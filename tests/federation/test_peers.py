"""Relays that stay in step by their settings: `[[peers]]`."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.e2e.harness import PATIENCE, Server, fresh_key, now, serving
from tests.factories import make_event
from tests.federation.test_sync import ids, notes, store

PEERS = """
[[peers]]
url = "{url}"
direction = "{direction}"
allow_private = true
"""


def settings(path: Path, *peers: str, direction: str = "both", more: str = "") -> Path:
    """A file of settings with these peers, by URL."""
    path.write_text(more + "".join(PEERS.format(url=url, direction=direction) for url in peers))
    return path


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    """Returns when it is so."""
    deadline = time.monotonic() + 3 * PATIENCE
    while not await what():
        assert time.monotonic() < deadline, "it did not become so"
        await asyncio.sleep(0.1)


async def same(one: Server, other: Server, expected: set[str]) -> None:
    """Returns when both have these notes and no others."""

    async def have() -> bool:
        return await ids(one, 1) == await ids(other, 1) == expected

    await until(have)


@pytest.mark.parametrize("processes", ["on", "off"])
async def test_two_relays_come_in_step_and_stay_so(tmp_path: Path, processes: str) -> None:
    key = fresh_key()
    ours, theirs = notes(key, 100), notes(key, 150, 100)
    with serving(tmp_path / "there") as there:
        await store(there, *theirs)
        file = settings(tmp_path / "here.toml", there.url)
        with serving(tmp_path / "here", f"server.processes={processes}", file=file) as here:
            await store(here, *ours)
            everything = {event.id for event in ours + theirs}
            await same(here, there, everything)
            live = [
                make_event(key, content="there", created_at=now()),
                make_event(key, content="here", created_at=now()),
            ]
            await store(there, live[0])
            await store(here, live[1])
            await same(here, there, everything | {event.id for event in live})
