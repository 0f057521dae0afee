"""What differs between this relay and a peer, window by window of time, the newest first.

A filter's `limit` means the newest so many on each side; of pages, what is older than the last of them is not looked at.

A window is compared by negentropy. Where either side has too many events in it, it is cut in two: in the middle of our events where
we have some, else of its time. Where the peer does not compare, its events are read page by page instead, and what is here is
compared with those: dearer, but the answer is the same.

At the first contact there may be hardly anything here of what the peer has. Then its events are read page by page as well, while
those that came before are stored: that costs both sides less than a comparison in which each event is named first. What is left is
compared as soon as a page brings little that is lacking, comes later than what was read before is stored (a far peer answers
questions for ids several at a time), or has no room for all events of its second.

Where this relay keeps some kinds for so many days only, the time is cut there, and before that they are left out of the filter:
they would be got and refused, or offered while they are about to go. That goes for a filter that names kinds.
"""

import math
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from types import MappingProxyType
from typing import Final, Protocol

import msgspec

from relay.federation.comparison import CannotCompare, Needs, TooManyClaimed, TooManyToCompare, compare
from relay.federation.connection import PeerConnection
from relay.federation.local_events import LocalEvents
from relay.federation.stored import stored_when_due
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.item_set import ItemSet
from storage.errors import TooCostly

MOST_ITEMS: Final = 250_000  # events of ours in one comparison, 40 bytes each
PAGE: Final = 500  # events asked for at once
FAR: Final = 2**53 - 1  # no event is later
_CLAIMS: Final = 200_000  # bytes: what claiming too many is worth of what a peer may send in vain
DAY: Final = 86_400  # seconds
MOST_WINDOWS: Final = 20_000  # that one walk may take; a peer that refuses ever smaller ones comes to an end
MOST_SECONDS: Final = 100  # that a peer may refuse to compare one by one


class WindowDifference(msgspec.Struct, frozen=True):
    """What differs within `since` … `until` (unix seconds, inclusive), by id.

    `have`: only we have it; `events`: only the peer has it, and here it is. What only the peer has and is to be asked for,
    WindowNeeds were told before. `is_cut`: a single second, of which the peer may have more than it gives at once.
    """

    since: int
    until: int
    have: list[str]
    events: list[Event] = []
    is_cut: bool = False


class WindowNeeds(Needs, Protocol):
    """Needs of a walk over windows."""

    async def break_off(self) -> None:
        """The comparison has come to no end; what it has not told will be found in another way. Ask for nothing more, and return
        when what was asked for is stored. Raises what asking has failed with.
        """

    def goes_on(self, events: list[Event]) -> bool:
        """These are the events of a page that are lacking here: whether another is to be read after it."""


