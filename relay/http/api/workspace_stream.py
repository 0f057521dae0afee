"""`GET /api/v1/workspace/stream`: what happens in one's groups, as server-sent events.

Rule: what may be read is looked up again whenever a membership has changed, and before anything is sent that came after; so
joining opens a stream that is open, and leaving shuts it for what is not sent yet. Who comes back with `Last-Event-ID` is told what
came since, as far as they may read it then, without gap or repetition.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator
from typing import Final

import msgspec
from litestar import get
from litestar.response import Stream

from relay.errors import Reject
from relay.http.api import callers, common, resuming, streaming
from relay.http.api.callers import GivenCaller
from relay.http.api.streaming import LastEventId
from relay.http.hub import GivenHub, RunningRelay
from relay.protocol import kinds
from relay.protocol.event import Event, first_value, values
from relay.protocol.groups.belonging import PUT_USER, REMOVE_USER
from relay.protocol.groups.state import members
from relay.server.events.follow import Applied, LiveEvent
from relay.server.identities.users import Caller, Request
from storage.base import PUBLIC, Readers
from storage.errors import StorageError

MAX_HELD: Final = 1_000  # events waiting for one stream, as is the next
MAX_HELD_BYTES: Final = 4 * 1024 * 1024
NAMES: Final = {kinds.CHAT: "message", kinds.ISSUE: "issue", PUT_USER: "member", REMOVE_USER: "member"}
OTHER: Final = "event"
EXAMPLE: Final = 'id: 1042\nevent: message\ndata: {"group_id":"6f1d…","event":{"id":"63f3…","kind":9, …}}\n\n'

log = logging.getLogger("tidings.workspace")


class InGroup(msgspec.Struct, frozen=True):
    """What a frame says: an event of a group."""

    group_id: str
    event: Event


class GroupStream:
    """One open stream of the user whose key this is. What waits is looked through when it is taken."""

    __slots__ = ("_bytes", "_held", "_wake", "after", "is_over", "is_stale", "key", "readers", "seen")

    def __init__(self, key: str, seen: int | None) -> None:
        self.key = key
        self.seen = seen  # up to which number it was told before, maybe by a front that is further than this one
        self.after = 0  # it is told live what comes after this number of the log
        self.readers: Readers = PUBLIC
        self.is_stale = True  # whether what may be read is to be looked up
        self.is_over = False
        self._held: deque[tuple[str, LiveEvent]] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()

    def offer(self, group_id: str, live: LiveEvent) -> None:
        """An event of a group was committed; one too many ends the stream."""
        if live.seq <= self.after or not (self.is_stale or self.takes(group_id, live)):
            return
        self._held.append((group_id, live))
        self._bytes += len(live.wire)
        self.is_over = self.is_over or len(self._held) > MAX_HELD or self._bytes > MAX_HELD_BYTES
        self._wake.set()

    def end(self) -> None:
        """Nothing more is sent."""
        self.is_over = True
        self._wake.set()

    def takes(self, group_id: str, live: LiveEvent) -> bool:
        """Whether it is of a group that the user is in, or about the user's own membership, and theirs to read."""
        if live.audience is not None:
            return not self.readers.isdisjoint(live.audience)
        return self.concerns(live.event, group_id)

    def concerns(self, event: Event, group_id: str) -> bool:
        """Whether it is of a group that the user is in, or about the user's own membership."""
        is_own = event.kind in (PUT_USER, REMOVE_USER) and self.key in values(event, "p")
        return is_own or members(group_id) in self.readers

    async def wait(self, seconds: float) -> bool:
        """Whether something came within this time."""
        return await streaming.came(self._wake, seconds)

    def take(self) -> list[tuple[str, LiveEvent]]:
        """What waits, as far as it may be sent."""
        held = [one for one in self._held if self.takes(*one)]
        self._held.clear()
        self._bytes = 0
        return held


