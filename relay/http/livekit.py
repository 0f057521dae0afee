"""`/.well-known/nip29/livekit`: whether groups may have live audio and video here, and tokens with which members join it."""

from pathlib import PurePath
from typing import Final
from urllib.parse import unquote

from litestar import Response, get
from litestar.params import FromPath

from relay.http.api import callers, common
from relay.http.hub import GivenHub
from relay.http.problems import HttpProblem, of_refused, of_storage
from relay.server.livekit import NotAllowed, RoomToken
from storage.errors import StorageError
from storage.identities.types import ChangeRefused

PATH: Final = "/.well-known/nip29/livekit"
OFF: Final = "this relay has no LiveKit server for audio and video of groups"


@get(PATH, status_code=204)
async def supported(hub: GivenHub) -> None:
    """204 where there is a LiveKit server (NIP-29)."""
    if not hub.rooms.is_open():
        raise HttpProblem(404, "not_found", OFF)


@get(f"{PATH}/{{group_id:path}}")
async def room_token(
    request: common.AnyRequest,
    hub: GivenHub,
    group_id: FromPath[PurePath],  # noqa: ARG001 an id may have slashes: it is read as it was sent
) -> Response[RoomToken]:
    """A token for the room of a group, for the key that a NIP-98 proof of this URL names."""
    if not hub.rooms.is_open():
        raise HttpProblem(404, "not_found", OFF)
    pubkey = await callers.proven_key(request, hub)
    wanted = unquote(request.scope["raw_path"].decode("latin-1")[len(PATH) + 1 :])
    try:
        found = await hub.rooms.token(wanted, pubkey)
    except ChangeRefused as refused:
        raise of_refused(refused) from None
    except NotAllowed as refused:
        raise HttpProblem(403, "restricted", str(refused), "Join the group first (kind 9021).") from None
    except StorageError as error:
        raise of_storage(error) from None
    return Response(found, headers={"cache-control": "no-store"})
