"""The log as it happens, for everybody in a front who wants to know: fan-out, streams, caches.

Each `Follower` gets each commit once, in order, without gap or double: what left and what changed is told before the events, so
that no cache is older than an event that somebody sees. Where commits are missing (the front has just started, could not keep up,
or the writer was started again), everybody is first told to begin anew; then the events that were missed come from the database.

A front sees on the shared page how far the log is committed. What it keeps of primary rows (tokens, bindings, memberships) is
good only while it has applied the last transaction that changed such rows (`is_current`); otherwise it looks into the database,
which has it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import msgspec

from relay.protocol.event import Event
from relay.roles.messages import Behind
from relay.roles.page import SharedPage
from storage.base import Commit, FollowedLog, Logged
from storage.errors import StorageError

OF_GROUPS: Final = frozenset(("group", "member"))  # changes that concern groups and their members alone
MOST_HELD: Final = 1000  # commits that are held while the database is read
_PAGE: Final = 200  # events read from the database at once
_AGAIN: Final = 0.5  # seconds until another attempt where the database fails

log = logging.getLogger("tidings.follow")


class LiveEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that was committed: stored as `seq`, or only sent (0); `audience` as in relay.protocol.admission.Admission."""

    seq: int
    event: Event
    wire: bytes
    audience: tuple[str, ...] | None


class Applied(msgspec.Struct, frozen=True):
    """A commit, decoded; fields as in storage.base.Commit. `anew`: forget everything, commits were missed before this one."""

    events: list[LiveEvent]
    removed: list[str] | None = None
    changes: list[tuple[str, str]] = []
    anew: bool = False


class Follower(Protocol):
    """Somebody who is told of every commit. What it raises is reported, and keeps the others from nothing."""

    def __call__(self, applied: Applied, /) -> None:
        """A commit was applied; called on the loop."""


class Kept(Protocol):
    """What is kept of primary rows and must be looked up anew, before any event is told, where commits were missed."""

    def try_begin_anew(self) -> bool:
        """Look it up at once, if that takes but a moment; whether that was done."""

    async def begin_anew(self) -> None:
        """Look it up. Raises StorageError."""


class NothingKept:
    """For those who keep nothing."""

    def try_begin_anew(self) -> bool:
        """There is nothing to look up."""
        return True

    async def begin_anew(self) -> None:
        """There is nothing to look up."""


class LogFollower:
    """Applies commits in order and tells followers. Used on the loop.

    `flush` is called when followers were told outside a turn of the link, which flushes by itself: after reading the database.
    `decode` makes the event of its wire form, with as much of it as followers here look at.
    """

    def __init__(
        self,
        page: SharedPage,
        reader: FollowedLog,
        decode: Callable[[bytes], Event],
        report: Callable[[str, BaseException], None],
        start: Callable[[Coroutine[Any, Any, None], str], object],
        *,
        flush: Callable[[], None],
    ) -> None:
        self._page = page
        self._reader = reader
        self._decode = decode
        self._report = report
        self._start = start
        self._flush = flush
        self._followers: list[Follower] = []
        self.kept: Kept = NothingKept()  # for the owner to set
        self._held: list[Commit] | None = None  # while the database is read
        self._again = False  # it is to be read once more
        self._upto = page.upto  # the highest `seq` that was told
        self._number = 0

    def add(self, follower: Follower) -> None:
        """From now on tell this one too."""
        self._followers.append(follower)

    @property
    def number(self) -> int:
        """The number of the last commit that was told."""
        return self._number

    @property
    def upto(self) -> int:
        """The highest `seq` that was told."""
        return self._upto

    @property
    def committed(self) -> int:
        """The highest `seq` that is committed; it may not be told here yet."""
        return self._page.upto

    def is_current(self) -> bool:
        """Whether everything that is kept of primary rows is as the database has it."""
        return self._held is None and self._number >= self._page.primary

    def commit(self, commit: Commit) -> None:
        """The writer has committed."""
        if self._held is None:
            self._apply(commit)
            return
        self._held.append(commit)
        if len(self._held) > MOST_HELD:
            self._held.clear()
            self.behind()

    def skip(self) -> None:
        """What is committed by now is told to nobody."""
        if self._held is None:
            self._upto = max(self._upto, self._page.upto)

    def behind(self, told: Behind = Behind()) -> None:  # noqa: B008
        """Commits are missing before the next one."""
        position = self._page.position()
        number, upto = (told.number, told.upto) if told.number else (position.number, position.upto)
        if self._held is None and self._upto >= upto:
            self._tell(Applied([], anew=True))
            if self.kept.try_begin_anew():
                self._number = max(self._number, number)
                return
        if self._held is None:
            self._held = []
            self._start(self._catch_up(), "catching up with the log")
        else:
            self._held.clear()  # what was held is in the database; it is read once more
            self._again = True

    async def _catch_up(self) -> None:
        while True:
            self._again = False
            self._tell(Applied([], anew=True))
            try:
                number = self._page.position().number  # what is committed after this is told after this
                await self.kept.begin_anew()
                await self._read_missed()
                self._number = max(self._number, number)
            except StorageError as error:
                log.error("the log could not be read: %s", error)
                await asyncio.sleep(_AGAIN)
                continue
            except Exception as error:  # ended here, it would leave what comes now held for ever
                self._report("reading the log", error)
                await asyncio.sleep(_AGAIN)
                continue
            if not self._again:
                break
        held, self._held = self._held or [], None
        for commit in held:
            self._apply(commit)
        self._flush()

    async def _read_missed(self) -> None:
        upto = self._page.upto
        while self._upto < upto:
            logged = await self._reader.follow(self._upto, upto, _PAGE)
            self._tell(Applied(self._decoded(logged), removed=[]))
            self._flush()
            self._upto = logged[-1].seq if len(logged) == _PAGE else upto

    def _apply(self, commit: Commit) -> None:
        events = [one for one in commit.events if not one.seq or one.seq > self._upto]
        self._upto = max(self._upto, commit.upto)
        self._tell(Applied(self._decoded(events), commit.removed, commit.changes))
        self._number = max(self._number, commit.number)

    def _decoded(self, logged: list[Logged]) -> list[LiveEvent]:
        found = []
        for one in logged:
            try:
                found.append(LiveEvent(one.seq, self._decode(one.wire), one.wire, one.audience))
            except Exception as error:  # the others of its commit are told all the same
                self._report("an event of the log", error)
        return found

    def _tell(self, applied: Applied) -> None:
        for follower in self._followers:
            try:
                follower(applied)
            except Exception as error:
                self._report(f"the follower {getattr(follower, '__qualname__', follower)}", error)
