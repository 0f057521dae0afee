"""Live delivery: who wants an event that has just been committed, and one shared payload for all of them.

A subscription that is still reading history holds back what arrives meanwhile, and gets it after its EOSE: no event is lost
or doubled there. What has expired by then (NIP-40) it does not get, nor what it may not read any more: where that may be, what is
held is asked for again from the log (`take_held`). What is held is bounded; a subscription that overruns the bound is closed and
says so.

Most subscriptions are closed as soon as their history is read. So a new one is entered into the matcher only when an event comes:
what is closed before that has cost a place in a dictionary.
"""

import time
from typing import Final, NamedTuple, Protocol

from relay.errors import Prefix, Reject
from relay.protocol import messages
from relay.protocol.event import expiration
from relay.protocol.filter import Filter
from relay.protocol.matcher import Matcher
from relay.protocol.session import Session
from relay.server.events.follow import LiveEvent

MAX_NEW: Final = 100  # subscriptions that wait for the next event before they are entered into the matcher
MAX_HELD: Final = 5_000  # events
MAX_HELD_BYTES: Final = 8 * 1024 * 1024


class Receiver(Protocol):
    """A connection as it is sent to."""

    session: Session
    connected: bool
    deflate: bool
    out: list[bytes]  # frames, to be written when it is flushed

    def frame(self, payload: bytes) -> bytes:
        """One message as a frame."""

    def queue(self, frame: bytes) -> None:
        """Queue ready frames."""

    def end(self, subscription: "LiveSubscription", reason: Reject) -> None:
        """Close a subscription and say why."""


class HeldEvent(NamedTuple):
    """An event that came before EOSE: the end of its message, when it expires (unix seconds), its number in the log, for whom."""

    tail: bytes
    expires_at: int | None
    seq: int
    audience: tuple[str, ...] | None


class LiveSubscription:
    """One open subscription. `prefix` goes before the wire form; `held` is a list until EOSE is sent, then None.

    Its history is what the log held up to `after`; of later events it is told live. `mark` is what `ReadAccess.mark` gave when
    what is to be sent was last asked for.
    """

    __slots__ = ("after", "asked_at", "connection", "filters", "held", "held_bytes", "mark", "name", "prefix")

    def __init__(self, connection: "Receiver", name: str, filters: tuple[Filter, ...], after: int) -> None:
        self.after = after
        self.asked_at = time.perf_counter()
        self.connection = connection
        self.name = name
        self.filters = filters
        self.prefix = messages.event_prefix(name)
        self.held: list[HeldEvent] | None = []
        self.held_bytes = 0
        self.mark = (0, 0)

    def eose(self, hint: str | None) -> bytes:
        """The EOSE message, with the NIP-67 hint if one is given."""
        if hint is not None:
            return messages.eose(self.name, hint)
        return b'["EOSE",%b]' % self.prefix[9:-1]  # the name as it is encoded there

    def take_held(self) -> tuple[int, ...]:
        """What is held is not to be sent as it is: the numbers of what of it is stored, to be asked for from the log.

        Of the rest, which the log does not have, stays what may be read by those who read now.
        """
        held, readers = self.held or [], self.connection.session.readers
        self.held = [
            one for one in held if not one.seq and (one.audience is None or not readers.isdisjoint(one.audience))
        ]
        return tuple([one.seq for one in held if one.seq])


class Fanout:
    """The live subscriptions of all connections."""

    def __init__(self) -> None:
        self._matcher: Matcher[LiveSubscription] = Matcher()
        self._new: dict[LiveSubscription, None] = {}  # not in the matcher yet
        self.count = 0
        self.delivered = 0

    def add(self, subscription: LiveSubscription) -> None:
        """From now on, committed events that match reach it."""
        self._new[subscription] = None
        self.count += 1
        if len(self._new) > MAX_NEW:
            self._register()

    def remove(self, subscription: LiveSubscription) -> None:
        """Nothing reaches it any more."""
        if subscription in self._new:
            del self._new[subscription]
        else:
            self._matcher.remove(subscription)
        self.count -= 1

    def _register(self) -> None:
        for subscription in self._new:
            self._matcher.add(subscription, subscription.filters)
        self._new.clear()

    def publish(self, live: LiveEvent) -> None:
        """Queue one event for everyone who wants it and may read it; the connections are flushed by the caller."""
        event, audience, seq = live.event, live.audience, live.seq
        only = audience[0] if audience is not None and len(audience) == 1 else None  # a group's members, as a rule
        if self._new:
            self._register()
        found = self._matcher.match(event)
        if not found:
            return
        tail = live.wire + b"]"
        plain: dict[bytes, bytes] = {}  # prefix -> frame
        packed: dict[bytes, bytes] = {}
        delivered = 0
        for subscription in found:
            connection = subscription.connection
            if audience is not None:
                readers = connection.session.readers
                if only not in readers if only is not None else readers.isdisjoint(audience):
                    continue
            if 0 < seq <= subscription.after:
                continue  # it is in the history
            if subscription.held is not None:
                self._hold(subscription, HeldEvent(tail, expiration(event), seq, audience))
                continue
            prefix = subscription.prefix
            made = packed if connection.deflate else plain
            frame = made.get(prefix)
            if frame is None:
                frame = made[prefix] = connection.frame(prefix + tail)
            out = connection.out
            if out and connection.connected:
                out.append(frame)  # what `queue` does, without the call: most of a busy relay's deliveries come here
            else:
                connection.queue(frame)
            delivered += 1
        self.delivered += delivered

    def release(self, subscription: LiveSubscription) -> None:
        """EOSE is sent: let out what was held, and hold nothing any more."""
        held, subscription.held = subscription.held, None
        if not held:
            return
        connection = subscription.connection
        now = int(time.time())
        for one in held:
            if one.expires_at is not None and one.expires_at <= now:
                continue
            connection.queue(connection.frame(subscription.prefix + one.tail))
            self.delivered += 1

    def _hold(self, subscription: LiveSubscription, one: HeldEvent) -> None:
        held = subscription.held
        assert held is not None
        held.append(one)
        subscription.held_bytes += len(one.tail)
        if len(held) > MAX_HELD or subscription.held_bytes > MAX_HELD_BYTES:
            reason = Reject(Prefix.ERROR, "too many events came in while your history was read; narrow the filter")
            subscription.connection.end(subscription, reason)
