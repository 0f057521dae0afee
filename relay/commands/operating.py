"""What the verbs for operators share: the two ways to a database.

A verb that writes goes through the running relay's control socket when one answers, and otherwise opens the database
itself, taking the lock.
"""

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, TypeVar, cast

import click

from keys.vault import VaultError, relay_pubkey
from relay.commands import control_client
from relay.commands.common import say
from relay.config import Config
from relay.errors import Reject
from relay.protocol import event as events
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.server.events import policies
from relay.server.events.write_policy.policy_thread import PolicyThread
from relay.server.operator_rules import check
from relay.server.settings import Settings
from relay.setting_parts import ConfigError
from storage.access import ChangeRules, RuleChange
from storage.base import Incoming, LogWriter, Outcome, Reader, Status
from storage.commands import Command, Compact, CountRows, Rebuild, RemoveMatching
from storage.errors import Locked
from storage.peers import KnowsPeers, PeerChange
from storage.tools import Tools

T = TypeVar("T")
STARTING: Final = 30.0  # seconds in which a relay that has the data directory and answers nobody is asked again
_AGAIN: Final = 0.1  # seconds between two times
_QUIET: Final = 2.0  # seconds until that is told


class Database(Reader, Tools, KnowsPeers, Protocol):
    """What reads a database from the command line."""


@dataclass(frozen=True)
class Backends:
    """How to open a database that no relay serves right now."""

    writer: Callable[[Config], LogWriter]
    reader: Callable[[Config], Awaitable[Database]]


def _backends() -> Backends:
    """Those given to the command as its context object, else those of the application."""
    given = click.get_current_context().find_object(Backends)
    if given is not None:
        return given
    from relay import opening

    return Backends(opening.open_keyed_writer, opening.open_reader)


@asynccontextmanager
async def reading(settings: Config) -> AsyncIterator[Database]:
    """The database, opened beside whoever writes it."""
    database = await _backends().reader(settings)
    try:
        yield database
    finally:
        await database.close()


class WriteTarget(Protocol):
    """What writes: the running relay or this process."""

    def submit(self, batch: Sequence[Event], door: Door = Door.IMPORT, origin: str | None = None) -> list[Outcome]:
        """Write verified events, at most `control_messages.MAX_BATCH`; one Outcome each, in order, once they are durable.

        They come by this door, IMPORT or PEER; `origin` is the peer that they came by.
        """

    def remove(self, wanted: Filter, limit: int) -> int:
        """As storage.commands.RemoveMatching."""

    def change_peer(self, change: PeerChange) -> bool:
        """Carry it out; whether there was something to change."""

    def change_rules(self, *changes: RuleChange) -> list[bool]:
        """Carry out what the operator says, MOST_CHANGES at most; whether there was something to change, of each.

        All of it, or nothing: raises Reject.
        """

    def compact(self) -> None:
        """As storage.commands.Compact."""

    def rebuild(self) -> int:
        """As storage.commands.Rebuild, all of it; how many derived rows there are then."""

    def close(self) -> None:
        """Let go. Idempotent."""


class Direct:
    """A WriteTarget over a writer of this process's own, with the policies that a running relay applies."""

    def __init__(self, writer: LogWriter, settings: Settings, relay: str = "") -> None:
        self._writer = writer
        self._settings = settings
        settings.hear(writer.tables.operator_rules())
        self._relay = relay
        self._policy: PolicyThread | None = None
        # Events are written on another thread, and whoever is interrupted closes meanwhile.
        self._writing = threading.Lock()

    def close(self) -> None:
        """Let go of the database, once nothing is being written. Idempotent."""
        with self._writing:
            if self._policy is not None:
                self._policy.close()
            self._writer.close()

    def remove(self, wanted: Filter, limit: int) -> int:
        """As WriteTarget.remove."""
        return self._writer.execute(RemoveMatching(wanted, limit), int(time.time()))

    def change_peer(self, change: PeerChange) -> bool:
        """As WriteTarget.change_peer."""
        return self._writer.execute(cast(Command[bool | None], change), int(time.time())) is not False

    def change_rules(self, *changes: RuleChange) -> list[bool]:
        """As WriteTarget.change_rules."""
        for change in changes:
            check(change, self._settings.file, self._relay)
        done = self._writer.execute(ChangeRules(list(changes)), int(time.time()))
        self._settings.hear(self._writer.tables.operator_rules())
        return done

    def compact(self) -> None:
        """As WriteTarget.compact."""
        self._writer.execute(Compact(), int(time.time()))

    def rebuild(self) -> int:
        """As WriteTarget.rebuild."""
        part: Rebuild | None = Rebuild()
        while part is not None:
            part = self._writer.execute(part, int(time.time())).following
        return self._writer.execute(CountRows(), int(time.time()))

    def submit(self, batch: Sequence[Event], door: Door = Door.IMPORT, origin: str | None = None) -> list[Outcome]:
        """As WriteTarget.submit."""
        now = int(time.time())
        sender = policies.Sender(door, relay=self._relay, address=origin or "")
        given = [Incoming(one, events.wire(one), door, now, origin=origin) for one in batch]
        refusals = [policies.refuse(one, sender, self._settings.config, now) for one in batch]
        with self._writing:
            refusals = self._ask(given, refusals, sender)
            accepted = [one for one, refusal in zip(given, refusals, strict=True) if refusal is None]
            stored = iter(self._writer.write(accepted, now))
        return [next(stored) if refusal is None else Outcome(Status.REFUSED, refusal=refusal) for refusal in refusals]

    def _ask(
        self, given: Sequence[Incoming], refusals: list[Reject | None], sender: policies.Sender
    ) -> list[Reject | None]:
        """The refusals with those of the operator's write policy plugin, which is asked about what is not refused yet."""
        if not self._settings.config.write_policy.plugin:
            return refusals
        if self._policy is None:
            self._policy = PolicyThread(self._settings, self._relay)
        asked = [(one, sender) for one, refusal in zip(given, refusals, strict=True) if refusal is None]
        found = iter(self._policy.unwanted(asked))
        return [next(found) if refusal is None else refusal for refusal in refusals]


@contextmanager
def writing(settings: Config) -> Iterator[WriteTarget]:
    """Whoever can write: the relay running on the data directory, else the database itself. Raises Locked."""
    data = Path(settings.server.data)

    def direct() -> WriteTarget:
        try:
            relay = relay_pubkey(data, settings.identities.relay_key)
        except VaultError as error:
            raise ConfigError(str(error)) from None
        return Direct(_backends().writer(settings), Settings(settings, settings.relay.url), relay)

    target: WriteTarget = relay_or(data, direct)
    try:
        yield target
    finally:
        target.close()


def relay_or(data: Path, direct: Callable[[], T]) -> control_client.Client | T:
    """The relay that runs on the data directory, else what `direct` gives, which takes its lock. Raises Locked.

    A relay that is starting or stopping has the lock and answers nobody: both are tried again for a while.
    """
    begun, told = time.monotonic(), False
    while True:
        client = control_client.connect(data)
        if client is not None:
            return client
        try:
            return direct()
        except Locked:
            waited = time.monotonic() - begun
            if waited > STARTING:
                raise
            if waited > _QUIET and not told:
                told = True
                say("waiting for who has the data directory …")
        time.sleep(_AGAIN)
