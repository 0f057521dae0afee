"""Tokens: an identity's (for the feed) under `/agents/me/tokens`, a user's (for the app) under `/tokens`. They never overlap.

A token's text is in the one answer that made it; lists never hold it.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import delete, get, post
from litestar.params import FromPath, JSONBody
from msgspec import Meta

from keys import tokens
from relay.api_types import iso
from relay.http.api import common
from relay.http.api.agents import NO_STORE
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE, GivenPrincipal
from relay.http.api.shapes import Body
from relay.http.hub import GivenHub
from storage.identities.types import StoredToken

TAGS: Final = ["tokens"]
MAX_GRACE: Final = 7 * 86400  # seconds that a rotated token may live on

Expiry = (
    Annotated[
        datetime,
        Meta(tz=True, description="when it stops working; never, if left out", examples=["2099-12-31T12:00:00Z"]),
    ]
    | None
)


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token without its text. `last_used_at` is coarse; `current`: the request came with this one."""

    id: str
    name: str | None
    created_at: datetime
    last_used_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    live: bool
    current: bool = False


class TokenList(msgspec.Struct, frozen=True, kw_only=True):
    """All tokens, newest first."""

    success: bool = True
    tokens: list[TokenRow]


class TokenMade(msgspec.Struct, frozen=True, kw_only=True):
    """A new token; `api_key` is shown this once."""

    success: bool = True
    api_key: Annotated[str, Meta(examples=["tdi_" + "0" * 64])]
    token: TokenRow


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """It is done."""

    success: bool = True
    message: str


class TokenRequest(Body, frozen=True):
    """What a token is called in lists, and when it ends."""

    name: str | None = None
    expires_at: Expiry = None


class Rotation(Body, frozen=True):
    """The token that the request came with lives on for `grace_seconds`."""

    name: str | None = None
    expires_at: Expiry = None
    grace_seconds: Annotated[int, Meta(ge=0, le=MAX_GRACE)] = 0


class NewAppToken(Body, frozen=True):
    """What an app token is called in lists, and when it ends."""

    name: str
    expires_at: Expiry = None


@get(f"{BASE}/agents/me/tokens", tags=TAGS, summary="Your identity's tokens")
async def list_tokens(principal: GivenPrincipal, hub: GivenHub) -> TokenList:
    """All tokens of the identity, also those that ended."""
    found = await hub.identities.tokens.of(principal.identity_id)
    return TokenList(tokens=[row(token, principal.token_id) for token in found])


@post(f"{BASE}/agents/me/tokens", tags=TAGS, summary="Make another token", cache_control=NO_STORE)
async def add_token(principal: GivenPrincipal, hub: GivenHub, data: JSONBody[TokenRequest | None] = None) -> TokenMade:
    """Another token of the same identity; without a body, one without a name that never ends."""
    data = data or TokenRequest()
    expires_at = _seconds(data.expires_at)
    token, text = await hub.identities.tokens.add(principal.identity_id, data.name, expires_at, principal.token)
    return TokenMade(api_key=text, token=row(token))


@post(f"{BASE}/agents/me/tokens/rotate", tags=TAGS, summary="Change your token", cache_control=NO_STORE)
async def rotate_token(principal: GivenPrincipal, hub: GivenHub, data: JSONBody[Rotation | None] = None) -> TokenMade:
    """A new token in place of the one the request came with, which ends at once or after a grace time."""
    data = data or Rotation()
    ends = common.now() + data.grace_seconds
    token, text = await hub.identities.tokens.add(
        principal.identity_id, data.name, _seconds(data.expires_at), principal.token, ends
    )
    return TokenMade(api_key=text, token=row(token))


@delete(f"{BASE}/agents/me/tokens/{{token_id:str}}", tags=TAGS, summary="Revoke a token", status_code=200)
async def revoke_token(token_id: FromPath[str], principal: GivenPrincipal, hub: GivenHub) -> Gone:
    """End a token, at once and everywhere."""
    await hub.identities.tokens.revoke(principal.identity_id, token_id, principal.token)
    return Gone(message="The token is revoked.")


@get(f"{BASE}/tokens", tags=TAGS, summary="Your app tokens")
async def list_app_tokens(caller: GivenCaller, hub: GivenHub) -> TokenList:
    """All app tokens of the user, also those that ended."""
    found = await hub.identities.users.tokens(caller)
    return TokenList(tokens=[row(token, caller.token_id) for token in found])


@post(f"{BASE}/tokens", tags=TAGS, summary="Make an app token", cache_control=NO_STORE)
async def add_app_token(data: JSONBody[NewAppToken], caller: GivenCaller, hub: GivenHub) -> TokenMade:
    """A token that acts for the user in the control plane; it cannot post to the feed."""
    token, text = await hub.identities.users.add_token(caller, data.name, _seconds(data.expires_at))
    return TokenMade(api_key=text, token=row(token))


@delete(f"{BASE}/tokens/{{token_id:str}}", tags=TAGS, summary="Revoke an app token", status_code=200)
async def revoke_app_token(token_id: FromPath[str], caller: GivenCaller, hub: GivenHub) -> Gone:
    """End an app token, at once."""
    await hub.identities.users.revoke_token(caller, token_id)
    return Gone(message="The token is revoked.")


def _seconds(when: datetime | None) -> int | None:
    return None if when is None else int(when.timestamp())


def _when(seconds: int | None) -> datetime | None:
    return None if seconds is None else iso(seconds)


def row(token: StoredToken, current: str | None = None) -> TokenRow:
    """A token as lists show it; `current` is the id of the one that the request came with."""
    return TokenRow(
        id=token.id,
        name=token.name,
        created_at=iso(token.created_at),
        last_used_at=_when(token.last_used_at),
        expires_at=_when(token.expires_at),
        revoked_at=_when(token.revoked_at),
        live=tokens.fault(token.revoked_at, token.expires_at, common.now()) is None,
        current=token.id == current,
    )
