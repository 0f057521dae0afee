"""The open WebSocket connections of a front: written to once per turn, pinged, cut when they are dead, closed at the end.

What clients have not read yet stays in memory, and so does a message or a request of theirs that has not come to its end, or that
waits for its turn. Each may leave so much unread (`sending`), send so long a message (`inbound`) and be ahead of us by so much
(`intake`), and all of them together so much (`server.send_buffers`, `server.receive_buffers`): who opens many connections, and
reads none or ends no message, would fill the memory otherwise.
"""

import logging
from collections import Counter
from collections.abc import Callable, Set
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from websockets.frames import CloseCode

from relay.errors import Reject
from relay.protocol.session import Session
from relay.server.events.fanout import LiveSubscription
from relay.server.limits.addresses import BLOCKED, AddressSet
from relay.server.settings import Settings
from relay.server.supervision import Faults

CLOSE_TIMEOUT: Final = 2.0  # seconds a peer may take to answer a close frame
FREED: Final = 0.75  # the part of the bound that is still kept after some were disconnected

log = logging.getLogger("tidings.websocket")


class FlushedConnection(Protocol):
    """A connection as it is written to."""

    def flush(self) -> None:
        """Write out what is queued."""

    def abort(self) -> None:
        """Cut it now."""


class OpenConnection(FlushedConnection, Protocol):
    """A connection as it is looked after; times are seconds of the clock of this front."""

    address: str  # as limits count it
    session: Session
    writable: bool
    paused: bool  # not read from, since too much of what it sent is unfinished
    heard_at: float
    pinged_at: float
    closing_at: float  # when the closing handshake began, 0 before

    def consider_reading(self) -> None:
        """Read on, if there is room."""

    def end(self, subscription: LiveSubscription, reason: Reject) -> None:
        """Close a subscription and say why."""

    def end_comparison(self, name: str, reason: Reject) -> None:
        """Close a comparison and say why."""

    def ping(self, now: float) -> None:
        """Ask whether the peer is there."""

    def untaken(self) -> int:
        """Bytes that were written and that the peer has not taken yet."""

    def unfinished(self) -> int:
        """Bytes of a message that has not come to its end, or that nobody has looked at yet."""

    def is_stuck(self, now: float, patience: float) -> bool:
        """Whether the peer has taken nothing for `patience` seconds."""

    def say_goodbye(self, code: int, reason: str) -> None:
        """Begin the closing handshake, and read on for the peer's close frame only."""

    def hang_up(self) -> None:
        """End it without a close frame."""


class Cut(Protocol):
    """What can be cut off."""

    address: str  # as limits count it; "" where nobody knows: then it counts alone

    def abort(self) -> None:
        """Cut it now."""


C = TypeVar("C", bound=Cut)


class ClientBuffers(Generic[C]):
    """Bounds the bytes of one kind that are kept for all clients together: beyond it those with the most are disconnected.

    Those of the address with the most in all come first: who has many connections does not fill the room of others with them.

    `told` is the line in the log; it gets the bound and how many were disconnected.
    """

    def __init__(self, kept_for: Set[C], size: Callable[[C], int], most: Callable[[], int], told: str) -> None:
        self._open = kept_for
        self._size = size
        self._most = most
        self._told = told
        self._total = 0  # at most: what was let go of since they were last counted is not known

    def note(self, size: int) -> None:
        """So many bytes more are kept for one of them."""
        self._total += size
        if self._total > self._most():
            self._count()

    def _count(self) -> None:
        """Count again, and disconnect those for whom most is kept until a part of the bound is free: so it is counted seldom."""
        kept = [(self._size(one), one) for one in self._open]
        self._total = sum(size for size, _ in kept)
        most = self._most()
        if self._total <= most:
            return
        of_address: Counter[str] = Counter()
        for size, connection in kept:
            of_address[connection.address] += size
        of_address[""] = 0
        cut = 0
        for size, connection in sorted(
            kept, key=lambda one: (of_address[one[1].address] or one[0], one[0]), reverse=True
        ):
            if self._total <= FREED * most:
                break
            connection.abort()
            self._total -= size
            cut += 1
        log.warning(self._told, most, cut)


def _most_unfinished(settings: Settings) -> int:
    """The bound of unfinished messages, with room for two of the longest in any case."""
    limits = settings.config.limits
    return max(settings.config.server.receive_buffers, 2 * limits.max_message_bytes, 2 * limits.max_comparison_bytes)


