"""Who is a member, told in the relay's own events (NIP-43): 8000 and 8001 as keys come and go, 13534 the list.

The list is published once things have been quiet for a while, however many came and went; it names the newest members.
"""

import asyncio
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from relay.protocol import kinds
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from relay.server.signing import Signing
from relay.server.supervision import Tasks
from storage.base import Incoming, StorageError

if TYPE_CHECKING:
    from relay.server.hub import Hub

QUIET: Final = 5.0  # seconds without a change before the list is published
_PROTECTED: Final = ["-"]  # NIP-70: these events are never taken from anybody else

log = logging.getLogger("tidings.membership")


class Membership:
    """All methods are called on the loop."""

    def __init__(self, hub: "Hub", signing: Signing, quiet: float = QUIET) -> None:
        self._hub = hub
        self._signing = signing
        self._quiet = quiet
        self._tasks = Tasks(hub.faults)
        self._timer: asyncio.TimerHandle | None = None

    def added(self, pubkey: str) -> None:
        """A key was bound."""
        self._changed(kinds.MEMBER_ADDED, pubkey)

    def removed(self, pubkey: str) -> None:
        """A key was unbound."""
        self._changed(kinds.MEMBER_REMOVED, pubkey)

    async def settle(self) -> None:
        """Publish what is still owed, the list too, and return when it is stored."""
        if self._timer is not None:
            self._timer.cancel()
            self._list()
        await self._tasks.settle()

    def _changed(self, kind: int, pubkey: str) -> None:
        self._start([self._signing.by_relay(kind, [_PROTECTED, ["p", pubkey]], "", int(time.time()))])
        if self._hub.config.identities.members and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._quiet, self._list)

    def _list(self) -> None:
        self._timer = None
        self._tasks.start(self._publish_list(), "the member list")

    async def _publish_list(self) -> None:
        try:
            limit = self._hub.config.identities.members
            members = await self._hub.reader.ask(lambda tables: tables.members(limit))
            present = await self._signing.newest(self._signing.pubkey, kinds.MEMBERS)
        except StorageError as error:
            log.error("the member list could not be made: %s", error)
            return
        created_at = max(int(time.time()), 0 if present is None else present.created_at + 1)
        tags = [_PROTECTED, *(["member", pubkey] for pubkey in members)]
        await self._store([self._signing.by_relay(kinds.MEMBERS, tags, "", created_at)])

    def _start(self, events: Sequence[Event]) -> None:
        self._tasks.start(self._store(events), "an event about a member")

    async def _store(self, events: Sequence[Event]) -> None:
        """The relay's own events pass no policies: they are not somebody's request."""
        now = int(time.time())
        try:
            await self._hub.ingest.write([Incoming(event, wire(event), Door.HTTP, now) for event in events])
        except StorageError as error:
            log.error("the relay's own events could not be stored: %s", error)
