"""What waits for the operator's write policy plugin, in which order it is asked, and what becomes of events when it fails.

    sound event --(its client's line, clients in turn)--> plugin --(answers)--> the client's line, in order --> writer

Each client has a line: what it handed in and is not decided, in its order. Clients are asked about in turn, so that a flood of
one delays another by one round, and a line is let go from its head, so that no answer changes the order of one client's
events. What is not asked about (`passes`) waits for what the same client handed in before it, and for nobody else's.

Nothing waits without end: a plugin that does not answer fails (`plugin_process`), and with it everything that waits, by
`write_policy.on_failure`. What comes until it is started again, after a pause that grows while it does not answer, fails at
once. How much may wait is bounded, for one client by its share: what finds no room is refused at once, before what waits is
decided.

Another command takes the place of one that runs once that has answered what it was asked.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from relay.errors import Prefix, Reject, Unwanted
from relay.protocol.event import Event, memory
from relay.roles.fair_queue import FairQueue
from relay.server.events import policies
from relay.server.events.policies import Sender
from relay.server.events.write_policy import plugin_messages
from relay.server.events.write_policy.plugin_messages import Action, PluginAnswer
from relay.server.events.write_policy.plugin_process import PluginProcess
from relay.server.settings import Settings
from relay.server.supervision import FIRST_PAUSE, LAST_PAUSE, Faults, Tasks
from storage.base import Incoming

SHARE: Final = 4  # the part of all events under way that may wait here is a fourth, and half at most
UNIT: Final = 4096  # bytes of memory of an event that count as one event: others are to find room in the pipeline
END: Final = 3.0  # seconds that events have for being decided on when the relay is stopped, within server.drain_timeout
AT_ONCE: Final = 64  # events of a batch that are asked about at the same time
PAUSE: Final = 0.5  # seconds before a plugin that had answered is started again
LOOK: Final = 1.0  # seconds between two looks whether its file is another one
DOWN: Final = "the write policy of this relay cannot be asked; try again in a moment"
FULL: Final = "too many events wait for the write policy of this relay; try again in a moment"
ENDING: Final = "this relay is shutting down"

log = logging.getLogger("tidings.write_policy")


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What becomes of an event: it is refused, or its author is to believe that it is not (`is_shadow`), or it goes on."""

    refusal: Reject | None = None
    is_shadow: bool = False


ACCEPTED: Final = Decision()
Settle = Callable[[Decision], None]


class Waiting(msgspec.Struct, eq=False):
    """An event in its client's line; `line` is what asks about it, once it is asked."""

    client: Hashable
    incoming: Incoming
    sender: Sender
    settle: Settle
    weight: int
    decision: Decision | None = None
    event_id: str = ""
    line: bytes = b""

    @property
    def event(self) -> Event:
        """What it is about."""
        return self.incoming.event


class PolicyCounts(msgspec.Struct):
    """How many events were decided, since the process began."""

    accepted: int = 0
    rejected: int = 0
    shadow_rejected: int = 0
    failed: int = 0


