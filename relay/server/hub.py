"""What all connections share: settings in force, the pipeline, fan-out, queries, limits, and the one timer.

The hub knows storage only by its interfaces; `relay.app` builds it. It has one clock tick a second for everything that would
otherwise be a timer per connection: pings, dead peers, unanswered closes, the sweep of expired events. The tick waits for
nothing: what takes its time is a task beside it.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from websockets.frames import CloseCode

from relay.config import Config
from relay.errors import Prefix, Reject
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.session import Rules
from relay.roles.page import FAULTY, Page
from relay.server import limits
from relay.server.fanout import Fanout
from relay.server.follow import Applied, Follower
from relay.server.health import Health, roles_of
from relay.server.ingest import Ingest
from relay.server.intake import ALLOWED, PER_ADDRESS, PER_SECOND, Intake
from relay.server.proof_checks import ProofChecks
from relay.server.publishing import Publisher
from relay.server.queries import Queries
from relay.server.settings import Settings
from relay.server.supervision import Faults, Tasks
from relay.server.websocket import Connection
from storage.base import Limits, Missing, Reader, StorageError
from storage.commands import Compact, CountRows, Rebuild, RemoveMatching, Sweep
from storage.search.engine import SearchEngine

if TYPE_CHECKING:
    from relay.server.identities import Identities

TICK: Final = 1.0  # seconds
CLOSE_TIMEOUT: Final = 2.0  # seconds a peer may take to answer a close frame
SWEEP_BATCH: Final = 1000

log = logging.getLogger("tidings.hub")


class Hub:
    """One relay's shared state. Made on the running loop; all methods are called there."""

    identities: "Identities"  # set by whoever made the hub, before a door opens; so is the next
    search: SearchEngine

    def __init__(
        self, settings: Settings, page: Page, reader: Reader, self_pubkey: str, *, faults: Faults, role: int = 0
    ) -> None:
        """`self_pubkey` is the relay's own key, `role` the number of this front on the page.

        The first front keeps house, too: it sweeps what has expired.
        """
        self.role = role
        self.settings = settings
        config, self.relay_url = settings.config, settings.relay_url
        at = urlsplit(self.relay_url).path.rstrip("/")
        self.paths = frozenset(
            ("/", at or "/", f"{at}/")
        )  # where the relay is: on any other it would have another name
        self.reader = reader
        self.page = page
        page.begin(role)
        self.clock = asyncio.get_running_loop().time
        self.faults = faults
        self.fanout = Fanout()
        self.connections: set[Connection] = set()
        self.paused: set[Connection] = set()
        self.dirty: set[Connection] = set()  # have something queued
        self.websockets = limits.OpenConnections(page, role, "connections")
        self.http_connections = limits.OpenConnections(page, role, "http")
        self.streams = limits.OpenConnections(page, role, "streams", "stream ")
        self.checks = ProofChecks(self.clock)
        self.buckets = limits.Buckets()
        self.wasted = limits.Buckets()
        self.intake = Intake(self.faults)
        self.key_buckets = limits.Buckets()
        self.ingest = Ingest(role, page, reader, config.storage.queue, self.faults, flush=self.flush, pace=self._pace)
        self.log = self.ingest.log
        self.publisher = Publisher(self.ingest, settings, self_pubkey)
        self.log.add(self._publish)
        self.queries = Queries(reader, config.storage.readers, _limits(config), self.faults)
        self.draining = False
        self._drain: asyncio.Task[None] | None = None
        self._tasks = Tasks(self.faults)
        self._sweeping: asyncio.Task[None] | None = None
        self._swept_at = self.clock()
        self.configure(config)
        self._tasks.repeat(self._tick, "the ticker")

    @property
    def config(self) -> Config:
        """The settings in force."""
        return self.settings.config

    def configure(self, config: Config) -> None:
        """Put settings in force, at the start and again on a reload."""
        self.settings.config = config
        self.networks = limits.networks(config.server.trusted_proxies)
        limit = config.limits
        self.rules = Rules(
            limit.max_subscriptions,
            limit.max_filters,
            limit.max_filter_values,
            config.access.auth_to_read,
            searched=frozenset((*config.search.kinds, *config.search.knowledge_kinds)),
        )
        self.challenges_all = config.access.challenge == "always" or config.access.auth_to_read
        self.too_long = f"invalid: a message has at most {limit.max_message_bytes} bytes here"
        self.limits_messages = config.rates.messages_per_address > 0
        self.queries.limits = _limits(config)
        if config.access.auth_to_read:
            self._end_unauthenticated()

    def _end_unauthenticated(self) -> None:
        reason = Reject(Prefix.AUTH_REQUIRED, "this relay now serves authenticated clients only (NIP-42)")
        for connection in self.connections:
            if not connection.session.keys:
                for subscription in list(connection.session.subscriptions.values()):
                    connection.end(subscription, reason)
        self.flush()

    # what connections ask

    def admit(self, address: str) -> str | None:
        """Count a new connection in; why not, when there is no room for it."""
        if self.draining:
            return "this relay is shutting down; try again in a moment"
        rates = self.config.rates
        return self.websockets.enter(address, rates.connections_per_address, self.config.server.max_connections)

    def admit_http(self, address: str) -> str | None:
        """Count a new HTTP connection in; why not, when its address has too many. While draining `/health` is still asked."""
        rates = self.config.rates
        return self.http_connections.enter(address, rates.connections_per_address, self.config.server.max_connections)

    def may_send(self, address: str) -> bool:
        """Whether one more message from this address is within its rate."""
        rates = self.config.rates
        return self.buckets.take(address, rates.messages_per_address, rates.burst, self.clock())

    def may_waste(self, address: str, cost: float) -> bool:
        """Whether a message that was sent in vain is within what its address may send so (`intake.waste`)."""
        return self.wasted.take(address, PER_ADDRESS * PER_SECOND, ALLOWED / PER_SECOND, self.clock(), cost)

    def _pace(self, event: Event) -> Reject | None:
        """`rates.events_per_key`, for an event whose signature is right."""
        rates = self.config.rates
        per_second = rates.events_per_key / 60
        if per_second and not self.key_buckets.take(event.pubkey, per_second, rates.burst, self.clock()):
            return Reject(Prefix.RATE_LIMITED, "this key publishes too fast; slow down")
        return None

    def flush(self) -> None:
        """Write out what was queued on any connection, and let those read on that waited for room."""
        dirty, self.dirty = self.dirty, set()
        for connection in dirty:
            self._attend(connection, connection.flush)
        if self.paused and self.ingest.room():
            for connection in list(self.paused):
                self._attend(connection, connection.consider_reading)

    def _attend(self, connection: Connection, work: Callable[[], None]) -> None:
        """Do something about one connection; where that fails, that one is cut, since it may have missed something."""
        try:
            work()
        except Exception as error:
            self.faults.report("a connection", error)
            connection.abort()

    async def connect(self, sock: socket.socket) -> None:
        """Use this socket as the link to the writer."""
        await asyncio.get_running_loop().create_unix_connection(lambda: self.ingest.link, sock=sock)

    def _publish(self, applied: Applied) -> None:
        for live in applied.events:
            try:
                self.fanout.publish(live)
            except Exception as error:
                self.faults.report("live delivery", error)

    # what HTTP asks

    def follow(self, follower: Follower) -> None:
        """From now on tell `follower` of every commit, in order, on the loop."""
        self.log.add(follower)

    # what the control socket and the tools ask (relay.server.control.Service)

    async def remove(self, wanted: Filter, limit: int) -> int:
        """The operator's deletion of at most `limit` events; how many went."""
        return await self.ingest.execute(RemoveMatching(wanted, limit))

    async def compact(self) -> None:
        """Give free space back; clients wait meanwhile."""
        await self.ingest.execute(Compact())

    async def rebuild(self) -> int:
        """Make the derived rows again from the log, a part at a time: events are taken in between; how many rows there are then."""
        part: Rebuild | None = Rebuild()
        while part is not None:
            part = (await self.ingest.execute(part)).following
        return await self.ingest.execute(CountRows())

    def health(self) -> Health:
        """How the relay is doing now: all its roles together."""
        self._tell_page()
        page = self.page
        roles = roles_of(page)
        writer = next((role.status for role in roles if role.name == "writer"), "down")
        # Where the writer can write, it has stored another front's events since ours failed.
        failure = self.ingest.failure if writer == "unwritable" else None
        problem = failure or self._problem() or next((role.problem for role in roles if role.problem), None)
        return Health(
            status="draining" if self.draining else "degraded" if problem else "ok",
            takes_events=not self.draining and writer in ("ok", "degraded", "busy"),
            uptime=page.uptime,
            connections=page.total("connections"),
            subscriptions=page.total("subscriptions"),
            waiting=page.total("waiting"),
            stored=page.total("stored"),
            refused=page.total("refused"),
            delivered=page.total("delivered"),
            last_seq=self.ingest.last_seq,
            search=self.search.health(),
            roles=roles,
            problem=problem,
        )

    def _problem(self) -> str | None:
        """What is wrong here."""
        missing = self.page.missing
        return (missing and str(Missing(*missing))) or self.faults.problem()

    def _tell_page(self) -> None:
        """Store what the other fronts are to know of this one."""
        ingest = self.ingest
        self.page.beat(self.role)
        self.page.store(
            self.role,
            subscriptions=self.fanout.count,
            waiting=ingest.pending,
            stored=ingest.stored,
            refused=ingest.refused,
            delivered=self.fanout.delivered,
            faults=self.faults.count,
            degraded=FAULTY if self.faults.problem() else 0,
            applied=self.log.number,
        )

    # time

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            now = self.clock()
            self._tell_page()
            self._visit(now)
            interval = self.config.storage.sweep_interval
            due = not self.role and interval and now - self._swept_at >= interval
            if due and (self._sweeping is None or self._sweeping.done()):
                self._swept_at = now
                self._sweeping = self._tasks.start(self._sweep(), "the sweep of expired events")

    def _visit(self, now: float) -> None:
        for connection in list(self.connections):
            self._attend(connection, partial(self._look_at, connection, now))

    def _look_at(self, connection: Connection, now: float) -> None:
        server = self.config.server
        if connection.closing_at:
            if now - connection.closing_at > CLOSE_TIMEOUT:
                connection.abort()
        elif not connection.writable:
            if connection.is_stuck(now, server.ping_timeout):
                connection.abort()  # it would keep its part of our memory for as long as it likes
        elif connection.paused:
            return  # its pong may be in what we do not read yet
        elif connection.pinged_at > connection.heard_at:
            if now - connection.pinged_at > server.ping_timeout:
                connection.abort()
        elif server.ping_interval and now - connection.heard_at > server.ping_interval:
            connection.ping(now)

    async def _sweep(self) -> None:
        try:
            while await self.ingest.execute(Sweep(SWEEP_BATCH)) == SWEEP_BATCH:
                pass
        except StorageError as error:
            log.error("sweep of expired events: %s", error)

    # the end

    def begin_drain(self) -> None:
        """Take nothing more, finish what is queued, then close every connection. Idempotent."""
        if not self.draining:
            self.draining = True
            self._drain = self._tasks.start(self._close_all(), "the drain")

    async def _close_all(self) -> None:
        """No CLOSED: clients take it as final, and resume after a lost socket.

        1001 and not 1012 (restart): whether it is one, only who starts the next process knows; clients resume after either.
        """
        await self.ingest.drained()
        for connection in list(self.connections):
            self._attend(connection, partial(self._say_goodbye, connection))

    def _say_goodbye(self, connection: Connection) -> None:
        connection.close(CloseCode.GOING_AWAY, "this relay is shutting down")
        connection.transport.resume_reading()  # for the peer's close frame; messages are not acted on any more

    async def close(self) -> None:
        """Finish what is under way and stop; storage is the caller's to close. Idempotent."""
        self.begin_drain()
        assert self._drain is not None
        await self._drain
        await self._tasks.close()
        await self.queries.close()
        await self.ingest.close()


def _limits(config: Config) -> Limits:
    return Limits(config.limits.default_limit, config.limits.max_limit)
