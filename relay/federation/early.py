"""Events that a peer refused, maybe because it had not yet what they name: a comment is offered before its post where the newest
goes first, or where the filters brought the post later. The deletion of that, too, may be what it lacked.
"""

from typing import Final

import msgspec

from relay.federation.verdicts import Verdict
from relay.protocol import kinds
from relay.protocol.event import Event, parse_known, values
from relay.protocol.kinds import is_hex

MOST_EARLY: Final = 5000  # events that are kept
MOST_SIZE: Final = 16 * 1024 * 1024  # bytes of them
_INVALID: Final = "invalid:"
_ID: Final = 64  # hex digits


class EarlyEvent(msgspec.Struct, frozen=True):
    """An event that was refused, in which words, and which ids and keys it names."""

    id: str
    wire: bytes
    said: Verdict
    names: frozenset[str]


class Early:
    """Kept while a session lasts: the peer has what is named as soon as it takes it, and then is offered them again.

    So it is when it takes the deletion of what is named, or the request to vanish of who wrote that.
    """

    def __init__(self) -> None:
        self._events: dict[str, EarlyEvent] = {}
        self._size = 0
        self._naming: dict[str, dict[str, None]] = {}  # ids of what is kept, in order, by the id or key that it names

    def __len__(self) -> int:
        return len(self._events)

    def keep(self, event: Event, wire: bytes, said: Verdict) -> bool:
        """Keep what may have been refused for that reason, as long as there is room; whether it may be so."""
        named = {one for name in ("e", "E") for one in values(event, name) if is_hex(one, _ID)}
        if not named or not said.words.startswith(_INVALID):
            return False
        if event.id not in self._events and len(self._events) < MOST_EARLY and self._size + len(wire) <= MOST_SIZE:
            names = frozenset(named.union(*(values(event, name) for name in ("p", "P"))))
            self._events[event.id] = EarlyEvent(event.id, wire, said, names)
            self._size += len(wire)
            for one in names:
                self._naming.setdefault(one, {})[event.id] = None
        return True

    def taken(self, event_id: str, wire: bytes) -> list[EarlyEvent]:
        """The peer has this event now: what names it is kept no more, and is to be offered again."""
        if not self._events:
            return []
        event = parse_known(wire)
        names = [event_id]
        if event.kind == kinds.DELETION:
            names += values(event, "e")
        elif event.kind == kinds.VANISH:
            names.append(event.pubkey)
        found = dict.fromkeys(one for name in names for one in self._naming.get(name, ()))
        return [self._let_go(one) for one in found]

    def _let_go(self, event_id: str) -> EarlyEvent:
        found = self._events.pop(event_id)
        self._size -= len(found.wire)
        for name in found.names:
            del self._naming[name][event_id]
            if not self._naming[name]:
                del self._naming[name]
        return found
