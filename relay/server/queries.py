"""REQ history and COUNT: what takes a moment is answered at once, the rest stands in a fair line for the storage readers.

What is answered at once has its share of each turn of the event loop. Beyond that every connection has its own queue; the
workers take one job from one connection at a time, in turn, so that a client with a hundred queries delays another by one.
A long answer is sent in parts, each only when the socket has taken the one before: a slow reader parks its job and holds no
worker.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import thread_time
from typing import Final, Protocol

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import kinds, messages
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from relay.protocol.session import CountRequest, Open
from relay.server import frames, searching
from relay.server.fanout import Fanout, LiveSubscription, Receiver
from relay.server.pools import Pool
from relay.server.supervision import Faults, Tasks
from storage.base import Counted, Found, Limits, Reader, StorageError, TooCostly
from storage.identities.types import ChangeRefused
from storage.search.engine import SearchEngine

PART: Final = 100  # events fetched and sent at a time after the first part, whose bytes storage bounds
WORKERS_A_READER: Final = 2  # so that a reader finds its next query waiting
SHARE: Final = 0.002  # seconds of CPU time of one turn of the event loop in which REQs are answered at once
_INVITES: Final = frozenset([kinds.INVITE])
MAX_WAITING: Final = 200  # jobs of one connection; more than that pauses its reading

log = logging.getLogger("tidings.queries")


class History(msgspec.Struct, gc=False):
    """A REQ on its way: read up to `upto`, then EOSE. `rest` is what is still to be sent, None before the query ran."""

    subscription: LiveSubscription
    request: Open
    upto: int
    rest: tuple[int, ...] | None = None
    complete: bool | None = False  # None: nobody can say, since something was searched for
    cut: bool = False  # by the relay's own limit


Job = History | CountRequest


class AskingConnection(Receiver, Protocol):
    """A connection as its queries are answered."""

    address: str
    jobs: list[Job]
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


Invite = Callable[
    [Sequence[Filter], str], Awaitable[Event | None]
]  # an invite for filters that ask for one, by address


class Queries:
    """Owns the workers. All methods are called on the event loop."""

    def __init__(
        self,
        reader: Reader,
        fanout: Fanout,
        readers: int,
        faults: Faults,
        *,
        search: Callable[[], SearchEngine],
        invite: Invite,
    ) -> None:
        self.configure(Limits(), "auto")
        self._reader = reader
        self._fanout = fanout
        self._search = search
        self._invite = invite
        self._ready: deque[AskingConnection] = deque()  # waiting for a worker, each once
        self._wake = asyncio.Semaphore(0)
        self._share_ends = 0.0  # of this turn, 0 where it has not begun
        self._faults = faults
        self._tasks = Tasks(faults)
        self._packers = Pool("compress", readers, readers * WORKERS_A_READER)  # one job a worker: never full
        for _ in range(readers * WORKERS_A_READER):
            self._tasks.repeat(self._work, "a query worker")
        self.answered = 0

    def configure(self, limits: Limits, eose_hints: str) -> None:
        """Put settings in force: how many events a filter gives, and `server.eose_hints`."""
        self.limits = limits
        self._eose_hints = eose_hints

    def submit(self, connection: AskingConnection, job: Job) -> None:
        """Answer a job at once, or put it at the end of its connection's queue."""
        idle = not connection.jobs and not connection.lined_up and connection.writable and not connection.deflate
        if idle and type(job) is History and self._has_share() and self._answer(connection, job):
            return
        connection.jobs.append(job)
        self.wake(connection)

    def _answer(self, connection: AskingConnection, job: History) -> bool:
        """Whether it was answered, if only in part, or refused: there and then."""
        try:
            wires = self._moment(connection, job)
            if wires is None:
                return False
            self._deliver(connection, job, frames.events(job.subscription.prefix, wires))
        except Exception as error:
            self._fail(connection, job, error)
        self.wake(connection)
        return True

    def wake(self, connection: AskingConnection) -> None:
        """The connection may have work that can go on: a new job, or its socket took what it was given."""
        if connection.jobs and not connection.lined_up and connection.writable:
            connection.lined_up = True
            self._ready.append(connection)
            self._wake.release()

    async def close(self) -> None:
        """End the workers at once; what they had not sent is not sent."""
        await self._tasks.close()
        self._packers.close()

    async def _work(self) -> None:
        while True:
            await self._wake.acquire()
            connection = self._ready.popleft()
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
            del connection  # a client that left is not kept while this worker waits

    async def _run(self, connection: AskingConnection, job: Job) -> None:
        try:
            if isinstance(job, CountRequest):
                await self._count(connection, job)
            else:
                await self._history(connection, job)
        except Exception as error:
            self._fail(connection, job, error)

    def _fail(self, connection: AskingConnection, job: Job, error: Exception) -> None:
        """What went wrong is the client's answer, and where it is not the client's doing, the log's."""
        reason = error if isinstance(error, Reject) else Reject(Prefix.ERROR, str(error))
        if not isinstance(error, StorageError | Reject | ChangeRefused):
            self._faults.report("a query", error)
            reason = Reject(Prefix.ERROR, f"internal error ({type(error).__name__})")
        elif isinstance(error, StorageError) and not isinstance(error, TooCostly):
            log.error("query: %s", error)
        if isinstance(job, CountRequest):
            connection.send(messages.closed(job.subscription, reason))
        elif _is_open(job):
            connection.end(job.subscription, reason)

    async def _count(self, connection: AskingConnection, job: CountRequest) -> None:
        keys, now = connection.session.keys, int(time.time())
        if searching.searches(job.filters):
            (wanted,) = job.filters  # the session lets no more through
            counted = Counted(await searching.count(self._search(), wanted, searching.SearchScope(keys, now)))
        else:
            counted = await self._reader.count(job.filters, keys, now, job.offset)
        self.answered += 1
        connection.send(messages.count(job.subscription, counted.total, counted.hll))

    async def _history(self, connection: AskingConnection, job: History) -> None:
        if not self._has_share():
            await asyncio.sleep(0)  # a turn for the others
        if not _is_open(job):
            return
        wires = self._moment(connection, job)
        if wires is None:
            wires = await self._read(connection, job)
        prefix = job.subscription.prefix
        if connection.deflate:
            data = await self._packers.run(partial(frames.deflated_events, prefix, wires))
        else:
            data = frames.events(prefix, wires)
        if _is_open(job):
            self._deliver(connection, job, data)

    def _has_share(self) -> bool:
        """Whether this turn of the event loop has time left for queries."""
        now = thread_time()
        if not self._share_ends:
            self._share_ends = now + SHARE
            asyncio.get_running_loop().call_soon(self._end_turn)
        return now < self._share_ends

    def _end_turn(self) -> None:
        self._share_ends = 0.0

    def _moment(self, connection: AskingConnection, job: History) -> list[bytes] | None:
        """The first part of an answer, where that takes a moment."""
        filters = job.request.filters
        if job.rest is not None or searching.searches(filters) or _asks_for_invites(filters):
            return None
        found = self._reader.at_once(filters, connection.session.keys, int(time.time()), job.upto, self.limits)
        if found is None:
            return None
        return _begun(job, found)

    async def _read(self, connection: AskingConnection, job: History) -> list[bytes]:
        """The first part of an answer, or the next."""
        now = int(time.time())
        if job.rest is not None:
            part, job.rest = job.rest[:PART], job.rest[PART:]
            return await self._reader.fetch(part, now)
        filters, keys = job.request.filters, connection.session.keys
        if _asks_for_invites(filters):
            invite = await self._invite(filters, connection.address)
            job.rest, job.complete = (), True
            return [] if invite is None else [wire(invite)]
        if searching.searches(filters):
            scope = searching.SearchScope(keys, now, job.upto, self.limits)
            answered = await searching.history(self._search(), self._reader, filters, scope)
            job.rest, job.complete = answered.rest, None
            return answered.wires
        return _begun(job, await self._reader.query(filters, keys, now, job.upto, self.limits))

    def _deliver(self, connection: AskingConnection, job: History, data: bytes) -> None:
        """Queue a part of an answer; after the last EOSE, else the job goes to the front of its queue."""
        connection.queue(data)
        if job.rest:
            connection.jobs.insert(0, job)
            return
        self.answered += 1
        connection.send(messages.eose(job.request.subscription, _hint(job, self._eose_hints)))
        self._fanout.release(job.subscription)


def _begun(job: History, found: Found) -> list[bytes]:
    """The first part of what was found; the job keeps the rest."""
    job.rest, job.complete, job.cut = found.rest, found.complete, found.cut
    return found.wires


def _hint(job: History, wanted: str) -> str | None:
    """NIP-67's hint, by `server.eose_hints`.

    A client that gets fewer events than its limit knows that these are all, and one that gets as many asks on: what counting
    cannot tell it is that the relay's limit was below its own. Strict parsers take an EOSE of three elements for none.
    """
    if wanted == "always" and job.complete is not None:
        return "finish" if job.complete else "more"
    return "more" if wanted == "auto" and job.cut else None


def _asks_for_invites(filters: Sequence[Filter]) -> bool:
    """Whether a REQ asks for invites (NIP-43) and nothing else."""
    return all(wanted.kinds == _INVITES for wanted in filters)


def _is_open(job: History) -> bool:
    """Whether the client still wants it: neither closed nor replaced since, and the connection is there."""
    subscription = job.subscription
    return subscription.connection.session.subscriptions.get(subscription.name) is subscription
