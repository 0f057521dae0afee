"""One synchronization with a peer: what either side lacks, and moving it."""

import asyncio
import enum
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import msgspec

from relay.federation.connection import PeerConnection
from relay.federation.local_events import LocalEvents
from relay.federation.transfers import Downloads, Fetching, Uploads
from relay.federation.verdicts import FIRST
from relay.federation.windows import FAR, PAGE, Walk, WindowDifference
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.retention import Retention, horizons


class Direction(enum.StrEnum):
    """Which way events go: down to this relay, up to the peer."""

    DOWN = "down"
    UP = "up"
    BOTH = "both"

    @property
    def is_down(self) -> bool:
        """Whether events of the peer come here."""
        return self is not Direction.UP

    @property
    def is_up(self) -> bool:
        """Whether events of this relay go to the peer."""
        return self is not Direction.DOWN


class SyncPlan(msgspec.Struct, frozen=True):
    """What a synchronization is to do. `skip_down` and `skip_up` are asked whether an event's id is to be passed over.

    `dry`: nothing is moved, only counted (`found`). `never_pages`: a peer that does not compare is left as it is. `reads_first`:
    where hardly anything of what the peer has may be here, that is read page by page, as long as it pays. `rest` is called after
    each window with the seconds that it took, `done` is told of each window that is finished. What this relay does not keep,
    by `retention`, is left out.
    """

    wanted: Filter
    direction: Direction
    since: int = 0
    until: int = FAR
    dry: bool = False
    pages_only: bool = False
    never_pages: bool = False
    reads_first: bool = False
    skip_down: Callable[[str], bool] = lambda _id: False
    skip_up: Callable[[str], bool] = lambda _id: False
    rest: Callable[[float], Awaitable[None]] | None = None
    done: Callable[[WindowDifference], None] = lambda _difference: None
    retention: Retention = msgspec.field(default_factory=Retention)


class SyncFound(msgspec.Struct):
    """What differed. `compares`: whether the peer did by negentropy; where not, `said` is why. `lost` as in Walk."""

    have: int = 0
    need: int = 0
    compares: bool = True
    said: str = ""
    lost: int = 0


class Synchronization:
    """Brings both sides in step by a plan; `found` tells what differed, also while it runs."""

    def __init__(
        self,
        connection: PeerConnection,
        local: LocalEvents,
        plan: SyncPlan,
        downloads: Downloads,
        uploads: Uploads,
        *,
        found: SyncFound | None = None,
    ) -> None:
        self.found = SyncFound() if found is None else found
        self._connection = connection
        self._local = local
        self._plan = plan
        self._downloads = downloads
        self._uploads = uploads
        # Windows that `plan.done` was not told of yet, and what stores the events of each.
        self._unfinished: deque[tuple[WindowDifference, asyncio.Task[None] | None]] = deque()

    async def run(self) -> None:
        """Deletions and requests to vanish first, then everything, the newest first.

        Raises Refused, TimedOut, Disconnected, StorageError; what was moved until then is kept and counted.
        """
        plan, found = self._plan, self.found
        pages_only = plan.pages_only
        for wanted in [plan.wanted] if plan.dry else _rounds(plan.wanted):
            fetching = self._downloads.fetching()
            walk = Walk(
                self._connection,
                self._local,
                wanted,
                _Needs(plan, found, fetching),
                pages_only=pages_only,
                never_pages=plan.never_pages,
                reads_first=plan.reads_first and plan.direction.is_down and not plan.dry,
                horizons=horizons(plan.retention, wanted.kinds or (), int(time.time())),
            )
            async with aclosing(fetching), aclosing(walk.differences(plan.since, plan.until)) as differences:
                begun = time.monotonic()
                async for difference in differences:
                    await self._move(difference, fetching, is_last=wanted is plan.wanted)
                    if plan.rest is not None:
                        await plan.rest(time.monotonic() - begun)
                    begun = time.monotonic()
                await fetching.finish()
                self._tell_finished()
            pages_only = walk.pages_only
            found.compares, found.said = not walk.pages_only, walk.said or found.said
            found.lost += walk.lost

    async def _move(self, difference: WindowDifference, fetching: Fetching, *, is_last: bool) -> None:
        plan, found = self._plan, self.found
        events, have = [], []
        if plan.direction.is_down:
            events = [one for one in difference.events if not plan.skip_down(one.id)]
        if plan.direction.is_up:
            have = [one for one in difference.have if not plan.skip_up(one)]
        found.need += len(events)
        found.have += len(have)
        storing = None
        if not plan.dry:
            if events:
                storing = await fetching.store(events)  # meanwhile the next page is read
            else:
                await fetching.finish()
            await self._uploads.send(self._local, have)
        if is_last:
            self._unfinished.append((difference, storing))
            self._tell_finished()

    def _tell_finished(self) -> None:
        """Whoever keeps a place must not pass over what is still being stored: windows are told in the order in which they came."""
        while self._unfinished:
            difference, storing = self._unfinished[0]
            if storing is not None and (not storing.done() or storing.cancelled() or storing.exception()):
                return
            self._unfinished.popleft()
            self._plan.done(difference)


class _Needs:
    """relay.federation.windows.WindowNeeds: what is lacking here is asked for while the comparison goes on."""

    def __init__(self, plan: SyncPlan, found: SyncFound, fetching: Fetching) -> None:
        self._plan = plan
        self._found = found
        self._fetching = fetching
        self._has_read = False  # a page

    def tell(self, ids: list[bytes]) -> None:
        """As Needs.tell."""
        plan = self._plan
        if not plan.direction.is_down:
            return
        need = [one for one in map(bytes.hex, ids) if not plan.skip_down(one)]
        self._found.need += len(need)
        if not plan.dry:
            self._fetching.want(need)

    def heard(self) -> float:
        """As Needs.heard."""
        return self._fetching.heard()

    async def keep_up(self) -> None:
        """As Needs.keep_up."""
        await self._fetching.keep_up()

    def goes_on(self, events: list[Event]) -> bool:
        """As WindowNeeds.goes_on: while pages are mostly lacking, and come as fast as they are stored."""
        is_first, self._has_read = not self._has_read, True
        wanted = sum(not self._plan.skip_down(event.id) for event in events)
        return wanted > PAGE // 2 and (is_first or self._fetching.is_busy)

    async def break_off(self) -> None:
        """As WindowNeeds.break_off; what was not asked for will be told again."""
        self._found.need -= await self._fetching.give_up()


def _rounds(wanted: Filter) -> list[Filter]:
    """The filters to go through: what erases others first."""
    first = FIRST if wanted.kinds is None else FIRST & wanted.kinds
    if not first or first == wanted.kinds or wanted.limit is not None or wanted.ids is not None:
        return [wanted]
    return [msgspec.structs.replace(wanted, kinds=first), wanted]
