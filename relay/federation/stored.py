"""One question to a peer about what it has stored."""

import asyncio
from typing import Final

from relay.client.errors import Refused
from relay.client.messages import Closed, Eose, Ok
from relay.errors import Prefix
from relay.federation.connection import PeerConnection
from relay.federation.verdicts import PAUSES, Fate, verdict
from relay.protocol.event import Event
from relay.protocol.filter import Filter

MOST_STORED: Final = 8 * 1024 * 1024  # bytes of the answer to one question; what comes after that is passed over


async def stored(connection: PeerConnection, wanted: tuple[Filter, ...], most: int) -> tuple[list[Event], bool | None]:
    """Up to `most` stored events that any of the filters matches, and whether those are all, where the peer says so (NIP-67).

    They are fewer where they are large, see MOST_STORED.

    Raises Refused, TimedOut, Disconnected.
    """
    events, end = await _stored(connection, wanted, most)
    if (
        isinstance(end, Closed)
        and Refused.of(end.words).prefix is Prefix.AUTH_REQUIRED
        and await connection.authenticated()
    ):
        events, end = await _stored(connection, wanted, most)
    if isinstance(end, Closed):
        raise Refused.of(end.words)
    return events, end.complete


async def stored_when_due(
    connection: PeerConnection, wanted: tuple[Filter, ...], most: int
) -> tuple[list[Event], bool | None]:
    """As `stored`; a peer that cannot answer now is asked again when it said, or after a while: a few times."""
    for pause in (*PAUSES, None):
        try:
            return await stored(connection, wanted, most)
        except Refused as refusal:
            said = verdict(Ok("", False, str(refusal)))
            if said.fate is not Fate.LATER or pause is None:
                raise
            await asyncio.sleep(pause if said.wait is None else said.wait)
    raise AssertionError


async def _stored(
    connection: PeerConnection, wanted: tuple[Filter, ...], most: int
) -> tuple[list[Event], Eose | Closed]:
    found: dict[str, Event] = {}

    def take(event: Event) -> None:
        found[event.id] = event
        enough = len(found) >= most or subscription.size >= MOST_STORED
        if enough and not subscription.ended.done():
            subscription.ended.set_result(Eose(subscription.name, None))

    subscription = await connection.subscribe(wanted, take)
    try:
        end = await connection.ended(subscription)
        return list(found.values()), end
    finally:
        if connection.is_open:
            await connection.unsubscribe(subscription)
