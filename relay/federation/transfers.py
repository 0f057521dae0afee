"""Moving events between this relay and a peer: those that are lacking here are asked for, those that are lacking there offered."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any, Final

import msgspec

from keys.schnorr import is_forged
from relay.client.messages import Ok
from relay.errors import Prefix, Reject
from relay.federation.connection import PeerConnection
from relay.federation.early import Early
from relay.federation.local_events import LocalEvents
from relay.federation.stored import stored_when_due
from relay.federation.verdicts import FIRST, PAUSES, Fate, Verdict, not_taken, verdict, withheld
from relay.protocol.event import Event, has_tag, parse, parse_known
from relay.protocol.filter import Filter
from storage.base import Outcome, Status

ASKED: Final = 250  # ids asked for at once
ASKING: Final = 6  # questions at once: while what some brought is being stored, others are answered
OFFERED: Final = 1000  # events without an answer
STORING: Final = 3  # pages that are being stored while another is read
SENT: Final = 200  # events read from the database at once
MOST_REASONS: Final = 50  # told apart
VAIN: Final = 5000  # events that a peer may claim and not give before whoever asks for more of them takes its time
REST: Final = 1.0  # seconds, after each question that brought nothing
_OTHER: Final = "other reasons"
_NO_REASON: Final = "it gives no reason"
_THERE: Final = (Fate.TAKEN, Fate.KNOWN)  # the peer has the event

log = logging.getLogger("tidings.peers")


class SyncCounts(msgspec.Struct):
    """What was moved. `received`, then what became of that here; `sent`, then what became of that there.

    `not_given`: the peer claimed to have them and gave nothing. `withheld`: neither taken nor sent, by rule. `refusals` and
    `rejections` count what was refused here and there, by the words, `delays` how often something was to be offered again there.
    `of_groups`: refused there, and of a group (NIP-29), which other relays than its home need not take: that is no failure.
    """

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    refused: int = 0
    not_given: int = 0
    sent: int = 0
    taken: int = 0
    known: int = 0
    rejected: int = 0
    withheld: int = 0
    of_groups: int = 0
    refusals: dict[str, int] = {}
    rejections: dict[str, int] = {}
    delays: dict[str, int] = {}

    def count(self, outcome: Outcome) -> None:
        """One event came, and this became of it."""
        self.received += 1
        if outcome.status in (Status.STORED, Status.EPHEMERAL):
            self.stored += 1
        elif outcome.status is Status.DUPLICATE:
            self.duplicates += 1
        else:
            self.refused += 1
            _add(self.refusals, str(outcome.refusal))

    def put_off(self, said: Verdict) -> None:
        """One event that was sent is to be offered again."""
        _add(self.delays, said.words or _NO_REASON)

    def judge(self, said: Verdict) -> None:
        """One event that was sent has its last answer."""
        if said.fate is Fate.TAKEN:
            self.taken += 1
        elif said.fate is Fate.KNOWN:
            self.known += 1
        else:
            self.rejected += 1
            _add(self.rejections, said.words or _NO_REASON)

    def take_back(self, said: Verdict) -> None:
        """One event that was refused in these words is offered once more."""
        self.rejected -= 1
        reason = said.words if said.words in self.rejections else _OTHER
        self.rejections[reason] -= 1
        if not self.rejections[reason]:
            del self.rejections[reason]


def _add(reasons: dict[str, int], reason: str) -> None:
    if reason not in reasons and len(reasons) >= MOST_REASONS:
        reason = _OTHER
    reasons[reason] = reasons.get(reason, 0) + 1


Received = Callable[[Event, Outcome], None]
Settled = Callable[[str, Verdict], None]


class Downloads:
    """Takes what a peer has and this relay lacks.

    `coming` is told of each event before it is stored, `received` of what became of it, `not_given` of each id that was promised in
    vain. `home` is by which key the peer speaks of its groups, None where these are not taken.
    """

    def __init__(
        self,
        connection: PeerConnection,
        local: LocalEvents,
        counts: SyncCounts,
        *,
        coming: Callable[[Event], None] = lambda _event: None,
        received: Received = lambda _event, _outcome: None,
        not_given: Callable[[str], None] = lambda _id: None,
        home: str | None = "",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._connection = connection
        self._local = local
        self._counts = counts
        self._coming = coming
        self._received = received
        self._not_given = not_given
        self._home = home
        self._vain = 0  # events that were claimed and not given, without a pause between
        self._sleep = sleep

    def fetching(self) -> "Fetching":
        """For ids that are lacking here."""
        return Fetching(self._ask, self.take, self._connection.clock, lambda: self._vain > VAIN)

    async def fetch(self, ids: list[str]) -> None:
        """Ask for these and take them. Raises Refused, TimedOut, Disconnected, StorageError."""
        async with aclosing(self.fetching()) as fetching:
            fetching.want(ids)
            await fetching.finish()

    async def _ask(self, ids: list[str]) -> list[str]:
        """Ask for these and take them; which are to be asked for again: an answer may be cut. Who gives nothing has nothing."""
        events = await self._given(ids)
        await self.take(events)
        if not events:
            await self._pass_over(ids)
            return []
        given = {event.id for event in events}
        return [one for one in ids if one not in given]

    async def _pass_over(self, ids: list[str]) -> None:
        """A peer may claim without end what nobody has; one that hides much of what it compares is no liar."""
        for one in ids:
            self._counts.not_given += 1
            self._not_given(one)
        self._vain += len(ids)
        if self._vain > VAIN:
            await self._sleep(REST)

    async def _given(self, ids: list[str]) -> list[Event]:
        return (await stored_when_due(self._connection, (Filter(ids=frozenset(ids)),), len(ids)))[0]

    async def take(self, events: Sequence[Event]) -> None:
        """Store these, what erases others first, then by time; what may not be passed on is left.

        Raises Misbehaved where they were forged once too often, Disconnected, StorageError.
        """
        ordered, before = [], self._counts.withheld
        for event in sorted(events, key=lambda event: (event.kind not in FIRST, event.created_at)):
            reason = not_taken(event, self._home)
            if reason is None:
                self._coming(event)
                ordered.append(event)
            else:
                self._counts.withheld += 1
                self._received(event, Outcome(Status.REFUSED, refusal=Reject(Prefix.RESTRICTED, reason)))
        if self._counts.withheld > before:
            await self._local.pass_over(self._counts.withheld - before)
        if not ordered:
            return
        for event, outcome in zip(ordered, await self._local.take(ordered), strict=True):
            self._counts.count(outcome)
            judge(self._connection, outcome)
            self._received(event, outcome)
        self._connection.check()


def judge(connection: PeerConnection, outcome: Outcome) -> None:
    """What became of an event of the peer's says something of the peer."""
    if outcome.status is Status.STORED:
        connection.sound()
    elif outcome.refusal is not None and is_forged(outcome.refusal):
        connection.forged(outcome.refusal.message)


