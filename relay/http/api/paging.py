"""Pages of events, the newest first: what is on one, and the cursor with which the next one begins."""

from collections.abc import Sequence
from typing import Final, Protocol, TypeVar

from relay.http.api import common
from relay.http.hub import RunningRelay
from relay.http.problems import invalid
from relay.protocol import kinds
from relay.protocol.event import Event, parse
from relay.protocol.filter import Filter
from storage.base import Limits, Readers

WRONG_CURSOR: Final = "this cursor is none of this list; begin again without one"

EventPlace = tuple[int, str]  # created_at and id


class Placed(Protocol):
    """What stands in the order of events."""

    @property
    def created_at(self) -> int:
        """When it was made."""

    @property
    def id(self) -> str:
        """Its id."""


P = TypeVar("P", bound=Placed)


def place(cursor: str) -> EventPlace | None:
    """Where a page goes on: after this one. Raises HttpProblem 400."""
    if not cursor:
        return None
    at, _, event_id = cursor.partition("-")
    if not (at.isascii() and at.isdigit() and len(at) <= 18 and kinds.is_hex(event_id, 64)):
        raise invalid(WRONG_CURSOR)
    return int(at), event_id


def cursor_after(last: Placed) -> str:
    """With which the page after this one begins."""
    return f"{last.created_at}-{last.id}"


def cut(found: Sequence[P], most: int) -> tuple[Sequence[P], str | None]:
    """Those of a page, of which one more was looked up, and where the next one begins; None after the last."""
    page = found[:most]
    return page, cursor_after(page[-1]) if len(found) > most else None


async def events(hub: RunningRelay, wanted: Filter, readers: Readers, after: EventPlace | None = None) -> list[Event]:
    """What these readers may read of it, at most `limit` (1 without one), from the one after `after` on."""
    now, most = common.now(), wanted.limit or 1
    found = await hub.reader.query([wanted], readers, now, limits=Limits(most, most), after=after)
    return [parse(wire) for wire in [*found.wires, *await hub.reader.fetch(found.rest, now, readers)]][:most]
