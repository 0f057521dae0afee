"""What a session with a peer is made of: what is synchronized, and what outlives it."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from relay.federation.local_events import LocalEvents
from relay.federation.peer_memory import PeerMemory
from relay.federation.progress import PeerRecord
from relay.federation.sync import Direction
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from storage.base import Logged, Outcome


class LogSource(Protocol):
    """The log of this relay, as far as sessions read it."""

    @property
    def upto(self) -> int:
        """The highest committed seq."""

    async def follow(self, after: int, upto: int, most: int) -> list[Logged]:
        """As storage.base.Reader.follow."""


class WayIn(LocalEvents, Protocol):
    """LocalEvents that also takes one event at a time. `home` as in relay.federation.home.own_key, for this session."""

    home: str | None

    async def hand_in(self, event: Event, answer: Callable[[Event, Outcome], None]) -> None:
        """Take one event; returns when there is room for another. `answer` follows, maybe at once."""


class SessionPlan(msgspec.Struct, frozen=True):
    """What is synchronized with a peer. `since`: nothing older; `backfill`: also what was there before the first contact."""

    direction: Direction
    filters: tuple[Filter, ...]
    since: int
    backfill: bool


class PeerParts(msgspec.Struct, frozen=True):
    """What a peer keeps between its sessions."""

    record: PeerRecord
    memory: PeerMemory
    door: WayIn
    source: LogSource
    rest: Callable[[], float] = lambda: 0.0  # seconds until the peer is to be heard again
    known_as: Callable[[str], str] = lambda _key: ""  # who else speaks by this key: this relay, or another peer
