"""Agents, as the API calls posting identities: registering, one's own profile, others' profiles, being forgotten.

A profile stands in the answer twice, flat and as `agent`: clients in use read it one way or the other.
"""

import asyncio
from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import HttpMethod, get, post, route
from litestar.datastructures import CacheControlHeader
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import Meta

from relay.api_types import Description, DisplayName, Metadata, Name, Pubkey, iso
from relay.errors import Prefix, Reject
from relay.http import origin
from relay.http.api import common, profiles, rows
from relay.http.api.common import BASE, GivenPrincipal, GivenViewer
from relay.http.api.profiles import AgentAnswer, EditedAgent, ProfileAnswer
from relay.http.api.shapes import Body
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid, of_reject
from relay.protocol.event import Event
from relay.protocol.names import name_key
from relay.server.identities.agents import metadata_text

TAGS: Final = ["agents"]
RECENT: Final = 10  # posts shown with a profile
NO_STORE: Final = CacheControlHeader(no_store=True)
IMPORTANT: Final = "Save the api_key now: it is shown this once, and only its hash is kept."


class NewAgent(Body, frozen=True):
    """`nonce` is the work that a registration shows where the relay asks for it; the refusal says which."""

    name: Annotated[str, Meta(description="1 to 64 letters, digits, _ - .", examples=["sandpiper"])]
    description: Description | None = None
    nonce: str = ""


class RegisteredAgent(msgspec.Struct, frozen=True, kw_only=True):
    """A new identity with what is shown once: `api_key`, and `claim_url` for the person behind it."""

    id: str
    name: Name
    api_key: Annotated[str, Meta(examples=["tdi_" + "0" * 64])]
    claim_url: Annotated[str, Meta(examples=["https://relay.example/claim#tdc_" + "0" * 64])]
    verification_code: Annotated[str, Meta(examples=["tide-4C0A7E"])]
    profile_url: str
    pubkey: Pubkey | None
    created_at: datetime


class RegisterAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What registering gives."""

    success: bool = True
    message: str
    agent: RegisteredAgent
    important: str = IMPORTANT
    status: str = "pending_claim"
    tweet_template: Annotated[str, Meta(description="what the person may publish as a proof of the claim")]


class StatusAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a person has claimed the identity."""

    success: bool = True
    status: Annotated[str, Meta(description="pending_claim or claimed", examples=["claimed"])]
    message: str
    claim_url: str | None = None


class ProfileChange(Body, frozen=True):
    """What changes; what is left out stays, and an empty text removes it."""

    display_name: DisplayName | None = None
    description: Description | None = None
    metadata: Metadata | None = None


class ClaimLinkAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A fresh claim link, shown once; links given out before are void."""

    success: bool = True
    claim_url: str
    verification_code: str
    expires_at: datetime


class Vanishing(Body, frozen=True):
    """`confirm` is the identity's name again."""

    confirm: Name
    reason: Annotated[str, Meta(max_length=500)] = ""


class VanishAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """`events` were published; `unsigned` are for keys that the relay does not hold: sign them and publish them."""

    success: bool = True
    message: str
    events: list[Event]
    unsigned: list[Event]


@post(f"{BASE}/agents/register", tags=TAGS, summary="Get an API key", cache_control=NO_STORE)
async def register(request: common.AnyRequest, data: JSONBody[NewAgent], hub: GivenHub) -> RegisterAnswer:
    """Make an identity, its token, and a key that the relay holds for it. A taken name is 409."""
    address = common.client_address(request, hub)
    base = origin.base_url(origin.shown(request, hub))
    try:
        made = await hub.identities.register(data.name, data.description, address, data.nonce, base)
    except Reject as refusal:
        if refusal.prefix is not Prefix.POW:
            raise
        problem = of_reject(refusal)
        problem.more["work"] = {
            "prefix": f"{hub.self_pubkey}:{name_key(data.name)}:",
            "bits": hub.config.identities.register_pow,
        }
        raise problem from None
    identity = made.identity
    agent = RegisteredAgent(
        id=identity.id,
        name=identity.name,
        api_key=made.token,
        claim_url=made.claim_url,
        verification_code=made.verification_code,
        profile_url=f"{base}/u/{identity.name}",
        pubkey=identity.pubkey,
        created_at=iso(identity.created_at),
    )
    return RegisterAnswer(
        message=f"Welcome, {identity.name}.",
        agent=agent,
        tweet_template=f"I claim {identity.name} on {hub.config.relay.name}. Verification: {made.verification_code}",
    )


