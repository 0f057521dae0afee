"""Who the operator is, over HTTP: whoever proves the key that `relay.pubkey` names, or has a token of its identity."""

import hmac

from relay.http.api import common, rates
from relay.http.api.callers import proven_key
from relay.http.hub import RunningRelay
from relay.http.problems import HttpProblem
from relay.server.identities.identity_tokens import Principal


async def require(request: common.AnyRequest, hub: RunningRelay) -> None:
    """See that the operator asks. Raises HttpProblem 401, 403 or 429."""
    if not await is_operator(hub, await asking(request, hub)):
        raise refusal()


async def _prove(request: common.AnyRequest, hub: RunningRelay) -> None:
    """See that a NIP-98 proof names the operator's key. Raises HttpProblem 401, 403 or 429."""
    operator, key = hub.config.relay.pubkey, await proven_key(request, hub)
    if not operator or not hmac.compare_digest(operator, key):
        rates.spend(request, hub, f"address {common.client_address(request, hub)}")
        raise refusal()


async def asking(request: common.AnyRequest, hub: RunningRelay) -> Principal | None:
    """Who asks: None for the operator by a NIP-98 proof, else the identity of a token. Raises HttpProblem 401, 403 or 429."""
    if request.headers.get("authorization", "")[:6].lower() == "nostr ":
        await _prove(request, hub)
        return None
    principal = await common.authenticate(request, hub)
    if principal is None:
        raise HttpProblem(
            401,
            "auth_required",
            "this is for the relay's operator, and some of it for moderators",
            "Send `Authorization: Bearer <token>`, or a NIP-98 proof of the key in the setting relay.pubkey.",
            headers={"www-authenticate": "Bearer, Nostr"},
        )
    return principal


async def is_operator(hub: RunningRelay, principal: Principal | None) -> bool:
    """Whether this is the operator, as `asking` told who asks."""
    if principal is None:
        return True
    keys = await hub.identities.keys.of(principal.identity_id)
    return any(key.pubkey == hub.config.relay.pubkey and key.revoked_at is None for key in keys)


def refusal() -> HttpProblem:
    """What everybody else is answered."""
    return HttpProblem(
        403, "forbidden", "this is for the relay's operator", "prove the key that the setting relay.pubkey names"
    )