class Walk:
    """A walk over the windows of one filter. `pages_only`: the peer is known not to compare; set when it turns out so.

    `never_pages`: where the peer does not compare, the walk ends. `reads_first`: hardly anything of what the peer has may be here,
    and it is wanted. `horizons`: of these kinds, which the filter names, nothing older is kept here (unix seconds).
    """

    def __init__(
        self,
        connection: PeerConnection,
        local: LocalEvents,
        wanted: Filter,
        needs: WindowNeeds,
        *,
        pages_only: bool = False,
        never_pages: bool = False,
        reads_first: bool = False,
        horizons: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        self._connection = connection
        self._local = local
        self._wanted = wanted
        self._needs = needs
        self.pages_only = pages_only
        self._never_pages = never_pages
        self._reads_first = reads_first and wanted.limit is None
        self._horizons = horizons if wanted.limit is None else {}
        self.said = ""  # why the peer does not compare
        self._seconds = 0  # that were cut no further
        self.lost = 0  # seconds in which the peer has more events than it gives at once, so that some could not be seen

    async def differences(self, since: int, until: int = FAR) -> AsyncGenerator[WindowDifference, None]:
        """What differs, the newest first; windows without a difference are told too, so that whoever keeps a place can move it.

        Raises TimedOut, Disconnected, Refused, StorageError.
        """
        bounds = (
            max(since, self._wanted.since or 0),
            min(until, FAR if self._wanted.until is None else self._wanted.until),
        )
        waiting = self._cut_at_horizons(*bounds)
        number = 0
        while waiting:
            since, until = waiting.pop()
            if since > until or self._is_past(since):
                continue
            number += 1
            if self._reads_first and not self.pages_only:
                async with aclosing(self._read(since, until)) as pages:
                    async for page in pages:
                        yield page
                        until = page.since - 1
                if until < since:
                    continue
            in_pages = self.pages_only or number > MOST_WINDOWS
            outcome = None if in_pages else await self._compared(since, until)
            if isinstance(outcome, int):
                waiting += [(since, outcome), (outcome + 1, until)]
            elif outcome is not None:
                yield outcome
            elif not self._never_pages:
                async for found in self._pages(since, until):
                    self.lost += found.is_cut
                    yield found
            elif self.pages_only:
                return

    async def _compared(self, since: int, until: int) -> WindowDifference | int | None:
        """What differs in a window; a time to cut it at; None where it is to be read page by page."""
        wanted = self._within(since, until, self._wanted.limit)
        try:
            found = await self._local.items(wanted, MOST_ITEMS)
        except TooCostly:
            return self._cut(ItemSet(), since, until)
        try:
            outcome = await compare(self._connection, wanted, found, self._needs)
        except TooManyToCompare as error:
            if since == until and isinstance(error, TooManyClaimed):
                self._connection.waste("claims more events of one second than anybody has", _CLAIMS)
            await self._needs.break_off()
            return self._cut(found, since, until)
        except CannotCompare as error:
            self.pages_only, self.said = True, str(error)
            await self._needs.break_off()
            return None
        return WindowDifference(since, until, [one.hex() for one in outcome.have])

    def _cut_at_horizons(self, since: int, until: int) -> list[tuple[int, int]]:
        """The time in windows, in each of which the same kinds are kept, the oldest first."""
        cuts = sorted({since, *(one for one in self._horizons.values() if since < one <= until)})
        return [(first, following - 1) for first, following in zip(cuts, [*cuts[1:], until + 1], strict=True)]

    def _kinds(self, since: int) -> frozenset[int] | None:
        """Those of the filter's of which something is kept from then on."""
        kinds = self._wanted.kinds
        return kinds and frozenset(kind for kind in kinds if self._horizons.get(kind, 0) <= since)

    def _is_past(self, since: int) -> bool:
        """Whether nothing that is asked for is kept of a window that begins then."""
        return bool(self._horizons) and not self._kinds(since)

    def _within(self, since: int, until: int, limit: int | None = None) -> Filter:
        """The filter for a window."""
        return msgspec.structs.replace(
            self._wanted,
            kinds=self._kinds(since),
            since=since or None,
            until=None if until >= FAR else until,
            limit=limit,
        )

    def _cut(self, found: ItemSet, since: int, until: int) -> int | None:
        """Where to cut a window in two: the time at which the first part ends. None where it is to be read page by page.

        That is so for a single second, and for a filter with a limit: nobody knows how many of the newest events are in each part.
        """
        if self._wanted.limit is not None:
            return None
        if since == until:
            self._seconds += 1
            if self._seconds > MOST_SECONDS:
                self.pages_only, self.said = True, "it refuses to compare even single seconds"
            return None
        if until == FAR and (day := int(time.time()) + DAY) > since:
            return day
        middle = found.item(len(found) // 2)[0] - 1 if len(found) > 1 else -1
        return middle if since <= middle < until else (since + until) // 2

    async def _read(self, since: int, until: int) -> AsyncGenerator[WindowDifference, None]:
        """The newest part of a window of which hardly anything is here, page by page; where all was read, the whole of it."""
        try:
            await self._local.items(self._within(since, until), PAGE)
        except TooCostly:
            return
        async with aclosing(self._pages(since, until)) as pages:
            async for page in pages:
                if page.is_cut:
                    break
                goes_on = self._needs.goes_on(page.events)
                yield page
                if not goes_on:
                    break
            else:
                return
        self._reads_first = False

    async def _pages(self, since: int, until: int) -> AsyncGenerator[WindowDifference, None]:
        """The peer's events read page by page, the newest first, each page compared with what is here."""
        top, left = until, math.inf if self._wanted.limit is None else self._wanted.limit
        while top >= since and left > 0:
            asked = int(min(PAGE, left))
            events, complete = await stored_when_due(self._connection, (self._within(since, top, asked),), 2 * PAGE)
            oldest = min((event.created_at for event in events), default=since)
            if complete or not events or len(events) >= left:
                yield await self._compared_page(events, oldest if len(events) >= left else since, top)
                return
            is_cut = oldest >= top and (complete is False or len(events) >= PAGE)
            if oldest >= top:  # all of one second: there may be more of it that cannot be asked for
                some, next_top = events, oldest - 1
            else:  # the oldest second may have been cut: it is the first of the next page
                some, next_top = [one for one in events if one.created_at > oldest], oldest
            page = await self._compared_page(some, next_top + 1, top)
            yield msgspec.structs.replace(page, is_cut=is_cut)
            left, top = left - len(some), next_top

    async def _compared_page(self, events: list[Event], since: int, until: int) -> WindowDifference:
        theirs = {event.id: event for event in events}
        try:
            ours = {event_id.hex() for _, event_id in await self._local.items(self._within(since, until), MOST_ITEMS)}
        except TooCostly:  # far more than a page: what the peer lacks of it is found when it has given more
            ours = set(theirs)
        have = [one for one in ours if one not in theirs]
        return WindowDifference(
            since, until, have, [event for event_id, event in theirs.items() if event_id not in ours]
        )
