"""Which address a client comes from, by its connection or by what a trusted proxy says."""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

Network = IPv4Network | IPv6Network
BLOCKED: Final = "this address is blocked here"
_FINEST: Final = {4: 32, 6: 64}  # bits of a network that is one client


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


class AddressSet:
    """Addresses and networks in which a client may be, as `client_address` writes it: an IPv6 client is its /64."""

    def __init__(self, written: Iterable[str]) -> None:
        """Raises ValueError on what is neither."""
        found = {_counted(ip_network(item, strict=False)) for item in written}
        self._single = {str(one.network_address) for one in found if one.prefixlen == _FINEST[one.version]}
        self._networks = [one for one in found if one.prefixlen != _FINEST[one.version]]

    def __len__(self) -> int:
        return len(self._single) + len(self._networks)

    def __contains__(self, address: str) -> bool:
        if address in self._single:
            return True
        if not self._networks:
            return False
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def _counted(network: Network) -> Network:
    """The network with all that limits count as one with what is in it."""
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
