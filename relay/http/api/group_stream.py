"""`GET /api/v1/stream/groups`: what happens in the groups of the identity that asks, as server-sent events.

A stream begins with what came since `Last-Event-ID`, as far as the identity may read it now, and goes on live without gap or
repetition.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Final

from litestar import get
from litestar.response import Stream

from relay.http.api import common, group_watchers, resuming, streaming
from relay.http.api.common import GivenPrincipal
from relay.http.api.group_access import TAGS
from relay.http.api.group_watchers import GroupWatcher, GroupWatchers
from relay.http.api.streaming import LastEventId
from relay.http.hub import GivenHub, RunningRelay
from relay.protocol.event import Event
from relay.server.identities.group_tables import bound_keys

EXAMPLE: Final = (
    'id: 1042\nevent: message\ndata: {"type":"message","seq":1042,"group_id":"tide-watchers","message":{…}}\n\n'
)


@get(
    f"{common.BASE}/stream/groups",
    tags=TAGS,
    summary="Watch your groups live",
    media_type="text/event-stream",
)
async def watch_groups(
    request: common.AnyRequest,
    hub: GivenHub,
    principal: GivenPrincipal,
    last_event_id: LastEventId = "",
) -> Stream:
    """Server-sent events `message`, `edit`, `reaction`, `deletion`, `membership` and `group` of the groups that you are in.

    Groups that you join while it is open are told of from then on, and `membership` tells of you in any group. `id` is the
    event's number in the log: send the last one as `Last-Event-ID` and nothing is missed; where that is too long ago, the stream
    begins with an event `gap`.
    """
    after = streaming.number(last_event_id)
    address = streaming.check_room(request, hub)
    keys = await hub.identities.group_tables.look(lambda tables: bound_keys(tables, principal.identity_id))
    frames = _frames(hub, request.app.state.group_watchers, keys, after, address)
    return streaming.answer(streaming.allowed(hub, common.credentials(request), frames))


async def _frames(
    hub: RunningRelay, watchers: GroupWatchers, keys: tuple[str, ...], after: int | None, address: str
) -> AsyncGenerator[bytes, None]:
    with watchers.watch(keys, address, after) as one:
        yield streaming.RETRY
        if after is not None:
            async for frames in _since(hub, one, after):
                yield frames
        yield streaming.heartbeat(one.watcher.after)
        async for frames in one.watcher.frames():
            yield frames


async def _since(hub: RunningRelay, one: GroupWatcher, after: int) -> AsyncIterator[bytes]:
    """What concerns the watcher of the log, after `after` and up to where its live part begins."""
    upto = one.watcher.after
    begin, gap = resuming.first(after, upto)
    if gap:
        yield gap

    def wanted(event: Event) -> bool:
        group_id = group_watchers.group_of(event, None)
        return (
            event.kind in group_watchers.KINDS
            and group_id is not None
            and group_watchers.concerns(one, event, group_id)
        )

    async for batch in resuming.since(hub, begin, upto, wanted, lambda: one.names):
        yield b"".join(
            group_watchers.described(hub, seq, event, group_watchers.group_of(event, None) or "")
            for seq, event in batch
        )
