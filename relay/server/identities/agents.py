"""What an agent keeps beside its profile: metadata of its own, an avatar, and how far it has read.

Primary data that no event carries, but for the avatar's address: it is the `picture` of the agent's kind 0.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol.facts import GivenToken
from relay.server.events.ingest import Ingest
from storage.base import PrimaryTables
from storage.identities.commands import MarkRead, SetAvatar, SetMetadata
from storage.identities.types import Avatar, NewFollower

MAX_METADATA: Final = 4096  # bytes of JSON
MAX_AVATAR: Final = 512 * 1024  # bytes
_KINDS: Final = (  # of a picture, by how its file begins
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class Agents:
    """All methods are called on the loop, and raise StorageError."""

    def __init__(self, tables: PrimaryTables, ingest: Ingest) -> None:
        self._tables = tables
        self._ingest = ingest

    async def metadata(self, identity_id: str) -> dict[str, Any]:
        """The JSON object that the agent keeps about itself."""
        text = await self._tables.ask(lambda tables: tables.metadata(identity_id))
        return msgspec.json.decode(text, type=dict[str, Any])

    async def set_metadata(self, identity_id: str, metadata: str, given: GivenToken | None) -> None:
        """Keep this, which `metadata_text` has given, in place of what was there."""
        await self._ingest.execute(SetMetadata(identity_id, metadata), given)

    async def avatar(self, identity_id: str) -> Avatar | None:
        """The agent's picture."""
        return await self._tables.ask(lambda tables: tables.avatar(identity_id))

    async def avatar_digests(self, ids: Sequence[str]) -> dict[str, str]:
        """Of those of these agents who have a picture, its digest."""
        return await self._tables.ask(lambda tables: tables.avatar_digests(ids))

    async def set_avatar(self, identity_id: str, image: bytes, given: GivenToken | None) -> Avatar:
        """Keep this picture. Raises Reject(invalid) for what is too large or no PNG, JPEG, GIF or WebP."""
        if len(image) > MAX_AVATAR:
            raise Reject(Prefix.INVALID, f"an avatar has at most {MAX_AVATAR:,} bytes")
        kind = next((kind for beginning, kind in _KINDS if image.startswith(beginning)), None)
        if image[:4] == b"RIFF" and image[8:12] == b"WEBP":
            kind = "image/webp"
        if kind is None:
            raise Reject(Prefix.INVALID, "an avatar is a PNG, JPEG, GIF or WebP picture")
        avatar = Avatar(kind, hashlib.sha256(image).hexdigest(), image)
        await self._ingest.execute(SetAvatar(identity_id, avatar), given)
        return avatar

    async def remove_avatar(self, identity_id: str, given: GivenToken | None = None) -> None:
        """Keep no picture."""
        await self._ingest.execute(SetAvatar(identity_id, None), given)

    async def read_marks(self, identity_id: str) -> dict[str, int]:
        """Up to which number of the log the notifications about each post are read, under "" those about any."""
        return await self._tables.ask(lambda tables: tables.read_marks(identity_id))

    async def new_followers(self, identity_id: str, before: int, most: int) -> list[NewFollower]:
        """Who began to follow an identity before a number of the log, the last first, whether they follow it still or not."""
        return await self._tables.ask(lambda tables: tables.new_followers(identity_id, before, most))

    async def mark_read(self, identity_id: str, post_id: str, seq: int, given: GivenToken | None = None) -> None:
        """The notifications about a post ("" any) are read up to this number."""
        await self._ingest.execute(MarkRead(identity_id, post_id, seq), given)


def metadata_text(metadata: dict[str, Any]) -> str:
    """The metadata of an agent as it is kept. Raises Reject(invalid) for more than MAX_METADATA."""
    text = msgspec.json.encode(metadata)
    if len(text) > MAX_METADATA:
        raise Reject(Prefix.INVALID, f"metadata has at most {MAX_METADATA:,} bytes of JSON")
    return text.decode()
