"""One session with a peer, from the open connection to its end.

Down: the live subscription is opened first, so that nothing can fall between; then what was missed since the last contact is
compared and fetched, with an overlap, and then, now and then, everything is compared at leisure. Up: what is in the log is sent,
see `sending`.
"""

import asyncio
import contextlib
import math
import time
from collections.abc import Coroutine
from typing import Any, Final

import msgspec

from relay.client.errors import Disconnected, Refused
from relay.client.messages import Closed
from relay.errors import Prefix
from relay.federation.connection import PeerConnection
from relay.federation.sending import LogSending
from relay.federation.session_parts import PeerParts, SessionPlan
from relay.federation.stored import stored
from relay.federation.sync import Direction, Synchronization, SyncPlan
from relay.federation.transfers import Downloads, judge
from relay.federation.verdicts import NOT_FOR_GOOD, TEMPORARY, not_taken
from relay.federation.windows import FAR, WindowDifference
from relay.peer_settings import Federation
from relay.protocol import kinds
from relay.protocol.event import Event, parse_known
from relay.protocol.filter import Filter
from relay.protocol.groups.announce import MEMBERS
from relay.protocol.groups.belonging import DELETE_GROUP
from relay.protocol.groups.editing import WHOLE_RELAY
from relay.protocol.membership import UNBOUND
from relay.protocol.outdated import PAST_ITS_DAYS
from relay.protocol.retention import Retention
from relay.server.events.follow import LiveEvent
from storage.base import Outcome, Status
from storage.peers import DOWN, UP

LEISURE: Final = 2.0  # a walk in the background rests that many times as long as it works
MOST_REST: Final = 5.0  # seconds
PROBED: Final = 10  # pings after which a peer is asked something: one that hangs may go on answering pings
WALK_AGAIN: Final = 600.0  # seconds until a first walk is repeated in which something could not be taken

_FOR_MEMBERS: Final = Filter(kinds=frozenset([MEMBERS]), tags={"d": frozenset([WHOLE_RELAY])}, limit=1)


