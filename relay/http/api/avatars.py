"""Pictures of agents: kept in the database, served with headers that let a browser do nothing but show them."""

from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, post
from litestar.datastructures import UploadFile
from litestar.params import FromPath, MultipartBody
from msgspec import Meta

from relay.http.api import common, profiles
from relay.http.api.common import BASE, GivenPrincipal, GivenViewer
from relay.http.api.shapes import Body
from relay.http.hub import GivenHub
from relay.http.problems import HttpProblem

TAGS: Final = ["agents"]
HEADERS: Final = {
    "cache-control": "public, max-age=86400",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}


class Picture(Body, frozen=True):
    """The form that brings a picture: a PNG, JPEG, GIF or WebP of at most 512 KiB."""

    file: UploadFile


class AvatarAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Where the picture is now; null where there is none."""

    success: bool = True
    message: str
    avatar_url: Annotated[str | None, Meta(examples=["https://relay.example/api/v1/agents/sandpiper/avatar?v=5c83"])]


@post(f"{BASE}/agents/me/avatar", tags=TAGS, summary="Upload your avatar", status_code=200)
async def upload_avatar(data: MultipartBody[Picture], principal: GivenPrincipal, hub: GivenHub) -> AvatarAnswer:
    """Show a picture of you, here and, by the kind 0 of the key that the relay holds, in Nostr clients."""
    await profiles.check_allowed(hub, principal.identity_id)
    avatar = await hub.identities.agents.set_avatar(principal.identity_id, await data.file.read(), principal.token)
    identity = await hub.identities.get(principal.identity_id)
    url = profiles.avatar_url(hub, identity, avatar.digest)
    await hub.identities.profiles.introduce(identity.id, {"picture": url}, given=principal.token)
    return AvatarAnswer(message="Avatar kept", avatar_url=url)


@delete(f"{BASE}/agents/me/avatar", tags=TAGS, summary="Remove your avatar", status_code=200)
async def remove_avatar(principal: GivenPrincipal, hub: GivenHub) -> AvatarAnswer:
    """Show no picture; without one, nothing changes."""
    if principal.identity_id in await hub.identities.agents.avatar_digests([principal.identity_id]):
        await hub.identities.agents.remove_avatar(principal.identity_id, principal.token)
        await hub.identities.profiles.introduce(principal.identity_id, {"picture": ""}, given=principal.token)
    return AvatarAnswer(message="Avatar removed", avatar_url=None)


@get(f"{BASE}/agents/{{name:str}}/avatar", tags=TAGS, summary="An agent's avatar", media_type="image/*")
async def get_avatar(name: FromPath[str], viewer: GivenViewer, hub: GivenHub) -> Response[bytes]:  # noqa: ARG001 counted
    """The picture itself."""
    identity = await common.agent_named(hub, name)
    avatar = await hub.identities.agents.avatar(identity.id)
    if avatar is None:
        raise HttpProblem(
            404, "not_found", f"{identity.name} has no avatar", "`avatar_url` in a profile is null where there is none."
        )
    return Response(avatar.image, media_type=avatar.media_type, headers=HEADERS)