class UnfinishedRequest(Cut, Protocol):
    """A connection over HTTP whose request has not come to its end."""

    unfinished: int  # bytes of it


class UntakenAnswer(Cut, Protocol):
    """A connection over HTTP that takes its answer slowly."""

    def untaken(self) -> int:
        """Bytes that were written and that the client has not taken yet."""


class Connections:
    """`room` says whether clients that wait may go on sending. All methods are called on the loop."""

    def __init__(self, settings: Settings, room: Callable[[], bool], faults: Faults) -> None:
        self._settings = settings
        self._room = room
        self._faults = faults
        self.open: set[OpenConnection] = set()
        self.paused: set[OpenConnection] = set()
        self.dirty: set[FlushedConnection] = set()  # have something queued
        self.untaken = ClientBuffers(
            self.open,
            lambda one: one.untaken(),
            lambda: settings.config.server.send_buffers,
            "slow readers left up to %d bytes unread together: %d of them disconnected",
        )
        self.unfinished = ClientBuffers(
            self.open,
            lambda one: one.unfinished(),
            partial(_most_unfinished, settings),
            "messages of up to %d bytes together had not come to their end: %d clients disconnected",
        )
        self.answering: set[UntakenAnswer] = set()
        self.answers = ClientBuffers(
            self.answering,
            lambda one: one.untaken(),
            lambda: settings.config.server.send_buffers,
            "slow readers over HTTP left up to %d bytes unread together: %d of them disconnected",
        )
        self.leaving: set[object] = set()  # over HTTP; are told why, and what they still send is passed over
        self.requesting: set[UnfinishedRequest] = set()
        self.requests = ClientBuffers(
            self.requesting,
            lambda one: one.unfinished,
            partial(_most_unfinished, settings),
            "requests of up to %d bytes together had not come to their end: %d clients disconnected",
        )

    def forget(self, connection: OpenConnection) -> None:
        """It is closed."""
        self.open.discard(connection)
        self.paused.discard(connection)
        self.dirty.discard(connection)

    def flush(self) -> None:
        """Write out what was queued on any connection, and let those read on that waited for room."""
        dirty, self.dirty = self.dirty, set()
        for connection in dirty:
            self._attend(connection, connection.flush)
        if self.paused and self._room():
            for connection in list(self.paused):
                self._attend(connection, connection.consider_reading)

    def end_unauthenticated(self, reason: Reject) -> None:
        """Close the subscriptions and comparisons of those who have proven no key."""
        for connection in self.open:
            if not connection.session.keys:
                for subscription in list(connection.session.subscriptions.values()):
                    connection.end(subscription, reason)
                for name in list(connection.session.comparisons):
                    connection.end_comparison(name, reason)
        self.flush()

    def end_blocked(self, blocked: AddressSet) -> None:
        """Close those whose address is blocked."""
        for connection in [one for one in self.open if one.address in blocked]:
            self._attend(connection, partial(connection.say_goodbye, CloseCode.POLICY_VIOLATION, BLOCKED))

    def look_after(self, now: float) -> None:
        """Ping who is silent, cut who is dead; called about once a second."""
        for connection in list(self.open):
            self._attend(connection, partial(self._look_at, connection, now))

    def hang_up(self) -> None:
        """End all of them."""
        for connection in list(self.open):
            self._attend(connection, connection.hang_up)

    def _look_at(self, connection: OpenConnection, now: float) -> None:
        server = self._settings.config.server
        if connection.closing_at:
            if now - connection.closing_at > CLOSE_TIMEOUT:
                connection.abort()
        elif not connection.writable:
            if connection.is_stuck(now, server.ping_timeout):
                connection.abort()  # it would keep its part of our memory for as long as it likes
        elif connection.paused:
            return  # its pong may be in what we do not read yet
        elif connection.pinged_at > connection.heard_at:
            if now - connection.pinged_at > server.ping_timeout:
                connection.abort()
        elif server.ping_interval and now - connection.heard_at > server.ping_interval:
            connection.ping(now)

    def _attend(self, connection: FlushedConnection, work: Callable[[], None]) -> None:
        """Do something about one connection; where that fails, that one is cut, since it may have missed something."""
        try:
            work()
        except Exception as error:
            self._faults.report("a connection", error)
            connection.abort()
