"""What every WebSocket connection of a front uses: the pipeline, fan-out, queries and limits, and settings made ready for it."""

from collections.abc import Callable
from urllib.parse import urlsplit

from relay.protocol.session import Rules
from relay.server.comparisons.comparing import Comparisons
from relay.server.connection.connections import Connections
from relay.server.events.fanout import Fanout
from relay.server.events.ingest import Ingest
from relay.server.events.publishing import Publisher
from relay.server.limits.gate import Gate
from relay.server.limits.intake import Intake
from relay.server.limits.long_messages import LongMessages
from relay.server.limits.proof_checks import ProofChecks
from relay.server.reading.queries import Queries
from relay.server.reading.read_access import ReadAccess
from relay.server.settings import Settings


class Shared:
    """Plain attributes, set once; `configure` is called when the settings were replaced."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Callable[[], float],
        gate: Gate,
        intake: Intake,
        connections: Connections,
        ingest: Ingest,
        publisher: Publisher,
        fanout: Fanout,
        access: ReadAccess,
        queries: Queries,
        comparisons: Comparisons,
        checks: ProofChecks,
        begin_drain: Callable[[], None],
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.gate = gate
        self.intake = intake
        self.connections = connections
        self.ingest = ingest
        self.numbers = ingest.numbers
        self.publisher = publisher
        self.fanout = fanout
        self.access = access
        self.queries = queries
        self.comparisons = comparisons
        self.checks = checks
        self.long_messages = LongMessages(clock)
        self.begin_drain = begin_drain
        at = urlsplit(settings.relay_url).path.rstrip("/")
        # Where the relay is: on any other it would have another name.
        self.paths = frozenset(("/", at or "/", f"{at}/"))
        self.configure()

    def configure(self) -> None:
        """Make the settings ready that are looked at for every message."""
        config = self.settings.config
        limit = config.limits
        self.rules = Rules(
            limit.max_subscriptions,
            limit.max_filters,
            limit.max_filter_values,
            config.access.auth_to_read,
            searched=frozenset((*config.search.kinds, *config.search.knowledge_kinds)),
            max_compared=limit.max_compared,
        )
        self.challenges_all = config.access.challenge == "always" or config.access.auth_to_read
        self.too_long = f"invalid: a message has at most {limit.max_message_bytes} bytes here"
        if limit.max_comparison_bytes > limit.max_message_bytes:
            self.too_long += f", one that goes on with a comparison (NEG-MSG) {limit.max_comparison_bytes}"
