"""One peer: session after session, with a pause between that grows while nothing comes of them."""

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Callable
from typing import Final

import msgspec

from relay.client.errors import MAX_WORDS, ClientError, Refused
from relay.client.signer import Signer
from relay.errors import internal
from relay.federation.connection import PeerConnection
from relay.federation.home import own_key
from relay.federation.link import Misbehaved
from relay.federation.rules import DEFAULT, PeerRules
from relay.federation.session import PeerSession
from relay.federation.session_parts import PeerParts, SessionPlan
from relay.federation.sync import Direction
from relay.peer_settings import Federation, PeerPolicy, PeerSettings
from relay.protocol import filter as filters
from relay.protocol.retention import Retention
from relay.server.events.follow import LiveEvent
from relay.server.supervision import Faults, ended
from storage.errors import StorageError
from storage.peers import DOWN

FIRST_PAUSE: Final = 1.0  # seconds
LAST_PAUSE: Final = 300.0

log = logging.getLogger("tidings.peers")


class Pauses:
    """Pauses that double from one second to five minutes, each cut by up to a half by chance."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._bound = FIRST_PAUSE
        self._until = 0.0

    def next(self, least: float = 0.0) -> float:
        """Seconds until the next try, at least so many."""
        pause = max(least, self._bound * (0.5 + self._chance() / 2))
        self._bound = min(2 * self._bound, LAST_PAUSE)
        self._until = time.monotonic() + pause
        return pause

    def left(self) -> float:
        """Seconds that are left of the last one."""
        return max(0.0, self._until - time.monotonic())

    @property
    def are_longest(self) -> bool:
        """Whether they grow no more: nothing has come of any session for six minutes or more."""
        return self._bound >= LAST_PAUSE

    def reset(self) -> None:
        """A session was useful."""
        self._bound = FIRST_PAUSE


def plan_of(settings: PeerSettings) -> SessionPlan:
    """What is synchronized, by the settings, which were checked."""
    wanted = tuple(filters.parse(one) for one in settings.filters)
    return SessionPlan(Direction(settings.direction), wanted, settings.since, settings.backfill)


def scope_of(plan: SessionPlan, policy: PeerPolicy, rules: PeerRules) -> str:
    """A name for the events that are synchronized. How far a peer has come is noted under it, and begins anew where it changes.

    After a hyphen it names what of these events is not taken, where that is not what `rules` are by default: where that changes,
    everything is compared anew.
    """
    wanted = [filters.to_json(one).decode() for one in plan.filters]
    named = _digest((plan.direction.value, plan.since, plan.backfill, wanted))
    denied = (policy.denied_keys, policy.denied_kinds)
    if not plan.direction.is_down or (rules == DEFAULT and not any(denied)):
        return named
    return f"{named}-{_digest(denied if rules == DEFAULT else (denied, rules))}"


def _digest(parts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:16]


class PeerRunner:
    """Made for a peer with these settings, which do not change; `start` and `close` are its life.

    Before `start`, `pauses` may be set to those of the runner before it, where this one is to wait as that would have.
    """

    def __init__(
        self,
        settings: PeerSettings,
        parts: PeerParts,
        signer: Signer,
        federation: Callable[[], Federation],
        faults: Faults,
        *,
        rules: PeerRules = DEFAULT,
    ) -> None:
        self.settings = settings
        self.rules = rules
        self.parts = parts
        self.pauses = Pauses()
        self._plan = plan_of(settings)
        self._signer = signer
        self._federation = federation
        self._faults = faults
        self._session: PeerSession | None = None
        self._takes_other = False  # of what was refused before, something may be taken now
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; what was noted for other events than these is forgotten."""
        parts, plan = self.parts, self._plan
        before, scope = parts.record.place.scope, self._scope()
        (named, _, taken), (named_before, _, taken_before) = scope.partition("-"), before.partition("-")
        self._takes_other = bool(before) and taken != taken_before
        if named != named_before:
            from_the_start = plan.backfill and plan.direction is Direction.UP
            parts.record.begin_anew(scope, 0 if from_the_start else parts.source.upto)
        elif self._takes_other:
            parts.record.move(scope=scope, walked_at=0, walk_filter=0, walk_until=None)
        if parts.record.place.up_seq > parts.source.upto:
            # The log is an older copy: its next numbers were given before.
            parts.record.move(up_seq=parts.source.upto, walked_at=0, walk_filter=0, walk_until=None)
        self._task = asyncio.create_task(self._run(), name=f"peer {parts.record.url}")

    def _scope(self) -> str:
        return scope_of(self._plan, self.settings.policy, self.rules)

    def keep_to(self, rules: PeerRules) -> None:
        """Nothing is taken by these that was refused by those before: nothing is to be asked for again."""
        self.rules = rules
        if self._session is not None:
            self._session.retention = Retention(rules.retention)
        self.parts.record.move(scope=self._scope())

    @property
    def is_lost(self) -> bool:
        """Whether the peer has not been reached for long."""
        return self.pauses.are_longest and self.parts.record.status.state != "in step"

    def commit(self, events: list[LiveEvent]) -> None:
        """This relay's log took these in."""
        if self._session is not None:
            self._session.commit(events)

    async def close(self, state: str) -> None:
        """End the session; how it stands from now on."""
        if self._task is not None:
            await ended([self._task])
            await asyncio.gather(self._task, return_exceptions=True)
        self.parts.record.tell(state=state)

    async def _run(self) -> None:
        record = self.parts.record
        if left := self.pauses.left():
            record.tell(state="waiting")
            await asyncio.sleep(left)
        while True:
            record.tell(state="connecting")
            try:
                await self._remember()
                reason = await self._meet()
            except (ClientError, StorageError) as error:
                reason = str(error)
            except Exception as error:
                self._faults.report(f"the session with {record.url}", error)
                reason = f"{internal(error).message}; the log says more"
            reason = _plain(reason[:MAX_WORDS])
            record.tell(state="waiting", last_error=reason, last_error_at=int(time.time()))
            pause = self.pauses.next(self.parts.rest())
            log.info("%s: %s; again in %.0f s", record.url, reason, pause)
            await asyncio.sleep(pause)

    async def _remember(self) -> None:
        memory = self.parts.memory
        await memory.load()
        if self._takes_other:
            memory.forget(DOWN)
            await memory.save()
            self._takes_other = False

    async def _meet(self) -> str:
        """One connection; why it ended."""
        record = self.parts.record
        connection = await PeerConnection.open(
            record.url, self._signer, allow_private=self.settings.allow_private, report=self._faults.report
        )
        try:
            return await self._stay(connection)
        finally:
            record.wasted += connection.wasted
            if words := connection.misbehaved:
                record.tell(misbehaved=_plain(words[:MAX_WORDS]), misbehaved_at=int(time.time()))
            await connection.close()

    async def _stay(self, connection: PeerConnection) -> str:
        """One session; why it ended."""
        home = await self._home()
        session = PeerSession(connection, self._plan, self.parts, home, self._federation())
        session.retention = Retention(self.rules.retention)
        self._session = session
        is_useful = False
        try:
            await session.run()
        except (ClientError, StorageError) as error:
            is_useful = session.was_useful and not isinstance(error, Misbehaved)
            refused = f"{connection.url} refuses what it is asked: " if isinstance(error, Refused) else ""
            return _reason(connection, f"{refused}{error}")
        except asyncio.CancelledError:
            is_useful = session.was_useful
            raise
        finally:
            self._session = None
            if is_useful:
                self.pauses.reset()
        return "the session ended"

    async def _home(self) -> str | None:
        """By which key the peer speaks of its groups: "" where it has none, None where they are not taken."""
        record = self.parts.record
        if not self._plan.direction.is_down:
            return None
        told = await own_key(record.url, allow_private=self.settings.allow_private)
        home, said = believed(told, record.place.home_key, self.parts.known_as(told or ""))
        if home and not self.settings.policy.groups:
            home, said = None, "not taken: policy.groups is off, as it is for relays that are joined by follow"
        record.tell(groups=said)
        if home and home != record.place.home_key:
            record.move(home_key=home)
        return home


def believed(told: str | None, pinned: str, other: str) -> tuple[str | None, str]:
    """By which key a peer's groups are kept (as `own_key`), and what a person is told.

    `told` is what it says now, `pinned` what it said first, `other` who else is known by the key that it tells, "" for nobody.
    """
    if other:
        return None, f"not taken: it names the key of {other} as its own"
    if told is None and not pinned:
        return None, "not taken: it does not tell its key (NIP-11)"
    if not told:
        return (pinned, "kept") if pinned else ("", "it has none")
    if pinned not in ("", told):
        return (
            None,
            f"not taken: its key was {pinned} and is {told} now; if that is right, remove the peer and add it again",
        )
    return told, "kept"


def _plain(text: str) -> str:
    """A stranger's words in one line without what drives a terminal, for the log."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _reason(connection: PeerConnection, said: str) -> str:
    """The error, with what the peer told a person where that may explain it."""
    return f"{said} (it says: {connection.notice})" if connection.notice and connection.notice not in said else said
