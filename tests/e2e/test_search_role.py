"""Search as a process of its own, killed while the relay serves: only questions to search notice, and only for a moment."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.harness import PATIENCE, Server, client, fresh_key, now, serving
from tests.factories import make_event

AWAY = "search is starting again; try again in a moment"


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data", "search.kinds=1,30023", "server.processes=on", "server.fronts=2") as server:
        yield server


async def asked(browser: httpx.AsyncClient, question: str) -> httpx.Response:
    return await browser.get("/api/v1/search", params={"q": question, "type": "all"})


async def until(browser: httpx.AsyncClient, number: int) -> None:
    """Returns when so many passages have a vector."""
    async with asyncio.timeout(PATIENCE):
        while True:
            said: dict[str, Any] = (await browser.get("/health")).json()["search"]
            if (said["chunks"], said["pending"], said["problem"]) == (number, 0, None):
                return


async def test_killed_it_is_back_by_itself_and_nobody_else_notices(relay: Server) -> None:
    key = fresh_key()
    async with client(relay) as alice, httpx.AsyncClient(base_url=relay.http, timeout=PATIENCE) as browser:
        await alice.store(make_event(key, 1, "the cat sleeps on the sofa", created_at=now()))
        await until(browser, 1)
        assert len(relay.children()) == 5  # two fronts, the writer, search and peers
        (former,) = relay.searching()  # neither supervisor, fronts nor writer load what only search needs
        os.kill(former, signal.SIGKILL)
        late = make_event(key, 1, "another cat sleeps", created_at=now())
        await alice.store(late)  # writing goes on
        await until(browser, 2)
        found, end = await alice.request({"search": "cat mode:meaning"})
        assert {event["id"] for event in found} >= {late.id}
        assert end[0] == "EOSE"
        assert (await asked(browser, "cat")).status_code == 200
    assert relay.searching() != [former]


async def test_while_it_is_away_a_question_says_so_and_how_to_go_on(relay: Server) -> None:
    (pid,) = relay.searching()
    async with client(relay) as alice, httpx.AsyncClient(base_url=relay.http, timeout=PATIENCE) as browser:
        os.kill(relay.process.pid, signal.SIGSTOP)  # who would start it again
        try:
            os.kill(pid, signal.SIGKILL)
            async with asyncio.timeout(PATIENCE):  # a process takes a moment to die
                while (answer := await asked(browser, "cat")).status_code == 200:
                    pass
                while (await alice.request({"search": "cat mode:words"}))[1][0] == "EOSE":
                    pass
            assert (answer.status_code, AWAY in answer.text) == (503, True)
            assert answer.headers["retry-after"]
            _, end = await alice.request({"search": "cat mode:words"})
            assert end == ["CLOSED", "s", f"error: {AWAY}"]
            assert await alice.count({"kinds": [1], "search": "cat"}) == f"error: {AWAY}"
            assert (await browser.get("/health")).json()["search"]["problem"] == AWAY
            assert await alice.count({"kinds": [1]}) == {"count": 0}  # the rest goes on
        finally:
            os.kill(relay.process.pid, signal.SIGCONT)
        await until(browser, 0)


async def test_one_that_stands_still_holds_up_nothing_else_and_goes_on_where_it_was(relay: Server) -> None:
    key = fresh_key()
    (pid,) = relay.searching()
    async with (
        client(relay) as alice,
        client(relay) as bob,
        httpx.AsyncClient(base_url=relay.http, timeout=PATIENCE) as browser,
    ):
        os.kill(pid, signal.SIGSTOP)
        try:
            async with asyncio.timeout(PATIENCE):
                while (await alice.request({"search": "cat mode:words"}))[1] != ["CLOSED", "s", f"error: {AWAY}"]:
                    pass
            note = make_event(key, 1, "the cat came while search stood still", created_at=now())
            await bob.store(note)
            assert await bob.stored({"ids": [note.id]}) == [note.id]
        finally:
            os.kill(pid, signal.SIGCONT)
        await until(browser, 1)
        assert await alice.stored({"search": "cat mode:meaning"}) == [note.id]
    assert relay.searching() == [pid]
