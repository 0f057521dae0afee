"""One subscription over all its connections, without I/O: what to ask for, what to give on, what to ask for again.

Rule: an event is given once, and whatever reached the relay while there was no connection is given after it is back. On a
new connection the live subscription comes first, with no history; then what was missed is asked for, filter by filter and
page by page, since a relay caps what it gives at once (NIP-67). "Missed" is everything newer than a moment at which
nothing was missing, less an overlap for clocks that differ and events that travel slowly; ids already given are
remembered, and a page is never asked from before the time that the memory covers.
"""

import heapq
from collections import deque
from typing import Final

import msgspec

from keys import schnorr
from relay.client import messages
from relay.client.messages import Eose, EventMessage, Word
from relay.protocol.event import Event
from relay.protocol.filter import Filter, matches

LIVE: Final = "live"
PAGE: Final = "page"
OVERLAP: Final = 600  # seconds
MEMORY: Final = 50_000  # ids


class EndOfStored(msgspec.Struct, frozen=True):
    """Everything stored has been given; what follows is new (EOSE).

    `complete` is True when the relay says that there is no more than it gave, False when it says there is, None when it says
    nothing (NIP-67). `resumed` tells the end of the first history from the end of what was missed while disconnected.
    """

    complete: bool | None
    resumed: bool


class Memory:
    """The ids of the newest `size` events. All those later than `forgotten` (unix seconds) are in it."""

    def __init__(self, size: int) -> None:
        self.forgotten = -1
        self._size = size
        self._ids: set[bytes] = set()
        self._oldest: list[tuple[int, bytes]] = []

    def __contains__(self, event_id: str) -> bool:
        return bytes.fromhex(event_id) in self._ids

    def add(self, event: Event) -> None:
        """Remember an event that is not yet in it."""
        event_id = bytes.fromhex(event.id)
        self._ids.add(event_id)
        heapq.heappush(self._oldest, (event.created_at, event_id))
        if len(self._oldest) > self._size:
            created_at, dropped = heapq.heappop(self._oldest)
            self._ids.discard(dropped)
            self.forgotten = max(self.forgotten, created_at)


class Step(msgspec.Struct, frozen=True):
    """What follows from a message: something to give, messages to send, something to complain of."""

    item: Event | EndOfStored | None = None
    send: tuple[bytes, ...] = ()
    fault: str | None = None


_NOTHING: Final = Step()


