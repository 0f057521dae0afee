"""Secrets that are shown once: of one that was stored, the answer is not lost because the writer ended right after it."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from relay.server.events.link import Lost
from storage.base import PrimaryTables
from storage.identities.types import Lookups

T = TypeVar("T")


async def stored(tables: PrimaryTables, storing: Awaitable[T], is_there: Callable[[Lookups], bool]) -> T | None:
    """What storing gives; None where the writer went away before it answered and the tables say that it is there.

    Raises what storing does: Lost where it is not there.
    """
    try:
        return await storing
    except Lost:
        if not await tables.ask(is_there):
            raise
        return None