class PeerSession:
    """Made for an open connection; `run` is its whole life, `commit` is called with what this relay's log takes in meanwhile."""

    def __init__(
        self,
        connection: PeerConnection,
        plan: SessionPlan,
        parts: PeerParts,
        home: str | None,
        federation: Federation,
    ) -> None:
        """`home`: by which key the peer speaks of its groups, see relay.federation.home.own_key."""
        self.retention = Retention()  # for how long this relay keeps what
        self._was_useful = False  # it came as far as being in step, or something was stored
        self._connection = connection
        self._plan = plan
        self._record = record = parts.record
        self._memory = parts.memory
        self._door = parts.door
        self._sending = LogSending(connection, plan, parts)
        self._federation = federation
        self._downloads = Downloads(
            connection,
            parts.door,
            record.counts,
            coming=self._coming,
            received=self._received,
            not_given=self._not_given,
            home=home,
        )
        parts.door.home = self._home = home
        self._of_groups = _of_groups(home) if home else ()
        self._answered = asyncio.Event()  # a ping: the peer has shown that it is there
        self._pings = 0  # since the peer was asked something last
        self._due = asyncio.Event()  # it is to be asked again
        self._known = 0  # events that came and had come, or gone, before
        self._unseen = 0  # as PeerStatus.unseen
        self._missed = False  # something could not be taken for now
        self._compares = True  # until it turns out that the peer does not; a later session may find otherwise
        self._since = plan.since if plan.backfill else max(plan.since, record.place.begun_at)

    async def run(self) -> None:
        """Until the connection ends. Raises Disconnected, Refused, TimedOut, StorageError with the reason; never returns."""
        self._connection.answered_ping = self._look
        if self._plan.direction.is_down:
            await self._listen()
        work: list[Coroutine[Any, Any, None]] = [self._watch(), self._probe_now_and_then()]
        if self._plan.direction.is_down:
            work.append(self._stay_in_step())
        else:
            work.append(self._walk_now_and_then())
        if self._plan.direction.is_up:
            work.append(self._sending.run())
        tasks = [asyncio.create_task(one) for one in work]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self._sending.note_place()
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome
        raise Disconnected(f"the session with {self._connection.url} ended")

    @property
    def was_useful(self) -> bool:
        """Whether it came as far as being in step, or moved something."""
        return self._was_useful or self._sending.was_useful

    def commit(self, events: list[LiveEvent]) -> None:
        """This relay's log took these in."""
        if self._memory.has_bound:
            self._answered.set()
        if self._plan.direction.is_up:
            self._sending.commit(events)

    async def _watch(self) -> None:
        raise await self._connection.lost()

    def _look(self) -> None:
        """The peer has answered a ping: what is to be looked at now and then is looked at now."""
        self._answered.set()
        self._pings += 1
        if self._pings >= PROBED:
            self._due.set()
        status = self._record.status
        if self._plan.direction is Direction.UP and status.state == "in step" and not status.lag:
            self._record.is_in_step(int(time.time()))

    async def _probe_now_and_then(self) -> None:
        while True:
            await self._due.wait()
            await self._probe()
            self._pings = 0
            self._due.clear()

    async def _probe(self) -> None:
        """Raises TimedOut where the peer is silent.

        One that only takes events is offered again one that it took and that is still here.
        """
        connection = self._connection
        if not _only_takes(self._plan, connection):
            await connection.answers()
            return
        for wire in (await self._door.wires(list(self._sending.taken)))[:1]:
            await connection.shows_life(connection.offer(parse_known(wire).id, wire))

    # down

    async def _listen(self) -> None:
        """Open the live subscription. What the peer's groups are is known before anything of them comes."""
        if self._of_groups:
            await self._be_known()
        await self._describe_groups()
        live = tuple(msgspec.structs.replace(one, limit=0) for one in (*self._plan.filters, *self._of_groups))
        for is_proven in (False, True):
            self._live = await self._connection.subscribe(live, self._take_live)
            end = await self._connection.ended(self._live, is_live=True)
            if not isinstance(end, Closed):
                return
            refusal = Refused.of(end.words)
            if is_proven or refusal.prefix is not Prefix.AUTH_REQUIRED or not await self._connection.authenticated():
                raise refusal

    async def _be_known(self) -> None:
        """Ask what strangers are not told, so that a peer that asks for keys only then asks for ours."""
        with contextlib.suppress(Refused):
            await stored(self._connection, (_FOR_MEMBERS,), 1)

    async def _describe_groups(self) -> None:
        for wanted in self._of_groups:
            await self._synchronize(wanted, Direction.DOWN, 0)

    async def _take_live(self, event: Event) -> None:
        if self._memory.is_theirs(event.id) or self._memory.is_refused(DOWN, event.id):
            self._known_again()
            return
        self._coming(event)
        if not_taken(event, self._home) is not None:
            self._record.counts.withheld += 1
            await self._door.pass_over(1)
            return

        def answered(event: Event, outcome: Outcome) -> None:
            self._record.counts.count(outcome)
            judge(self._connection, outcome)
            self._received(event, outcome, was_asked=False)

        await self._door.hand_in(event, answered)

    def _coming(self, event: Event) -> None:
        """Noted before it stands in the log, where it would be found to be sent."""
        self._memory.note_theirs(event.id)

    def _known_again(self) -> None:
        """An event came that the peer has been sent, or has given before: each may come so once."""
        self._known += 1
        if self._known > self._connection.sent + self._record.counts.received:
            self._connection.bear("sent events again and again")

    def _received(self, event: Event, outcome: Outcome, *, was_asked: bool = True) -> None:
        """One event of the peer's has its outcome here; `was_asked`: a comparison told that it is lacking."""
        self._memory.note_theirs(event.id)
        refusal = outcome.refusal
        if refusal is not None and refusal.prefix in TEMPORARY:
            self._missed = True
        elif refusal is not None and refusal.message == UNBOUND:
            self._memory.refuse_unbound(event.id, event.pubkey)
        elif refusal is not None and refusal.message.startswith(PAST_ITS_DAYS):
            self._memory.refuse_past(event.id)
        elif not kinds.is_ephemeral(event.kind) and (
            outcome.status is Status.REFUSED or (outcome.status is Status.DUPLICATE and was_asked)
        ):
            # What is here and still asked for is not public.
            is_for_now = event.created_at > time.time() or (refusal is not None and refusal.message in NOT_FOR_GOOD)
            self._memory.refuse(DOWN, event.id, for_good=not is_for_now)
        if outcome.status is Status.STORED:
            self._was_useful = True
            self._record.tell(last_event_at=int(time.time()))
        self._record.count()

    def _not_given(self, event_id: str) -> None:
        self._memory.refuse(DOWN, event_id, for_good=False)
        self._record.count()

    async def _stay_in_step(self) -> None:
        """Fetch what was missed, then see that the live subscription goes on, and compare everything now and then."""
        await self._catch_up()
        walk = asyncio.create_task(self._walk_now_and_then())
        walk.add_done_callback(lambda _: self._answered.set())
        try:
            while not walk.done():
                if not self._memory.has_bound:  # else that came while others were fetched
                    self._answered.clear()
                    await self._answered.wait()
                if self._live.closed is not None:
                    raise Refused.of(self._live.closed.words)
                await self._downloads.fetch(self._memory.take_bound())
                if self._missed and self._record.place.walked_at:
                    await self._catch_up()
                elif not self._missed:
                    self._in_step(int(time.time()))
            await walk
        finally:
            walk.cancel()

    async def _catch_up(self) -> None:
        begun = int(time.time())
        self._record.tell(state="catching up")
        since = max(self._since, self._reached_until(begun) - self._federation.overlap)
        self._missed = False
        await self._describe_groups()
        for wanted in self._plan.filters:
            await self._synchronize(wanted, Direction.DOWN, since)
        if not self._missed:
            self._in_step(begun)

    def _reached_until(self, now: int) -> int:
        """Until when nothing is missing here, unix seconds; 0 where that was noted while the clock was wrong: nobody knows."""
        down_at = self._record.place.down_at or now
        return min(down_at, now) if down_at <= now + self._federation.overlap else 0

    def _in_step(self, at: int) -> None:
        self._was_useful = True
        self._record.is_in_step(at, down_at=at)

    # comparing

    async def _walk_now_and_then(self) -> None:
        """Compare everything, in the background."""
        if self._plan.direction is Direction.UP:
            self._record.tell(state="catching up")
            await self._sent_so_far()
            if not _only_takes(self._plan, self._connection):
                await self._probe()  # there may have been nothing to send
            self._was_useful = True
            self._record.is_in_step(int(time.time()))
        if not self._plan.backfill and not self._record.place.walked_at:
            self._record.move(walked_at=int(time.time()))
        gap = self._federation.walk_pause  # at first: what came while there was no connection may be of any time
        while True:
            walked_at = self._record.place.walked_at
            if walked_at:
                await asyncio.sleep(max(0.0, min(walked_at - time.time(), 0.0) + gap))
            await self._sent_so_far()
            await self._walk(at_leisure=bool(walked_at))
            gap = self._federation.walk_interval or math.inf
            self._compares = True  # a refusal may have been for a time
            if not self._record.place.walked_at:
                await asyncio.sleep(WALK_AGAIN)
            elif math.isinf(gap):
                await asyncio.Event().wait()

    async def _sent_so_far(self) -> None:
        """A peer that takes less than there is to send does not keep its own events from being compared."""
        if self._plan.direction is Direction.UP:
            await self._sending.sent_so_far()
        elif self._plan.direction.is_up:
            await self._sending.sent_so_far(self._federation.walk_pause)

    async def _walk(self, *, at_leisure: bool) -> None:
        """Where something could not be taken for now, the first walk is not done: it begins again a while later."""
        begun, self._unseen = int(time.time()), 0
        self._record.tell(comparing=True)
        try:
            for number in range(self._record.place.walk_filter, len(self._plan.filters)):
                until = self._record.place.walk_until
                await self._synchronize(
                    self._plan.filters[number],
                    self._plan.direction,
                    self._since,
                    FAR if until is None else until,
                    walk_filter=number,
                    at_leisure=at_leisure,
                )
                self._record.move(walk_filter=number + 1, walk_until=None)
        finally:
            self._record.tell(comparing=False)
        self._record.tell(unseen=self._unseen)
        is_done = at_leisure or not self._missed
        self._record.move(walked_at=begun if is_done else 0, walk_filter=0, walk_until=None)

    async def _synchronize(
        self,
        wanted: Filter,
        direction: Direction,
        since: int,
        until: int = FAR,
        *,
        walk_filter: int | None = None,
        at_leisure: bool = False,
    ) -> None:
        """Compare and move what differs. A walk notes its place, and one `at_leisure` rests between windows."""

        def done(difference: WindowDifference) -> None:
            if walk_filter is None or self._sending.keeps_early:  # those would be forgotten
                return
            if difference.since > since:
                self._record.move(walk_filter=walk_filter, walk_until=difference.since - 1)

        plan = SyncPlan(
            wanted,
            direction,
            since,
            until,
            pages_only=not self._compares,
            never_pages=direction is Direction.UP,
            reads_first=walk_filter is not None and not at_leisure,
            skip_down=lambda one: self._memory.is_refused(DOWN, one),
            skip_up=lambda one: self._sending.is_unsettled(one) or self._memory.is_refused(UP, one),
            rest=_rested if at_leisure else None,  # a first walk is in a hurry
            done=done,
            retention=self.retention,
        )
        work = Synchronization(self._connection, self._door, plan, self._downloads, self._sending.uploads())
        await work.run()
        self._compares = work.found.compares
        self._record.tell(compares=self._compares)
        if walk_filter is not None:
            self._unseen += work.found.lost
        await self._memory.save()


def _only_takes(plan: SessionPlan, connection: PeerConnection) -> bool:
    """Whether the peer is only sent to and has answered to events, and to nothing else."""
    return plan.direction is Direction.UP and connection.answers_events and not connection.answers_questions


def _of_groups(home: str) -> tuple[Filter, ...]:
    """What a relay tells of its groups, and which have ended, whatever else is synchronized with it."""
    told = Filter(authors=frozenset([home]), kinds=frozenset(kinds.GROUPS))
    return told, Filter(kinds=frozenset([DELETE_GROUP]))


async def _rested(worked: float) -> None:
    await asyncio.sleep(min(MOST_REST, LEISURE * worked))
