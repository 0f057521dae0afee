"""A front has comparisons answered by another process: over its socket, and when that process goes away."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from relay.errors import Prefix
from relay.protocol.filter import Filter
from relay.roles.comparison_messages import BeginComparison, ComparisonRefused
from relay.server.comparisons.compared_sets import ComparedSets
from relay.server.comparisons.comparison_server import ComparisonServer
from relay.server.comparisons.remote_comparing import RemoteComparing
from relay.server.supervision import Faults, Tasks
from storage.base import PUBLIC
from tests.factories import make_event
from tests.server.fakes import PATIENCE, MemoryLog

BEGIN = bytes.fromhex("6100000200")  # "I have nothing; what do you have?"
Said = bytes | ComparisonRefused


class Applied:
    upto = committed = 0


class Answers:
    """What one comparison is told, in order."""

    def __init__(self) -> None:
        self._said: asyncio.Queue[Said] = asyncio.Queue()
        self.tell = self._said.put_nowait

    async def next(self) -> Said:
        return await asyncio.wait_for(self._said.get(), PATIENCE)


class Role:
    """The role that compares, over a log in memory, at a socket that outlives it."""

    def __init__(self, path: Path) -> None:
        self.log = MemoryLog()
        self.faults = Faults()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(path))
        self.socket.listen()

    def start(self) -> None:
        self.sets = ComparedSets(self.log, Applied(), self.faults)  # type: ignore[arg-type]
        self.server = ComparisonServer(self.sets)
        self.tasks = Tasks(self.faults)
        self.tasks.repeat(lambda: self.server.listen(self.socket), "the socket")
        self.tasks.repeat(self._say_alive, "the signs of life")

    async def _say_alive(self) -> None:
        while True:
            self.server.say_alive()
            await asyncio.sleep(1)

    async def end(self) -> None:
        await self.tasks.close()
        self.server.close()
        await self.sets.close()


@pytest.fixture
async def role(tmp_path: Path) -> AsyncIterator[Role]:
    made = Role(tmp_path / "peers.sock")
    made.start()
    yield made
    await made.end()
    made.socket.close()
    assert made.faults.problem() is None


@pytest.fixture
async def front(role: Role, tmp_path: Path) -> AsyncIterator[RemoteComparing]:
    made = RemoteComparing(str(tmp_path / "peers.sock"), role.faults)
    async with asyncio.timeout(PATIENCE):
        await made.present()
    yield made
    await made.close()


def asked(token: int, wanted: Filter = Filter(), most: int = 10) -> BeginComparison:  # noqa: B008
    return BeginComparison(token, 1, wanted, PUBLIC, most, 1_000_000, BEGIN)


async def test_what_is_said_comes_back_from_the_role(role: Role, front: RemoteComparing) -> None:
    event = make_event()
    role.log.rows.append((1, event, None))
    one, other = Answers(), Answers()
    front.begin(asked(1), one.tell)
    front.begin(asked(2, Filter(kinds=frozenset([7]))), other.tell)
    said = await one.next()
    assert isinstance(said, bytes)
    assert bytes.fromhex(event.id) in said
    assert await other.next() == BEGIN
    front.go_on(1, b"\x61")
    assert await one.next() == b"\x61"
    front.go_on(2, b"\x00")
    refused = await other.next()
    assert isinstance(refused, ComparisonRefused)
    assert refused.prefix is Prefix.INVALID


async def test_the_bound_is_told_with_the_refusal(role: Role, front: RemoteComparing) -> None:
    role.log.rows += [(number, make_event(content=f"{number}"), None) for number in range(1, 4)]
    told = Answers()
    front.begin(asked(1, most=2), told.tell)
    refused = await told.next()
    assert isinstance(refused, ComparisonRefused)
    assert (refused.prefix, refused.most) == (Prefix.BLOCKED, 2)


async def test_all_end_when_the_role_goes_and_begin_again_when_it_is_back(role: Role, front: RemoteComparing) -> None:
    told = Answers()
    front.begin(asked(1), told.tell)
    assert await told.next() == BEGIN
    await role.end()
    lost = await told.next()
    assert isinstance(lost, ComparisonRefused)
    assert lost.prefix is Prefix.CLOSED
    front.begin(asked(2), told.tell)
    away = await told.next()
    assert isinstance(away, ComparisonRefused)
    assert away.prefix is Prefix.CLOSED
    role.start()
    async with asyncio.timeout(PATIENCE):
        await front.present()
    front.begin(asked(3), told.tell)
    assert await told.next() == BEGIN


async def test_a_front_that_goes_ends_its_own(role: Role, front: RemoteComparing) -> None:
    told = Answers()
    front.begin(asked(1), told.tell)
    assert await told.next() == BEGIN
    await front.close()
    async with asyncio.timeout(PATIENCE):
        while role.sets._comparisons:  # noqa: ASYNC110, nobody tells of it
            await asyncio.sleep(0)
