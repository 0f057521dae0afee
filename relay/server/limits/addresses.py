"""Which address a client comes from, by its connection or by what a trusted proxy says."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
BLOCKED: Final = "this address is blocked here"
_FINEST: Final = {4: 32, 6: 64}  # bits of a network that is one client
_MAPPED: Final = IPv6Network("::ffff:0:0/96")  # how a socket on [::] shows IPv4


def networks(written: Iterable[str]) -> tuple[Network, ...]:
    """The trusted proxies as networks. Raises ValueError on anything else; `relay.loading` has checked them."""
    return _networks(tuple(written))


@lru_cache(maxsize=8)
def _networks(written: tuple[str, ...]) -> tuple[Network, ...]:
    """They are asked for with every request."""
    return tuple(ip_network(item) for item in written)


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The client's address as limits count it; arguments as of `told_address`."""
    return grouped(told_address(peer, forwarded, trusted))


def told_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
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
    return address


# Version, bits of an address that are not looked at, the others, and the address if it is one.
_Part = tuple[int, int, int, str]


class AddressSet:
    """Addresses and networks in which a client may be, as `client_address` writes it: an IPv6 client is its /64.

    To look one up costs the same however many there are.
    """

    def __init__(self, written: Sequence[str], before: "AddressSet | None" = None) -> None:
        """What `before` has been made of need not be read again. Raises ValueError on what is no address and no network."""
        known: dict[str, _Part] = {} if before is None else before._known
        self.written = written
        self._known: dict[str, _Part] = {item: known.get(item) or _part(item) for item in written}
        self._single: set[str] = set()
        self._parts: dict[tuple[int, int], set[int]] = {}
        for version, rest, number, address in self._known.values():
            if address:
                self._single.add(address)
            else:
                self._parts.setdefault((version, rest), set()).add(number)

    def __len__(self) -> int:
        return len(self._single) + sum(map(len, self._parts.values()))

    def __contains__(self, address: str) -> bool:
        if address in self._single:
            return True
        if not self._parts:
            return False
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        number = int(parsed)
        return any(
            version == parsed.version and number >> rest in found for (version, rest), found in self._parts.items()
        )


def _part(text: str) -> _Part:
    network = counted(text)
    rest = network.max_prefixlen - network.prefixlen
    is_one = network.prefixlen == _FINEST[network.version]
    return (
        network.version,
        rest,
        int(network.network_address) >> rest,
        str(network.network_address) if is_one else "",
    )


def network_of(text: str) -> Network:
    """A network, or an address as one. An IPv4 address is one however IPv6 shows it. Raises ValueError."""
    network = ip_network(text, strict=False)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - _MAPPED.prefixlen))
    return network


def counted(text: str) -> Network:
    """The network with all that limits count as one with what is in it. Raises ValueError."""
    network = network_of(text)
    finest = _FINEST[network.version]
    return network if network.prefixlen <= finest else network.supernet(new_prefix=finest)


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


def grouped(address: str) -> str:
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