class Fetching:
    """Events that are asked for while it is still being found out which others are lacking, a few questions at once.

    Until `finish`, only whole questions are asked, in the order in which the ids were told: that is the order of time, in which
    events are stored in half of the time. When a question has failed, whatever is asked of this raises that.
    """

    def __init__(
        self,
        ask: Callable[[list[str]], Awaitable[list[str]]],
        take: Callable[[Sequence[Event]], Coroutine[Any, Any, None]],
        clock: Callable[[], float],
        in_vain: Callable[[], bool] = lambda: False,
    ) -> None:
        """`ask`: fetch these; returns those that are to be asked for again. `take`: store these. `clock` is the connection's.

        `in_vain`: whether the peer claims much that it does not give.
        """
        self._ask = ask
        self._take = take
        self._clock = clock
        self._in_vain = in_vain
        self._answered = asyncio.Event()  # a question was, or has failed
        self._waiting: deque[str] = deque()
        self._asking: set[asyncio.Task[None]] = set()
        self._least: float = ASKED  # ids of a question
        self._failed: BaseException | None = None
        self._heard = 0.0

    def want(self, ids: Sequence[str]) -> None:
        """Ask for these, too. Raises Refused, TimedOut, Disconnected, StorageError."""
        if self._failed is not None:
            raise self._failed
        self._waiting.extend(ids)
        self._begin()

    @property
    def is_busy(self) -> bool:
        """Whether something that was asked for is still to come, or to be stored."""
        return bool(self._asking)

    async def store(self, events: Sequence[Event]) -> "asyncio.Task[None]":
        """Begin to store these, which were given without being wanted by id; returns when more may come. Raises as `want`."""
        while len(self._asking) >= STORING and self._failed is None:
            await asyncio.wait(self._asking, return_when=asyncio.FIRST_COMPLETED)
        if self._failed is not None:
            raise self._failed
        return self._start(self._take(events))

    async def keep_up(self) -> None:
        """Returns at once, unless the peer claims much in vain: then when little is left to ask for. Raises as `want`.

        Others are not held up: some relays end a comparison in which nothing is said for seven seconds.
        """
        while self._in_vain() and self._asking and len(self._waiting) > ASKED * ASKING:
            self._answered.clear()
            await self._answered.wait()
        if self._failed is not None:
            raise self._failed

    def heard(self) -> float:
        """When the last question was answered, now while one is under way: each is answered in time, or fails."""
        return self._clock() if self._asking else self._heard

    async def finish(self) -> None:
        """Returns when all that was wanted is stored, or not to be had. Raises as `want`."""
        self._least = 1
        self._begin()
        await self._done()
        self._least = ASKED

    async def give_up(self) -> int:
        """Ask for nothing more, and return when what was asked for is stored; how many were not asked for. Raises as `want`."""
        self._least = math.inf
        await self._done()
        left = len(self._waiting)
        self._waiting.clear()
        self._least = ASKED
        return left

    async def aclose(self) -> None:
        """End what is under way."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def _begin(self) -> None:
        questions = math.ceil(len(self._waiting) / ASKED) if self._least == 1 else len(self._waiting) // ASKED
        for _ in range(min(ASKING - len(self._asking), questions)):
            self._start(self._ask_on())

    def _start(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.create_task(work)
        self._asking.add(task)
        task.add_done_callback(self._asked)
        return task

    async def _ask_on(self) -> None:
        while len(self._waiting) >= self._least:
            some = [self._waiting.popleft() for _ in range(min(ASKED, len(self._waiting)))]
            self._waiting.extend(await self._ask(some))
            self._answered.set()

    def _asked(self, task: asyncio.Task[None]) -> None:
        self._asking.discard(task)
        self._heard = self._clock()
        self._answered.set()
        if not task.cancelled() and self._failed is None:
            self._failed = task.exception()

    async def _done(self) -> None:
        while self._asking and self._failed is None:
            await asyncio.wait(self._asking, return_when=asyncio.FIRST_COMPLETED)
        if self._failed is not None:
            raise self._failed


class OfferedEvent(msgspec.Struct):
    """An event that was sent and is not settled: `attempts` times before, after `flight` pauses."""

    id: str
    wire: bytes
    attempts: int
    flight: int
    answer: "asyncio.Future[Ok]"


class Uploads:
    """Offers events to a peer, a window of them at a time; each is settled once, in about the order in which they were offered.

    What the peer cannot take now is offered again when it said, or after a while: a few times where it failed, without end where
    it was too much for its rates. There is one pause for all that was under way when it said so, and after one for its rates the
    window is half as large; it grows with every event that is taken, so that a peer is soon sent about what it takes.

    What it may have refused because it lacks what that names is settled as refused for now, and offered and settled once more when
    it has that. `early` holds it: one for all uploads of a session.
    """

    def __init__(
        self,
        connection: PeerConnection,
        counts: SyncCounts,
        settled: Settled = lambda _id, _verdict: None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        early: Early | None = None,
    ) -> None:
        self._connection = connection
        self._counts = counts
        self._settled = settled
        self._early = Early() if early is None else early
        self.put_off: Callable[[], None] = lambda: None  # called when `counts` has one more that is to be offered again
        self._sleep = sleep
        self._flying: deque[OfferedEvent] = deque()
        self._again: deque[OfferedEvent] = deque()  # to be offered again when there is room
        self._window = OFFERED
        self._pauses = 0
        self._too_fast = 0  # pauses for the peer's rates since it took something
        self._is_driven = False  # somebody settles what is offered while more is
        self._changed = asyncio.Event()  # something was offered, or settled

    async def offer(self, event: Event, wire: bytes) -> None:
        """Send an event that may be sent; returns when there is room for another. Raises TimedOut, Disconnected."""
        reason = withheld(event, self._connection.url)
        if reason is not None:
            self._counts.withheld += 1
            self._settled(event.id, Verdict(Fate.REFUSED, reason))
            return
        while len(self._flying) + len(self._again) >= self._window:
            await self._settle_some()
        self._counts.sent += 1
        await self._send(event.id, wire, 0)

    async def settle_on(self) -> None:
        """Settle whatever is offered from now on, until cancelled. Raises TimedOut, Disconnected."""
        self._is_driven = True
        while True:
            while not (self._flying or self._again):
                self._changed.clear()
                await self._changed.wait()
            await self._go_on()
            self._changed.set()

    async def send(self, local: LocalEvents, ids: Sequence[str]) -> None:
        """Offer these events of this relay: of those read at once what erases others first, then the oldest.

        Raises TimedOut, Disconnected, StorageError.
        """
        for start in range(0, len(ids), SENT):
            wires = await local.wires(ids[start : start + SENT])
            events = [(parse_known(wire), wire) for wire in wires]
            for event, wire in sorted(events, key=lambda one: (one[0].kind not in FIRST, one[0].created_at)):
                await self.offer(event, wire)
        await self.drain()

    async def drain(self) -> None:
        """Returns when everything that was offered is settled. Raises TimedOut, Disconnected."""
        while self._flying or self._again:
            await self._settle_some()

    async def _send(self, event_id: str, wire: bytes, attempts: int) -> None:
        answer = self._connection.offer(event_id, wire)
        self._flying.append(OfferedEvent(event_id, wire, attempts, self._pauses, answer))
        self._changed.set()
        if self._connection.is_full:
            await self._connection.room()

    async def _settle_some(self) -> None:
        if self._is_driven:
            self._changed.clear()
            await self._changed.wait()
        else:
            await self._go_on()

    def _settle_taken(self) -> None:
        """Settle what the peer has answered in the meantime, up to the first event that it did not take."""
        flying = self._flying
        while not self._again and flying and flying[0].answer.done():
            said = verdict(flying[0].answer.result())
            if said.fate not in _THERE:
                return
            self._is_taken(flying.popleft(), said)

    async def _go_on(self) -> None:
        """Offer again what waits for that, or settle the oldest and what was taken after it."""
        if self._again and len(self._flying) < self._window:
            one = self._again.popleft()
            await self._send(one.id, one.wire, one.attempts + 1)
        else:
            await self._settle_oldest()
            self._settle_taken()

    async def _settle_oldest(self) -> None:
        """Wait for what the peer says to the oldest; what it cannot take now is offered again."""
        one = self._flying[0]
        said = verdict(await self._connection.answered(one.answer))
        self._flying.popleft()
        is_too_fast = said.words.startswith("rate-limited")
        if said.fate is Fate.LATER and (one.attempts < len(PAUSES) or is_too_fast):
            self._again.append(one)
            self._counts.put_off(said)
            self.put_off()
            await self._pause(one, said, is_too_fast)
            return
        asks_for_proof = said.fate is Fate.REFUSED and said.words.startswith("auth-required") and not one.attempts
        if asks_for_proof and await self._connection.authenticated():
            self._again.append(one)
            return
        if said.fate in _THERE:
            self._is_taken(one, said)
        else:
            self._refused(one, said)

    async def _pause(self, one: OfferedEvent, said: Verdict, is_too_fast: bool) -> None:
        """Wait, unless that was done since this event was sent."""
        if one.flight != self._pauses:
            return
        number = self._too_fast if is_too_fast else one.attempts
        if is_too_fast:
            self._too_fast += 1
            self._window = max(1, self._window // 2)
        await self._sleep(said.wait if said.wait is not None else PAUSES[min(number, len(PAUSES) - 1)])
        self._pauses += 1

    def _is_taken(self, one: OfferedEvent, said: Verdict) -> None:
        self._window, self._too_fast = min(OFFERED, self._window + 1), 0
        self._counts.judge(said)
        self._settled(one.id, said)
        for early in self._early.taken(one.id, one.wire):
            self._counts.take_back(early.said)
            unanswered: asyncio.Future[Ok] = asyncio.get_running_loop().create_future()
            self._again.append(OfferedEvent(early.id, early.wire, -1, self._pauses, unanswered))

    def _refused(self, one: OfferedEvent, said: Verdict) -> None:
        event = parse(one.wire) if said.fate is Fate.REFUSED else None
        if event is not None and event.created_at > time.time():
            said = msgspec.structs.replace(said, for_good=False)
        if event is not None and has_tag(event, "h"):
            self._counts.of_groups += 1
        else:
            if event is not None and self._early.keep(event, one.wire, said):
                said = msgspec.structs.replace(said, for_good=False)
            self._counts.judge(said)
        self._settled(one.id, said)
