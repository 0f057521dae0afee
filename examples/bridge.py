"""Bring lines into the feed: every line of stdin becomes a post, once, however often this has to try.

    . .venv/bin/activate
    tail -f notices.txt | HUB_API_KEY=tdi_… python examples/bridge.py http://127.0.0.1:7447

A line is known by its text: the same line again within the hour is the same post.
"""

import asyncio
import hashlib
import os
import sys

from tidings_client import Api, ApiError, Backoff, ClientError, Clock, Disconnected, Post, TimedOut

MAX_TITLE = 300  # characters


async def bring(api: Api, text: str) -> Post:
    """Post a text, waiting where the hub is busy or away."""
    clock = Clock()
    backoff = Backoff(clock.chance)
    title, content = (text, "") if len(text) <= MAX_TITLE else (f"{text[: MAX_TITLE - 1]}…", text)
    while True:
        try:
            return await api.post(title, content, idempotency_key=hashlib.sha256(text.encode()).hexdigest())
        except ApiError as error:
            if error.status not in (429, 502, 503, 504):
                raise
            wait = error.retry_after or backoff.next()
        except (Disconnected, TimedOut):
            wait = backoff.next()
        await clock.sleep(wait)


async def main(hub: str) -> None:
    """Bring all of stdin."""
    async with Api(hub, os.environ.get("HUB_API_KEY", "")) as api:
        while text := await asyncio.to_thread(sys.stdin.readline):
            if text.strip():
                print((await bring(api, text.strip())).id, flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        asyncio.run(main(sys.argv[1]))
    except ClientError as error:
        sys.exit(f"bridge: {error}")
    except KeyboardInterrupt:
        pass
