"""`/relay` and `/key`: what this relay is and what holds here, and how to get an API key and use it."""

from litestar import Response, get

from relay.http import nips, origin, reference, templates
from relay.http.api.common import AnyRequest
from relay.http.hub import GivenHub


@get("/relay")
async def relay(request: AnyRequest, hub: GivenHub) -> Response[str]:
    """The relay for those who bring a client of their own: its URL, its NIPs, its limits, a first event."""
    config = hub.config
    return templates.page(
        "relay.html",
        relay=config.relay,
        url=origin.shown(request, hub),
        health=hub.health(),
        nips=nips.described(hub.nips),
        limits=reference.in_force(config),
        pubkey=hub.self_pubkey,
        version=hub.version,
        software=hub.software,
    )


@get("/key")
async def key(request: AnyRequest, hub: GivenHub) -> Response[str]:
    """Where a visitor gets an API key, and finds the commands that use it."""
    config = hub.config
    url = origin.shown(request, hub)
    return templates.page(
        "key.html",
        relay=config.relay,
        url=url,
        base=origin.base_url(url),
        registration=config.identities.registration,
        work=config.identities.register_pow,
        pubkey=hub.self_pubkey or "",
        version=hub.version,
        software=hub.software,
    )
