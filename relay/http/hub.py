"""What HTTP needs to know of the running relay; `relay.app` provides it.

Everything is read at each request: settings can be reloaded and figures change.
"""

from collections.abc import Hashable, Sequence
from typing import Protocol

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from relay.config import Config
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.facts import GivenToken
from relay.protocol.filter import Filter
from relay.server.events.follow import Follower
from relay.server.events.link import Link
from relay.server.health import RoleHealth
from relay.server.identities.identities import Identities
from relay.server.lasting import LastingAnswers
from relay.server.limits.addresses import AddressSet
from relay.server.limits.rates import OpenConnections
from relay.server.live_rules import LiveRules
from relay.server.livekit import Rooms
from relay.server.supervision import Faults
from storage.access import RuleChange
from storage.base import Expected, Log, Outcome, Readers, ScannedLog, VersionedLog
from storage.feed import Feed
from storage.peers import Peers
from storage.search.engine import SearchEngine


class HealthFigures(Protocol):
    """How the relay is, as a Struct: `/health` answers with all its fields, of which these must be among them.

    `status` is `ok`, `degraded` (something is wrong: `problem` says what) or `draining` (it is shutting down).
    """

    @property
    def status(self) -> str:
        """`ok`, `degraded` or `draining`."""

    @property
    def takes_events(self) -> bool:
        """Whether events can be written now."""

    @property
    def connections(self) -> int:
        """Open WebSocket connections."""

    @property
    def roles(self) -> Sequence[RoleHealth]:
        """How each of its parts does."""


class ReadLog(Log, VersionedLog, ScannedLog, Protocol):
    """The log as HTTP reads it."""


class OperatedRelay(Protocol):
    """What who runs the relay has it do."""

    async def change_rules(self, *changes: RuleChange) -> list[bool]:
        """Carry out what the operator says; whether there was something to change, of each. Raises StorageError and Reject."""

    async def remove(self, wanted: Filter, limit: int) -> int:
        """The operator's removal of at most `limit` events; how many went. Raises StorageError."""


class RunningRelay(OperatedRelay, Protocol):
    """The running relay, seen from HTTP."""

    @property
    def config(self) -> Config:
        """The effective settings, as of now."""

    @property
    def nips(self) -> tuple[int, ...]:
        """The NIPs this relay implements, ascending."""

    @property
    def version(self) -> str:
        """The version of the software."""

    @property
    def software(self) -> str:
        """URL of the project's home page (NIP-11)."""

    @property
    def self_pubkey(self) -> str | None:
        """The relay's own public key, hex, where it has one (NIP-11 `self`)."""

    @property
    def reader(self) -> ReadLog:
        """Where events are read."""

    @property
    def identities(self) -> Identities:
        """Identities, their tokens and keys."""

    @property
    def rooms(self) -> Rooms:
        """Tokens for the audio and video of groups."""

    @property
    def streams(self) -> OpenConnections:
        """The streams of server-sent events that are open."""

    @property
    def lasting(self) -> LastingAnswers:
        """Answers that go on for as long as somebody listens."""

    @property
    def answers(self) -> Link:
        """Who knows what was answered to requests that may come again."""

    @property
    def numbers(self) -> list[int]:
        """What this process counts and times (`relay.roles.metrics`)."""

    @property
    def fronts(self) -> int:
        """How many processes serve clients."""

    @property
    def last_seq(self) -> int:
        """The number of the last event that the log has taken in, as of now."""

    @property
    def is_draining(self) -> bool:
        """Whether the relay is shutting down, as of now."""

    @property
    def blocked(self) -> AddressSet:
        """The addresses whose clients are refused."""

    @property
    def rules(self) -> LiveRules:
        """What the operator said while it ran."""

    @property
    def faults(self) -> Faults:
        """Where what nobody foresaw is reported."""

    @property
    def peers(self) -> Peers:
        """What is known of the relays that this one stays in step with."""

    @property
    def feed(self) -> Feed:
        """Posts and comments."""

    @property
    def search(self) -> SearchEngine:
        """Search by words and by meaning."""

    async def readers_of(self, identity_id: str) -> Readers:
        """Under which names the identity reads private events, as of now: its keys, and the groups that these are in."""

    async def publish(
        self,
        event: Event,
        door: Door,
        *,
        trusted: bool = False,
        expected: Expected | None = None,
        source: Hashable = None,
        url: str = "",
        token: GivenToken | None = None,
    ) -> Outcome:
        """Take an event by the policies of its door; its outcome, durable. `trusted`: the relay signed it just now.

        `source` says whose place it takes among the events to verify, `url` under which URL they know this relay.
        Where something is `expected`, it is refused with `Changed` when that does not hold any more, and when the
        `token` that it was sent with has ended meanwhile.
        """

    def follow(self, follower: Follower) -> None:
        """From now on tell `follower` of every commit, in order, on the loop."""

    def health(self) -> HealthFigures:
        """Figures of this moment; never blocks."""

    def measured(self) -> list[int]:
        """What all processes have counted and timed since the start (`relay.roles.metrics`); never blocks."""


GivenHub = NamedDependency[SkipValidation[RunningRelay]]  # what a route declares to be handed the hub
