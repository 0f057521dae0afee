"""A reader of server-sent events, straight at the ASGI application, so that a stream is seen as it comes."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from litestar.types import ASGIApp

from tests.http.api.homes import BASE

PATIENCE = 30.0


class Frames:
    """What a stream has sent: `status`, `headers`, then one dict a frame with its fields; `data` is parsed.

    `largest` is the size of the largest part, in bytes.
    """

    def __init__(self) -> None:
        self.started: asyncio.Future[tuple[int, dict[str, str]]] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.Event()
        self.largest = 0
        self._rest = b""
        self._frames: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def take(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = {name.decode(): value.decode() for name, value in message["headers"]}
            self.started.set_result((message["status"], headers))
            return
        self.largest = max(self.largest, len(message["body"]))
        *whole, self._rest = (self._rest + message["body"]).split(b"\n\n")
        for frame in whole:
            lines = [line.partition(": ") for line in frame.decode().splitlines()]
            fields: dict[str, Any] = {name: value for name, _, value in lines}
            if "data" in fields:
                fields["data"] = json.loads(fields["data"])
            self._frames.put_nowait(fields)
        if not message["more_body"]:
            self.ended.set()

    async def next(self) -> dict[str, Any]:
        """The next frame, whatever it is."""
        return await asyncio.wait_for(self._frames.get(), PATIENCE)

    async def told(self) -> dict[str, Any]:
        """The next frame that an EventSource would dispatch."""
        while "event" not in (frame := await self.next()):
            pass
        return frame

    async def ready(self) -> str:
        """The number from which the stream is live, passing over nothing that is told."""
        assert await self.next() == {"retry": "2000"}
        frame = await self.next()
        assert set(frame) == {"id"}
        return str(frame["id"])


@asynccontextmanager
async def streaming(
    application: ASGIApp, query: str = "", path: str = "/stream", **headers: str
) -> AsyncIterator[Frames]:
    """A stream that is read until the block ends."""
    frames, gone = Frames(), asyncio.Event()
    scope: Any = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": BASE + path,
        "raw_path": (BASE + path).encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
        "client": ("192.0.2.7", 1234),
        "server": ("relay.example", 80),
        "state": {},
    }
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Any:
        for message in asked:
            return message
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        frames.take(message)

    running = asyncio.create_task(application(scope, receive, send))
    try:
        yield frames
    finally:
        gone.set()
        await asyncio.wait_for(running, PATIENCE)
