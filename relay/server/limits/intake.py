"""What clients send, in shares: each turn of the event loop acts on so much of everybody's, and on so much of one client's.

A few bytes may be a lot of work: with permessage-deflate 165 of them unpack to 128 KiB of blanks. So what was received is
unpacked and acted on in slices, what that took is counted, and a client that has more to say than its share goes to the end
of the line: another client's message waits for one share of each of those in line, not for what they sent. Who is further ahead
than that is not read from meanwhile: what comes in one turn of the loop may be many times what one turn acts on.

What was sent in vain is counted too, by connection and by address. Whoever sends little but rubbish is told so and cut off.
"""

from collections import deque
from typing import Final, Protocol

from relay.server.supervision import Faults
from relay.server.turns import Turns

SLICE: Final = 4096  # bytes parsed at once
PACKED_SLICE: Final = 1024  # the same where they may be compressed: up to 1,032 times as many come out
SHARE: Final = 256  # units of one client, in one turn
TURN: Final = 1024  # units of all clients, in one turn
LAST: Final = 4 * SHARE  # units for what a client sent just before it hung up
AHEAD: Final = 65536  # bytes of one client that may wait for their turn before it is not read from
_UNIT: Final = 1024  # bytes of a message, unpacked

ALLOWED: Final = 200.0  # what a connection may send in vain at once, as `waste` counts
EARNED: Final = 1.0  # for each event that was taken
PER_SECOND: Final = 5.0  # comes back by itself
PER_ADDRESS: Final = 4.0  # times as much for all connections of an address together
_WASTE_UNIT: Final = 4096


def units(size: int) -> int:
    """What acting on one message of so many bytes counts."""
    return 1 + size // _UNIT


def waste(size: int) -> int:
    """What a message of so many bytes counts that was sent in vain, beside the one for a message that meant nothing."""
    return size // _WASTE_UNIT


class Allowance:
    """What one connection may still send in vain. Times are seconds of any monotonic clock."""

    __slots__ = ("_left", "_when")

    def __init__(self, now: float) -> None:
        self._left = ALLOWED
        self._when = now

    def spend(self, cost: float, now: float) -> bool:
        """Whether that was still allowed."""
        self._left = min(ALLOWED, self._left + (now - self._when) * PER_SECOND) - cost
        self._when = now
        return self._left >= 0

    def earn(self) -> None:
        """Something was sent that was of use."""
        self._left = min(ALLOWED, self._left + EARNED)


class ReadConnection(Protocol):
    """A connection as it is read from."""

    in_line: bool  # set here: it waits for its turn

    def read_some(self, most: int) -> int:
        """Act on what was received until that took `most` units; how many it took."""

    def abort(self) -> None:
        """Cut it now."""


class Intake:
    """Whose turn it is to be read. All methods are called on the event loop."""

    def __init__(self, faults: Faults, turns: Turns) -> None:
        self._faults = faults
        self._turns = turns
        self._line: deque[ReadConnection] = deque()  # have something unread, each once
        self._left = TURN  # of the turn with this number
        self._number = turns.number()
        self._scheduled = False

    def arrived(self, connection: ReadConnection) -> None:
        """The connection has something unread: act on it now if there is a share left, or in its turn."""
        number = self._turns.number()
        if number != self._number:
            self._number, self._left = number, TURN
        if self._line or self._left <= 0:
            self.line_up(connection)
        elif not connection.in_line:
            self._read(connection)

    def line_up(self, connection: ReadConnection) -> None:
        """Act on what is unread of this connection in its turn."""
        if not connection.in_line:
            connection.in_line = True
            self._line.append(connection)
            self._schedule()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._turns.after(self._turn)

    def _turn(self) -> None:
        self._scheduled = False
        self._number, self._left = self._turns.number(), TURN
        for _ in range(len(self._line)):
            if self._left <= 0:
                break
            connection = self._line.popleft()
            connection.in_line = False
            self._read(connection)
        if self._line:
            self._schedule()

    def _read(self, connection: ReadConnection) -> None:
        try:
            self._left -= connection.read_some(min(SHARE, self._left))
        except Exception as error:
            self._faults.report("a connection", error)
            connection.abort()
