"""Invites to groups that are made for whoever asks for one: a REQ for kind 28935 (NIP-43) that names a group by `#h`.

The relay says a 9009 with a fresh code, as a moderator would, and tells the code to the one who asked. It lets one key in, by a
join request with that claim (28934) or with that code (9021).
"""

import secrets
import time
from collections.abc import Sequence
from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter, matches
from relay.protocol.groups import roles
from relay.protocol.groups.belonging import CREATE_INVITE
from relay.protocol.groups.fold import USES
from relay.protocol.groups.state import Group, Member
from relay.server.events.publishing import Publisher
from relay.server.identities.signing import Signing
from relay.server.settings import Settings
from storage.base import PrimaryTables
from storage.groups import GroupLookups

SECONDS: Final = 7 * 86_400  # how long such a code is good


class GroupInvites:
    """All methods are called on the loop."""

    def __init__(self, tables: PrimaryTables, publisher: Publisher, signing: Signing, settings: Settings) -> None:
        self._tables = tables
        self._publisher = publisher
        self._signing = signing
        self._settings = settings

    async def make(self, group_id: str, keys: frozenset[str], filters: Sequence[Filter]) -> Event | None:
        """An invite to the group, for somebody with these keys: the event of kind 28935 that tells the code.

        None when the filters match no such event. Raises Reject: auth-required without a key, restricted where none of them may
        invite; and what refuses the 9009. Whether there is such a group is told to nobody else.
        """
        if not keys:
            raise Reject(Prefix.AUTH_REQUIRED, "invites to a group are for those who may invite: authenticate (NIP-42)")
        pubkey = await self._who_may(group_id, keys)
        if pubkey is None:
            raise Reject(Prefix.RESTRICTED, "only those whose role in the group allows it may invite to it")
        code, now = secrets.token_urlsafe(16), int(time.time())
        told = self._signing.by_relay(kinds.INVITE, [["-"], ["claim", code], ["h", group_id]], "", now)
        if not any(matches(wanted, told) for wanted in filters):
            return None
        tags = [["h", group_id], ["code", code], [USES, "1"], ["p", pubkey], ["expiration", str(now + SECONDS)]]
        outcome = await self._publisher.publish(
            self._signing.by_relay(CREATE_INVITE, tags, "", now), Door.HTTP, trusted=True
        )
        if outcome.refusal is not None:
            raise outcome.refusal
        return told

    async def _who_may(self, group_id: str, keys: frozenset[str]) -> str | None:
        """The key that may invite, if one does."""
        ordered = sorted(keys)

        def look(tables: GroupLookups) -> tuple[Group | None, list[tuple[str, Member | None]]]:
            return tables.group(group_id), [(one, tables.member(one, group_id)) for one in ordered]

        group, members = await self._tables.ask(look)
        if group is None or group.ended:
            return None
        config = self._settings.config
        above = {*config.groups.operators, config.relay.pubkey}
        for pubkey, member in members:
            may = member is not None and member.is_member and roles.may(member.roles, CREATE_INVITE)
            if may or pubkey in above:
                return pubkey
        return None
