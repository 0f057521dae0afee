"""What a synchronization needs of this side: which events are here, their bodies, and where to put what comes."""

import time
from collections.abc import Sequence
from typing import Protocol

from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.protocol.item_set import ItemSet
from storage.base import PUBLIC, ComparedLog, Limits, Log, Outcome


class LocalEvents(Protocol):
    """The public events of this relay, and the way in. Methods raise StorageError."""

    async def items(self, wanted: Filter, most: int) -> ItemSet:
        """(created_at, id) of what the filter matches. Raises TooCostly where there are more than `most`."""

    async def wires(self, ids: Sequence[str]) -> list[bytes]:
        """The wire forms of those of these events that are here and public, in no order."""

    async def take(self, events: Sequence[Event]) -> list[Outcome]:
        """Check ids and signatures and store what the rules of this relay take; one outcome each, in order."""

    async def pass_over(self, number: int) -> None:
        """So many events came that are not taken whatever they say: they count as the others do. Raises ClientError."""


class PublicLog(Log, ComparedLog, Protocol):
    """The log as a synchronization reads it."""


class PublicEvents:
    """LocalEvents over the log, but for `take`: nothing that has a reader of its own is ever told to a peer."""

    def __init__(self, reader: PublicLog) -> None:
        self._reader = reader

    async def items(self, wanted: Filter, most: int) -> ItemSet:
        """As LocalEvents.items."""
        return await self._reader.items(wanted, PUBLIC, int(time.time()), most)

    async def wires(self, ids: Sequence[str]) -> list[bytes]:
        """As LocalEvents.wires."""
        now, most = int(time.time()), max(1, len(ids))
        wanted = Filter(ids=frozenset(ids))
        found = await self._reader.query([wanted], PUBLIC, now, limits=Limits(most, most))
        return [*found.wires, *await self._reader.fetch(found.rest, now, PUBLIC)]

    async def pass_over(self, number: int) -> None:
        """As LocalEvents.pass_over, where nothing is counted."""
