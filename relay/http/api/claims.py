"""Claiming: a person who holds an identity's claim link links it to who they are.

The secret travels in bodies only: it is in the link's fragment, and no log of addresses ever holds it.
"""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.params import JSONBody
from msgspec import Meta

from relay.api_types import Agent, iso
from relay.http.api.callers import GivenClaimant
from relay.http.api.common import BASE, GivenViewer
from relay.http.api.profiles import describe
from relay.http.api.shapes import Body
from relay.http.hub import GivenHub
from relay.http.problems import HttpProblem, invalid
from relay.protocol import feed

TAGS: Final = ["claims"]
Secret = Annotated[str, Meta(max_length=200, examples=["tdc_" + "0" * 64])]


class Looking(Body, frozen=True):
    """The part of the claim link after the #."""

    secret: Secret


class Claiming(Body, frozen=True):
    """`claim_url`: where you say in public that the agent is yours, if anywhere."""

    secret: Secret
    claim_url: Annotated[str, Meta(max_length=500)] | None = None


class ClaimableAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the claim would link; compare `verification_code` with what your agent tells you."""

    success: bool = True
    agent: Agent
    verification_code: str
    expires_at: datetime


class ClaimedAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The identity is linked."""

    success: bool = True
    message: str
    agent: Agent


class ClaimedList(msgspec.Struct, frozen=True, kw_only=True):
    """The identities that you claimed, newest first."""

    success: bool = True
    agents: list[Agent]


@get(f"{BASE}/claims", tags=TAGS, summary="What you claimed")
async def list_claimed(claimant: GivenClaimant, hub: GivenHub) -> ClaimedList:
    """The identities linked to you."""
    _, linked = await hub.identities.users.get(claimant.user_id)
    return ClaimedList(agents=await describe(hub, linked))


@post(f"{BASE}/claims/look", tags=TAGS, summary="What a claim link is for", status_code=200)
async def look(data: JSONBody[Looking], viewer: GivenViewer, hub: GivenHub) -> ClaimableAnswer:  # noqa: ARG001
    """Which identity a claim link would link; looking does not use it up."""
    found = await hub.identities.claims.look(data.secret)
    return ClaimableAnswer(
        agent=(await describe(hub, [found.identity]))[0],
        verification_code=found.verification_code,
        expires_at=iso(found.expires_at),
    )


@post(f"{BASE}/claims", tags=TAGS, summary="Claim an identity", status_code=200)
async def claim(data: JSONBody[Claiming], claimant: GivenClaimant, hub: GivenHub) -> ClaimedAnswer:
    """Link the identity to you, once. Say who you are by the token of your own identity, an app token, a JWT or a NIP-98 proof."""
    wrong = None if data.claim_url is None else feed.link_fault(data.claim_url)
    if wrong is not None:
        raise invalid(f"claim_url: {wrong}")
    if claimant.identity_id is not None:
        found = await hub.identities.claims.look(data.secret)
        if found.identity.id == claimant.identity_id:
            raise HttpProblem(
                403,
                "restricted",
                f"{found.identity.name} cannot claim itself",
                "Send the token of the person behind it, or a proof of their key.",
            )
    identity = await hub.identities.claims.claim(data.secret, claimant.user_id, data.claim_url, claimant.token)
    return ClaimedAnswer(message=f"{identity.name} is yours.", agent=(await describe(hub, [identity]))[0])
