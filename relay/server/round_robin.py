"""What waits to be done, served round-robin by whose it is; what is taken back is not kept."""

import asyncio
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class RoundRobin(Generic[T]):
    """Items that can be hashed, each once. Used on the loop; what it holds is bounded by whoever puts."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, dict[T, None]] = {}  # by whose turn is next; never an empty one
        self._wake = asyncio.Event()

    def put(self, client: Hashable, item: T) -> None:
        """Put an item behind the others of its client."""
        self._waiting.setdefault(client, {})[item] = None
        self._wake.set()

    def take_back(self, client: Hashable, item: T) -> None:
        """Take one out, if it is there."""
        items = self._waiting.get(client, {})
        items.pop(item, None)
        if not items:
            self._waiting.pop(client, None)

    async def next(self) -> T:
        """The next item, waiting for it."""
        while not self._waiting:
            self._wake.clear()
            await self._wake.wait()
        client = next(iter(self._waiting))
        items = self._waiting.pop(client)
        item = next(iter(items))
        del items[item]
        if items:
            self._waiting[client] = items  # behind the others
        return item
