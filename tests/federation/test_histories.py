"""Relays that follow each other end with the same events and rows, whatever order events come in, and whoever was cut off when.

In network namespaces of their own links between them are cut, so that neither side is told of it; they are killed and started
again, and their clocks are up to an hour apart. Where a system makes no namespaces, they are killed and started on one loopback.
"""

import asyncio
import os
import signal
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from tests.e2e.harness import PATIENCE, ROOT, environment, fresh_key, now, serving
from tests.factories import make_event
from tests.federation.fake_peer import FakePeer
from tests.federation.playing import Loopback, Play, feed
from tests.federation.test_peers import SOON, settings, until

UNSHARE = ["unshare", "--map-root-user", "--net", "--mount", "--kill-child"]


@cache
def missing() -> str:
    """Why there can be no namespaces here, nothing where there can."""
    try:
        tried = subprocess.run(
            [*UNSHARE, sys.executable, "-m", "tests.federation.namespaces", "--try"],
            capture_output=True,
            cwd=ROOT,
            env=environment(),
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return tried.stderr.decode()[-300:] if tried.returncode else ""


async def test_on_one_machine(tmp_path: Path) -> None:
    if not missing():
        pytest.skip("it is played in network namespaces")
    await Play(tmp_path, 1, 3, Loopback(3)).run()


@pytest.mark.parametrize(("seed", "count", "more"), [(3, 2, []), (2, 3, []), (1, 2, ["--one-sided"])])
def test_in_network_namespaces(tmp_path: Path, seed: int, count: int, more: list[str]) -> None:
    if missing():
        pytest.skip(f"this system makes no network namespaces for its users: {missing()}")
    play = [sys.executable, "-m", "tests.federation.namespaces", str(tmp_path), str(seed), str(count), *more]
    command = [*UNSHARE, *play]
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, cwd=ROOT, env=environment() | {"PYTHONFAULTHANDLER": "1"}, process_group=0
    )
    try:
        _, said = process.communicate(timeout=6 * PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGABRT)  # the relays say where they stand
        _, said = process.communicate(timeout=PATIENCE)
    logs = "\n".join(log.read_text()[-3000:] for log in sorted(tmp_path.glob("*.log")))
    assert process.returncode == 0, f"{said.decode()[-5000:]}\n{logs}"


async def test_who_only_comments_and_votes_is_seen_though_what_that_is_on_comes_later(tmp_path: Path) -> None:
    """The last hour comes first."""
    post = make_event(fresh_key(), 11, "text", [["title", "title"]], now() - 10_000)
    on = [["e", post.id], ["k", "11"], ["p", post.pubkey]]
    comment = make_event(
        fresh_key(), 1111, "comment", [["E", post.id], ["K", "11"], ["P", post.pubkey], *on], now() - 60
    )
    vote = make_event(fresh_key(), 7, "+", on, now() - 50)
    file = tmp_path / "here.toml"
    async with FakePeer([post, comment, vote]).serving() as peer:
        settings(file, peer.url, direction="down", more=SOON)
        with serving(tmp_path / "here", "identities.votes=all", file=file) as here:

            async def shown() -> bool:
                return await asyncio.to_thread(feed, here) == [(post.id, "title", 1, 1)]

            await until(shown)
