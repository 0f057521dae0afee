"""Live audio and video of groups (NIP-29): who may join the room of a group, said in a token for the operator's LiveKit server.

LiveKit looks at the token when somebody connects and never asks here, so it is good for a short time only. The room has the
group's id as its name. `sub` begins with the key, as NIP-29 wants it; what follows keeps two devices of a person apart.
"""

import secrets
import time
from typing import Final

import jwt
import msgspec

from relay.group_settings import GroupSettings
from relay.protocol.groups.state import Group, Member
from relay.server.settings import Settings
from storage.base import PrimaryTables
from storage.identities.types import ChangeRefused, Lookups, Why

SECONDS: Final = 600  # from the token to connecting with it
BEFORE: Final = 30  # seconds by which the clocks may differ


class RoomToken(msgspec.Struct, frozen=True):
    """Where to join, and with what."""

    server_url: str
    participant_token: str


class NotAllowed(Exception):
    """The key may not join; the message is for its owner."""


class Rooms:
    """All methods are called on the loop."""

    def __init__(self, tables: PrimaryTables, settings: Settings) -> None:
        self._tables = tables
        self._settings = settings

    def is_open(self) -> bool:
        """Whether there is a LiveKit server: all of `groups.livekit_*` is set."""
        here = self._settings.config.groups
        return bool(here.livekit_url and here.livekit_key and here.livekit_secret)

    async def token(self, group_id: str, pubkey: str) -> RoomToken:
        """For the key, as the group is now. Raises ChangeRefused(UNKNOWN), NotAllowed, StorageError."""

        def look(tables: Lookups) -> tuple[Group | None, Member | None]:
            return tables.group(group_id), tables.member(pubkey, group_id)

        group, member = await self._tables.ask(look)
        is_member = member is not None and member.is_member
        if group is None or group.ended or (group.hidden and not is_member):
            raise ChangeRefused(Why.UNKNOWN, "there is no such group here")
        if not group.livekit:
            raise ChangeRefused(Why.UNKNOWN, "this group has no audio or video (its metadata has no livekit tag)")
        if not is_member and (group.private or (member is not None and member.standing == "removed")):
            raise NotAllowed("this group's audio and video are for its members, and you are none")
        speaks = is_member or not group.restricted
        here = self._settings.config.groups
        return RoomToken(here.livekit_url, made(here, group_id, pubkey, speaks=speaks, now=int(time.time())))


def made(settings: GroupSettings, group_id: str, pubkey: str, *, speaks: bool, now: int) -> str:
    """A JWT with which the key joins the group's room; one that does not speak only sees and hears."""
    grants = {
        "room": group_id,
        "roomJoin": True,
        "canSubscribe": True,
        "canPublish": speaks,
        "canPublishData": speaks,
        "canUpdateOwnMetadata": False,
    }
    claims = {
        "iss": settings.livekit_key,
        "sub": f"{pubkey}-{secrets.token_hex(8)}",
        "nbf": now - BEFORE,
        "exp": now + SECONDS,
        "video": grants,
    }
    return jwt.encode(claims, settings.livekit_secret, algorithm="HS256")
