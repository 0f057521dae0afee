"""What a stream that comes back was not told: the log after `Last-Event-ID`, as far as its reader may read that now."""

from collections.abc import AsyncIterator, Callable
from typing import Final

from relay.http.api import common
from relay.http.hub import RunningRelay
from relay.protocol.event import Event, parse
from relay.protocol.filter import Filter
from storage.base import Limits, Readers

MAX_BEHIND: Final = 10_000  # numbers of the log that a stream goes back
BATCH: Final = 50  # events described at once, fewer where they are large: each stream that resumes holds so much
BATCH_BYTES: Final = 256 * 1024
GAP: Final = b"event: gap\ndata: {}\n\n"

Numbered = tuple[int, Event]


def first(after: int, upto: int) -> tuple[int, bytes]:
    """From where a stream goes on that was told up to `after` and is live from `upto`, and what says that something is left out."""
    begin = max(after, upto - MAX_BEHIND)
    return begin, GAP if begin > after or after > upto else b""


async def since(
    hub: RunningRelay, after: int, upto: int, wanted: Callable[[Event], bool], readers: Callable[[], Readers]
) -> AsyncIterator[list[Numbered]]:
    """The wanted events of the log from one number to another, in order, some at a time: those that the readers may read then."""
    batch: list[Numbered] = []
    size = 0
    async for record in hub.reader.scan(None, after):  # no filter: an index is not in the order of the log
        if record.seq > upto:
            break
        event = parse(record.wire)
        if wanted(event):
            batch.append((record.seq, event))
            size += len(record.wire)
        if len(batch) == BATCH or size >= BATCH_BYTES:
            yield await _readable(hub, batch, readers())
            batch, size = [], 0
    if batch:
        yield await _readable(hub, batch, readers())


async def _readable(hub: RunningRelay, batch: list[Numbered], readers: Readers) -> list[Numbered]:
    wanted = Filter(ids=frozenset(event.id for _, event in batch), limit=BATCH)
    found = await hub.reader.query([wanted], readers, common.now(), limits=Limits(BATCH, BATCH))
    wires = [*found.wires, *await hub.reader.fetch(found.rest, common.now(), readers)]
    readable = {parse(wire).id for wire in wires}
    return [one for one in batch if one[1].id in readable]
