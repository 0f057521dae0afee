"""What programs look for at fixed places: names as Nostr addresses (NIP-05), what crawlers may read, the old place of an icon."""

from typing import Final

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.datastructures import State
from litestar.params import FromQuery

from relay.http import origin
from relay.http.hub import GivenHub
from relay.http.rendering import static

# The pages may be read; what is made anew for each question is not for crawlers.
ROBOTS: Final = """User-agent: *
Disallow: /api/
Disallow: /claim
Disallow: /edit/
Disallow: /following
Disallow: /found
Disallow: /health
Disallow: /key
Disallow: /account
Disallow: /sheet
Disallow: /metrics
Disallow: /notifications
Disallow: /picture
Disallow: /pieces
Disallow: /saved
Disallow: /search
Disallow: /write
"""
NO_ROBOTS: Final = "User-agent: *\nDisallow: /\n"

HEADERS = {"access-control-allow-origin": "*", "cache-control": "no-cache"}


class Names(msgspec.Struct, frozen=True):
    """NIP-05: names to public keys, and where those keys are found."""

    names: dict[str, str]
    relays: dict[str, list[str]]


@get("/.well-known/nostr.json")
async def nostr_json(request: Request[None, None, State], hub: GivenHub, name: FromQuery[str] = "") -> Response[Names]:
    """The key of one name; without a name, or with one that is nobody's, no keys: the list of everybody is not given out.

    `_` is the relay itself.
    """
    if name == "_" and hub.self_pubkey:
        here = {hub.self_pubkey: [origin.shown(request, hub)]}
        return Response(Names({"_": hub.self_pubkey}, here), headers=HEADERS)
    identity = await hub.identities.profile(name)
    if identity is None or identity.pubkey is None or identity.anonymised_at is not None or name != name.lower():
        return Response(Names({}, {}), headers=HEADERS)
    found = Names({name: identity.pubkey}, {identity.pubkey: [origin.shown(request, hub)]})
    return Response(found, headers=HEADERS)


@get("/robots.txt")
async def robots(request: Request[None, None, State], hub: GivenHub) -> Response[str]:
    """What crawlers may read: the pages, and nothing where readers are asked who they are (RFC 9309).

    What is new they find by the feed, which search engines take for a sitemap.
    """
    sitemap = f"Sitemap: {origin.base_url(origin.shown(request, hub))}/feed.atom\n"
    text = NO_ROBOTS if hub.config.access.auth_to_read else ROBOTS + sitemap
    return Response(text, headers={"cache-control": "max-age=3600"}, media_type=MediaType.TEXT)


@get("/favicon.ico")
async def favicon(request: Request[None, None, State]) -> Response[bytes]:
    """The icon for those who look for it here; the pages link the sharper one."""
    return static.answer(request, static.ASSETS["favicon.ico"], "max-age=86400")
