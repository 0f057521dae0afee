"""Who a request of the control plane is from: a user, by an app token, a JWT or a NIP-98 proof.

An identity token is none of these, but for claims (`Claimant`): the user is then the key that the relay holds for the identity.
Whoever has the token could have that key exported and prove it, so nothing is opened by this that was closed.
"""

from collections.abc import Collection
from typing import Any, Final

import msgspec
from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from keys import nip98, tokens
from relay.errors import Reject
from relay.http import origin
from relay.http.api import common, rates
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, of_reject
from relay.protocol.facts import GivenToken
from relay.server.identities.users import Caller, Request

_MEMO: Final = "tidings.caller"  # in the request's scope: the user, once known


async def identify(request: common.AnyRequest, hub: RunningRelay) -> Caller:
    """The user whose credentials came with the request; counted against its rate, once. Raises HttpProblem 401, 403 or 429.

    Who proves a key counts by address: keys cost nothing, so that a fresh one for each request would be no rate at all.
    """
    scope: Any = request.scope
    if _MEMO in scope:
        known: Caller = scope[_MEMO]
        return known
    asked = await asked_with(request, hub)
    try:
        caller = await hub.identities.users.identify(asked)
    except Reject as refusal:
        raise _refused(request, hub, refusal, "Bearer, Nostr") from None
    rates.spend(request, hub, f"address {asked.address}" if caller.by_key else f"user {caller.user_id}")
    scope[_MEMO] = caller
    return caller


class Claimant(msgspec.Struct, frozen=True):
    """Whoever claims: a user, by the external id. `identity_id` is the identity whose token said so, None for others."""

    user_id: str
    token: GivenToken | None
    identity_id: str | None = None


async def _claimant(request: common.AnyRequest, hub: GivenHub) -> Claimant:
    """Raises HttpProblem 401, 403 or 429."""
    proves = request.headers.get("authorization", "").lower().startswith(f"{nip98.SCHEME} ")
    if proves or tokens.kind_of(common.credentials(request) or "") is not tokens.Kind.IDENTITY:
        caller = await identify(request, hub)
        return Claimant(caller.user_id, caller.token)
    principal = await common.authenticate(request, hub)
    assert principal is not None  # it has sent a token
    keys = await hub.identities.keys.of(principal.identity_id)
    held = next((key for key in keys if key.held and key.revoked_at is None and key.retired_at is None), None)
    if held is None:
        raise HttpProblem(
            403,
            "restricted",
            f"the relay holds no key for {principal.name} any more, and signs nothing for it",
            "Prove your own key instead (NIP-98), or send an app token.",
        )
    return Claimant(f"nostr:{held.pubkey}", principal.token, principal.identity_id)


async def asked_with(request: common.AnyRequest, hub: RunningRelay) -> Request:
    """What the request says of who asks."""
    key = request.headers.get("x-api-key", "")
    return await _request(request, hub, f"Bearer {key}" if key else "")


async def _caller(request: common.AnyRequest, hub: GivenHub) -> Caller:
    return await identify(request, hub)


async def proven_key(request: common.AnyRequest, hub: RunningRelay, of: Collection[str] | None = None) -> str:
    """The key that a NIP-98 proof of this request names, which may leave the method out. Raises HttpProblem 401 or 429.

    `of` as in `Users.proven`.
    """
    asked = await _request(request, hub)
    try:
        pubkey = hub.identities.users.proven(asked, of)
    except Reject as refusal:
        raise _refused(request, hub, refusal, "Nostr") from None
    rates.spend(request, hub, f"address {asked.address}")
    return pubkey


async def managing_key(
    request: common.AnyRequest, hub: RunningRelay, operators: Collection[str], *, reads: bool
) -> str:
    """The key that a NIP-98 proof of a NIP-86 call names; see `Users.managing`. Raises HttpProblem 401 or 429."""
    asked = await _request(request, hub)
    try:
        pubkey = hub.identities.users.managing(asked, origin.proven(request, hub), operators, reads=reads)
    except Reject as refusal:
        raise _refused(request, hub, refusal, "Nostr") from None
    rates.spend(request, hub, f"address {asked.address}")
    return pubkey


async def _request(request: common.AnyRequest, hub: RunningRelay, otherwise: str = "") -> Request:
    """What a proof must cover. `otherwise` stands for an Authorization header where there is none."""
    scope: Any = request.scope
    query = scope["query_string"].decode("latin-1")
    target = scope.get("raw_path", scope["path"].encode()).decode("latin-1") + (f"?{query}" if query else "")
    base = origin.base_url(origin.proven(request, hub))
    authorization = request.headers.get("authorization", "") or otherwise
    client = common.client_address(request, hub)
    return Request(authorization, request.method, base, target, await request.body(), client)


def _refused(request: common.AnyRequest, hub: RunningRelay, refusal: Reject, schemes: str) -> HttpProblem:
    rates.spend(request, hub, f"address {common.client_address(request, hub)}")
    problem = of_reject(refusal)
    if problem.status == 401:
        problem.headers["www-authenticate"] = schemes
        if schemes == "Nostr":
            problem.hint = (
                "Send `Authorization: Nostr <event>`: kind 27235 in base64, new, for this method and this whole URL."
            )
    return problem


GivenCaller = NamedDependency[SkipValidation[Caller]]  # the user that asks
# The user that asks, or the one behind the identity that does.
GivenClaimant = NamedDependency[SkipValidation[Claimant]]
DEPENDENCIES: Final = {"caller": Provide(_caller), "claimant": Provide(_claimant)}
