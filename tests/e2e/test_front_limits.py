"""Limits with several front processes: whichever front a connection meets, they hold for the whole relay."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.harness import PATIENCE, Server, serving
from tests.http.api.proofs import header, proof

FRONTS = 3
SETTINGS = (
    "server.processes=on",
    f"server.fronts={FRONTS}",
    "rates.connections_per_address=20",
    "identities.registrations_per_hour=5",
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("relay") / "data", *SETTINGS) as running:
        yield running


async def fresh(server: Server, method: str, path: str, **request: Any) -> httpx.Response:
    """A request on a connection of its own, so that any front may answer it."""
    async with httpx.AsyncClient(timeout=PATIENCE) as client:
        return await client.request(method, f"{server.http}{path}", **request)


async def held(server: Server) -> tuple[int, asyncio.StreamWriter]:
    """A connection that asked for something and stays open; the status."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        head = await asyncio.wait_for(reader.readuntil(b"\r\n"), PATIENCE)
        return int(head.split()[1]), writer
    except (ConnectionError, asyncio.IncompleteReadError):
        return 0, writer  # closed before it was read


async def fill(server: Server, most: int) -> list[asyncio.StreamWriter]:
    """Hold `most` connections, once those that were closed before are not counted any more; no further one is taken."""
    taken: list[asyncio.StreamWriter] = []
    async with asyncio.timeout(PATIENCE):
        while len(taken) < most:
            status, writer = await held(server)
            if status == 200:
                taken.append(writer)
            else:
                await shut(writer)
    for _ in range(20):
        status, writer = await held(server)
        await shut(writer)
        assert status in {0, 429}
    return taken


async def shut(*writers: asyncio.StreamWriter) -> None:
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def settled(server: Server) -> dict[str, Any]:
    """The figures of health once a connection is taken again and every role is well."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await fresh(server, "GET", "/health")
            if answer.status_code == 200 and answer.json()["status"] == "ok":
                return dict(answer.json())
            await asyncio.sleep(0.05)


async def test_health_is_that_of_all_roles(server: Server) -> None:
    names = [role["name"] for role in (await settled(server))["roles"]]
    assert {f"front {n + 1}" for n in range(FRONTS)} | {"writer"} <= set(names)


async def test_connections_of_an_address_at_all_fronts(server: Server) -> None:
    await shut(*await fill(server, 20))
    await shut(*await fill(server, 20))


async def test_registrations_of_an_address_at_all_fronts(server: Server) -> None:
    names = [f"agent{number}" for number in range(15)]
    answers = [await fresh(server, "POST", "/api/v1/agents/register", json={"name": name}) for name in names]
    assert [answer.status_code for answer in answers] == [201] * 5 + [429] * 10
    assert all(0 < int(answer.headers["retry-after"]) <= 720 for answer in answers[5:])


async def test_a_proof_is_good_once_at_all_fronts(server: Server) -> None:
    given = header(proof(7, "GET", f"{server.http}/api/v1/users/me"))
    answers = [await fresh(server, "GET", "/api/v1/users/me", headers={"authorization": given}) for _ in range(12)]
    statuses = [answer.status_code for answer in answers]
    assert statuses[0] != 401
    assert statuses[1:] == [401] * 11


async def test_a_request_with_an_idempotency_key_is_done_once_at_all_fronts(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "server.processes=on", f"server.fronts={FRONTS}") as server:
        made = await fresh(server, "POST", "/api/v1/agents/register", json={"name": "alice"})
        headers = {"authorization": f"Bearer {made.json()['agent']['api_key']}", "idempotency-key": "once"}
        post = {"submolt": "general", "title": "Once", "content": "x"}
        tries = [fresh(server, "POST", "/api/v1/posts", json=post, headers=headers) for _ in range(12)]
        answers = await asyncio.gather(*tries)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.content for answer in answers}) == 1
        assert len((await fresh(server, "GET", "/api/v1/posts")).json()["posts"]) == 1


async def test_a_front_that_is_killed_leaves_no_connections_behind(tmp_path: Path) -> None:
    settings = ("server.processes=on", "server.fronts=2", "rates.connections_per_address=10")
    with serving(tmp_path / "data", *settings) as server:
        before = await fill(server, 10)
        for child in children(server.process.pid):
            if is_front(child, server.port):
                os.kill(child, signal.SIGKILL)
        await settled(server)
        await shut(*before, *await fill(server, 10))


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_front(pid: int, port: int) -> bool:
    """Whether the process has the listening socket on this port."""
    own = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    listening = {
        line.split()[9] for line in own if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == "0A"
    }
    links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    return any(f"socket:[{inode}]" in links for inode in listening)
