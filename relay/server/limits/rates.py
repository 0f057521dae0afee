"""How fast a client may go and how many connections it may have: token buckets and counts, by address or key.

Connections are counted over all fronts, rates at each: with N fronts somebody whose connections are spread over them may go N
times as fast. Everything here is bounded: a bucket that is full again is forgotten, and the table of buckets has a limit of its
own.
"""

from typing import Final

from relay.protocol.words import counted
from relay.roles.page import SharedPage

MAX_BUCKETS: Final = 100_000


class Buckets:
    """Token buckets by name: `rate` tokens a second, `burst` seconds' worth at most. Times are seconds, any monotonic clock."""

    __slots__ = ("_levels",)

    def __init__(self) -> None:
        self._levels: dict[str, tuple[float, float]] = {}  # name -> (tokens, when)

    def take(self, name: str, rate: float, burst: float, now: float, cost: float = 1.0) -> bool:
        """Take one token, or `cost`, if there are so many. A `rate` of 0 is no limit."""
        if rate <= 0:
            return True
        full = max(1.0, rate * burst)
        tokens = self.left(name, rate, burst, now)
        allowed = tokens >= cost
        if name not in self._levels and len(self._levels) >= MAX_BUCKETS:
            self._forget(full, rate, now)
        self._levels[name] = (tokens - cost if allowed else tokens, now)
        return allowed

    def left(self, name: str, rate: float, burst: float, now: float) -> float:
        """How many tokens there are, at a `rate` above 0."""
        full = max(1.0, rate * burst)
        tokens, when = self._levels.get(name, (full, now))
        return min(full, tokens + (now - when) * rate)

    def _forget(self, full: float, rate: float, now: float) -> None:
        """Drop the buckets that are full again, and beyond half of the table those that waited longest.

        Half a table of new names comes before the next time, so that a flood of them does not pay for this at each one.
        """
        kept = {n: (t, w) for n, (t, w) in self._levels.items() if t + (now - w) * rate < full}
        if len(kept) > MAX_BUCKETS // 2:
            newest = sorted(kept.items(), key=lambda item: item[1][1])[-(MAX_BUCKETS // 2) :]
            kept = dict(newest)
        self._levels = kept


class OpenConnections:
    """How many connections of one kind are open, in all and by address, at all fronts together: the counts are on the page.

    `counter` names the kind there. Kinds whose addresses have the same `prefix` count together by address. A connection begins as
    HTTP; one that is upgraded leaves as that and enters as a WebSocket.
    """

    __slots__ = ("_counter", "_front", "_page", "_prefix")

    def __init__(self, page: SharedPage, front: int, counter: str, prefix: str = "") -> None:
        self._page = page
        self._front = front
        self._counter = counter
        self._prefix = prefix

    @property
    def total(self) -> int:
        """How many there are at all fronts."""
        return self._page.total(self._counter)

    def full(self, address: str, per_address: int, in_all: int) -> str | None:
        """Why there is no room for one more from this address now; 0 is no limit."""
        if in_all and self.total >= in_all:
            return f"this relay holds {counted(in_all, 'connection')} and has no room for more; try again later"
        if per_address and self._page.addresses.total(self._prefix + address) >= per_address:
            return f"your address has {counted(per_address, 'connection')} open already; close one first"
        return None

    def enter(self, address: str, per_address: int, in_all: int) -> str | None:
        """Count one connection in; the reason when it is one too many (0 is no limit)."""
        reason = self.full(address, per_address, in_all)
        if reason is not None:
            return reason
        if self._page.join(self._front, self._counter, in_all):
            if self._page.addresses.enter(self._front, self._prefix + address, per_address):
                return None
            self._page.part(self._front, self._counter)
        return "this relay has no room for another connection at the moment; try again"

    def leave(self, address: str) -> None:
        """Count one connection out that had come in."""
        self._page.part(self._front, self._counter)
        self._page.addresses.leave(self._front, self._prefix + address)
