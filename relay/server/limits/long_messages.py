"""Who may send a message that is longer than others: one of a comparison (NIP-77), which may list tens of thousands of ids.

Such a message is held until it is whole. So there are few at a time of all connections of a front, each has so long to come, and
where there is no room for another, the usual bound holds.
"""

from collections.abc import Callable
from typing import Final, Protocol

from websockets.frames import CloseCode

MOST: Final = 16  # at a time
SECONDS: Final = 60.0  # that one may take


class LongSender(Protocol):
    """A connection that sends one."""

    def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""

    def flush(self) -> None:
        """Write what is queued."""


class LongMessages:
    """Those of a front that are under way. Methods are called on the loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[LongSender, float] = {}

    def enter(self, connection: LongSender, may_begin: bool) -> bool:
        """Whether a long message comes from there, or may begin to; `leave` is to follow."""
        if connection not in self._since:
            if not may_begin or len(self._since) >= MOST:
                return False
            self._since[connection] = self._clock()
        return True

    def leave(self, connection: LongSender) -> None:
        """It has come, or never will."""
        self._since.pop(connection, None)

    def end_slow(self) -> None:
        """Close the connections whose message takes too long; called about once a second."""
        latest = self._clock() - SECONDS
        for connection in [one for one, since in self._since.items() if since <= latest]:
            self.leave(connection)
            connection.close(CloseCode.MESSAGE_TOO_BIG, f"a long message took more than {SECONDS:.0f} seconds to come")
            connection.flush()
