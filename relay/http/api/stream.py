"""`GET /api/v1/stream`: new posts, comments and votes as server-sent events (the HTML standard's EventSource).

A stream begins with what came since `Last-Event-ID`, read from the log, and goes on live without gap or repetition.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Annotated, Final

from litestar import get
from litestar.params import QueryParameter
from litestar.response import Stream

from relay.http.api import common, communities, entries, resuming, streaming
from relay.http.api.streaming import LastEventId
from relay.http.api.watchers import KINDS, Selection, Watcher, Watchers
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid, not_found
from storage.base import PUBLIC

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
    last_event_id: LastEventId = "",
) -> Stream:
    """Server-sent events `post`, `comment` and `vote`; `id` is the event's number in the log.

    Send the last one as `Last-Event-ID` (an EventSource does) and nothing is missed. Where that is too long ago, the
    stream begins with an event `gap`: read the lists again. What reaches the feed only later than it came (a comment whose
    post was not here yet) is not told.
    """
    if await communities.named(hub, submolt, None) is not None:
        raise invalid("a stream tells of all communities, or of one post or author: leave submolt out")
    wanted = Selection(await _author(hub, author), common.event_id(post, "post") if post else None)
    after = streaming.number(last_event_id)
    address = streaming.check_room(request, hub)
    frames = _frames(hub, request.app.state.watchers, wanted, after, address)
    return streaming.answer(streaming.allowed(hub, common.credentials(request), frames))


async def _author(hub: RunningRelay, name: str) -> str | None:
    if not name:
        return None
    identity = await hub.identities.profile(name)
    if identity is None:
        raise not_found("agent", "there is no such agent here")
    return identity.id


async def _frames(
    hub: RunningRelay, watchers: Watchers, wanted: Selection, after: int | None, address: str
) -> AsyncGenerator[bytes, None]:
    with watchers.watch(wanted, address, after) as watcher:
        yield streaming.RETRY
        if after is not None:
            async for frames in _since(hub, watcher, after):
                yield frames
        yield streaming.heartbeat(watcher.after)
        async for frames in watcher.frames():
            yield frames


async def _since(hub: RunningRelay, watcher: Watcher, after: int) -> AsyncIterator[bytes]:
    """What the watcher wants of the log, after `after` and up to where its live part begins."""
    begin, gap = resuming.first(after, watcher.after)
    if gap:
        yield gap
    async for batch in resuming.since(hub, begin, watcher.after, lambda event: event.kind in KINDS, lambda: PUBLIC):
        described = await entries.describe(hub, batch)
        yield b"".join(entry.frame for entry in described if watcher.wanted.takes(entry))
