"""Who an operator is, over HTTP: whoever proves a key that `relay.pubkey` or `access.operators` names, or has a token of its
identity.
"""

from relay.config import Config
from relay.http.api import common, rates
from relay.http.api.callers import proven_key
from relay.http.hub import RunningRelay
from relay.http.problems import HttpProblem
from relay.server.identities.identity_tokens import Principal


def keys(config: Config) -> frozenset[str]:
    """The operators' public keys."""
    return frozenset(filter(None, (config.relay.pubkey, *config.access.operators)))


async def require(request: common.AnyRequest, hub: RunningRelay) -> str:
    """The key of the operator who asks. Raises HttpProblem 401, 403 or 429."""
    if _proves(request):
        return await _prove(request, hub)
    principal = await asking(request, hub)
    key = None if principal is None else await _key_of(hub, principal)
    if key is None:
        raise refusal()
    return key


def _proves(request: common.AnyRequest) -> bool:
    return request.headers.get("authorization", "")[:6].lower() == "nostr "


async def _prove(request: common.AnyRequest, hub: RunningRelay) -> str:
    """The operator's key that a NIP-98 proof names. Raises HttpProblem 401, 403 or 429."""
    own = keys(hub.config)
    key = await proven_key(request, hub, own)
    if key not in own:
        rates.spend(request, hub, f"address {common.client_address(request, hub)}")
        raise refusal()
    return key


async def _key_of(hub: RunningRelay, principal: Principal) -> str | None:
    """The operator's key that is bound to the identity, None where none is."""
    bound = await hub.identities.keys.of(principal.identity_id)
    own = keys(hub.config)
    return next((key.pubkey for key in bound if key.revoked_at is None and key.pubkey in own), None)


async def asking(request: common.AnyRequest, hub: RunningRelay) -> Principal | None:
    """Who asks: None for the operator by a NIP-98 proof, else the identity of a token. Raises HttpProblem 401, 403 or 429."""
    if _proves(request):
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
    return principal is None or await _key_of(hub, principal) is not None


def refusal() -> HttpProblem:
    """What everybody else is answered."""
    return HttpProblem(
        403,
        "restricted",
        "this is for the relay's operator",
        "Prove a key that the settings relay.pubkey or access.operators name.",
    )
