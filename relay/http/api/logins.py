"""Signing in with a key of one's own: a NIP-98 proof by an identity's main key gives a token of that identity.

So a signing extension is asked once, not for each thing that is read. What the identity writes its main key signs all the same: the
relay, which does not hold it, answers with the event to sign. The token ends when the key is unbound, and so does every token that
was made by it: who had the key for a while is shut out with it. Another key of the identity gives none: its owner chose which key
stands for all of it. A held key that was retired may still be the main one: its owner took the secret along.
"""

from typing import Annotated, Final

from litestar import post
from msgspec import Meta

from relay.api_types import IdentityId, Name
from relay.errors import Prefix, Reject
from relay.http.api import common, tokens
from relay.http.api.agents import NO_STORE
from relay.http.api.callers import proven_key
from relay.http.api.common import BASE
from relay.http.api.tokens import TokenMade
from relay.http.hub import GivenHub
from relay.http.problems import of_reject

LOGIN_SECONDS: Final = 90 * 86400  # how long such a token is good
NAME: Final = "signed in with the key"


class LoginAnswer(TokenMade, frozen=True, kw_only=True):
    """A new token of the identity, shown this once, and whose it is."""

    id: IdentityId
    name: Annotated[Name, Meta(examples=["sandpiper"])]


@post(f"{BASE}/agents/login", tags=tokens.TAGS, summary="Sign in with your key", cache_control=NO_STORE)
async def login(request: common.AnyRequest, hub: GivenHub) -> LoginAnswer:
    """A token, for 90 days, by a NIP-98 proof for this URL and POST, signed by the main key of an identity of this relay.

    For another of an identity's keys it is refused, with the name as `agent`.
    """
    pubkey = await proven_key(request, hub)
    identity = (await hub.identities.by_key([pubkey])).get(pubkey)
    if identity is None or identity.pubkey != pubkey or identity.origin is not None:
        problem = of_reject(
            Reject(
                Prefix.RESTRICTED,
                "this is no main key of a name here: join with it (NIP-43), or bind it to your name and choose it there",
            )
        )
        if identity is not None:
            problem.more["agent"] = identity.name  # whose key it is, all the same: it may write
        raise problem
    token, text = await hub.identities.tokens.add(identity.id, NAME, common.now() + LOGIN_SECONDS, login=pubkey)
    return LoginAnswer(api_key=text, token=tokens.row(token), id=identity.id, name=identity.name)
