"""Who a request of the control plane is from: a user, by an app token, a JWT or a NIP-98 proof. Never an identity token."""

from typing import Any, Final

from litestar.di import NamedDependency, Provide
from litestar.params import SkipValidation

from relay.errors import Reject
from relay.http import origin
from relay.http.api import common, rates
from relay.http.hub import GivenHub
from relay.http.problems import of_reject
from relay.server.users import Caller, Request


async def _caller(request: common.AnyRequest, hub: GivenHub) -> Caller:
    """The user whose credentials came with the request; counted against its rate. Raises HttpProblem 401, 403 or 429.

    Who proves a key counts by address: keys cost nothing, so that a fresh one for each request would be no rate at all.
    """
    scope: Any = request.scope
    key = request.headers.get("x-api-key", "")
    authorization = request.headers.get("authorization", "") or (f"Bearer {key}" if key else "")
    query = scope["query_string"].decode("latin-1")
    target = scope.get("raw_path", scope["path"].encode()).decode("latin-1") + (f"?{query}" if query else "")
    client = common.client_address(request, hub)
    address = f"address {client}"
    base = origin.base_url(origin.proven(request, hub))
    try:
        caller = await hub.identities.users.identify(
            Request(authorization, request.method, base, target, await request.body(), client)
        )
    except Reject as refusal:
        rates.spend(request, hub, address)
        problem = of_reject(refusal)
        if problem.status == 401:
            problem.headers["www-authenticate"] = "Bearer, Nostr"
        raise problem from None
    rates.spend(request, hub, address if caller.by_key else f"user {caller.user_id}")
    return caller


GivenCaller = NamedDependency[SkipValidation[Caller]]  # the user that asks
DEPENDENCIES: Final = {"caller": Provide(_caller)}
