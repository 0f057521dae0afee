"""Comparisons by negentropy (NIP-77), with this relay as the one that answers.

A comparison is over what the filter found when it began: NEG-OPEN has the set made, each message is answered from it, and it is
let go by NEG-CLOSE, by the end of the connection, or when nobody asked for a minute. One message is answered at a time, of each
connection in turn, and none of the query workers is taken for it: however many compare, whoever asks something else finds all but
one of the storage readers, and no more than one set is in the making.

What may be held is bounded: so many events of a comparison (`limits.max_compared`), so many comparisons of a connection, so many
events of all comparisons together, and one unanswered message of each; what is let go frees its message at once. Where a new
comparison finds no room, those end in which nothing was said for longest: nobody keeps others out by opening many.

Our frames begin small, since a peer's answer to many fingerprints is many times as long and must not be above the size of a
message here; they grow while its messages leave room.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from time import time
from typing import Final, Protocol

from relay.errors import Prefix, Reject
from relay.protocol import messages
from relay.protocol.messages import NegMsg, NegOpen
from relay.protocol.negentropy import LEAST_LIMIT, ItemSet, MalformedNegentropy, Reconciliation
from relay.protocol.session import Session
from relay.protocol.words import counted
from relay.server.pools import Pool
from relay.server.read_access import ReadAccess
from relay.server.supervision import Faults, Tasks
from storage.base import ComparedLog, StorageError, TooCostly

MOST_OPEN: Final = 4  # comparisons of a connection
MOST_HELD: Final = (
    1_000_000  # events of all comparisons together, 40 bytes each; the most that `limits.max_compared` may be
)
IDLE: Final = 60.0  # seconds
MOST_FRAME: Final = 30_000  # bytes of a message of ours; the frame has two hex digits for each


class ComparingConnection(Protocol):
    """A connection as its comparisons are answered."""

    session: Session
    connected: bool

    def send(self, payload: bytes) -> None:
        """Queue one message."""

    def flush(self) -> None:
        """Write what is queued."""

    def challenge(self) -> None:
        """Send the challenge, if one is due."""

    def end_comparison(self, name: str, reason: Reject) -> None:
        """Close a comparison and say why, after a challenge where that asks for a key."""


class Comparison:
    """An open comparison. `waiting` is its unanswered message, None while the peer has its turn."""

    def __init__(self, connection: ComparingConnection, opened: NegOpen, now: float) -> None:
        self.connection = connection
        self.name = opened.subscription
        self.wanted = opened.filter
        self.waiting: bytes | None = opened.data
        self.asked_at = now
        self.items: ItemSet | None = None
        self.frame = LEAST_LIMIT  # bytes of our next message, at most


class Comparisons:
    """All comparisons of a front. Methods are called on the event loop."""

    def __init__(self, reader: ComparedLog, access: ReadAccess, clock: Callable[[], float], faults: Faults) -> None:
        self._reader = reader
        self._access = access
        self._clock = clock
        self._faults = faults
        self._open: dict[Comparison, None] = {}  # by the time of the last message, the longest silent first
        self._held = 0
        self._line: dict[ComparingConnection, dict[Comparison, None]] = {}  # what is unanswered, by whose turn is next
        self._wake = asyncio.Event()
        self._thread = Pool("compare", 1, 1)
        self.configure(0, 0)
        self._tasks = Tasks(faults)
        self._tasks.repeat(self._work, "the comparisons")

    def configure(self, most: int, max_message_bytes: int) -> None:
        """Put settings in force: `limits.max_compared` and `limits.max_message_bytes`."""
        self._most = most
        self._roomy = max_message_bytes // 16  # bytes of a message, half its digits, that leave much room

    def open(self, connection: ComparingConnection, opened: NegOpen) -> None:
        """Begin a comparison; one of the same name is to be closed before. Raises Reject."""
        comparisons = connection.session.comparisons
        if len(comparisons) >= MOST_OPEN:
            raise Reject(Prefix.RATE_LIMITED, f"{MOST_OPEN} comparisons are open already; NEG-CLOSE one first")
        comparison = Comparison(connection, opened, self._clock())
        comparisons[opened.subscription] = comparison
        self._open[comparison] = None
        self._line_up(comparison)

    def go_on(self, connection: ComparingConnection, message: NegMsg) -> None:
        """Take the peer's next message. Raises Reject."""
        comparison: Comparison | None = connection.session.comparisons.get(message.subscription)
        if comparison is None:
            raise Reject(Prefix.CLOSED, "no comparison of this id is open; begin with NEG-OPEN")
        if comparison.waiting is not None:
            self.close(connection, message.subscription)
            raise Reject(Prefix.INVALID, "wait for the answer to one message before the next")
        comparison.waiting = message.data
        comparison.asked_at = self._clock()
        self._open.pop(comparison)
        self._open[comparison] = None
        self._line_up(comparison)

    def close(self, connection: ComparingConnection, name: str) -> int:
        """Let a comparison go, if there is one; how many bytes its unanswered message has, which was sent in vain."""
        comparison: Comparison | None = connection.session.comparisons.pop(name, None)
        if comparison is None:
            return 0
        del self._open[comparison]
        self._leave(comparison)
        self._held -= len(comparison.items or ())
        return len(comparison.waiting or b"")

    def close_all(self, connection: ComparingConnection) -> None:
        """The connection is gone."""
        for name in list(connection.session.comparisons):
            self.close(connection, name)

    def end_idle(self) -> None:
        """Let those go in which the peer said nothing for too long; called about once a second."""
        latest = self._clock() - IDLE
        for comparison in list(self._open):
            if comparison.asked_at > latest:
                break
            if comparison.waiting is None:
                self._end(comparison, Reject(Prefix.CLOSED, f"nothing was said for {IDLE:.0f} seconds"))
                comparison.connection.flush()

    async def shut(self) -> None:
        """Answer no more. Idempotent."""
        await self._tasks.close()
        self._thread.close()

    def _line_up(self, comparison: Comparison) -> None:
        self._line.setdefault(comparison.connection, {})[comparison] = None
        self._wake.set()

    def _leave(self, comparison: Comparison) -> None:
        """Take one out of the line, if it is there."""
        waiting = self._line.get(comparison.connection, {})
        waiting.pop(comparison, None)
        if not waiting:
            self._line.pop(comparison.connection, None)

    async def _work(self) -> None:
        while True:
            await self._wake.wait()
            if not self._line:
                self._wake.clear()
                continue
            connection = next(iter(self._line))
            waiting = self._line.pop(connection)
            comparison = next(iter(waiting))
            del waiting[comparison]
            if waiting:
                self._line[connection] = waiting  # behind the others
            await self._answer(comparison)
            connection.flush()
            del connection, comparison, waiting  # a client that left is not kept until another asks

    async def _answer(self, comparison: Comparison) -> None:
        """Answer the message that waits, or end the comparison and say why."""
        try:
            data = await self._reply(comparison)
        except TooCostly as error:
            self._end(comparison, Reject(Prefix.BLOCKED, str(error)), self._most)
        except Reject as refusal:
            if self._is_open(comparison):
                comparison.connection.end_comparison(comparison.name, refusal)
        except (StorageError, MalformedNegentropy) as error:
            prefix = Prefix.INVALID if isinstance(error, MalformedNegentropy) else Prefix.ERROR
            self._end(comparison, Reject(prefix, str(error)))
        except Exception as error:
            self._faults.report("a comparison", error)
            self._end(comparison, Reject(Prefix.ERROR, f"internal error ({type(error).__name__})"))
        else:
            if self._is_open(comparison):
                comparison.waiting = None
                comparison.connection.send(messages.neg_msg(comparison.name, data))

    async def _reply(self, comparison: Comparison) -> bytes:
        items, data = comparison.items, comparison.waiting
        assert data is not None
        if items is None:
            items = await self._make(comparison)
            if not self._is_open(comparison):
                return b""
        roomy = len(data) <= self._roomy
        comparison.frame = min(2 * comparison.frame, MOST_FRAME) if roomy else LEAST_LIMIT
        return await self._thread.run(partial(Reconciliation(items, comparison.frame).answer, data))

    async def _make(self, comparison: Comparison) -> ItemSet:
        """Look up what is compared. Raises Reject, StorageError."""
        readers = await self._access.readers(comparison.connection.session, [comparison.wanted])
        comparison.connection.challenge()
        rows = await self._reader.items(comparison.wanted, readers, int(time()), self._most)
        self._make_room(len(rows))
        items = await self._thread.run(partial(ItemSet, rows))
        if self._is_open(comparison):
            comparison.items = items
            self._held += len(items)
        return items

    def _make_room(self, events: int) -> None:
        """End those that were silent longest until so many more may be held. Raises Reject where that is not enough."""
        for silent in list(self._open):
            if self._held + events <= MOST_HELD:
                return
            if silent.items is not None and silent.waiting is None:
                self._end(
                    silent, Reject(Prefix.CLOSED, "too many are open and nothing was said here longest; begin again")
                )
                silent.connection.flush()
        if self._held + events > MOST_HELD:
            raise Reject(
                Prefix.RATE_LIMITED, f"{counted(self._held, 'event')} are being compared already; try again in a minute"
            )

    @staticmethod
    def _is_open(comparison: Comparison) -> bool:
        return comparison.connection.session.comparisons.get(comparison.name) is comparison

    def _end(self, comparison: Comparison, reason: Reject, most: int | None = None) -> None:
        if self._is_open(comparison):
            self.close(comparison.connection, comparison.name)
            comparison.connection.send(messages.neg_error(comparison.name, reason, most))
