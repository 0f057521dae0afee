"""The peers of a relay, in one process with it: what it does when something fails that nobody foresaw."""

import asyncio
from collections.abc import Set
from pathlib import Path
from typing import Any

import msgspec
import pytest

from relay import app
from relay.client.errors import Disconnected
from relay.config import Config
from relay.federation import manager, peer
from relay.peer_settings import PeerSettings
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


async def test_who_is_followed_besides_has_no_lost_relay_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked, tries = 0, 0

    async def followed(*_: object) -> dict[str, PeerSettings]:
        nonlocal looked
        looked += 1
        wanted = [{"authors": [f"{looked:064x}"]}]
        return {URL: PeerSettings(url=URL, direction="down", allow_private=True, filters=wanted)}

    async def refusing(*_: object, **__: object) -> None:
        nonlocal tries
        tries += 1
        raise Disconnected("nobody is there")

    async def looked_again() -> bool:
        return looked > before

    async def tried() -> bool:
        return tries > 0

    monkeypatch.setattr(manager, "followed", followed)
    monkeypatch.setattr(peer.PeerConnection, "open", refusing)
    monkeypatch.setattr(peer, "FIRST_PAUSE", 1000.0)
    given = msgspec.convert({"server": {"data": str(tmp_path)}}, Config)
    async with app.core(given) as site, app.federating(site) as reconfigured:
        await until(tried)
        for _ in range(5):
            before = looked
            reconfigured()
            await until(looked_again)
    assert tries == 1


async def test_of_relays_that_are_joined_no_more_not_all_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """People name in their lists what they like, other relays each day."""
    named = 0

    async def followed(*_: object) -> dict[str, PeerSettings]:
        url = f"ws://127.0.0.1:{named}"
        return {url: PeerSettings(url=url, direction="down", allow_private=True)}

    async def joined() -> bool:
        urls = [row.url for row in await site.reader.peers.all()]
        return f"ws://127.0.0.1:{named}" in urls and len(urls) == min(3, named)

    monkeypatch.setattr(manager, "followed", followed)
    monkeypatch.setattr(manager, "MOST_LEFT", 2)
    given = msgspec.convert({"server": {"data": str(tmp_path)}}, Config)
    named = 1
    async with app.core(given) as site, app.federating(site) as reconfigured:
        for named in range(1, 6):  # noqa: B007
            reconfigured()
            await until(joined)


async def test_a_relay_at_which_nobody_answers_comes_after_the_others_for_some_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its place is another's then, it is nobody's peer until it is tried again."""
    told: list[set[str]] = []

    async def followed(_federation: object, _store: object, _own: str, lost: Set[str]) -> dict[str, PeerSettings]:
        told.append(set(lost))
        return {} if lost else {URL: PeerSettings(url=URL, direction="down", allow_private=True)}

    async def tried_again() -> bool:
        return told[:3] == [set(), {URL}, set()]

    monkeypatch.setattr(manager, "followed", followed)
    monkeypatch.setattr(manager, "GATHERED", 0.01)
    monkeypatch.setattr(manager, "REJOINED", 0.0)
    monkeypatch.setattr(manager, "LOST", 0.5)
    monkeypatch.setattr(peer, "LAST_PAUSE", 0.1)
    given = {"server": {"data": str(tmp_path)}, "federation": {"follow": ["members"]}}
    async with app.core(msgspec.convert(given, Config)) as site, app.federating(site):
        await until(tried_again)


async def test_peers_that_hang_are_left_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes the two seconds that a goodbye may take, and others were not joined meanwhile."""
    closing, most = 0, 0

    async def followed(*_: object) -> dict[str, PeerSettings]:
        urls = [f"ws://127.0.0.1:{port}" for port in range(1, 5)] if not left else []
        return {url: PeerSettings(url=url, direction="down", allow_private=True) for url in urls}

    async def close(self: peer.PeerRunner, state: str) -> None:
        nonlocal closing, most
        closing += 1
        most = max(most, closing)
        await asyncio.sleep(0)
        closing -= 1
        await end(self, state)

    async def all_are_left() -> bool:
        return most == 4

    end, left = peer.PeerRunner.close, False
    monkeypatch.setattr(manager, "followed", followed)
    monkeypatch.setattr(peer.PeerRunner, "close", close)
    given = msgspec.convert({"server": {"data": str(tmp_path)}}, Config)
    async with app.core(given) as site, app.federating(site) as reconfigured:
        left = True
        reconfigured()
        await until(all_are_left)
