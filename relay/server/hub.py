"""What all connections share: settings in force, the pipeline, fan-out, queries, limits, and the one timer.

The hub knows storage only by its interfaces; `relay.app` builds it. It has one clock tick a second for everything that would
otherwise be a timer per connection: pings, dead peers, unanswered closes, the sweep of what is due. The tick waits for
nothing: what takes its time is a task beside it.
"""

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from typing import Final, Protocol

from relay.config import Config
from relay.errors import Prefix, Reject
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.roles import metrics
from relay.roles.page import SharedPage
from relay.server.comparisons.comparing import Comparisons
from relay.server.connection.connections import Connections
from relay.server.connection.shared import Shared
from relay.server.events.fanout import Fanout
from relay.server.events.follow import Applied, Follower
from relay.server.events.ingest import Ingest
from relay.server.events.publishing import Publisher
from relay.server.events.write_policy.write_policy import WritePolicy
from relay.server.health import Health, roles_of
from relay.server.identities.identities import Identities
from relay.server.lasting import LastingAnswers
from relay.server.limits.gate import Gate
from relay.server.limits.intake import Intake
from relay.server.limits.proof_checks import ProofChecks
from relay.server.live_rules import LiveRules
from relay.server.livekit import Rooms
from relay.server.reading.queries import Queries
from relay.server.reading.read_access import ReadAccess
from relay.server.settings import Settings
from relay.server.supervision import Faults, Tasks
from relay.server.sweeping import Sweeping
from relay.server.turns import Turns
from storage.base import ComparedLog, FollowedLog, Limits, Log, Missing, PrimaryTables
from storage.commands import Compact, CountRows, Rebuild, RemoveMatching
from storage.search.engine import SearchEngine

TICK: Final = 1.0  # seconds
STOOD_STILL: Final = 3.0  # seconds between two ticks that are too many
TAKING: Final = ("ok", "degraded", "busy")  # a writer that does so takes events
UNREACHABLE: Final = (
    "the writer runs and cannot be reached; if its socket in the data directory was deleted, start the relay again"
)

log = logging.getLogger("tidings.hub")


class ServedLog(Log, ComparedLog, FollowedLog, PrimaryTables, Protocol):
    """What a front reads of the log, and of who is a member of what."""


