"""Pages are packed for whoever takes that, and only pages."""

import asyncio
import threading
from types import SimpleNamespace

import httpx
import pytest
from litestar.types import Receive, Scope, Send

from relay.http import packing
from relay.server.pools import Pool
from tests.http.hubs import Browser

PLAIN = {"accept": "text/html", "accept-encoding": "identity"}
PACKED = {"accept": "text/html", "accept-encoding": "gzip, br"}
LARGE = "<p>high water</p>" * 4000


async def large(_scope: Scope, _receive: Receive, send: Send) -> None:
    """A page that is too large to be packed on the loop."""
    headers = [(b"content-type", b"text/html; charset=utf-8"), (b"content-length", b"%d" % len(LARGE))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": LARGE.encode(), "more_body": False})


def client(pool: Pool) -> httpx.AsyncClient:
    app = packing.packing(large, pool)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://relay")  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["/relay", "/nothing"])
async def test_a_page_is_packed_for_whoever_takes_that(path, monkeypatch):
    monkeypatch.setattr(
        "relay.http.rendering.templates.time", SimpleNamespace(time=lambda: 1700000000.0)
    )  # it is on them
    async with Browser() as browser:
        plain = await browser.get(path, headers=PLAIN)
        packed = await browser.get(path, headers=PACKED)
        head = await browser.head(path, headers=PACKED)
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == plain.text
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"])
    assert (head.headers["content-length"], head.content) == (packed.headers["content-length"], b"")
    for answer in (plain, packed):
        assert {"Accept", "Accept-Encoding"} <= set(answer.headers.get_list("vary"))


async def test_a_large_page_is_packed_beside_the_loop():
    async with client(Pool("pack", 1, 1)) as browser:
        answer = await browser.get("/", headers=PACKED)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.text == LARGE


async def test_a_large_page_goes_out_as_it_is_while_there_is_no_room():
    pool, free = Pool("pack", 1, 0), threading.Event()
    taken = asyncio.create_task(pool.run(free.wait))
    await asyncio.sleep(0)  # it has the only place now
    async with client(pool) as browser:
        answer = await browser.get("/", headers=PACKED)
    free.set()
    await taken
    assert "content-encoding" not in answer.headers
    assert answer.text == LARGE


@pytest.mark.parametrize("path", ["/health", "/api/v1/openapi.json"])
async def test_what_is_no_page_is_left_as_it_is(path):
    async with Browser() as browser:
        assert "content-encoding" not in (await browser.get(path, headers={"accept-encoding": "gzip"})).headers
