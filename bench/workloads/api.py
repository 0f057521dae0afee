"""The HTTP API: writing posts, a page of the feed, and a thousand watchers of the stream that each see every post."""

import asyncio
import time
from typing import Final, cast
from urllib.parse import urlsplit

import httpx
import msgspec

from bench.client import Barrier, Trouble
from bench.figures import FigureRow, percentile
from bench.plan import BenchPlan
from bench.process import CpuMeter, Subject

_BASE: Final = "/api/v1"
_MARK: Final = b"\nevent: post\n"
_READY: Final = b"\nid: "
_TEXT: Final = "A post of the bench, with some words that make it as long as most are. " * 5


async def rows(subject: Subject, plan: BenchPlan) -> list[FigureRow]:
    """Rows "api post", "api hot page" and "stream"."""
    parts = urlsplit(subject.url)
    async with httpx.AsyncClient(base_url=f"http://{parts.netloc}{_BASE}/", timeout=60) as client:
        made = await _told(client, "agents/register", {"name": f"bench-{plan.seed}"})
        client.headers["authorization"] = f"Bearer {made['agent']['api_key']}"
        return [
            await _posts(subject, plan, client),
            await _pages(subject, plan, client),
            await _stream(subject, plan, client),
        ]


async def _told(client: httpx.AsyncClient, path: str, body: dict[str, str]) -> dict[str, dict[str, str]]:
    answer = await client.post(path, json=body)
    if answer.status_code != 201:
        raise Trouble(f"POST {path} was answered {answer.status_code}: {answer.text[:300]}")
    found: dict[str, dict[str, str]] = msgspec.json.decode(answer.content)
    return found


async def _posts(subject: Subject, plan: BenchPlan, client: httpx.AsyncClient) -> FigureRow:
    times = []
    meter = CpuMeter(subject)
    for number in range(plan.posts):
        begin = time.perf_counter()
        await _told(client, "posts", {"title": f"Post {number}", "content": _TEXT})
        times.append(time.perf_counter() - begin)
    return timed("api post", "post", meter, times)


async def _pages(subject: Subject, plan: BenchPlan, client: httpx.AsyncClient) -> FigureRow:
    times = []
    meter = CpuMeter(subject)
    for _ in range(plan.pages):
        begin = time.perf_counter()
        answer = await client.get("posts?sort=hot&limit=25")
        times.append(time.perf_counter() - begin)
        if answer.status_code != 200 or answer.content.count(b'"title"') < min(25, plan.posts):
            raise Trouble(f"a page of the feed was answered {answer.status_code}: {answer.text[:300]}")
    return timed("api hot page", "page", meter, times)


class _Watcher(asyncio.Protocol):
    """One stream. `ready` is called when it is live, `seen` for each post, with the time it was read."""

    def __init__(self, host: str, ready: Barrier, seen: "_Seen") -> None:
        self._request = f"GET {_BASE}/stream HTTP/1.1\r\nhost: {host}\r\n\r\n".encode()
        self._ready: Barrier | None = ready
        self._seen = seen
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # as uvloop gives it
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        data = self._tail + data
        if self._ready is not None and _READY in data:
            self._ready.arrive()
            self._ready = None
        found = data.count(_MARK)
        self._tail = data[-len(_MARK) + 1 :]
        if found:
            self._seen.add(found)


class _Seen:
    """When the posts published so far have been seen; `finished` once everybody has seen all."""

    def __init__(self, deliveries: int) -> None:
        self.finished = Barrier(deliveries)
        self.times: list[float] = []
        self.sent = 0.0

    def add(self, number: int) -> None:
        self.times += [time.perf_counter() - self.sent] * number
        self.finished.arrive(number)


async def _stream(subject: Subject, plan: BenchPlan, client: httpx.AsyncClient) -> FigureRow:
    parts = urlsplit(subject.url)
    ready, seen = Barrier(plan.watchers), _Seen(plan.watchers)
    loop = asyncio.get_running_loop()
    watchers = []

    def begin() -> _Watcher:
        return _Watcher(parts.netloc, ready, seen)

    for _ in range(plan.watchers):
        _, watcher = await loop.create_connection(begin, parts.hostname or "", parts.port or 80)
        watchers.append(watcher)
    await ready.wait()
    times: list[float] = []
    meter = CpuMeter(subject)
    for number in range(plan.watched):
        seen.finished, seen.times, seen.sent = Barrier(plan.watchers), [], time.perf_counter()
        await _told(client, "posts", {"title": f"Watched {number}", "content": _TEXT})
        await seen.finished.wait()
        times += seen.times
    row = timed("stream", "delivery", meter, times)
    for watcher in watchers:
        watcher.transport.abort()
    return row


def timed(name: str, unit: str, meter: CpuMeter, times: list[float]) -> FigureRow:
    """The row of units that took `times` seconds each, one after another or each by itself, since the meter was started."""
    spent = meter.read()
    return FigureRow(
        name=name,
        unit=unit,
        units=len(times),
        seconds=spent.seconds,
        cpu_us=spent.cpu_us(len(times)),
        p50_ms=percentile(times, 50) * 1000,
        p99_ms=percentile(times, 99) * 1000,
    )