class Conversation:
    """The state of one subscription. `overlap` is in seconds, `memory` a number of ids."""

    def __init__(self, wanted: tuple[Filter, ...], overlap: int = OVERLAP, memory: int = MEMORY) -> None:
        self.caught_up = False  # on this connection
        self._wanted = wanted
        self._overlap = overlap
        self._memory = Memory(memory)
        self._newest: int | None = None
        self._anchor: int | None = None  # None until the first history has come to its end
        self._oldest: dict[int, int] = {}  # per filter, the oldest event of the first history
        self._floors: dict[int, int] = {}  # per filter, what is older was cut by its limit and is not wanted
        self._since = 0
        self._live_is_open = False
        self._missing: deque[Filter] = deque()
        self._page: Filter | None = None
        self._page_oldest: int | None = None

    def open(self) -> tuple[bytes, ...]:
        """What to send on a new connection."""
        self.caught_up = self._live_is_open = False
        self._page = None
        if self._anchor is None:
            return (messages.req(LIVE, self._wanted),)
        self._since = max(self._anchor - self._overlap, self._memory.forgotten + 1)
        missing = (self._missed(number, one) for number, one in enumerate(self._wanted))
        self._missing = deque(one for one in missing if not one.is_empty())
        live = [msgspec.structs.replace(one, limit=0) for one in self._wanted]
        return (messages.req(LIVE, live), *self._next_filter())

    def _missed(self, number: int, one: Filter) -> Filter:
        since = max(self._since, self._floors.get(number, 0), one.since or 0)
        return msgspec.structs.replace(one, since=since, limit=None)

    def receive(self, word: Word, now: float) -> Step:
        """What follows from a message of the current connection. `now` is unix seconds."""
        match word:
            case EventMessage(subscription, event) if subscription in (LIVE, PAGE):
                return self._event(event, subscription == PAGE, int(now))
            case Eose(subscription, complete) if subscription == LIVE:
                return self._live_ended(complete, int(now))
            case Eose(subscription, complete) if subscription == PAGE and self._page is not None:
                return self._page_ended(self._page, complete, int(now))
        return _NOTHING

    def _event(self, event: Event, in_page: bool, now: int) -> Step:
        if not any(_fits(one, event) for one in self._wanted):
            return Step(fault=f"sent an event that was not asked for: {event.id}")
        is_known = event.id in self._memory
        if not is_known:
            fault = schnorr.fault(event)
            if fault is not None:
                return Step(fault=f"sent a forged event {event.id}: {fault.message}")
        if in_page and self._page is not None and _fits(self._page, event):
            self._page_oldest = min(event.created_at, self._page_oldest or event.created_at)
        is_old = self._anchor is not None and not self._live_is_open and event.created_at < self._since
        if is_known or (is_old and not in_page):  # a relay that gives history where none was asked for
            return _NOTHING
        self._memory.add(event)
        self._newest = max(event.created_at, self._newest or 0)
        if self._anchor is None:
            self._note_oldest(event)
        self._mark(now)
        return Step(event)

    def _note_oldest(self, event: Event) -> None:
        for number, one in enumerate(self._wanted):
            if _fits(one, event):
                self._oldest[number] = min(event.created_at, self._oldest.get(number, event.created_at))

    def _live_ended(self, complete: bool | None, now: int) -> Step:
        if self._live_is_open:
            return _NOTHING
        self._live_is_open = True
        if self._anchor is not None:
            return self._caught_up(now) if self._page is None else _NOTHING
        for number, one in enumerate(self._wanted):
            if one.limit == 0:
                self._floors[number] = now
            elif not complete and number in self._oldest:
                self._floors[number] = self._oldest[number]
        self._oldest.clear()
        self.caught_up = True
        self._anchor = now
        self._mark(now)
        return Step(EndOfStored(complete, resumed=False))

    def _page_ended(self, page: Filter, complete: bool | None, now: int) -> Step:
        oldest = self._page_oldest
        if not complete and oldest is not None:
            # The same second again, as it may have been cut; but not for ever, when there is nothing else in it.
            until = oldest if page.until is None or oldest < page.until else oldest - 1
            further = msgspec.structs.replace(page, until=until)
            if not further.is_empty():
                return Step(send=self._ask(further))
        send = self._next_filter()
        if self._page is not None:
            return Step(send=send)
        step = self._caught_up(now) if self._live_is_open else _NOTHING
        return Step(step.item, (messages.close(PAGE),))

    def _next_filter(self) -> tuple[bytes, ...]:
        if not self._missing:
            self._page = None
            return ()
        return self._ask(self._missing.popleft())

    def _ask(self, page: Filter) -> tuple[bytes, ...]:
        self._page, self._page_oldest = page, None
        return (messages.req(PAGE, [page]),)

    def _caught_up(self, now: int) -> Step:
        self.caught_up = True
        self._mark(now)
        return Step(EndOfStored(complete=True, resumed=True))

    def _mark(self, now: int) -> None:
        """Nothing is missing now: events of the future and clocks that run ahead must not move that moment too far."""
        if self.caught_up:
            self._anchor = now if self._newest is None else min(now, self._newest)


def _fits(wanted: Filter, event: Event) -> bool:
    """Whether an event may be an answer to the filter; what a search finds (NIP-50) is for the relay to say."""
    return matches(wanted if wanted.search is None else msgspec.structs.replace(wanted, search=None), event)
