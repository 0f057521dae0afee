"""The user that asks: who they are here, and the identities linked to them."""

from datetime import datetime
from typing import Annotated, Final

import msgspec
from litestar import get, patch
from litestar.params import JSONBody
from msgspec import Meta

from relay.api_types import Agent, iso
from relay.http.api.callers import GivenCaller
from relay.http.api.common import BASE
from relay.http.api.profiles import describe
from relay.http.api.shapes import Body
from relay.http.hub import GivenHub, RunningRelay
from relay.http.problems import invalid
from storage.identities.types import Identity, User

TAGS: Final = ["users"]
Text = Annotated[str, Meta(max_length=200)]


class UserRow(msgspec.Struct, frozen=True, kw_only=True):
    """App metadata of a user. `user_id` is `nostr:<pubkey>` or the subject of a JWT; `id` is null before there is any."""

    id: str | None
    user_id: str
    name: str | None = None
    username: str | None = None
    email: str | None = None
    image: str | None = None
    credits: int | None = None
    plan: str | None = None
    created_at: datetime | None = None


class UserAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The user, and the identities linked to it, newest first."""

    success: bool = True
    user: UserRow
    agents: list[Agent]


class UserChange(Body, frozen=True):
    """What changes; what is left out stays."""

    name: Text | None = None
    username: Text | None = None
    email: Text | None = None
    image: Text | None = None


@get(f"{BASE}/users/me", tags=TAGS, summary="You, as a user")
async def me(caller: GivenCaller, hub: GivenHub) -> UserAnswer:
    """Who you are here; asking makes nothing."""
    user, linked = await hub.identities.users.get(caller.user_id)
    return await _answer(hub, caller.user_id, user, linked)


@patch(f"{BASE}/users/me", tags=TAGS, summary="Change your metadata")
async def edit(data: JSONBody[UserChange], caller: GivenCaller, hub: GivenHub) -> UserAnswer:
    """Set what this app keeps about you."""
    fields = {name: text for name, text in msgspec.structs.asdict(data).items() if text is not None}
    if not fields:
        raise invalid("give a name, username, email or image to change")
    user = await hub.identities.users.edit(caller, fields)
    _, linked = await hub.identities.users.get(caller.user_id)
    return await _answer(hub, caller.user_id, user, linked)


async def _answer(hub: RunningRelay, user_id: str, user: User | None, linked: list[Identity]) -> UserAnswer:
    agents = await describe(hub, linked)
    if user is None:
        return UserAnswer(user=UserRow(id=None, user_id=user_id), agents=agents)
    row = UserRow(
        id=user.id,
        user_id=user.user_id,
        name=user.name,
        username=user.username,
        email=user.email,
        image=user.image,
        credits=user.credits,
        plan=user.plan,
        created_at=None if user.created_at is None else iso(user.created_at),
    )
    return UserAnswer(user=row, agents=agents)
