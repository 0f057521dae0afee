"""What a user does in the control plane: the key that signs it, and what that key may read.

A key is made when it is first needed (Signing.user_key). Who has none yet is in no group.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from relay.protocol import kinds
from relay.protocol.event import Draft, Event
from relay.server.identities.signing import Signing
from relay.server.identities.users import Caller
from relay.server.reading.memberships import readers_of
from storage.base import PrimaryTables, Readers
from storage.identities.types import Lookups

NOSTR: Final = "nostr:"  # begins the id of a user who is known by a key

T = TypeVar("T")


class Workspaces:
    """All methods are called on the loop."""

    def __init__(self, tables: PrimaryTables, signing: Signing) -> None:
        self._tables = tables
        self._signing = signing

    async def look(self, work: Callable[[Lookups], T]) -> T:
        """What `work` finds in the tables. Raises StorageError."""
        return await self._tables.ask(work)

    async def key(self, caller: Caller) -> str:
        """The key that signs for the user, "" before there is one."""
        held = await self.look(lambda tables: tables.user_key(caller.user_id))
        return "" if held is None else held.pubkey

    async def readers(self, key: str) -> Readers:
        """Under which names the key reads what is not public, as of now."""
        return await self.look(lambda tables: readers_of(frozenset([key] if key else []), tables))

    async def sign(self, caller: Caller, draft: Draft) -> Event:
        """The draft as an event of the user. Raises Reject as Signing.sign_for_user."""
        return await self._signing.sign_for_user(caller.user_id, draft, caller.token)

    async def key_of(self, user_id: str) -> str | None:
        """The key of somebody named as rows name users: by the row's id or as `nostr:<pubkey>`; None for nobody here.

        A user who has none yet gets one, so that they can be added to a group before they first do something.
        """
        pubkey = user_id.removeprefix(NOSTR)
        if user_id.startswith(NOSTR):
            return pubkey if kinds.is_hex(pubkey, 64) else None
        user = await self.look(lambda tables: tables.user_row(user_id))
        return None if user is None else await self._signing.user_key(user.user_id)
