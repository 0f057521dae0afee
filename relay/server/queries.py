"""REQ history and COUNT: a fair line in front of the storage readers.

Every connection has its own queue; the workers take one job from one connection at a time, in turn, so that a client with a
hundred queries delays another by one. A long answer is sent in parts, each only when the socket has taken the one before: a
slow reader parks its job and holds no worker.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import kinds, messages
from relay.protocol.event import wire
from relay.protocol.filter import Filter
from relay.protocol.session import Open, Tally
from relay.server import frames, searching
from relay.server.fanout import Subscription
from storage.base import Counted, Limits, Reader, StorageError, TooCostly
from storage.people import Refused

if TYPE_CHECKING:
    from relay.server.websocket import Connection

PART: Final = 100  # events fetched and sent at a time after the first part, whose bytes storage bounds
# So that a reader finds its next query waiting; handing over to a sleeping thread costs more.
WORKERS_A_READER: Final = 4
_INVITES: Final = frozenset([kinds.INVITE])
MAX_WAITING: Final = 200  # jobs of one connection; more than that pauses its reading

log = logging.getLogger("tidings.queries")


class History(msgspec.Struct, gc=False):
    """A REQ on its way: read up to `upto`, then EOSE. `rest` is what is still to be sent, None before the query ran."""

    subscription: Subscription
    request: Open
    upto: int
    rest: tuple[int, ...] | None = None
    complete: bool | None = False  # None: nobody can say, since something was searched for


Job = History | Tally


class Queries:
    """Owns the workers. All methods are called on the event loop."""

    def __init__(self, reader: Reader, readers: int, limits: Limits) -> None:
        self.limits = limits  # replaced on reload
        self._reader = reader
        self._ready: deque[Connection] = deque()  # waiting for a worker, each once
        self._wake = asyncio.Semaphore(0)
        workers = readers * WORKERS_A_READER
        self._tasks = [asyncio.create_task(self._work(), name=f"query-{number}") for number in range(workers)]
        self.answered = 0

    def submit(self, connection: "Connection", job: Job) -> None:
        """Put a job at the end of its connection's queue."""
        connection.jobs.append(job)
        self.wake(connection)

    def wake(self, connection: "Connection") -> None:
        """The connection may have work that can go on: a new job, or its socket took what it was given."""
        if connection.jobs and not connection.lined_up and connection.writable:
            connection.lined_up = True
            self._ready.append(connection)
            self._wake.release()

    async def close(self) -> None:
        """End the workers at once; what they had not sent is not sent."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            await self._wake.acquire()
            connection = self._ready.popleft()
            if connection.jobs:
                await self._run(connection, connection.jobs.pop(0))
            connection.lined_up = False
            connection.flush()
            connection.consider_reading()
            self.wake(connection)
            del connection  # a client that left is not kept while this worker waits

    async def _run(self, connection: "Connection", job: Job) -> None:
        name = job.subscription.name if isinstance(job, History) else job.subscription
        try:
            if isinstance(job, Tally):
                await self._count(connection, job)
            else:
                await self._history(connection, job)
        except Reject as refusal:
            self._refuse(connection, job, name, refusal)
        except Refused as refused:
            self._refuse(connection, job, name, Reject(Prefix.RATE_LIMITED, refused.message))
        except TooCostly as error:
            self._refuse(connection, job, name, Reject(Prefix.ERROR, str(error)))
        except StorageError as error:
            log.error("query: %s", error)
            self._refuse(connection, job, name, Reject(Prefix.ERROR, str(error)))
        except Exception as error:
            log.exception("query failed")
            self._refuse(connection, job, name, Reject(Prefix.ERROR, f"internal error ({type(error).__name__})"))

    def _refuse(self, connection: "Connection", job: Job, name: str, reason: Reject) -> None:
        if isinstance(job, Tally):
            connection.send(messages.closed(name, reason))
        elif _is_open(job):
            connection.end(job.subscription, reason)

    async def _count(self, connection: "Connection", job: Tally) -> None:
        keys, now = connection.session.keys, int(time.time())
        if searching.searches(job.filters):
            (wanted,) = job.filters  # the session lets no more through
            counted = Counted(await searching.count(connection.hub.search, wanted, searching.Scope(keys, now)))
        else:
            counted = await self._reader.count(job.filters, keys, now, job.offset)
        self.answered += 1
        connection.send(messages.count(job.subscription, counted.total, counted.hll))

    async def _history(self, connection: "Connection", job: History) -> None:
        if not _is_open(job):
            return
        now = int(time.time())
        if job.rest is None and _asks_for_invites(job.request.filters):
            await self._invite(connection, job)
        if job.rest is None and searching.searches(job.request.filters):
            scope = searching.Scope(connection.session.keys, now, job.upto, self.limits)
            answered = await searching.history(connection.hub.search, self._reader, job.request.filters, scope)
            wires, job.rest, job.complete = answered.wires, answered.rest, None
        elif job.rest is None:
            found = await self._reader.query(job.request.filters, connection.session.keys, now, job.upto, self.limits)
            wires, job.rest, job.complete = found.wires, found.rest, found.complete
        else:
            wires = await self._reader.fetch(job.rest[:PART], now)
            job.rest = job.rest[PART:]
        prefix = job.subscription.prefix
        if connection.deflate:
            data = await asyncio.to_thread(frames.deflated_events, prefix, wires)
        else:
            data = frames.events(prefix, wires)
        if not _is_open(job):
            return
        connection.queue(data)
        if job.rest:
            connection.jobs.insert(0, job)
            return
        self.answered += 1
        hint = None if job.complete is None else "finish" if job.complete else "more"
        connection.send(messages.eose(job.request.subscription, hint))
        connection.fanout.release(job.subscription)

    async def _invite(self, connection: "Connection", job: History) -> None:
        invite = await connection.hub.identities.invite(job.request.filters, connection.address)
        if invite is not None and _is_open(job):
            connection.queue(connection.frame(job.subscription.prefix + wire(invite) + b"]"))


def _asks_for_invites(filters: Sequence[Filter]) -> bool:
    """Whether a REQ asks for invites (NIP-43) and nothing else."""
    return all(wanted.kinds is not None and wanted.kinds == _INVITES for wanted in filters)


def _is_open(job: History) -> bool:
    """Whether the client still wants it: neither closed nor replaced since, and the connection is there."""
    subscription = job.subscription
    return subscription.connection.session.subscriptions.get(subscription.name) is subscription
