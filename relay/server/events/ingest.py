"""The pipeline of a front: from an event that passed the cheap checks to its `OK`.

    client --(verify: of each in turn)--> link --> writer --(commit, then outcomes)--> link --> followers, then `OK`

Ids and signatures are checked here, and the wire form is built from the verified fields; a client's own bytes are never stored
or sent. The writer, which is another process or a thread of this one, makes transactions of what all fronts send
(`relay.roles.writer`). Nothing is acknowledged before its commit, and an event is on the open subscriptions of this front before
its author hears that it is accepted. What is under way is bounded by `room()`, which the sockets ask before they read on.

Whatever raises what nobody foresaw fails its item: an event is answered with an error, a follower misses that event.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Final, TypeVar

import msgspec

from keys.schnorr import fault
from relay.errors import Changed, Prefix, Reject, internal
from relay.protocol.admission import Door
from relay.protocol.event import Event, compute_id, has_tag, memory, parse_known, wire
from relay.protocol.facts import GivenToken
from relay.protocol.kinds import has_address
from relay.roles import metrics
from relay.roles.messages import Behind, Quota
from relay.roles.page import SharedPage
from relay.server.events.follow import Applied, LogFollower
from relay.server.events.link import Link
from relay.server.events.policies import Sender
from relay.server.events.verify import Verifier
from relay.server.events.write_policy.write_policy import Decision, WritePolicy
from relay.server.supervision import Faults, Tasks
from storage.base import FollowedLog, Incoming, Outcome, Status
from storage.commands import Command
from storage.errors import StorageError

RECENT: Final = 50_000
MAX_BYTES: Final = 64 * 1024 * 1024  # of memory for events under way; what is at hand when that is reached comes on top

T = TypeVar("T")
Answer = Callable[[Event, Outcome], None]  # called on the loop once the outcome is known and durable
# Why a sound event is refused: it comes too fast, or its author was banned while it waited.
Pace = Callable[[Event], Reject | None]

log = logging.getLogger("tidings.ingest")


class Submission(msgspec.Struct, gc=False):
    """An event under way. `answer` gets its outcome; `client` is whose turn it takes; `size` is in bytes of memory."""

    event: Event
    door: Door
    received_at: int
    answer: Answer
    client: Hashable
    size: int
    token: GivenToken | None = None
    origin: str | None = None
    home: str = ""
    wire: bytes = b""  # where it was made before
    sender: Sender | None = None


_STORED: Final = {int(kind): at for kind, at in metrics.places("stored").items() if kind != metrics.OTHER}
_STORED_OTHER: Final = metrics.places("stored")[metrics.OTHER]
_UNSAID: Final = Reject(Prefix.ERROR, "")
_DUPLICATE: Final = Outcome(Status.DUPLICATE)
_SHADOWED: Final = Outcome(Status.EPHEMERAL)  # its author is to believe that it was taken
_DECEIVED: Final = frozenset((Door.CLIENT, Door.HTTP))  # doors of strangers; peers and operators are told


class Ingest:
    """Owns the front's end of the link to the writer, whose role has the number `role`. All methods are called on the loop."""

    def __init__(
        self,
        role: int,
        page: SharedPage,
        reader: FollowedLog,
        capacity: int,
        faults: Faults,
        *,
        flush: Callable[[], None],
        pace: Pace,
        policy: WritePolicy | None = None,
    ) -> None:
        self._role = role
        self._page = page
        self._faults = faults
        self._pace = pace
        self.policy = policy
        if policy is not None:
            policy.turned = self._push
        self._flush = flush
        self._hears_all = True
        self._capacity = capacity
        self._tasks = Tasks(faults)
        self._flying: dict[str, Event] = {}  # sent to the writer and not answered
        self._recent: OrderedDict[str, None] = OrderedDict()
        self._idle = asyncio.Event()
        self._idle.set()
        self.pending = 0
        self.pending_bytes = 0
        self.numbers = metrics.fresh()  # what this role counts and times, also elsewhere
        self.failure: str | None = None  # the last storage error, None once a batch went through again
        self.log = LogFollower(page, reader, self._decoded, faults.report, self._tasks.start, flush=flush)
        self.log.add(self._applied)
        self.link = Link(
            role,
            committed=self.log.commit,
            behind=self._behind,
            failed=self._failed,
            turned=flush,
            report=faults.report,
        )
        self._verifier: Verifier[Submission] = Verifier(self._check, self._push, self.link.could_begin)

    @property
    def is_first(self) -> bool:
        """Whether this is the first front, which does what one front must do, and no more than one."""
        return self._role == 0

    @property
    def is_alone(self) -> bool:
        """Whether there is no other front."""
        return self._page.fronts == 1

    @property
    def last_seq(self) -> int:
        """How far the log is committed."""
        return self._page.upto

    def room(self, share: float = 1.0, client: Hashable = None) -> bool:
        """Whether clients may go on sending; False asks them to wait. `share` is the part that whoever asks may fill.

        A `client` that is named has room for an event that the operator's write policy is asked about, too.
        """
        if self.pending >= share * self._capacity or self.pending_bytes >= share * MAX_BYTES:
            return False
        policy = self.policy
        return client is None or policy is None or not policy.is_on or policy.has_room(client)

    @property
    def asks(self) -> bool:
        """Whether the operator's write policy is asked about events."""
        return self.policy is not None and self.policy.is_on

    def submit(
        self,
        event: Event,
        door: Door,
        received_at: int,
        answer: Answer,
        client: Hashable = None,
        *,
        size: int | None = None,
        token: GivenToken | None = None,
        origin: str | None = None,
        home: str = "",
        sender: Sender | None = None,
    ) -> None:
        """Take an event that passed the policies; `answer` follows. Its signature has not been checked yet.

        The events of each `client` stand in a queue of their own. `size` is its `memory`, counted here where it is not given;
        `token` is the one that it was sent with over HTTP, `origin` the peer that it came by, and `home` as in Incoming.
        `sender` is who handed it in, as the operator's write policy is told.
        """
        if not home and event.id in self._recent and compute_id(event) == event.id:
            answer(event, _DUPLICATE)
            return
        made = wire(event) if size is None else b""
        size = memory(event, len(made)) if size is None else size
        self._begin(1, size)
        self._verifier.put(
            client, Submission(event, door, received_at, answer, client, size, token, origin, home, made, sender)
        )

    async def write(self, incoming: Sequence[Incoming]) -> list[Outcome]:
        """Store events whose signatures the caller has checked; one outcome each, in order, durable.

        Raises StorageError when the database cannot be written: then nothing of it is stored.
        """
        if not incoming:
            return []
        size = sum([memory(item.event, len(item.wire)) for item in incoming])
        self._begin(len(incoming), size)
        found: dict[int, Outcome] = {}
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def settle(at: int, outcome: Outcome) -> None:
            found[at] = outcome
            if len(found) == len(incoming) and not done.done():
                done.set_result(None)

        try:
            for at, item in enumerate(incoming):
                self._send(item, incoming[0].event.id, partial(settle, at))
            self.link.push()
            await done
        finally:
            self._end(len(incoming), size)
            self._flush()  # clients may wait for this room, and the turn that brought the outcomes is over
        if self.failure is not None and all(_is_error(outcome) for outcome in found.values()):
            raise StorageError(self.failure)
        return [found[at] for at in range(len(incoming))]

    async def unwanted(
        self, client: Hashable, incoming: Sequence[tuple[Incoming, Sender]], *, bounded: bool = True
    ) -> list[Reject | None]:
        """Why the operator's write policy refuses what is about to be written, each event by itself; None where it does not.

        Nobody is deceived here: who asks has signed it just now, or is the operator. `client` and `bounded` as in WritePolicy.ask.
        """
        policy = self.policy
        if policy is None:
            return [None] * len(incoming)
        size = sum([memory(item.event, len(item.wire)) for item, _ in incoming])
        self._begin(len(incoming), size)
        try:
            refusals = await policy.unwanted(client, incoming, bounded=bounded)
        finally:
            self._end(len(incoming), size)
            self._flush()  # as in `write`
        for refusal in refusals:
            if refusal is not None:
                metrics.count_refusal(self.numbers, refusal)
        return refusals

    async def execute(self, command: Command[T], token: GivenToken | None = None, quota: Quota | None = None) -> T:
        """Have the writer carry out a command between two batches, within its `quota`; see `storage.base.Commands.execute`."""
        return await self.link.execute(command, token, quota)

    def end_soon(self) -> None:
        """The end has come: what waits for the operator's write policy does not wait for long any more."""
        if self.policy is not None:
            self.policy.end_soon()

    async def drained(self) -> None:
        """Returns when no event is under way any more."""
        await self._idle.wait()

    async def close(self) -> None:
        """Finish what is under way, and hang up."""
        self.end_soon()
        await self.drained()
        if self.policy is not None:
            await self.policy.close()
        self.link.close()
        await self._tasks.close()

    def _begin(self, count: int, size: int) -> None:
        self.pending += count
        self.pending_bytes += size
        self._idle.clear()

    def _end(self, count: int, size: int) -> None:
        self.pending -= count
        self.pending_bytes -= size
        if not self.pending:
            self._idle.set()

    def hear(self, everything: bool) -> None:
        """From now on follow the log, or hear of primary rows that changed alone."""
        if everything != self._hears_all:
            self.log.skip()
            self._recent.clear()  # nobody tells any more what leaves
            self._hears_all = everything
            self.link.hear(None if everything else [])

    def _behind(self, told: Behind) -> None:
        if not self._hears_all:
            self.log.skip()
        self.log.behind(told)

    # on the way to the writer

    def _check(self, submission: Submission) -> None:
        """Whose event it is, is known only after the signature: a forged one must not use up its supposed author's rate."""
        event = submission.event
        try:
            refusal = fault(event) or self._pace(event)
            if refusal is None:
                policy = self.policy
                if policy is not None and policy.is_on:
                    self._ask(policy, submission)
                else:
                    self._send(_incoming(submission), submission.client, partial(self._settled, submission))
                return
        except BaseException as error:
            self._faults.report("the verifier", error)
            refusal = internal(error)
        metrics.count_refusal(self.numbers, refusal)
        self._settled(submission, Outcome(Status.REFUSED, refusal=refusal))

    def _ask(self, policy: WritePolicy, submission: Submission) -> None:
        incoming, sender = _incoming(submission), submission.sender or Sender(submission.door)
        policy.ask(submission.client, incoming, sender, partial(self._decided, submission, incoming))

    def _decided(self, submission: Submission, incoming: Incoming, decision: Decision) -> None:
        """The operator's write policy has spoken."""
        refusal = decision.refusal
        if refusal is None:
            try:
                self._send(incoming, submission.client, partial(self._settled, submission))
                return
            except Exception as error:
                self._faults.report("what the write policy accepted", error)
                refusal = internal(error)
        if decision.is_shadow and submission.door in _DECEIVED:
            self._settled(submission, _SHADOWED)
        else:
            metrics.count_refusal(self.numbers, refusal)
            self._settled(submission, Outcome(Status.REFUSED, refusal=refusal))

    def _push(self) -> None:
        """What a slice has verified goes to the writer; what it refused, to its clients."""
        self.link.push()
        self._flush()

    def _send(self, incoming: Incoming, client: Hashable, settle: Callable[[Outcome], None]) -> None:
        event = incoming.event
        self._flying[event.id] = event

        def landed(outcome: Outcome) -> None:
            self._flying.pop(event.id, None)
            self._account(event, outcome)
            settle(outcome)

        self.link.submit(incoming, client, landed)

    # on the way back

    def _settled(self, submission: Submission, outcome: Outcome) -> None:
        try:
            submission.answer(submission.event, outcome)
        except Exception as error:
            self._faults.report("an answer", error)
        self._end(1, submission.size)

    def _account(self, event: Event, outcome: Outcome) -> None:
        if outcome.status is Status.STORED:
            self.numbers[_STORED.get(event.kind, _STORED_OTHER)] += 1
        elif outcome.status is Status.REFUSED:
            metrics.count_refusal(self.numbers, outcome.refusal or _UNSAID)
            if self.failure is None and outcome.refusal is not None and _is_error(outcome):
                self._faults.report("the handler of an event", outcome.refusal)

    def _failed(self, failure: str | None) -> None:
        if failure != self.failure:
            self.failure = failure
            log.log(logging.INFO if failure is None else logging.ERROR, "storage: %s", failure or "works again")

    def _decoded(self, data: bytes) -> Event:
        """The event of its wire form, which begins with its id; those that were handed in here are at hand."""
        return self._flying.get(data[7:71].decode()) or parse_known(data)

    def _applied(self, applied: Applied) -> None:
        """Remember what was stored, to answer a duplicate without the store, as long as nothing has taken it out of it."""
        for live in applied.events:
            event = live.event
            if live.seq and not has_address(event.kind) and not has_tag(event, "expiration"):
                self._recent[event.id] = None
                if len(self._recent) > RECENT:
                    self._recent.popitem(last=False)
        if applied.anew or applied.removed is None:
            self._recent.clear()
        for event_id in applied.removed or ():  # also what came in the same transaction
            self._recent.pop(event_id, None)


def _incoming(submission: Submission) -> Incoming:
    """What a submission whose signature is good becomes."""
    event = submission.event
    return Incoming(
        event,
        submission.wire or wire(event),
        submission.door,
        submission.received_at,
        token=submission.token,
        origin=submission.origin,
        home=submission.home,
    )


def _is_error(outcome: Outcome) -> bool:
    """Whether the writer failed; that somebody else was faster (Changed) is no failure."""
    refusal = outcome.refusal
    return refusal is not None and refusal.prefix is Prefix.ERROR and not isinstance(refusal, Changed)
