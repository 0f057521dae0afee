"""Comparisons by negentropy (NIP-77), with this relay as the one that answers: a front's part of it.

A front knows which comparisons each of its connections has, who reads there, and when they end; the sets and the answers are
another's (`compared_sets`), in this process or the peers role. What may be held of a connection is bounded: so many comparisons,
one unanswered message of each, and so long, in all and in which nothing is said.
"""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Final, Protocol

from relay.config import LimitSettings
from relay.errors import Prefix, Reject
from relay.protocol import messages
from relay.protocol.messages import NegMsg, NegOpen
from relay.protocol.session import Session
from relay.protocol.words import counted
from relay.roles.comparison_messages import BeginComparison, ComparisonRefused
from relay.server.comparisons.answering import Answering
from relay.server.reading.read_access import ReadAccess
from relay.server.supervision import Faults, Tasks
from storage.base import Readers
from storage.errors import StorageError

ANSWER_WITHIN: Final = 120.0  # seconds until a message that has no answer is given up


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
    """An open comparison. `waiting` is the size of its unanswered message, 0 while the peer has its turn."""

    def __init__(self, connection: ComparingConnection, token: int, opened: NegOpen, now: float) -> None:
        self.connection = connection
        self.token = token
        self.name = opened.subscription
        self.waiting = len(opened.data)
        self.begun_at = self.heard_at = now


class Comparisons:
    """All comparisons of a front. Methods are called on the event loop."""

    answering: Answering  # set by whoever made the hub, before a door opens

    def __init__(self, access: ReadAccess, clock: Callable[[], float], faults: Faults) -> None:
        self._access = access
        self._clock = clock
        self._open: dict[int, Comparison] = {}
        self._tokens = itertools.count(1)
        self._limits = LimitSettings()
        self._tasks = Tasks(faults)

    def configure(self, limits: LimitSettings) -> None:
        """Put settings in force: `limits.max_compared`, `max_comparisons`, `comparison_time` and `comparison_idle`."""
        self._limits = limits

    def open(self, connection: ComparingConnection, opened: NegOpen) -> None:
        """Begin a comparison; one of the same name is to be closed before. Raises Reject."""
        comparisons, most = connection.session.comparisons, self._limits.max_comparisons
        if len(comparisons) >= most:
            raise Reject(
                Prefix.RATE_LIMITED, f"{counted(most, 'comparison')} may be open on a connection; NEG-CLOSE one first"
            )
        comparison = Comparison(connection, next(self._tokens), opened, self._clock())
        comparisons[comparison.name] = comparison
        self._open[comparison.token] = comparison
        try:
            readers = self._access.try_readers(connection.session, [opened.filter])
        except Reject as refusal:
            connection.end_comparison(comparison.name, refusal)
            return
        if readers is None:
            self._tasks.start(self._look_up(comparison, opened), "who compares")
        else:
            self._begin(comparison, opened, readers)

    def go_on(self, connection: ComparingConnection, message: NegMsg) -> None:
        """Take the peer's next message. Raises Reject."""
        comparison: Comparison | None = connection.session.comparisons.get(message.subscription)
        if comparison is None:
            raise Reject(Prefix.CLOSED, "no comparison of this id is open; begin with NEG-OPEN")
        if comparison.waiting:
            self.close(connection, message.subscription)
            raise Reject(Prefix.INVALID, "wait for the answer to one message before the next")
        if not message.data:
            self.close(connection, message.subscription)
            raise Reject(Prefix.INVALID, "this is no message of negentropy")
        comparison.waiting = len(message.data)
        comparison.heard_at = self._clock()
        self.answering.go_on(comparison.token, message.data)

    def close(self, connection: ComparingConnection, name: str) -> int:
        """Let a comparison go, if there is one; how many bytes its unanswered message has, which was sent in vain."""
        comparison: Comparison | None = connection.session.comparisons.pop(name, None)
        if comparison is None:
            return 0
        del self._open[comparison.token]
        self.answering.end(comparison.token)
        return comparison.waiting

    def close_all(self, connection: ComparingConnection) -> None:
        """The connection is gone."""
        for name in list(connection.session.comparisons):
            self.close(connection, name)

    def end_idle(self) -> None:
        """Let those go that last too long, or in which nothing is said; called about once a second."""
        limits, now = self._limits, self._clock()
        for comparison in list(self._open.values()):
            silent = now - comparison.heard_at
            reason = None
            if now - comparison.begun_at >= limits.comparison_time:
                reason = f"a comparison may take {limits.comparison_time:g} seconds; compare less at once, by since and until"
            elif not comparison.waiting and silent >= limits.comparison_idle:
                reason = f"nothing was said for {limits.comparison_idle:g} seconds"
            elif comparison.waiting and silent >= ANSWER_WITHIN:
                reason = f"there was no answer for {ANSWER_WITHIN:g} seconds; begin again"
            if reason is not None:
                self._end(comparison, Reject(Prefix.CLOSED, reason))

    async def shut(self) -> None:
        """Answer no more. Idempotent."""
        await self._tasks.close()
        await self.answering.close()

    async def _look_up(self, comparison: Comparison, opened: NegOpen) -> None:
        try:
            readers = await self._access.readers(comparison.connection.session, [opened.filter])
        except Reject as refusal:
            if self._is_open(comparison):
                comparison.connection.end_comparison(comparison.name, refusal)
                comparison.connection.flush()
        except StorageError as error:
            self._end(comparison, Reject(Prefix.ERROR, str(error)))
        else:
            if self._is_open(comparison):
                self._begin(comparison, opened, readers)
                comparison.connection.flush()

    def _begin(self, comparison: Comparison, opened: NegOpen, readers: Readers) -> None:
        connection = comparison.connection
        connection.challenge()
        limits = self._limits
        room = max(limits.max_comparison_bytes, limits.max_message_bytes) // 2  # they are sent as hex digits
        asked = BeginComparison(
            comparison.token, id(connection), opened.filter, readers, limits.max_compared, room, opened.data
        )
        self.answering.begin(asked, partial(self._hear, comparison))

    def _hear(self, comparison: Comparison, said: bytes | ComparisonRefused) -> None:
        """What the peer is told next."""
        if not self._is_open(comparison):
            return
        if isinstance(said, ComparisonRefused):
            self._end(comparison, Reject(said.prefix, said.words), said.most)
            return
        comparison.waiting = 0
        comparison.heard_at = self._clock()
        comparison.connection.send(messages.neg_msg(comparison.name, said))
        comparison.connection.flush()

    def _is_open(self, comparison: Comparison) -> bool:
        return self._open.get(comparison.token) is comparison

    def _end(self, comparison: Comparison, reason: Reject, most: int | None = None) -> None:
        if self._is_open(comparison):
            self.close(comparison.connection, comparison.name)
            comparison.connection.send(messages.neg_error(comparison.name, reason, most))
            comparison.connection.flush()
