"""The open WebSocket connections of a front: written to once per turn, pinged, cut when they are dead, closed at the end.

What clients have not read yet stays in memory. Each may leave so much unread (`sending`), and all of them together so much
(`server.send_buffers`): who opens many connections and reads none would fill the memory otherwise.
"""

import logging
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Final, Protocol

from websockets.frames import CloseCode

from relay.errors import Reject
from relay.protocol.session import Session
from relay.server.fanout import LiveSubscription
from relay.server.settings import Settings
from relay.server.supervision import Faults

CLOSE_TIMEOUT: Final = 2.0  # seconds a peer may take to answer a close frame
FREED: Final = 0.75  # of what clients may leave unread together, so much stays once it was too much

log = logging.getLogger("tidings.websocket")


class FlushedConnection(Protocol):
    """A connection as it is written to."""

    def flush(self) -> None:
        """Write out what is queued."""

    def abort(self) -> None:
        """Cut it now."""


class OpenConnection(FlushedConnection, Protocol):
    """A connection as it is looked after; times are seconds of the clock of this front."""

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

    def is_stuck(self, now: float, patience: float) -> bool:
        """Whether the peer has taken nothing for `patience` seconds."""

    def say_goodbye(self, code: int, reason: str) -> None:
        """Begin the closing handshake, and read on for the peer's close frame only."""


class Connections:
    """`room` says whether clients that wait may go on sending. All methods are called on the loop."""

    def __init__(self, settings: Settings, room: Callable[[], bool], faults: Faults) -> None:
        self._settings = settings
        self._room = room
        self._faults = faults
        self.open: set[OpenConnection] = set()
        self.paused: set[OpenConnection] = set()
        self.dirty: set[FlushedConnection] = set()  # have something queued
        self._untaken = 0  # bytes, at most: what was taken since they were last counted is not known

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

    def note_untaken(self, size: int) -> None:
        """So many bytes more were written to a client that has not taken all that was before."""
        self._untaken += size
        if self._untaken > self._settings.config.server.send_buffers:
            self._count_untaken()

    def _count_untaken(self) -> None:
        """Count again, and disconnect those who left most until a part of the bound is free: so it is counted seldom."""
        left = sorted(((connection.untaken(), connection) for connection in self.open), key=itemgetter(0), reverse=True)
        self._untaken = sum(size for size, _ in left)
        most = self._settings.config.server.send_buffers
        cut = 0
        for size, connection in left:
            if self._untaken <= FREED * most:
                break
            connection.abort()
            self._untaken -= size
            cut += 1
        if cut:
            log.warning("slow readers left up to %d bytes unread together: %d of them disconnected", most, cut)

    def end_unauthenticated(self, reason: Reject) -> None:
        """Close the subscriptions and comparisons of those who have proven no key."""
        for connection in self.open:
            if not connection.session.keys:
                for subscription in list(connection.session.subscriptions.values()):
                    connection.end(subscription, reason)
                for name in list(connection.session.comparisons):
                    connection.end_comparison(name, reason)
        self.flush()

    def look_after(self, now: float) -> None:
        """Ping who is silent, cut who is dead; called about once a second."""
        for connection in list(self.open):
            self._attend(connection, partial(self._look_at, connection, now))

    def say_goodbye(self, code: CloseCode, reason: str) -> None:
        """Close all of them."""
        for connection in list(self.open):
            self._attend(connection, partial(connection.say_goodbye, code, reason))

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
