"""What the routes of the API share: who asks, how fast they may go, and which part of a list they want.

Every route declares either `GivenPrincipal` (a token is needed) or `GivenViewer` (one is welcome): both count against the rate.
"""

import re
import time
from typing import Annotated, Any, Final, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter, SkipValidation

from relay.errors import Prefix, Reject
from relay.http.api import rates
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import HttpProblem, not_found, of_reject, of_storage
from relay.server.identities.identity_tokens import Principal
from relay.server.limits import addresses
from storage.base import PUBLIC, Readers
from storage.errors import StorageError
from storage.identities.types import Identity

BASE: Final = "/api/v1"
DEFAULT_LIMIT: Final = 25
MAX_LIMIT: Final = 100
MAX_OFFSET: Final = 1000  # rows that a page may skip; further down, cursors lead

AnyRequest = Request[Any, Any, Any]
# The cookie with which the pages of a relay that asks its readers who they are know one (closed.js).
READER: Final = "reader"
_MEMO: Final = "tidings.principal"  # in the request's scope: who asks, once it is known
_LONGEST_TOKEN: Final = 200  # characters; longer ones are nobody's
_HEX_ID: Final = re.compile(r"[0-9a-f]{64}")
_IDENTITY_ID: Final = re.compile(r"[0-9a-f]{32}")


async def _principal(request: AnyRequest, hub: GivenHub) -> Principal:
    """The identity whose token came with the request. Raises HttpProblem 401, 403 or 429."""
    found = await authenticate(request, hub)
    if found is None:
        raise HttpProblem(
            401,
            "auth_required",
            "this needs an identity token",
            "Send `Authorization: Bearer <token>`; POST /api/v1/agents/register gives you one.",
            headers={"www-authenticate": "Bearer"},
        )
    return found


async def _viewer(request: AnyRequest, hub: GivenHub) -> Principal | None:
    """Who asks, None for somebody without a token where that is enough. Raises HttpProblem 401, 403 or 429."""
    if hub.config.access.auth_to_read:
        return await _principal(request, hub)
    return await authenticate(request, hub)


GivenPrincipal = NamedDependency[SkipValidation[Principal]]  # the identity that asks
GivenViewer = NamedDependency[SkipValidation[Principal | None]]  # the identity that asks, if any
DEPENDENCIES: Final = {"principal": Provide(_principal), "viewer": Provide(_viewer)}


async def may_read(connection: ASGIConnection[Any, Any, Any, Any], _route: BaseRouteHandler) -> None:
    """Guard of a route that answers everybody alike: what `GivenViewer` checks. Raises HttpProblem 401, 403 or 429."""
    await _viewer(cast(AnyRequest, connection), connection.app.state.hub)


async def authenticate(request: AnyRequest, hub: RunningRelay) -> Principal | None:
    """Who asks, None without a token; counts the request against its rate, once. Raises HttpProblem 401, 403 or 429."""
    scope: Any = request.scope
    if _MEMO in scope:
        known: Principal | None = scope[_MEMO]
        return known
    token = credentials(request)
    principal: Principal | None = None
    try:
        if token is not None:
            principal = await hub.identities.tokens.authenticate(token)
    except Reject as refusal:
        rates.spend(request, hub, f"address {client_address(request, hub)}")
        raise _refused(refusal) from None
    name = f"address {client_address(request, hub)}" if principal is None else f"identity {principal.identity_id}"
    rates.spend(request, hub, name)
    scope[_MEMO] = principal
    return principal


def known(request: AnyRequest) -> Principal | None:
    """Who asks, as far as that was looked at."""
    found: Principal | None = cast(Any, request.scope).get(_MEMO)
    return found


def _refused(refusal: Reject) -> HttpProblem:
    problem = of_reject(refusal)
    if refusal.prefix is Prefix.AUTH_REQUIRED:
        problem.headers["www-authenticate"] = 'Bearer error="invalid_token"'
        problem.hint = (
            "Send another API key of this identity; POST /api/v1/agents/register makes one of a new identity."
        )
    return problem


def credentials(request: AnyRequest) -> str | None:
    """The token in `Authorization: Bearer …`, else in `x-api-key`, else in the cookie of a page, which the API does not take.

    None when the request has none of these.
    """
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        token = request.headers.get("x-api-key", "")
    if not token and not request.url.path.startswith("/api/"):
        token = request.cookies.get(READER, "")
    return token.strip()[: _LONGEST_TOKEN + 1] or None


def client_address(request: AnyRequest, hub: RunningRelay) -> str:
    """What the limits count this client by: its address, as a trusted proxy tells it (`server.trusted_proxies`)."""
    return addresses.grouped(told_address(request, hub))


def told_address(request: AnyRequest, hub: RunningRelay) -> str:
    """The whole address of this client, as a trusted proxy tells it."""
    server = hub.config.server
    forwarded = request.headers.getall(server.address_header, [])
    peer = request.client.host if request.client else ""
    return addresses.told_address(peer, forwarded, addresses.networks(server.trusted_proxies))


Limit = Annotated[int, QueryParameter(description=f"how many; more than {MAX_LIMIT} is taken as {MAX_LIMIT}", ge=1)]
Cursor = Annotated[str, QueryParameter(description="`next_cursor` of the page before", max_length=500)]
Offset = Annotated[
    int,
    QueryParameter(description=f"posts to skip, {MAX_OFFSET} at most; further down, cursors lead", ge=0, le=MAX_OFFSET),
]


Events = Annotated[
    bool, QueryParameter(description="false leaves the signed `event` of each out: a list of a third of the size")
]
SubmoltName = Annotated[
    str,
    QueryParameter(
        description="only this submolt: a community by its name, or `general`; `m/` may stand before it", max_length=130
    ),
]

# Clients that read the author of a comment as a text where all others read an object; told by their User-Agent.
_READ_NAMES: Final = ("moltbook-python-sdk/",)


def reads_names(request: AnyRequest) -> bool:
    """Whether this client reads a comment's `author` as a text, the name."""
    return request.headers.get("user-agent", "").startswith(_READ_NAMES)


async def agent_named(hub: RunningRelay, name: str) -> Identity:
    """The local identity of this name, in any case, `@` before it or not; or with this id. Raises HttpProblem 404."""
    plain = name.removeprefix("@")
    found = await hub.identities.profile(plain)
    if found is None and _IDENTITY_ID.fullmatch(plain):
        found = (await hub.identities.by_id([plain])).get(plain)
    if found is None or found.anonymised_at is not None:
        raise not_found("agent")
    return found


async def readers(hub: RunningRelay, viewer: Principal | None) -> Readers:
    """Under which names whoever asks reads private events. Raises HttpProblem 503."""
    if viewer is None:
        return PUBLIC
    try:
        return await hub.readers_of(viewer.identity_id)
    except StorageError as error:
        raise of_storage(error) from None


def id_of(viewer: Principal | None) -> str | None:
    """Whose own votes are told."""
    return None if viewer is None else viewer.identity_id


def at_most(limit: int) -> int:
    """The limit as served."""
    return min(limit, MAX_LIMIT)


def event_id(value: str, what: str) -> str:
    """An id as it stands in a path. Raises HttpProblem 404 when nothing can have it."""
    if not _HEX_ID.fullmatch(value):
        raise not_found(what, f"there is no such {what}: an id has 64 hex digits, in lower case")
    return value


def now() -> int:
    """Unix seconds."""
    return int(time.time())
