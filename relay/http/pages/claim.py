"""`/claim`: the page where a person claims an identity. What it claims is in the link's fragment, which stays in the browser."""

from litestar import Response, get

from relay.http.hub import GivenHub
from relay.http.rendering import templates


@get("/claim")
async def claim_page(hub: GivenHub) -> Response[str]:
    """The page; its script asks what the link is for and sends the claim."""
    return templates.page("claim.html", relay=hub.config.relay, version=hub.version, software=hub.software)
