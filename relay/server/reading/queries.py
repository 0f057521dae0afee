"""REQ history and COUNT: what takes about a millisecond at most is answered on the event loop, the rest by the storage readers.

A connection's questions are tried on the loop a few at a time, all connections in turn, within a share of CPU time of each turn of
the loop; so a client with a hundred questions delays another by a slice of that share. Whoever has a few questions under way gets
their answers in one piece, and asks the next in one: to read and write for each would cost as much as a short answer does. What
storage does not answer so quickly (`try_query`) goes to a second line, whose workers take one job from one connection at a time,
too, and does not hold back what the client asked after it: a client tells answers apart by their subscription, and may get them
in another order than it asked (NIP-01).

Searches and invites are asked of other processes, which may be away: they hold no worker, so that nothing else waits for them.

A long answer is sent in parts, each only when the socket has taken the one before: a slow reader parks its job and holds no
worker.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter, thread_time
from typing import Final, Protocol

import msgspec

from relay.errors import Prefix, Reject, internal
from relay.protocol import messages
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from relay.protocol.session import CountRequest
from relay.roles import metrics
from relay.server import frames
from relay.server.events.fanout import Fanout, LiveSubscription, Receiver
from relay.server.pools import Pool
from relay.server.reading import searching
from relay.server.reading.read_access import INVITES, Mark, ReadAccess
from relay.server.supervision import Faults, Tasks
from relay.server.turns import Turns
from storage.base import Counted, Found, Limits, Log
from storage.errors import StorageError, TooCostly
from storage.identities.types import ChangeRefused
from storage.search.engine import SearchEngine

PART: Final = 100  # events fetched and sent at a time after the first part, whose bytes storage bounds
WORKERS_A_READER: Final = 2  # so that a reader finds its next query waiting
SEARCHES: Final = 8  # at once; the search role works on as many of a front
SHARE: Final = 0.002  # seconds of CPU time of one turn of the event loop in which REQs are answered at once
SLICE: Final = 0.0005  # seconds of it in which one connection's questions are answered one after another
PACKED_AT_ONCE: Final = 4096  # bytes of an answer that are compressed on the loop; it takes about 20 µs a KiB
FLUSHED: Final = 64 * 1024  # bytes of an answer that do not wait for the end of the turn
ATTEMPTS: Final = 3  # to answer while what a connection may read becomes less
MAX_WAITING: Final = 200  # questions of one connection; more than that pauses its reading

log = logging.getLogger("tidings.queries")
_TOOK: Final = metrics.Timer("query_seconds").took


class History(msgspec.Struct, gc=False):
    """A REQ that the loop did not finish. `rest` is what is still to be sent, None before the query ran; `mark` is that of then.

    `is_past`: EOSE is sent, and this is what came meanwhile.
    """

    subscription: LiveSubscription
    rest: tuple[int, ...] | None = None
    complete: bool | None = False  # None: nobody can say, since something was searched for
    cut: bool = False  # by the relay's own limit
    mark: Mark = (0, 0)
    is_past: bool = False


Job = History | CountRequest


class AskingConnection(Receiver, Protocol):
    """A connection as its queries are answered."""

    address: str
    asked: list[LiveSubscription]  # REQs that were not tried on the loop yet
    asking: bool  # set here: it waits for a turn of the loop to try them
    jobs: list[Job]  # for the workers
    lined_up: bool  # set here: it waits for a worker, or has one
    writable: bool

    def send(self, payload: bytes) -> None:
        """Queue one message."""

    def flush(self) -> None:
        """Write what is queued."""

    def consider_reading(self) -> None:
        """Read on, if there is room."""

    def abort(self) -> None:
        """Cut it now."""

    def refuse(self, name: str, reason: Reject) -> None:
        """Say why a COUNT is not answered."""

    def challenge(self) -> None:
        """Send the challenge, if one is due."""


# An invite for filters that ask for one, by address and proven keys.
Invite = Callable[[Sequence[Filter], str, frozenset[str]], Awaitable[Event | None]]


class Queries:
    """Owns the workers. All methods are called on the event loop."""

    def __init__(
        self,
        reader: Log,
        fanout: Fanout,
        access: ReadAccess,
        readers: int,
        faults: Faults,
        *,
        turns: Turns,
        search: Callable[[], SearchEngine],
        invite: Invite,
        numbers: list[int],
    ) -> None:
        self.configure(Limits(), "auto")
        self._reader = reader
        self._fanout = fanout
        self._access = access
        self._search = search
        self._invite = invite
        self._line: deque[AskingConnection] = deque()  # have something to be tried on the loop, each once
        self._ready: deque[AskingConnection] = deque()  # waiting for a worker, each once
        self._wake = asyncio.Semaphore(0)
        self._turns = turns
        self._number = -1  # of the turn in which something was asked last
        self._share_ends = 0.0  # of that turn, 0 where one question at most was asked
        self._scheduled = False  # the line has its turn
        self._faults = faults
        self._numbers = numbers
        self._tasks = Tasks(faults)
        self._searching = asyncio.Semaphore(SEARCHES)
        # One job a worker and a search, for invites are small: never full.
        self._packers = Pool("compress", readers, readers * WORKERS_A_READER + SEARCHES)
        for _ in range(readers * WORKERS_A_READER):
            self._tasks.repeat(self._work, "a query worker")

    def configure(self, limits: Limits, eose_hints: str) -> None:
        """Put settings in force: how many events a filter gives, and `server.eose_hints`."""
        self.limits = limits
        self._eose_hints = eose_hints

    def ask(self, connection: AskingConnection, subscription: LiveSubscription) -> None:
        """Answer a REQ at once, or in this connection's turn."""
        if not self._line and connection.writable and self._has_share():
            self._try(connection, subscription)
            return
        connection.asked.append(subscription)
        self.wake(connection)

    def count(self, connection: AskingConnection, job: CountRequest) -> None:
        """Answer a COUNT when a worker comes to it."""
        connection.jobs.append(job)
        self.wake(connection)

    def wake(self, connection: AskingConnection) -> None:
        """The connection may have work that can go on: a new job, or its socket took what it was given."""
        if not connection.writable:
            return
        if connection.asked and not connection.asking:
            connection.asking = True
            self._line.append(connection)
            self._schedule()
        if connection.jobs and not connection.lined_up:
            connection.lined_up = True
            self._ready.append(connection)
            self._wake.release()

    # on the loop

    def _has_share(self) -> bool:
        """Whether this turn of the event loop has time left for queries.

        The first question of a turn is always answered, and its time does not count: few turns have two, and clocks cost.
        """
        number = self._turns.number()
        if number != self._number:
            self._number, self._share_ends = number, 0.0
            return SHARE > 0
        if not self._share_ends:
            self._share_ends = thread_time() + SHARE
        return thread_time() < self._share_ends

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._turns.after(self._turn)

    def _turn(self) -> None:
        """The next turn of the loop: answer some questions of each connection in line, while the share lasts."""
        self._scheduled = False
        line, now = self._line, thread_time()
        self._number, self._share_ends = self._turns.number(), now + SHARE
        served: dict[AskingConnection, None] = {}
        while line and now < self._share_ends:
            connection = line.popleft()
            served[connection] = None
            slice_ends = now + SLICE
            while connection.asked and connection.writable and now < slice_ends:
                self._guard(connection, partial(self._try, connection, connection.asked.pop(0)))
                now = thread_time()
            if connection.asked and connection.writable:
                line.append(connection)
            else:
                connection.asking = False
        if line:
            self._schedule()
        for connection in served:
            self._guard(connection, connection.flush)

    def _guard(self, connection: AskingConnection, work: Callable[[], None]) -> None:
        """Do something for one connection; where that fails, that one is cut and the others go on."""
        try:
            work()
        except Exception as error:
            self._faults.report("a query", error)
            connection.abort()

    def _try(self, connection: AskingConnection, subscription: LiveSubscription) -> None:
        """Answer a REQ there and then, if only in part or with a refusal, or leave it to a worker."""
        if not _is_open(subscription):
            return
        try:
            found = self._try_query(connection, subscription)
            if found is not None and connection.deflate and sum(map(len, found.wires)) > PACKED_AT_ONCE:
                found = None
            if found is not None:
                render = frames.deflated_events if connection.deflate else frames.events
                data = render(subscription.prefix, found.wires)
                if found.rest:
                    connection.queue(data)
                else:
                    self._end(connection, subscription, data, found)
                    return
        except Exception as error:
            self._fail(connection, subscription, error)
            return
        job = History(subscription)
        if found is not None:
            job.rest, job.complete, job.cut = found.rest, found.complete, found.cut
            job.mark = self._access.mark(connection.session)
        connection.jobs.append(job)
        self.wake(connection)

    def _try_query(self, connection: AskingConnection, subscription: LiveSubscription) -> Found | None:
        """The answer, or the first part of it, where storage gives it within the loop's time; None where a worker is to."""
        filters, session = subscription.filters, connection.session
        if searching.searches(filters) or _asks_for_invites(filters):
            return None
        readers = self._access.try_readers(session, filters)
        if readers is None:
            return None
        if session.challenge_due:
            connection.challenge()
        return self._reader.try_query(filters, readers, int(time.time()), subscription.after, self.limits)

    def _end(
        self, connection: AskingConnection, subscription: LiveSubscription, data: bytes, found: Found | History
    ) -> None:
        """Queue the last part of an answer, EOSE, and what came meanwhile."""
        if data:
            connection.queue(data)
        if isinstance(found, Found) or not found.is_past:
            _TOOK(self._numbers, perf_counter() - subscription.asked_at)
            connection.send(subscription.eose(_hint(found.complete, found.cut, self._eose_hints)))
        before = subscription.mark
        if subscription.held and (now := self._access.mark(connection.session)) != before:
            subscription.mark = now  # it could read more when this came: the log gives what it may read now
            connection.jobs.append(History(subscription, subscription.take_held(), mark=before, is_past=True))
            self.wake(connection)
        else:
            self._fanout.release(subscription)
        if len(data) > FLUSHED:
            connection.flush()  # so that the socket says when it has enough

    # in threads

    async def close(self) -> None:
        """End the workers at once; what they had not sent is not sent."""
        await self._tasks.close()
        self._packers.close()

    async def _work(self) -> None:
        while True:
            await self._wake.acquire()
            connection = self._ready.popleft()
            job = connection.jobs[0] if connection.jobs else None
            if job is not None and _asks_for_invite(job):  # the workers go on where the writer does not, or search
                self._tasks.start(self._serve(connection), "an invite")
            elif job is not None and _searches(job):
                self._tasks.start(self._serve_search(connection), "a search")
            else:
                await self._serve(connection)
            del connection, job  # a client that left is not kept while this worker waits

    async def _serve_search(self, connection: AskingConnection) -> None:
        async with self._searching:
            await self._serve(connection)

    async def _serve(self, connection: AskingConnection) -> None:
        """Do the first job of a connection, and line it up again for the next."""
        try:
            if connection.jobs:
                await self._run(connection, connection.jobs.pop(0))
            connection.lined_up = False
            connection.flush()
            connection.consider_reading()
            self.wake(connection)
        except Exception as error:
            self._faults.report("a query worker", error)
            connection.abort()

    async def _run(self, connection: AskingConnection, job: Job) -> None:
        asked = job if isinstance(job, CountRequest) else job.subscription
        try:
            if isinstance(job, CountRequest):
                await self._count(connection, job)
            elif _is_open(job.subscription):
                await self._history(connection, job)
        except Exception as error:
            self._fail(connection, asked, error)

    def _fail(self, connection: AskingConnection, asked: CountRequest | LiveSubscription, error: Exception) -> None:
        """What went wrong is the client's answer, and where it is not the client's doing, the log's."""
        reason = error if isinstance(error, Reject) else Reject(Prefix.ERROR, str(error))
        if not isinstance(error, StorageError | Reject | ChangeRefused):
            self._faults.report("a query", error)
            reason = internal(error)
        elif isinstance(error, StorageError) and not isinstance(error, TooCostly):
            log.error("query: %s", error)
        if isinstance(asked, CountRequest):
            connection.refuse(asked.subscription, reason)
        elif _is_open(asked):
            connection.end(asked, reason)

    async def _count(self, connection: AskingConnection, job: CountRequest) -> None:
        readers, now = await self._access.readers(connection.session, job.filters), int(time.time())
        connection.challenge()
        if searching.searches(job.filters):
            (wanted,) = job.filters  # the session lets no more through
            counted = Counted(await searching.count(self._search(), wanted, searching.SearchScope(readers, now)))
        else:
            counted = await self._reader.count(job.filters, readers, now, job.offset)
        connection.send(messages.count(job.subscription, counted.total, counted.hll))

    async def _history(self, connection: AskingConnection, job: History) -> None:
        """Send an answer, or the next part of it; what is left goes to the front of the connection's queue."""
        wires = await self._read(connection, job)
        subscription = job.subscription
        if not connection.deflate:
            data = frames.events(subscription.prefix, wires)
        elif sum(map(len, wires)) > PACKED_AT_ONCE:
            data = await self._packers.run(partial(frames.deflated_events, subscription.prefix, wires))
        else:
            data = frames.deflated_events(subscription.prefix, wires)
        if not _is_open(subscription):
            return
        if job.rest:
            connection.queue(data)
            connection.jobs.insert(0, job)
        else:
            self._end(connection, subscription, data, job)

    async def _read(self, connection: AskingConnection, job: History) -> list[bytes]:
        """The first part of an answer, or the next; again where the connection lost a part of what it may read meanwhile."""
        part = None if job.rest is None else job.rest[:PART]
        if part is None and _asks_for_invite(job):
            return await self._invited(connection, job)
        for _ in range(ATTEMPTS):
            before = connection.session.closings
            wires = await (self._first(connection, job) if part is None else self._next(connection, job, part))
            if connection.session.closings == before:
                if part is not None and job.rest is not None:
                    job.rest = job.rest[len(part) :]
                return wires
        raise Reject(Prefix.ERROR, "what you may read here changed while this was answered; ask again")

    async def _next(self, connection: AskingConnection, job: History, part: tuple[int, ...]) -> list[bytes]:
        """A part of what is still to be sent; where that was another one's to read before, what may be read of it now."""
        session, readers = connection.session, None
        if self._access.mark(session) != job.mark:
            readers = await self._access.readers(session, job.subscription.filters)
        return await self._reader.fetch(part, int(time.time()), readers)

    async def _invited(self, connection: AskingConnection, job: History) -> list[bytes]:
        invite = await self._invite(job.subscription.filters, connection.address, connection.session.keys)
        job.rest, job.complete = (), True
        return [] if invite is None else [wire(invite)]

    async def _first(self, connection: AskingConnection, job: History) -> list[bytes]:
        subscription, now = job.subscription, int(time.time())
        filters = subscription.filters
        job.mark = self._access.mark(connection.session)
        readers = await self._access.readers(connection.session, filters)
        connection.challenge()
        if searching.searches(filters):
            scope = searching.SearchScope(readers, now, subscription.after, self.limits)
            answered = await searching.history(self._search(), self._reader, filters, scope)
            job.rest, job.complete = answered.rest, None
            return answered.wires
        found = None
        if connection.deflate:
            if not self._has_share():
                await asyncio.sleep(0)  # a turn for the others
            found = self._try_query(connection, subscription)
        if found is None:
            found = await self._reader.query(filters, readers, now, subscription.after, self.limits)
        job.rest, job.complete, job.cut = found.rest, found.complete, found.cut
        return found.wires


