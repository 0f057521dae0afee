"""Who watches the feed over server-sent events, and one delivery for all of them.

A committed event is described once, encoded once, and the same bytes are queued for every watcher that wants them. A queue is
bounded: a watcher that cannot keep up is let go and may resume from the log by its last event id.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from typing import Final

import msgspec

from relay.http.api import streaming
from relay.http.hub import RunningRelay
from relay.protocol import kinds
from relay.protocol.event import Event
from relay.server.events.follow import Applied, LiveEvent
from relay.server.supervision import Tasks

KINDS: Final = frozenset((kinds.POST, kinds.COMMENT, kinds.REACTION))
MAX_PENDING: Final = 5_000  # events waiting to be described
MAX_PENDING_BYTES: Final = 16 * 1024 * 1024
MAX_HELD: Final = 1_000  # frames waiting for one watcher
MAX_HELD_BYTES: Final = 2 * 1024 * 1024
BATCH: Final = 200  # events described at once, fewer where they are large
BATCH_BYTES: Final = 1024 * 1024

log = logging.getLogger("tidings.stream")


class WatchedEvent(msgspec.Struct, frozen=True, gc=False):
    """A described event: what watchers select by, and the frame they share."""

    seq: int
    author_id: str
    post_id: str
    frame: bytes


class Selection(msgspec.Struct, frozen=True):
    """What a watcher selects; None is everything."""

    author_id: str | None = None
    post_id: str | None = None

    def takes(self, entry: WatchedEvent) -> bool:
        """Whether the watcher wants this entry."""
        return self.author_id in (None, entry.author_id) and self.post_id in (None, entry.post_id)


Pending = tuple[int, Event]
Describe = Callable[[Sequence[Pending]], Awaitable[list[WatchedEvent]]]


class Watcher:
    """One open stream. Its frames are taken by `frames`; `after` is the number up to which others have been delivered."""

    __slots__ = ("_held", "_held_bytes", "_over", "_wake", "after", "wanted")

    def __init__(self, wanted: Selection, after: int) -> None:
        self.wanted = wanted
        self.after = after
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._over = False
        self._wake: asyncio.Future[None] | None = None

    def offer(self, frame: bytes) -> None:
        """Queue a frame; one too many ends the stream."""
        if self._over:
            return
        self._held.append(frame)
        self._held_bytes += len(frame)
        if len(self._held) > MAX_HELD or self._held_bytes > MAX_HELD_BYTES:
            self.end()
        else:
            self._rouse()

    def end(self) -> None:
        """The stream ends; what is queued is dropped."""
        self._over = True
        self._held.clear()
        self._rouse()

    def _rouse(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def frames(self) -> AsyncIterator[bytes]:
        """What is queued, as it comes, until the stream ends."""
        while not self._over:
            if self._held:
                taken = b"".join(self._held)
                self._held.clear()
                self._held_bytes = 0
                yield taken
            else:
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake


class Ticker:
    """Keeps streams awake, and ends them when the relay ends, for as long as there are any."""

    def __init__(
        self, hub: RunningRelay, name: str, streams: Callable[[], Iterable[Watcher]], told: Callable[[], int]
    ) -> None:
        """`told` is the number up to which all of them are."""
        self._hub = hub
        self._name = name
        self._streams = streams
        self._told = told
        self._tasks = Tasks(hub.faults)
        self._ticking: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """There is a stream."""
        if self._ticking is None:
            self._ticking = self._tasks.repeat(self._tick, self._name)

    def rest(self) -> None:
        """There is none."""
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    async def _tick(self) -> None:
        ticks = 0
        while True:
            await asyncio.sleep(streaming.TICK)
            ticks += 1
            if self._hub.is_draining:
                for watcher in self._streams():
                    watcher.end()
            elif ticks % streaming.HEARTBEAT == 0:
                frame = streaming.heartbeat(self._told())
                for watcher in self._streams():
                    watcher.offer(frame)


class Watchers:
    """All open streams of one relay. Made and used on its loop."""

    def __init__(self, hub: RunningRelay, describe: Describe) -> None:
        self._hub = hub
        self._describe = describe
        self._watchers: set[Watcher] = set()
        self._pending: deque[tuple[Pending, int]] = deque()  # each with its bytes
        self._pending_bytes = 0
        self._delivered = hub.last_seq
        self._tasks = Tasks(hub.faults)
        self._working: asyncio.Task[None] | None = None
        self._ticker = Ticker(hub, "the ticker of streams", lambda: self._watchers, lambda: self._delivered)
        hub.follow(self._applied)

    @contextlib.contextmanager
    def watch(self, wanted: Selection, address: str, seen: int | None = None) -> Iterator[Watcher]:
        """A watcher of what is committed from now on; one that has ended where others have taken the last room meanwhile.

        `seen` is up to which number it was told before, maybe by another front, which may be further than this one.
        """
        watcher = Watcher(wanted, self._delivered)
        if seen is not None and watcher.after < seen <= self._hub.last_seq:
            watcher.after = seen
        if not streaming.enter(self._hub, address):
            watcher.end()
            yield watcher
            return
        self._watchers.add(watcher)
        self._ticker.begin()
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)
            self._hub.streams.leave(address)
            if not self._watchers:
                self._ticker.rest()

    def _applied(self, applied: Applied) -> None:
        for live in applied.events:
            if live.seq:
                self._stored(live)

    def _stored(self, live: LiveEvent) -> None:
        if not self._watchers or live.event.kind not in KINDS or live.audience is not None:
            if not self._pending and self._working is None:
                self._delivered = live.seq
            return
        size = len(live.wire)
        self._pending.append(((live.seq, live.event), size))
        self._pending_bytes += size
        if len(self._pending) > MAX_PENDING or self._pending_bytes > MAX_PENDING_BYTES:
            self._give_up("too many events at once")
        elif self._working is None:
            self._working = self._tasks.start(self._deliver(), "the delivery of streams")

    async def _deliver(self) -> None:
        try:
            while self._pending:
                batch = self._next()
                for entry in await self._describe(batch):
                    self._offer(entry)
                self._delivered = max(self._delivered, batch[-1][0])
        except Exception as error:
            self._hub.faults.report("the delivery of streams", error)
            self._give_up("an event could not be described")
        finally:
            self._working = None

    def _next(self) -> list[Pending]:
        batch: list[Pending] = []
        size = 0
        while self._pending and len(batch) < BATCH and (not batch or size + self._pending[0][1] <= BATCH_BYTES):
            one, of_it = self._pending.popleft()
            batch.append(one)
            size += of_it
        self._pending_bytes -= size
        return batch

    def _offer(self, entry: WatchedEvent) -> None:
        for watcher in self._watchers:
            if entry.seq > watcher.after and watcher.wanted.takes(entry):
                watcher.offer(entry.frame)

    def _give_up(self, why: str) -> None:
        log.warning("streams are cut, their watchers may resume: %s", why)
        if self._pending:
            self._delivered = self._pending[-1][0][0]
            self._pending.clear()
            self._pending_bytes = 0
        for watcher in self._watchers:
            watcher.end()
