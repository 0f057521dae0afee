"""What all streams of server-sent events have in common (the HTML standard's EventSource): room for them, where one goes on, how it
is kept awake, and when it ends.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Final

from litestar.params import HeaderParameter
from litestar.response import Stream

from relay.errors import Reject
from relay.http.api import common
from relay.http.hub import RunningRelay
from relay.http.problems import invalid, too_fast
from storage.errors import StorageError

MAX_STREAMS: Final = 10_000  # of all kinds
RETRY: Final = b"retry: 2000\n\n"  # milliseconds before a client comes back
TICK: Final = 1.0  # seconds between looks at whether the relay is draining
HEARTBEAT: Final = 15  # ticks between frames that keep proxies awake

LastEventId = Annotated[
    str, HeaderParameter(name="last-event-id", description="resume after this number", max_length=20)
]

log = logging.getLogger("tidings.stream")


def check_room(request: common.AnyRequest, hub: RunningRelay) -> str:
    """The address of whoever opens a stream, which counts there (`enter`). Raises HttpProblem 429 where it has too many."""
    address = common.client_address(request, hub)
    full = hub.streams.full(address, hub.config.rates.connections_per_address, MAX_STREAMS)
    if full is not None:
        raise too_fast(full, 10)
    return address


def enter(hub: RunningRelay, address: str) -> bool:
    """Count a stream in, for `hub.streams.leave`; False where others have taken the last room meanwhile."""
    return hub.streams.enter(address, hub.config.rates.connections_per_address, MAX_STREAMS) is None


def number(text: str) -> int | None:
    """The number in a `Last-Event-ID`, None without one. Raises HttpProblem 400."""
    if text and not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise invalid("Last-Event-ID must be a number that this stream gave")
    return int(text) if text else None


def heartbeat(seq: int) -> bytes:
    """A frame that dispatches nothing, keeps proxies awake and tells how far the stream is."""
    return b"id: %d\n\n" % seq


async def came(news: asyncio.Event, seconds: float) -> bool:
    """Whether there was news within this time, which is news no more then."""
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        return False
    news.clear()
    return True


async def allowed(hub: RunningRelay, token: str | None, frames: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    """The frames, as long as the token that the stream was opened with is good, and the store can be read."""
    async with aclosing(frames):
        try:
            async for frame in frames:
                if token is not None:
                    await hub.identities.tokens.authenticate(token)
                yield frame
        except Reject:
            return
        except StorageError as error:  # the head of the answer is sent: its reader comes again, after what it has
            log.warning("a stream ends: %s", error)


def answer(frames: AsyncIterator[bytes]) -> Stream:
    """The answer that goes on with these."""
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return Stream(frames, headers=headers, media_type="text/event-stream")
