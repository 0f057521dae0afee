"""The answer to a WebSocket upgrade request: whether this client may connect, from where it does, and by which URL it knows us."""

from typing import NamedTuple

from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from relay.server.connection.shared import Shared
from relay.server.limits import addresses
from relay.server.limits.origin import public_url


class Handshake(NamedTuple):
    """What was decided. `address`, as limits count it, `url` and `told_address`, the whole of it, are "" where it was refused."""

    response: Response
    address: str = ""
    url: str = ""
    told_address: str = ""


def answer(protocol: ServerProtocol, request: Request, peer: str, shared: Shared) -> Handshake:
    """The response, which is still to be sent; a client that may connect is counted at the gate. `peer` is "" for none known."""
    response = protocol.accept(request)
    if response.status_code != 101:
        response.headers["Sec-WebSocket-Version"] = "13"  # for who asked for another (RFC 6455, 4.2.2)
        return Handshake(response)
    relay_url, config = shared.settings.relay_url, shared.settings.config
    if request.path.partition("?")[0] not in shared.paths:
        return Handshake(protocol.reject(404, f"the relay is at {relay_url}\n"))
    forwarded = request.headers.get_all(config.server.address_header)
    told = addresses.told_address(peer or "local", forwarded, shared.gate.networks)
    address = addresses.grouped(told)
    url = public_url(config, peer, request.headers.get_all) or relay_url
    reason = shared.gate.enter(address)
    if reason is not None:
        status = 503 if shared.gate.draining else 403 if address in shared.gate.blocked else 429
        return Handshake(protocol.reject(status, f"{reason}\n"))
    return Handshake(response, address, url, told)
