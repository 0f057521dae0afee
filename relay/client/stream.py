"""Server-sent events (the HTML standard's EventSource) as a hub sends them: bounded, and resumed where a connection broke."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Final, NamedTuple

from relay.client.clock import Backoff, Clock
from relay.client.errors import ApiError, Disconnected, TimedOut
from relay.client.http import Http

MAX_FRAME: Final = 4 * 1024 * 1024  # bytes
MAX_ID: Final = 100  # characters
AGAIN: Final = frozenset((429, 500, 502, 503, 504))  # statuses after which another try may do


class StreamFrame(NamedTuple):
    """One frame; `event` and `data` are empty where it only tells how far the stream is."""

    event: str = ""
    data: str = ""
    id: str = ""


async def frames(parts: AsyncIterator[bytes]) -> AsyncGenerator[StreamFrame, None]:
    """The frames in what comes, however it is cut. Raises ApiError for one that does not end."""
    rest = bytearray()
    async for part in parts:
        seen = max(0, len(rest) - 1)  # up to here no frame ends, however small the parts are
        rest += part.replace(b"\r", b"")
        while (end := rest.find(b"\n\n", seen)) >= 0:
            frame = bytes(rest[:end])
            del rest[: end + 2]
            seen = 0
            yield _frame(frame.decode(errors="replace"))
        if len(rest) > MAX_FRAME:
            raise ApiError(200, "too_long", f"a frame of the hub's stream is longer than {MAX_FRAME} bytes")


def _frame(text: str) -> StreamFrame:
    fields: dict[str, list[str]] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(":")
        fields.setdefault(name, []).append(value.removeprefix(" "))
    name = fields.get("id", [""])[-1]  # it goes into a header when the stream is resumed
    is_id = name.isascii() and name.isprintable() and len(name) <= MAX_ID
    return StreamFrame(fields.get("event", [""])[-1], "\n".join(fields.get("data", [])), name if is_id else "")


async def watched(http: Http, path: str, after: str | None, clock: Clock) -> AsyncGenerator[StreamFrame, None]:
    """The frames of a stream that say something, for ever: where it breaks or ends, it is asked for again from there on.

    Raises ApiError for a refusal that another try does not mend.
    """
    backoff = Backoff(clock.chance)
    while True:
        try:
            async with aclosing(http.stream(path, after)) as parts, aclosing(frames(parts)) as found:
                async for frame in found:
                    backoff.reset()
                    after = frame.id or after
                    if frame.data:
                        yield frame
        except (Disconnected, TimedOut):
            pass  # it is asked for again
        except ApiError as refusal:
            if refusal.status not in AGAIN:
                raise
        await clock.sleep(backoff.next())