def _hint(complete: bool | None, cut: bool, wanted: str) -> str | None:
    """NIP-67's hint, by `server.eose_hints`.

    A client that gets fewer events than its limit knows that these are all, and one that gets as many asks on: what counting
    cannot tell it is that the relay's limit was below its own. Strict parsers take an EOSE of three elements for none.
    """
    if wanted == "always" and complete is not None:
        return "finish" if complete else "more"
    return "more" if wanted == "auto" and cut else None


def _asks_for_invites(filters: Sequence[Filter]) -> bool:
    """Whether a REQ asks for invites (NIP-43) and nothing else."""
    for wanted in filters:  # a loop, since every REQ is asked  # noqa: SIM110
        if wanted.kinds != INVITES:
            return False
    return True


def _asks_for_invite(job: Job) -> bool:
    return isinstance(job, History) and _asks_for_invites(job.subscription.filters)


def _searches(job: Job) -> bool:
    """Whether a job is for the search engine now; what an answer of it still has to send is not."""
    if isinstance(job, CountRequest):
        return searching.searches(job.filters)
    return job.rest is None and searching.searches(job.subscription.filters)


def _is_open(subscription: LiveSubscription) -> bool:
    """Whether the client still wants it: neither closed nor replaced since, and the connection is there."""
    return subscription.connection.session.subscriptions.get(subscription.name) is subscription