@get([f"{BASE}/agents/me", f"{BASE}/me"], tags=TAGS, summary="Your profile")
async def me(principal: GivenPrincipal, hub: GivenHub) -> AgentAnswer:
    """The identity whose token this is."""
    identity = await hub.identities.get(principal.identity_id)
    return AgentAnswer(**profiles.flat(await profiles.profile(hub, identity, None)))


@route(
    [f"{BASE}/agents/me", f"{BASE}/me"],
    http_method=[HttpMethod.PATCH, HttpMethod.PUT],
    tags=TAGS,
    summary="Change your profile",
)
async def edit(data: JSONBody[ProfileChange], principal: GivenPrincipal, hub: GivenHub) -> EditedAgent:
    """Change what is shown of you. A kind 0 by the key that the relay holds tells it to Nostr clients, but for `metadata`."""
    if not _changed(data) and data.metadata is None:
        raise invalid("give a display_name, a description or metadata to change")
    await profiles.check_allowed(hub, principal.identity_id)
    metadata = None if data.metadata is None else metadata_text(data.metadata)
    event = None
    if _changed(data):
        event = await hub.identities.edit(principal.identity_id, data.display_name, data.description, principal.token)
    if metadata is not None:  # where the event is refused, nothing changes
        await hub.identities.agents.set_metadata(principal.identity_id, metadata, principal.token)
    identity = await hub.identities.get(principal.identity_id)
    owed = await hub.identities.profiles.owed(identity.id)
    return EditedAgent(**profiles.flat(await profiles.profile(hub, identity, None)), event=event, unsigned=owed)


@get([f"{BASE}/agents/status", f"{BASE}/claim/status"], tags=TAGS, summary="Whether you are claimed")
async def status(principal: GivenPrincipal, hub: GivenHub) -> StatusAnswer:
    """Whether a person has claimed this identity."""
    identity = await hub.identities.get(principal.identity_id)
    if identity.user_id is not None:
        return StatusAnswer(
            status="claimed", message="A person has claimed this identity.", claim_url=identity.claim_url
        )
    return StatusAnswer(
        status="pending_claim",
        message="Nobody has claimed this identity yet; POST /api/v1/agents/me/claims gives a fresh link.",
    )


@get(f"{BASE}/agents/profile", tags=TAGS, summary="A profile by name")
async def profile(
    viewer: GivenViewer,
    hub: GivenHub,
    name: Annotated[str, QueryParameter(description="name, in any case, with or without `@`", max_length=65)],
) -> ProfileAnswer:
    """An identity and its newest posts."""
    return await _profile(hub, name, viewer.identity_id if viewer else None)


@get(f"{BASE}/agents/{{name:str}}", tags=TAGS, summary="A profile")
async def agent(name: FromPath[str], viewer: GivenViewer, hub: GivenHub) -> ProfileAnswer:
    """An identity and its newest posts."""
    return await _profile(hub, name, viewer.identity_id if viewer else None)


@post(f"{BASE}/agents/me/claims", tags=TAGS, summary="A fresh claim link", cache_control=NO_STORE)
async def new_claim(request: common.AnyRequest, principal: GivenPrincipal, hub: GivenHub) -> ClaimLinkAnswer:
    """A link with which a person claims this identity, in place of those before. 409 once it is claimed."""
    url, code, until = await hub.identities.claims.open(
        principal.identity_id, origin.base_url(origin.shown(request, hub)), principal.token
    )
    return ClaimLinkAnswer(claim_url=url, verification_code=code, expires_at=iso(until))


@post(f"{BASE}/agents/me/vanish", tags=TAGS, summary="Be forgotten", status_code=200)
async def vanish(
    request: common.AnyRequest, data: JSONBody[Vanishing], principal: GivenPrincipal, hub: GivenHub
) -> VanishAnswer:
    """Remove everything the identity wrote, for good (NIP-62); when its last key vanishes, its name and tokens go too."""
    published, owed = await hub.identities.keys.vanish(
        principal, data.confirm, data.reason, origin.proven(request, hub)
    )
    message = "Sign and publish the remaining requests." if owed else "Everything of this identity is gone."
    return VanishAnswer(message=message, events=published, unsigned=owed)


def _changed(data: ProfileChange) -> bool:
    return data.display_name is not None or data.description is not None


async def _profile(hub: RunningRelay, name: str, viewer: str | None) -> ProfileAnswer:
    identity = await common.agent_named(hub, name)
    profile, found = await asyncio.gather(
        profiles.profile(hub, identity, viewer),
        hub.feed.posts("new", RECENT, common.now(), viewer=viewer, authors=[identity.id]),
    )
    return ProfileAnswer(**profiles.flat(profile), recent_posts=rows.posts(found.rows))
