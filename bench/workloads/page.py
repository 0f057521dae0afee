"""What a person waits for: the feed in Chromium, beside a page that has nothing on it, from the click to the first words.

A window that opens makes Chromium load a page of its own, the list beneath its address bar, which takes 100 ms of CPU and more.
Whatever is loaded meanwhile shares the cores with that, hence a window rests before anything is measured in it.
"""

import asyncio
import contextlib
import os
import shutil
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import httpx
import msgspec
from playwright.async_api import Browser, BrowserContext, async_playwright

from bench.client import Trouble
from bench.figures import FigureRow, percentile
from bench.plan import BenchPlan
from bench.process import Subject

POSTS: Final = 25  # on the page
_WARMING: Final = 2  # loads that are not counted
_LOOK: Final = 0.1  # seconds in which the browser works less than _RESTING seconds once it is at rest
_RESTING: Final = 0.01
_LOOKS: Final = 100  # until it is given up
_ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_EMPTY: Final = b"<!doctype html><meta charset=utf-8><title>Empty</title><link rel=icon href=data:,><p>.</p>"
_TEXT: Final = "A post of the bench, with some **words**, a [link](https://example.org) and a `piece of code`. " * 6
_PAINTED: Final = """async () => {
  const painted = () => performance.getEntriesByName("first-contentful-paint")[0]?.startTime;
  while (painted() === undefined) await new Promise(requestAnimationFrame);
  return painted();
}"""
_WEIGHT: Final = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .reduce((sum, one) => sum + one.transferSize, 0)"""


async def rows(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """Rows "page empty", "page warm" and "page fresh": the time to the first contentful paint, in turns.

    Fresh is a browser's first visit, with nothing kept; its `wire_bytes` are all that came over the network.
    """
    chromium = shutil.which("chromium")
    base = f"http://{urlsplit(subject.url).netloc}/"
    await _fill(base)
    times: dict[str, list[float]] = {"page empty": [], "page warm": [], "page fresh": []}
    weights: list[float] = []
    async with async_playwright() as playwright, _empty_page() as empty:
        browser = await playwright.chromium.launch(executable_path=chromium, args=list(_ARGUMENTS))
        kept = await browser.new_context()
        for turn in range(plan.page_loads + _WARMING):
            one = {
                "page empty": await _fresh(browser, empty),
                "page warm": await _load(kept, base),
                "page fresh": await _fresh(browser, base),
            }
            if turn >= _WARMING:
                for name, (painted, _) in one.items():
                    times[name].append(painted)
                weights.append(one["page fresh"][1])
        await browser.close()
    made = [_row(name, each) for name, each in times.items()]
    beside = made[0].p50_ms or 1.0
    return [
        made[0],
        *(msgspec.structs.replace(row, wait_ratio=(row.p50_ms or 0.0) / beside) for row in made[1:2]),
        msgspec.structs.replace(
            made[2], wait_ratio=(made[2].p50_ms or 0.0) / beside, wire_bytes=statistics.median(weights)
        ),
    ]


def _row(name: str, times: list[float]) -> FigureRow:
    """The row of loads that took so many milliseconds each."""
    return FigureRow(
        name=name,
        unit="load",
        units=len(times),
        seconds=sum(times) / 1000,
        p50_ms=percentile(times, 50),
        p99_ms=percentile(times, 99),
    )


async def _fill(base: str) -> None:
    async with httpx.AsyncClient(base_url=f"{base}api/v1/", timeout=60) as client:
        made = await client.post("agents/register", json={"name": "page-bench"})
        if made.status_code != 201:
            raise Trouble(f"registering was answered {made.status_code}: {made.text[:300]}")
        key = {"authorization": f"Bearer {made.json()['agent']['api_key']}"}
        for number in range(POSTS):
            post = {"title": f"Post {number} of those that a feed begins with", "content": _TEXT}
            answer = await client.post("posts", json=post, headers=key)
            if answer.status_code != 201:
                raise Trouble(f"a post was answered {answer.status_code}: {answer.text[:300]}")


async def _fresh(browser: Browser, url: str) -> tuple[float, float]:
    context = await browser.new_context()
    try:
        return await _load(context, url)
    finally:
        await context.close()


async def _load(context: BrowserContext, url: str) -> tuple[float, float]:
    """Milliseconds until something was painted in a new window, and how many bytes all of the page took."""
    page = await context.new_page()
    try:
        await _rest()
        await page.goto(url)
        painted: float = await page.evaluate(_PAINTED)
        weight: float = await page.evaluate(_WEIGHT)
        return painted, weight
    finally:
        await page.close()


async def _rest() -> None:
    """Until the browser, which is among our descendants, has next to nothing to do. Raises Trouble where it always has."""
    ours = Subject("", os.getpid())
    for _ in range(_LOOKS):
        with contextlib.suppress(OSError):  # a process ended meanwhile
            before = ours.cpu_seconds() or 0.0
            await asyncio.sleep(_LOOK)
            if (ours.cpu_seconds() or 0.0) - before < _RESTING:
                return
    raise Trouble("the browser is busy all the time; measure on a machine that does nothing else")


@asynccontextmanager
async def _empty_page() -> AsyncIterator[str]:
    """Where a server answers every request with a page that has nothing on it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        writer.write(head % len(_EMPTY) + _EMPTY)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
