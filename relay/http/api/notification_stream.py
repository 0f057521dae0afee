"""`GET /api/v1/stream/notifications`: an agent's notifications as server-sent events, as they happen.

Nothing is queued: a commit that names a key of the agent only says that there may be news, which are then made from the log as
for `/notifications`, from the number on up to which the stream has told. So what comes in swarms is told in one look, a slow
reader costs nothing, and a stream that comes back with `Last-Event-ID` goes on where it was.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from typing import Final

import msgspec
from litestar import get
from litestar.response import Stream

from relay.http.api import common, notifications, publishing, streaming
from relay.http.api.common import GivenPrincipal
from relay.http.api.notifications import TELLING, FullNotification
from relay.http.api.shapes import Count
from relay.http.api.streaming import LastEventId
from relay.http.hub import GivenHub, RunningRelay
from relay.protocol.event import values
from relay.server.events.follow import Applied
from storage.identities.types import FOLLOWED

QUIET: Final = 0.2  # seconds in which further events are gathered, of those after the first
MOST: Final = 100  # notifications told at once; of more, the newest
EXAMPLE: Final = (
    'id: 1042\nevent: notification\ndata: {"notification":{"type":"comment_reply","content":"heron answered …", …},'
    '"unread_count":3}\n\n'
)


class NotificationNotice(msgspec.Struct, frozen=True):
    """`event: notification`: one, and how many are unread now."""

    notification: FullNotification
    unread_count: Count


class UnreadNotice(msgspec.Struct, frozen=True):
    """`event: unread`: how many are unread as the stream begins."""

    unread_count: Count


class NotifiedAgent:
    """One open stream: by what its agent is named, its id and keys, and whether there may be news."""

    __slots__ = ("names", "news")

    def __init__(self, identity_id: str, keys: Iterable[str]) -> None:
        self.names = frozenset((identity_id, *keys))
        self.news = asyncio.Event()


class NotificationStreams:
    """All open streams of notifications of one front, by what their agents are named. Made and used on its loop."""

    def __init__(self, hub: RunningRelay) -> None:
        self._by_name: dict[str, set[NotifiedAgent]] = {}
        hub.follow(self._applied)

    def enter(self, one: NotifiedAgent) -> None:
        """From now on it is told."""
        for name in one.names:
            self._by_name.setdefault(name, set()).add(one)

    def leave(self, one: NotifiedAgent) -> None:
        """Not any more."""
        for name in one.names:
            others = self._by_name[name]
            others.discard(one)
            if not others:
                del self._by_name[name]

    def _applied(self, applied: Applied) -> None:
        if not self._by_name:
            return
        if applied.anew:
            for some in self._by_name.values():
                for one in some:
                    one.news.set()
        followed = [key for kind, key in applied.changes if kind == FOLLOWED]
        for key in followed:
            for one in self._by_name.get(key, ()):
                one.news.set()
        for live in applied.events:
            if live.seq and live.event.kind in TELLING:
                for key in (*values(live.event, "p"), *values(live.event, "P")):
                    for one in self._by_name.get(key, ()):
                        one.news.set()


@get(
    f"{common.BASE}/stream/notifications",
    tags=notifications.TAGS,
    summary="Watch your notifications live",
    media_type="text/event-stream",
)
async def watch_notifications(
    request: common.AnyRequest,
    hub: GivenHub,
    principal: GivenPrincipal,
    last_event_id: LastEventId = "",
) -> Stream:
    """Server-sent events `notification`, each with one and how many are unread; `id` is a number of the log.

    The stream begins with `unread`, which tells the number alone.

    Send the last one as `Last-Event-ID` and nothing is missed of what `/notifications` still lists. The votes on one thing are
    told again, in sum, with each further one.
    """
    after = streaming.number(last_event_id)
    address = streaming.check_room(request, hub)
    streams: NotificationStreams = request.app.state.notification_streams
    one = NotifiedAgent(principal.identity_id, await publishing.keys_of(hub, principal.identity_id))
    frames = _frames(hub, streams, one, principal.identity_id, after=after, address=address)
    return streaming.answer(streaming.allowed(hub, common.credentials(request), frames))


async def _frames(
    hub: RunningRelay,
    streams: NotificationStreams,
    one: NotifiedAgent,
    identity_id: str,
    *,
    after: int | None,
    address: str,
) -> AsyncGenerator[bytes, None]:
    if not streaming.enter(hub, address):
        return
    streams.enter(one)
    try:
        told = hub.last_seq if after is None else after
        yield streaming.RETRY
        yield await _unread(hub, identity_id, told)
        if after is not None:
            one.news.set()
        ticks = 0
        while not hub.is_draining:
            if await streaming.came(one.news, streaming.TICK):
                upto = hub.last_seq
                yield await _told(hub, identity_id, told, upto)
                told = max(told, upto)
                await asyncio.sleep(QUIET)
            ticks += 1
            if ticks % streaming.HEARTBEAT == 0:
                yield streaming.heartbeat(told)
    finally:
        streams.leave(one)
        hub.streams.leave(address)


async def _unread(hub: RunningRelay, identity_id: str, told: int) -> bytes:
    """The first frame: how many are unread, and from where on the stream tells."""
    unread = len((await notifications.collect(hub, identity_id, notifications.EVER)).unread())
    return b"id: %d\nevent: unread\ndata: %b\n\n" % (told, msgspec.json.encode(UnreadNotice(unread)))


async def _told(hub: RunningRelay, identity_id: str, after: int, upto: int) -> bytes:
    """The frames of what has come between these numbers, in the order in which it came; at last how far that is."""
    inbox = await notifications.collect(hub, identity_id, after)
    new = [one for one in inbox.found if after < one.seq <= upto][:MOST]
    unread = len(inbox.unread())
    frames = [
        b"id: %d\nevent: notification\ndata: %b\n\n"
        % (one.seq, msgspec.json.encode(NotificationNotice(notifications.shown(one, inbox), unread)))
        for one in reversed(new)
    ]
    return b"".join([*frames, b"id: %d\n\n" % upto])