class WritePolicy:
    """Used on the loop. `own` is the relay's own key, "" for none; `capacity` is how many events may be under way in all.

    The plugin is started when there is something to ask, or, where it `is_eager`, as soon as the settings name it.
    """

    def __init__(self, settings: Settings, faults: Faults, *, own: str, capacity: int, is_eager: bool = True) -> None:
        self.turned: Callable[[], None] = lambda: None  # called when some were decided; set by who asks
        self.counts = PolicyCounts()
        self.is_on = False  # whether anything may have to wait here
        self._settings = settings
        self._faults = faults
        self._own = own
        self._most = capacity // SHARE
        self._is_eager = is_eager
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks(faults)
        self._lines: dict[Hashable, deque[Waiting]] = {}  # never an empty one
        self._weights: dict[Hashable, int] = {}  # of what is in each
        self._weight = 0  # of all
        self._queue: FairQueue[Waiting] = FairQueue()  # to be asked about
        self._is_due = False
        self._command = ""
        self._file: tuple[int, ...] = ()  # what the command's file was when it was started
        self._looked_at = 0.0
        self._process: PluginProcess[Waiting] | None = None
        self._retired: set[PluginProcess[Waiting]] = set()
        self._again: asyncio.TimerHandle | None = None  # it has failed, and is started again then
        self._pause = FIRST_PAUSE
        self._problem: str | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._is_closed = False

    # the settings

    def configure(self) -> None:
        """The settings may be others."""
        if self._is_closed:
            return
        given = self._settings.config.write_policy
        if self._process is not None:
            self._process.timeout = given.timeout
        if given.plugin != self._command or self._is_other_file():
            self._replace(given.plugin)

    def _replace(self, command: str) -> None:
        """From now on ask this one."""
        self._command = command
        if self._process is not None:
            self._retired.add(self._process)
            self._process.retire()
            self._process = None
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._problem = None
        self._pause = FIRST_PAUSE
        if command:
            self.is_on = True
            if self._is_eager or self._queue:
                self._start()
        else:
            self._decide([(one, ACCEPTED) for one in self._queue.take(len(self._queue))])
            self.is_on = bool(self._lines)

    def _is_other_file(self) -> bool:
        """Whether that which was started last is not what the command names now."""
        self._looked_at = self._loop.time()
        was_started = self._process is not None or self._again is not None
        return was_started and _file_of(self._command) != self._file

    # asking

    def passes(self, event: Event) -> bool:
        """Whether it is not asked about: taking back, leaving, and what the relay itself says."""
        return event.kind in policies.LEAVING or event.pubkey == self._own or not self._command

    def has_room(self, client: Hashable) -> bool:
        """Whether another event of this client may wait."""
        its_own = self._weights.get(client, 0)
        return its_own * len(self._lines) < self._most and self._weight < 2 * self._most

    def ask(
        self, client: Hashable, incoming: Incoming, sender: Sender, settle: Settle, *, bounded: bool = True
    ) -> None:
        """Decide on an event whose signature is good, which `sender` handed in; `settle` follows, maybe at once.

        It is one of those of this `client`; where they are not `bounded`, it sees itself that not too many wait.
        """
        event = incoming.event
        decision: Decision | None = None
        if self.passes(event):
            decision = ACCEPTED
        elif self._fails():
            decision = self._failed_decision(event)
        if decision is not None and client not in self._lines:
            settle(decision)
            return
        if bounded and not self.has_room(client):
            self.counts.failed += 1
            settle(Decision(Unwanted(Prefix.ERROR, FULL)))
            return
        weight = 1 + memory(event, len(incoming.wire)) // UNIT
        waiting = Waiting(client, incoming, sender, settle, weight, decision)
        self._lines.setdefault(client, deque()).append(waiting)
        self._weights[client] = self._weights.get(client, 0) + waiting.weight
        self._weight += waiting.weight
        if decision is None:
            self._queue.put(client, waiting)
            if self._process is None:
                self._start()
            self._pump_soon()

    async def decide(self, client: Hashable, incoming: Incoming, sender: Sender, *, bounded: bool = True) -> Decision:
        """As `ask`, for who waits for it."""
        found: asyncio.Future[Decision] = self._loop.create_future()

        def settle(decision: Decision) -> None:
            if not found.done():
                found.set_result(decision)

        self.ask(client, incoming, sender, settle, bounded=bounded)
        return await found

    async def unwanted(
        self, client: Hashable, incoming: Sequence[tuple[Incoming, Sender]], *, bounded: bool = True
    ) -> list[Reject | None]:
        """Why events are refused, each by itself, None where they are not; nobody is deceived. Arguments as of `ask`."""
        decisions: list[Decision] = []
        for start in range(0, len(incoming), AT_ONCE):
            part = incoming[start : start + AT_ONCE]
            decisions += await asyncio.gather(
                *[self.decide(client, one, sender, bounded=bounded) for one, sender in part]
            )
        return [decision.refusal for decision in decisions]

    def _fails(self) -> bool:
        """Whether there is nobody to ask for now."""
        if self._loop.time() - self._looked_at > LOOK and self._is_other_file() and not self._is_closed:
            log.info("the write policy plugin is another file than it was: it is started anew")
            self._replace(self._command)
        return self._again is not None or self._is_closed

    def _pump_soon(self) -> None:
        """What is checked within one turn of the loop is asked about together."""
        if not self._is_due:
            self._is_due = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._is_due = False
        process = self._process
        while process is not None and self._queue and process.room:
            some = self._queue.take(min(process.room, 8))
            for one in some:
                one.event_id, one.line = one.event.id, plugin_messages.question(one.incoming, one.sender)
            process.ask(some)

    # answers

    def _answered(self, answers: list[tuple[Waiting, PluginAnswer]]) -> None:
        if self._process is not None and self._process.has_answered:
            self._problem, self._pause = None, PAUSE
        self._decide([(one, self._decision(one.event, said)) for one, said in answers if one.decision is None])
        self._pump()

    def _decision(self, event: Event, said: PluginAnswer) -> Decision:
        counts = self.counts
        if said.action is Action.ACCEPT:
            counts.accepted += 1
            return self._accepted(event)
        refusal = plugin_messages.refusal(said.msg)
        if said.action is Action.SHADOW_REJECT:
            counts.shadow_rejected += 1
            return Decision(refusal, is_shadow=True)
        counts.rejected += 1
        return Decision(refusal)

    def _accepted(self, event: Event) -> Decision:
        """It goes on, unless its author was banned while it waited."""
        banned = policies.banned(event, self._settings.config)
        return ACCEPTED if banned is None else Decision(banned)

    def _failed_decision(self, event: Event) -> Decision:
        """What becomes of an event that nobody could decide on."""
        self.counts.failed += 1
        if self._settings.config.write_policy.on_failure == "accept":
            return self._accepted(event)
        return Decision(Unwanted(Prefix.ERROR, ENDING if self._is_closed else DOWN))

    def _decide(self, decided: list[tuple[Waiting, Decision]]) -> None:
        """These are decided: let go what stands at the head of its line."""
        for waiting, decision in decided:
            waiting.decision = decision
        for client in dict.fromkeys(waiting.client for waiting, _ in decided):
            self._release(client)
        if not self._command and not self._lines:
            self.is_on = False
        if decided:
            self.turned()

    def _release(self, client: Hashable) -> None:
        line = self._lines.get(client)
        while line and (decision := line[0].decision) is not None:
            waiting = line.popleft()
            self._weight -= waiting.weight
            self._weights[client] -= waiting.weight
            if not line:
                del self._lines[client], self._weights[client]
            try:
                waiting.settle(decision)
            except Exception as error:
                self._faults.report("a decision of the write policy", error)

    # the process

    def _start(self) -> None:
        self._again = None
        self._file = _file_of(self._command)
        timeout = self._settings.config.write_policy.timeout
        self._process = PluginProcess(self._command, timeout, self._answered, self._failed)
        self._tasks.start(self._begin(self._process), "the start of the write policy plugin")

    async def _begin(self, process: PluginProcess[Waiting]) -> None:
        try:
            await process.start()
        except (OSError, ValueError) as error:
            self._failed(process, f"it cannot be started: {error}", [])
            return
        self._pump()

    def _failed(self, process: PluginProcess[Waiting], reason: str, asked: list[Waiting]) -> None:
        """A process is over; what is left of it is waited for."""
        self._tasks.start(process.close(), "the end of the write policy plugin")
        if process is self._process:
            self._process = None
            self._fail_all(reason, asked)
            return
        self._retired.discard(process)
        if asked:
            log.error("the former write policy plugin failed: %s; events in question: %d", reason, len(asked))
            self._decide([(one, self._failed_decision(one.event)) for one in asked])

    def _fail_all(self, reason: str, asked: list[Waiting]) -> None:
        """There is nobody to ask until it is started again; what waits fails."""
        if not self._is_closed:
            queued = len(self._queue)
            log.error("the write policy plugin failed: %s; events in question: %d", reason, len(asked) + queued)
            self._problem = f"the write policy plugin failed: {reason}"
            self._again = self._loop.call_later(self._pause, self._start)
            self._pause = min(2 * self._pause, LAST_PAUSE)
        waiting = [*asked, *self._queue.take(len(self._queue))]
        self._decide([(one, self._failed_decision(one.event)) for one in waiting if one.decision is None])

    def figures(self) -> dict[str, int]:
        """How it does, as counters of the shared page."""
        counts = self.counts
        return {
            "plugin_accepted": counts.accepted,
            "plugin_rejected": counts.rejected,
            "plugin_shadow_rejected": counts.shadow_rejected,
            "plugin_failed": counts.failed,
            "plugin_down": self.problem() is not None,
        }

    def problem(self) -> str | None:
        """Why events are not decided on, from a failure until an answer, or until it has run for long without failing."""
        process = self._process
        if self._problem and process is not None and self._loop.time() - process.started_at > LAST_PAUSE:
            self._problem = None
        return self._problem

    # the end

    def end_soon(self) -> None:
        """The relay is to stop: what waits END from now is not waited for any longer, and what comes later fails. Idempotent."""
        if self._ending is None and not self._is_closed:
            seconds = min(END, self._settings.config.server.drain_timeout / 2)
            self._ending = self._loop.call_later(seconds, self._shut)

    def _shut(self) -> None:
        """Decide on all that waits, and on what comes."""
        self._is_closed = True
        if self._again is not None:
            self._again.cancel()
        if self._ending is not None:
            self._ending.cancel()
        for process in (*self._retired, *([] if self._process is None else [self._process])):
            process.retire()
        rest = [one for line in self._lines.values() for one in line if one.decision is None]
        self._queue = FairQueue()
        self._decide([(one, self._failed_decision(one.event)) for one in rest])

    async def close(self) -> None:
        """Decide on what waits, and end the plugin; it is waited for, but not for long. Idempotent."""
        self._shut()
        await self._tasks.settle()  # what is being started, or is over
        ending = {*self._retired, *([] if self._process is None else [self._process])}
        await asyncio.gather(*[process.close() for process in ending])
        await self._tasks.settle()


def _file_of(command: str) -> tuple[int, ...]:
    """What tells a version of a command from another: when its file was changed; nothing where it is more than one file."""
    if " " in command:
        return ()
    try:
        return (Path(command).stat().st_mtime_ns,)
    except (OSError, ValueError):
        return ()
