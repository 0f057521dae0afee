"""`/.well-known/nostr.json`: names of local identities as Nostr addresses (NIP-05)."""

import msgspec
from litestar import Response, get
from litestar.params import FromQuery

from relay.http.hub import GivenHub

HEADERS = {"access-control-allow-origin": "*", "cache-control": "no-cache"}


class Names(msgspec.Struct, frozen=True):
    """NIP-05: names to public keys, and where those keys are found."""

    names: dict[str, str]
    relays: dict[str, list[str]]


@get("/.well-known/nostr.json")
async def nostr_json(hub: GivenHub, name: FromQuery[str] = "") -> Response[Names]:
    """The key of one name; without a name, or with one that is nobody's, no keys: the list of everybody is not given out.

    `_` is the relay itself.
    """
    if name == "_" and hub.self_pubkey:
        return Response(Names({"_": hub.self_pubkey}, {}), headers=HEADERS)
    identity = await hub.identities.profile(name)
    if identity is None or identity.pubkey is None or identity.anonymised_at is not None or name != name.lower():
        return Response(Names({}, {}), headers=HEADERS)
    found = Names({name: identity.pubkey}, {identity.pubkey: [hub.identities.relay_url]})
    return Response(found, headers=HEADERS)
