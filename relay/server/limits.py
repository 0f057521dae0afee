"""Who a client is to the outside and how fast it may go: its address, its connections, its token buckets.

Connections are counted over all fronts, rates at each: with N fronts somebody whose connections are spread over them may go N
times as fast. Everything here is bounded: a bucket that is full again is forgotten, and the table of buckets has a limit of its
own.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

from relay.protocol.words import counted
from relay.roles.page import SharedPage

MAX_BUCKETS: Final = 100_000
Network = IPv4Network | IPv6Network


def networks(written: Iterable[str]) -> tuple[Network, ...]:
    """The trusted proxies as networks. Raises ValueError on anything else; `relay.loading` has checked them."""
    return tuple(ip_network(item) for item in written)


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client's address: the peer's own, unless the peer is a trusted proxy.

    `forwarded` holds the values of the configured header (X-Forwarded-For or Forwarded), in order. They are read from the
    right, past every trusted proxy, since whatever stands further left was written by somebody the proxy does not vouch
    for.
    """
    address = peer
    hops = [_node(hop) for value in forwarded for hop in value.split(",")]
    while hops and is_trusted(address, trusted):
        hop = hops.pop()
        if _parse(hop) is None:
            break
        address = hop
    return _group(address)


def _node(hop: str) -> str:
    """The address of one hop: it stands alone, or after `for=` (RFC 7239), where brackets and a port may be around it."""
    for pair in hop.split(";"):
        name, _, text = pair.strip().partition("=")
        if name.lower() == "for":
            node = text.strip('"')
            return node[1:].partition("]")[0] if node.startswith("[") else node.partition(":")[0]
    return hop.strip()


def _parse(address: str) -> str | None:
    try:
        return str(ip_address(address))
    except ValueError:
        return None


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Whether this is the address of a trusted proxy."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return False
    if parsed.version == 6 and parsed.ipv4_mapped is not None:
        parsed = parsed.ipv4_mapped  # how a socket on [::] shows an IPv4 proxy
    return any(parsed in network for network in trusted)


def _group(address: str) -> str:
    """What limits count by: one IPv4 address, or the /64 that one IPv6 subscriber holds."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if parsed.version == 6:
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)


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
