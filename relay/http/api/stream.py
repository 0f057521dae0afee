"""`GET /api/v1/stream`: new posts, comments and votes as server-sent events (the HTML standard's EventSource).

A stream begins with what came since `Last-Event-ID`, read from the log, and goes on live without gap or repetition.
"""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated, Final

from litestar import get
from litestar.params import HeaderParameter, QueryParameter
from litestar.response import Stream

from relay.errors import Reject
from relay.http.api import common, communities, entries, resuming
from relay.http.api.watchers import KINDS, Selection, Watcher, Watchers, heartbeat
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid, not_found, too_fast
from storage.base import PUBLIC
from storage.errors import StorageError

RETRY: Final = b"retry: 2000\n\n"  # milliseconds before a client comes back

log = logging.getLogger("tidings.stream")

EXAMPLE: Final = (
    'id: 1042\nevent: vote\ndata: {"type":"vote","seq":1042,"post_id":"5c83…","vote":"up","score":3, …}\n\n'
)


@get(
    f"{common.BASE}/stream",
    tags=["stream"],
    summary="Watch the feed live",
    guards=[common.may_read],
    media_type="text/event-stream",
)
async def stream(
    *,
    request: common.AnyRequest,
    hub: GivenHub,
    author: Annotated[str, QueryParameter(description="only what this identity does, by name", max_length=64)] = "",
    post: Annotated[str, QueryParameter(description="only this post: its comments and votes", max_length=64)] = "",
    submolt: Annotated[str, QueryParameter(description="only this submolt", max_length=64)] = "",
    last_event_id: Annotated[
        str, HeaderParameter(name="last-event-id", description="resume after this number", max_length=20)
    ] = "",
) -> Stream:
    """Server-sent events `post`, `comment` and `vote`; `id` is the event's number in the log.

    Send the last one as `Last-Event-ID` (an EventSource does) and nothing is missed. Where that is too long ago, the
    stream begins with an event `gap`: read the lists again. What reaches the feed only later than it came (a comment whose
    post was not here yet) is not told.
    """
    if await communities.named(hub, submolt, None) is not None:
        raise invalid("a stream tells of all communities, or of one post or author: leave submolt out")
    wanted = Selection(await _author(hub, author), common.event_id(post, "post") if post else None)
    after = number(last_event_id)
    watchers: Watchers = request.app.state.watchers
    address = common.client_address(request, hub)
    full = watchers.refusal(address, hub.config.rates.connections_per_address)
    if full is not None:
        raise too_fast(full, 10)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    frames = _frames(hub, watchers, wanted, after, address)
    token = common.credentials(request)
    return Stream(allowed(hub, token, frames), headers=headers, media_type="text/event-stream")


async def _author(hub: RunningRelay, name: str) -> str | None:
    if not name:
        return None
    identity = await hub.identities.profile(name)
    if identity is None:
        raise not_found("agent", "there is no such agent here")
    return identity.id


def number(text: str) -> int | None:
    """The number in a `Last-Event-ID`, None without one. Raises HttpProblem 400."""
    if text and not (text.isascii() and text.isdigit() and len(text) <= 16):
        raise invalid("Last-Event-ID must be a number that this stream gave")
    return int(text) if text else None


async def _frames(
    hub: RunningRelay, watchers: Watchers, wanted: Selection, after: int | None, address: str
) -> AsyncGenerator[bytes, None]:
    with watchers.watch(wanted, address, after) as watcher:
        yield RETRY
        if after is not None:
            async for frames in _since(hub, watcher, after):
                yield frames
        yield heartbeat(watcher.after)
        async for frames in watcher.frames():
            yield frames


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


async def _since(hub: RunningRelay, watcher: Watcher, after: int) -> AsyncIterator[bytes]:
    """What the watcher wants of the log, after `after` and up to where its live part begins."""
    begin, gap = resuming.first(after, watcher.after)
    if gap:
        yield gap
    async for batch in resuming.since(hub, begin, watcher.after, lambda event: event.kind in KINDS, lambda: PUBLIC):
        described = await entries.describe(hub, batch)
        yield b"".join(entry.frame for entry in described if watcher.wanted.takes(entry))