class GroupStreams:
    """All open streams of one front. Made and used on its loop."""

    def __init__(self, hub: RunningRelay) -> None:
        self._streams: set[GroupStream] = set()
        self._hub = hub
        self._delivered = hub.last_seq
        hub.follow(self._applied)

    def enter(self, stream: GroupStream) -> None:
        """From now on the stream is told."""
        stream.after = self._delivered
        if stream.seen is not None and stream.after < stream.seen <= self._hub.last_seq:
            stream.after = stream.seen
        self._streams.add(stream)

    def leave(self, stream: GroupStream) -> None:
        """Not any more."""
        self._streams.discard(stream)

    def _applied(self, applied: Applied) -> None:
        if self._streams:
            self._tell(applied)
        for live in applied.events:
            self._delivered = max(self._delivered, live.seq)

    def _tell(self, applied: Applied) -> None:
        changed = {key[:64] for kind, key in applied.changes if kind == "member"}
        anything = applied.anew or any(kind == "group" for kind, _ in applied.changes)
        for stream in self._streams:
            if anything or stream.key in changed or not stream.key:
                stream.is_stale = True
        for live in applied.events:
            group_id = first_value(live.event, "h") if live.seq else None
            if group_id is not None:
                for stream in self._streams:
                    stream.offer(group_id, live)


@get(
    f"{common.BASE}/workspace/stream",
    tags=["workspace"],
    summary="Watch your groups live",
    media_type="text/event-stream",
)
async def watch_workspace(
    request: common.AnyRequest,
    caller: GivenCaller,
    hub: GivenHub,
    last_event_id: LastEventId = "",
) -> Stream:
    """Server-sent events `message`, `issue`, `member` and, for all else in the organizations, projects, threads and other groups
    that you are in, `event`; each holds the signed event.

    The stream begins with now, and tells of groups that you join from then on. `id` is the event's number in the log: send the
    last one as `Last-Event-ID` and nothing is missed; where that is too long ago, the stream begins with an event `gap`.
    """
    seen = streaming.number(last_event_id)
    streaming.check_room(request, hub)
    stream = GroupStream(await hub.identities.workspaces.key(caller), seen)
    asked = await callers.asked_with(request, hub)
    return streaming.answer(_frames(hub, request.app.state.group_streams, stream, caller, asked))


async def _frames(
    hub: RunningRelay, streams: GroupStreams, stream: GroupStream, caller: Caller, asked: Request
) -> AsyncGenerator[bytes, None]:
    if not streaming.enter(hub, asked.address):
        return
    streams.enter(stream)
    try:
        await _look_up(hub, stream, caller)
        yield streaming.RETRY
        if stream.seen is not None:
            async for frames in _since(hub, stream, stream.seen):
                yield frames
                await _look_up(hub, stream, caller)
        yield streaming.heartbeat(stream.after)
        ticks = 0
        while not stream.is_over and not hub.is_draining:
            came = await stream.wait(streaming.TICK)
            ticks += 1
            if not came and ticks % streaming.HEARTBEAT:
                continue
            if asked.authorization.lower().startswith("bearer"):
                await hub.identities.users.identify(asked)  # the token may have ended meanwhile
            await _look_up(hub, stream, caller)
            yield b"".join(_frame(live.seq, group_id, live.event) for group_id, live in stream.take()) or b": \n\n"
    except Reject:
        return
    except StorageError as error:  # the head of the answer is sent: its reader comes again
        log.warning("a stream of groups ends: %s", error)
    finally:
        streams.leave(stream)
        hub.streams.leave(asked.address)


async def _look_up(hub: RunningRelay, stream: GroupStream, caller: Caller) -> None:
    """See that `readers` are those of a moment after the last change of a membership that was told."""
    while stream.is_stale:
        stream.is_stale = False
        if not stream.key:
            stream.key = await hub.identities.workspaces.key(caller)
        stream.readers = await hub.identities.workspaces.readers(stream.key)


async def _since(hub: RunningRelay, stream: GroupStream, seen: int) -> AsyncGenerator[bytes, None]:
    """What the stream was not told of the log, up to where its live part begins."""
    begin, gap = resuming.first(seen, stream.after)
    if gap:
        yield gap

    def wanted(event: Event) -> bool:
        group_id = first_value(event, "h")
        return group_id is not None and stream.concerns(event, group_id)

    async for batch in resuming.since(hub, begin, stream.after, wanted, lambda: stream.readers):
        yield b"".join(_frame(seq, first_value(event, "h") or "", event) for seq, event in batch)


def _frame(seq: int, group_id: str, event: Event) -> bytes:
    name = NAMES.get(event.kind, OTHER)
    data = msgspec.json.encode(InGroup(group_id, event))
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, name.encode(), data)
