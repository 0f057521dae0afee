"""What the operator says while the relay runs, put in force by every process that takes events or serves clients."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

from relay.config import Config
from relay.server.events.follow import Applied
from relay.server.operator_rules import check
from relay.server.settings import Settings
from relay.server.supervision import Faults, Tasks
from storage.access import CHANGED, AccessRule, ChangeRules, LoggedChange, RuleChange, RuleSubject
from storage.base import PrimaryTables
from storage.commands import Command
from storage.errors import StorageError

NAME: Final = "what the operator says"
AGAIN: Final = 0.5  # seconds until another look where the database fails

T = TypeVar("T")


class Executes(Protocol):
    """Has the writer carry out commands."""

    async def __call__(self, command: Command[T], /) -> T:
        """What it gives, durable. Raises as the command says."""


class LiveRules:
    """Keeps `settings` as the operator says; each of `told` is called when they may be others. Used on the loop."""

    def __init__(
        self,
        settings: Settings,
        tables: PrimaryTables,
        execute: Executes,
        faults: Faults,
        *,
        told: Callable[[], None],
        relay: str = "",
    ) -> None:
        """`relay` is the relay's own key."""
        self._settings = settings
        self._tables = tables
        self._execute = execute
        self._faults = faults
        self._tasks = Tasks(faults)
        self.told = [told]
        self._relay = relay
        self._looking = asyncio.Lock()
        self._asked = self._found = 0  # how often a look was asked for, and how many of these have what they wanted
        self._due = self._closed = False
        self._following: asyncio.Task[None] | None = None

    @property
    def file(self) -> Config:
        """The settings without what the operator said."""
        return self._settings.file

    async def look(self) -> None:
        """Put in force what is said now. Raises StorageError."""
        self._asked += 1
        asked = self._asked
        async with self._looking:  # who looks later finds no less
            if self._found >= asked:
                return
            begun = self._asked
            said = await self._tables.ask(lambda tables: tables.operator_rules())
            if said != self._settings.said:
                self._settings.hear(said)
                for tell in self.told:
                    tell()
            self._found = begun

    async def change(self, changes: Sequence[RuleChange]) -> list[bool]:
        """Carry them out; whether there was something to change, of each. They are in force here then, elsewhere within a moment.

        All of them, or none: raises StorageError and Reject.
        """
        for change in changes:
            check(change, self._settings.file, self._relay)
        done = await self._execute(ChangeRules(list(changes)))
        await self.look()
        return done

    async def said_of(self, subject: RuleSubject, allowed: bool) -> list[AccessRule]:
        """What is said of a subject, the latest first. Raises StorageError."""
        return await self._tables.ask(lambda tables: tables.access_rules(subject, allowed))

    async def logged(self, most: int) -> list[LoggedChange]:
        """The last changes, the latest first. Raises StorageError."""
        return await self._tables.ask(lambda tables: tables.logged_changes(most))

    def applied(self, applied: Applied) -> None:
        """A commit of the log."""
        if self._closed or not (applied.anew or any(kind == CHANGED for kind, _ in applied.changes)):
            return
        self._due = True
        if self._following is None or self._following.done():
            self._following = self._tasks.start(self._look_until_done(), NAME)

    async def close(self) -> None:
        """Look no more. Idempotent."""
        self._closed = True
        await self._tasks.close()

    async def _look_until_done(self) -> None:
        while self._due:
            self._due = False
            try:
                await self.look()
            except Exception as error:  # ended here, a ban would not hold in this process until the next one
                if not isinstance(error, StorageError):
                    self._faults.report(NAME, error)
                await asyncio.sleep(AGAIN)
                self._due = True
