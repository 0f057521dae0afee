"""`/docs`: every setting and every NIP of this relay, from the rows that define them."""

from litestar import Response, get

from relay.http import nips, reference
from relay.http.hub import GivenHub
from relay.http.rendering import templates


@get("/docs")
async def documentation(hub: GivenHub) -> Response[str]:
    """The reference for operators and for authors of clients."""
    return templates.page(
        "docs.html",
        name=hub.config.relay.name,
        version=hub.version,
        software=hub.software,
        groups=reference.settings(),
        nips=nips.described(hub.nips),
    )
