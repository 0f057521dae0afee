"""What a peer is offered of this relay's log: what stands there after the place where the peer is, and what comes.

The place moves on as the peer answers; what it cannot take yet waits there. What came from the peer is not offered to it, nor is
what it refused before.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Collection
from typing import Final

from relay.federation.connection import PeerConnection
from relay.federation.early import Early
from relay.federation.session_parts import PeerParts, SessionPlan
from relay.federation.transfers import Uploads
from relay.federation.verdicts import FIRST, Fate, Verdict
from relay.protocol.event import Event, has_tag, parse_known
from relay.protocol.filter import matches
from relay.server.events.follow import LiveEvent
from storage.base import Logged
from storage.peers import UP

LOG_PAGE: Final = 500  # events of the log read at once
MOST_EPHEMERAL: Final = 100  # that wait to be sent
MOST_TAKEN: Final = 20  # ids of what the peer took last
FRESH: Final = 60  # seconds after which an ephemeral event is not sent any more


class LogSending:
    """Made for a session; `run` offers what is in the log to its end, `commit` is called with what the log takes in meanwhile.

    What a comparison finds to be sent goes by `uploads`.
    """

    def __init__(self, connection: PeerConnection, plan: SessionPlan, parts: PeerParts) -> None:
        self.was_useful = False  # the peer has something by it
        self._connection = connection
        self._plan = plan
        self._record = record = parts.record
        self._memory = parts.memory
        self._door = parts.door
        self._source = parts.source
        self._ephemeral: deque[LiveEvent] = deque(maxlen=MOST_EPHEMERAL)
        self._taken: deque[str] = deque(maxlen=MOST_TAKEN)
        self._committed = asyncio.Event()
        self._early = Early()
        self._unsettled: dict[str, int] = {}  # seq of what was offered, by id; in order of seq
        self._read_upto = record.place.up_seq
        self._moved = asyncio.Event()
        self._moving: asyncio.Handle | None = None  # the place is looked at again in this turn of the loop

    @property
    def taken(self) -> Collection[str]:
        """Ids of what the peer took last."""
        return self._taken

    @property
    def keeps_early(self) -> bool:
        """Whether something that was refused waits for what it names; see `early`."""
        return bool(self._early)

    def is_unsettled(self, event_id: str) -> bool:
        """Whether this event of the log is being offered."""
        return event_id in self._unsettled

    def uploads(self) -> Uploads:
        """For offering events beside the log."""
        uploads = Uploads(self._connection, self._record.counts, self._settled, early=self._early)
        uploads.put_off = self._record.count
        return uploads

    def commit(self, events: list[LiveEvent]) -> None:
        """This relay's log took these in."""
        self._ephemeral.extend(one for one in events if not one.seq)
        self._committed.set()

    async def run(self) -> None:
        """Offer what is in the log after the place where the peer is, and what comes.

        Raises TimedOut, Disconnected, StorageError; never returns.
        """
        uploads = self.uploads()
        settling = asyncio.create_task(uploads.settle_on())
        try:
            sending = asyncio.create_task(self._send(uploads))
            await asyncio.wait((settling, sending), return_when=asyncio.FIRST_EXCEPTION)
            for task in (settling, sending):
                if task.done():
                    task.result()
        finally:
            settling.cancel()
            sending.cancel()
            await asyncio.gather(settling, sending, return_exceptions=True)

    async def sent_so_far(self, patience: float | None = None) -> None:
        """Returns when the peer has answered what is in the log now, or after so many seconds."""
        upto = self._source.upto
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._record.place.up_seq < upto:
                    self._moved.clear()
                    await self._moved.wait()

    def note_place(self) -> None:
        """The session ends: note the place if that is still to be done."""
        if self._moving is not None:
            self._moving.cancel()
            self._move()

    async def _send(self, uploads: Uploads) -> None:
        while True:
            self._committed.clear()
            while self._ephemeral:
                live = self._ephemeral.popleft()
                if live.audience is None and live.event.created_at >= time.time() - FRESH and self._wants(live.event):
                    await uploads.offer(live.event, live.wire)
            upto = self._source.upto
            rows = await self._source.follow(self._read_upto, upto, LOG_PAGE)
            events = await self._public([(row, parse_known(row.wire)) for row in rows if row.audience is None])
            for row, event in events:
                if self._wants(event):
                    self._unsettled[event.id] = row.seq
            last = rows[-1].seq if len(rows) == LOG_PAGE else upto
            self._read_upto = max(self._read_upto, last)
            for row, event in sorted(events, key=lambda one: one[1].kind not in FIRST):
                if event.id in self._unsettled:
                    await uploads.offer(event, row.wire)
            self._move()
            if len(rows) < LOG_PAGE:
                await self._committed.wait()

    async def _public(self, events: list[tuple[Logged, Event]]) -> list[tuple[Logged, Event]]:
        """Without events of a group that is private now, as they were entered when it was not (NIP-29)."""
        of_groups = [event.id for _, event in events if has_tag(event, "h")]
        if not of_groups:
            return events
        hidden = set(of_groups) - {parse_known(wire).id for wire in await self._door.wires(of_groups)}
        return [(row, event) for row, event in events if event.id not in hidden]

    def _wants(self, event: Event) -> bool:
        if event.created_at < self._plan.since or not any(matches(one, event) for one in self._plan.filters):
            return False
        return not self._memory.is_theirs(event.id) and not self._memory.is_refused(UP, event.id)

    def _settled(self, event_id: str, said: Verdict) -> None:
        """The peer has answered an event for good, or after some tries."""
        if said.fate is Fate.REFUSED:
            self._memory.refuse(UP, event_id, for_good=said.for_good)
        elif said.fate in (Fate.TAKEN, Fate.KNOWN):
            self._memory.note_theirs(event_id)
            self._taken.append(event_id)
            self.was_useful = True
        seq = self._unsettled.pop(event_id, None)
        if seq is not None and self._moving is None:  # once for all that one message of the loop has settled
            self._moving = asyncio.get_running_loop().call_soon(self._move)
        self._record.count()

    def _move(self) -> None:
        """The place in the log is before the first event that is not settled."""
        self._moving = None
        first = next(iter(self._unsettled.values()), self._read_upto + 1)
        if first - 1 > self._record.place.up_seq:
            self._record.move(up_seq=first - 1)
            self._moved.set()
        self._record.tell(lag=len(self._unsettled) + max(0, self._source.upto - self._read_upto))
