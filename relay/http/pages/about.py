"""`/relay`, `/account` and `/sheet`: what this relay is and what holds here; one's own account, and the forms to get one."""

from litestar import Response, get
from litestar.response import Redirect

from relay.http import nips, origin, reference
from relay.http.api.common import AnyRequest
from relay.http.hub import GivenHub
from relay.http.rendering import templates


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


@get("/account")
async def account(request: AnyRequest, hub: GivenHub) -> Response[str]:
    """A visitor's name, keys and tokens, which its script asks for; and the commands that use a key."""
    config = hub.config
    url = origin.shown(request, hub)
    return templates.page(
        "account.html",
        relay=config.relay,
        url=url,
        base=origin.base_url(url),
        registration=config.identities.registration,
        asks_readers=config.access.auth_to_read,
        version=hub.version,
        software=hub.software,
    )


@get("/key")
async def key() -> Redirect:
    """Where API keys were got before there were accounts; the fragment comes along by itself."""
    return Redirect("/account", status_code=301)


@get("/sheet")
async def sheet(hub: GivenHub) -> Response[str]:
    """The forms that a page shows where an action needs a name (`sheet.js`)."""
    config = hub.config
    return templates.page("sheet.html", relay=config.relay, registration=config.identities.registration)
