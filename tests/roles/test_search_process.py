"""The search role as a process: it follows the log, may be killed at any moment, and needs nothing of anybody to be back."""

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.protocol.filter import Filter
from relay.server.reading.remote_search import RemoteSearch
from relay.server.supervision import Faults
from storage.errors import StorageError
from storage.search.engine import SearchQuery
from tests.factories import NOW, make_event
from tests.roles.test_writer import Peer

PATIENCE = 60.0  # seconds; a start imports a lot on a busy machine


class Relay:
    """A writer and a search role, the test being their front."""

    def __init__(self, directory: Path, process: Process) -> None:
        self.directory = directory
        self.process = process
        self.pids: dict[str, int] = {}

    async def until(self, wanted: str) -> None:
        """Read what it says up to this first word."""
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            while True:
                line = (await self.process.stdout.readline()).decode().split()
                assert line, "it has ended"
                if len(line) == 2:
                    self.pids[line[0]] = int(line[1])
                if line[0] == wanted:
                    return

    def put(self, *texts: str) -> None:
        """Store these as notes, and wait until that is so."""
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(str(self.directory / "writer.sock"))
            peer = Peer(sock)
            peer.submit(*[make_event(0, 1, text) for text in texts])
            assert len(peer.tokens(len(texts))) == len(texts)

    def end(self, name: str) -> None:
        os.kill(self.pids[name], signal.SIGKILL)


@pytest.fixture
async def relay(tmp_path: Path) -> AsyncIterator[Relay]:
    arguments = ("-m", "tests.roles.search_process", str(tmp_path))
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=PIPE)
    running = Relay(tmp_path, process)
    try:
        await running.until("started")
        yield running
    finally:
        process.terminate()
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0


async def answers(remote: RemoteSearch, text: str, number: int) -> None:
    """Returns when everything has a vector and so many are found by meaning; until then search may be away."""
    query = SearchQuery(text, Filter(), now=NOW, mode="meaning")
    async with asyncio.timeout(PATIENCE):
        while True:
            await remote.present()
            try:
                found = await remote.search(query)
            except StorageError:
                continue
            health = remote.health()
            if (len(found), health.pending, health.chunks) == (number, 0, number) and health.problem is None:
                return
            await asyncio.sleep(0.01)


async def test_it_follows_the_log_and_comes_back_by_itself(relay):
    remote = RemoteSearch(str(relay.directory / "search.sock"), Faults())
    relay.put("a cat sat on the mat", "my cat purrs")
    await answers(remote, "cat", 2)
    relay.end("search")
    relay.put("another cat came while search was away")
    await relay.until("search")
    await answers(remote, "cat", 3)
    relay.end("writer")
    await relay.until("writer")
    relay.put("one more cat, after the writer was started again")
    await answers(remote, "cat", 4)
    await remote.close()