class Hub:
    """One relay's shared state. Made on the running loop; all methods are called there."""

    identities: Identities  # set by whoever made the hub, before a door opens; so is the next
    search: SearchEngine

    def __init__(
        self,
        settings: Settings,
        page: SharedPage,
        reader: ServedLog,
        self_pubkey: str,
        *,
        faults: Faults,
        role: int,
    ) -> None:
        """`self_pubkey` is the relay's own key, `role` the number of this front on the page; the first sweeps what is due."""
        self.role = role
        self.settings = settings
        config, self.relay_url = settings.config, settings.relay_url
        self.page = page
        page.begin(role)
        self.clock = asyncio.get_running_loop().time
        self.faults = faults
        self.gate = Gate(settings, page, role, self.clock)
        self.lasting = LastingAnswers()
        self.checks = ProofChecks(self.clock)
        self.connections = Connections(settings, self._has_room, faults)
        self.policy = WritePolicy(settings, faults, own=self_pubkey, capacity=config.storage.queue)
        self.ingest = self._pipeline(reader)
        self.log = self.ingest.log
        self.publisher = Publisher(self.ingest, settings, self_pubkey)
        self.fanout = Fanout()
        self.access = self.log.kept = ReadAccess(reader, self.log.is_current, faults)
        self.rules = LiveRules(
            settings, reader, self.ingest.execute, faults, told=self._settings_replaced, relay=self_pubkey
        )
        for follower in (self.rules.applied, self.access.before, self._publish, self.access.after):
            self.log.add(follower)
        self.rooms = Rooms(reader, settings)
        self.comparisons = Comparisons(self.access, self.clock, faults)
        turns = Turns(faults)
        self.queries = Queries(
            reader,
            self.fanout,
            self.access,
            config.storage.readers,
            faults,
            turns=turns,
            search=lambda: self.search,
            invite=self._invite,
            numbers=self.ingest.numbers,
        )
        self.shared = self._share(Intake(faults, turns))
        self._drain: asyncio.Task[None] | None = None
        self._tasks = Tasks(self.faults)
        link = self.ingest.link
        self.sweeping = Sweeping(
            config, self.ingest.execute, self.clock, self._tasks, self._tell_dropped, writer=lambda: link.writers
        )
        self.configure(config)
        self._tasks.repeat(self._tick, "the ticker")

    def _pipeline(self, reader: ServedLog) -> Ingest:
        """From events that were handed in to their answers."""
        return Ingest(
            self.role,
            self.page,
            reader,
            self.settings.config.storage.queue,
            self.faults,
            flush=self.connections.flush,
            pace=self.gate.pace,
            policy=self.policy,
        )

    def _share(self, intake: Intake) -> Shared:
        """What a connection has of this."""
        return Shared(
            settings=self.settings,
            clock=self.clock,
            gate=self.gate,
            intake=intake,
            connections=self.connections,
            ingest=self.ingest,
            publisher=self.publisher,
            fanout=self.fanout,
            access=self.access,
            queries=self.queries,
            comparisons=self.comparisons,
            checks=self.checks,
            begin_drain=self.begin_drain,
        )

    @property
    def config(self) -> Config:
        """The settings in force."""
        return self.settings.config

    def configure(self, config: Config) -> None:
        """Put settings in force, at the start and again on a reload."""
        self.settings.read(config)
        self._settings_replaced()

    def _settings_replaced(self) -> None:
        config = self.config
        self.policy.configure()
        before = self.gate.blocked
        self.gate.configure()
        if self.gate.blocked is not before:
            self.connections.end_blocked(self.gate.blocked)
            self.lasting.end_blocked(self.gate.blocked)
        self.shared.configure()
        self.queries.configure(_limits(config), config.server.eose_hints)
        self.comparisons.configure(config.limits)
        if not self.role:
            self.sweeping.configure(config)
        if config.access.auth_to_read:
            reason = Reject(Prefix.AUTH_REQUIRED, "this relay now serves authenticated clients only (NIP-42)")
            self.connections.end_unauthenticated(reason)

    def _has_room(self) -> bool:
        return self.ingest.room()

    async def _invite(self, filters: Sequence[Filter], address: str, keys: frozenset[str]) -> Event | None:
        return await self.identities.invite(filters, address, keys)

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
        looked, begun = 0, time.monotonic()
        log.info("making all derived rows again, between other work")
        try:
            while part is not None:
                self.page.store(self.role, rebuilding=max(looked, 1))
                done = await self.ingest.execute(part)
                part, looked = done.following, looked + done.looked
        finally:
            self.page.store(self.role, rebuilding=0)
            words = "derived rows are made again" if part is None else "making derived rows again was broken off"
            log.info("%s: %d looked at in %.1f s", words, looked, time.monotonic() - begun)
        return await self.ingest.execute(CountRows())

    def health(self) -> Health:
        """How the relay is doing now: all its roles together."""
        measured = self.measured()
        page = self.page
        roles = roles_of(page)
        writer = next((role.status for role in roles if role.name == "writer"), "down")
        # Where the writer can write, it has stored another front's events since ours failed.
        failure = self.ingest.failure if writer == "unwritable" else None
        if writer in TAKING and self.ingest.link.is_lost:
            writer, failure = "unreachable", UNREACHABLE
        problem = failure or self._problem() or next((role.problem for role in roles if role.problem), None)
        return Health(
            status="draining" if self.gate.draining else "degraded" if problem else "ok",
            takes_events=not self.gate.draining and writer in TAKING,
            uptime=page.uptime,
            connections=page.total("connections"),
            subscriptions=page.total("subscriptions"),
            waiting=page.total("waiting"),
            stored=sum(metrics.of("stored", measured)),
            refused=sum(metrics.of("refused", measured)),
            dropped=page.total("dropped"),
            delivered=page.total("delivered"),
            plugin_accepted=page.total("plugin_accepted"),
            plugin_rejected=page.total("plugin_rejected"),
            plugin_shadow_rejected=page.total("plugin_shadow_rejected"),
            plugin_failed=page.total("plugin_failed"),
            last_seq=self.ingest.last_seq,
            rebuilding=page.total("rebuilding"),
            later_parts=page.total("later_parts"),
            peers=page.total("peers"),
            peers_in_step=page.total("peers_in_step"),
            peers_comparing=page.total("peers_comparing"),
            search=self.search.health(),
            roles=roles,
            problem=problem,
        )

    def measured(self) -> list[int]:
        """What all roles have counted and timed since the start (`relay.roles.metrics`)."""
        self._tell_page()
        return self.page.measured()

    def _problem(self) -> str | None:
        """What is wrong here."""
        missing = self.page.missing
        return (missing and str(Missing(*missing))) or self.policy.problem() or self.faults.problem()

    def _tell_page(self) -> None:
        """Store what the other fronts are to know of this one."""
        ingest = self.ingest
        self.page.say_alive(self.role)
        self.page.store(
            self.role,
            subscriptions=self.fanout.count,
            waiting=ingest.pending,
            delivered=self.fanout.delivered,
            applied=self.log.number,
            **self.faults.figures(),
            **self.policy.figures(),
        )
        self.page.measure(self.role, ingest.numbers)

    # time

    async def _tick(self) -> None:
        now, passes_over = self.clock(), False
        while True:
            await asyncio.sleep(TICK)
            before, now = now, self.clock()
            self._tell_page()
            # Where it is we who stood still, what clients sent meanwhile is not read yet.
            passes_over = now - before > STOOD_STILL and not passes_over
            if not passes_over:
                self.connections.look_after(now)
                self.comparisons.end_idle()
                self.shared.long_messages.end_slow()
            if not self.role:
                self.sweeping.tick(now)

    def _tell_dropped(self, number: int) -> None:
        self.page.store(self.role, dropped=number)

    # the end

    def begin_drain(self) -> None:
        """Take nothing more, finish what is queued, then close every connection. Idempotent."""
        if not self.gate.draining:
            self.gate.draining = True
            self.ingest.end_soon()
            self._drain = self._tasks.start(self._close_all(), "the drain")

    async def _close_all(self) -> None:
        """No CLOSED, and no close frame: some libraries take either as final, and all of those resume after a lost socket."""
        await self.ingest.drained()
        self.connections.hang_up()

    async def close(self) -> None:
        """Finish what is under way and stop; storage is the caller's to close. Idempotent."""
        self.begin_drain()
        assert self._drain is not None
        await self._drain
        await self._tasks.close()
        await self.rules.close()
        await self.access.close()
        await self.queries.close()
        await self.comparisons.shut()
        await self.ingest.close()


def _limits(config: Config) -> Limits:
    return Limits(config.limits.default_limit, config.limits.max_limit)
