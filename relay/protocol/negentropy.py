"""Negentropy, protocol version 1 (NIP-77): two relays find out which events the other lacks without sending what both have.

Theory: both sides hold a set of items in order of (created_at, id). A message divides the whole line of items into ranges, each
ended by a bound, and says of each either nothing (skip: we agree), a fingerprint of what the sender has there, or all ids that it
has there. Whoever receives a fingerprint that differs from its own cuts the range into buckets and sends theirs; a small range is
sent as ids. So what agrees costs 16 bytes however large it is, and the rounds grow with the logarithm of the set. The side that
began (the initiator) collects what it `have`s and the other lacks, and what it `need`s; the responder keeps nothing between
messages but its set.

A message that would be longer than the frame limit ends early with one fingerprint for all that is left, which the next round
takes up. The initiator may therefore be told an id twice.

Wire: a version byte, then for each range its bound, mode and payload. A bound is the difference of its time to the one before
(0 is infinity, else 1 more) and a prefix of an id that is just long enough to tell it from its neighbour.
"""

import enum
from collections.abc import Callable
from typing import Final

import msgspec

from relay.protocol.item_set import FINGERPRINT_BYTES, ID_BYTES, INFINITY, Bound, ItemSet, varint

VERSION: Final = 0x61
LEAST_LIMIT: Final = 4096  # bytes of a frame limit
BUCKETS: Final = 16
MOST_LISTED: Final = 2 * BUCKETS  # items of a range that are sent as ids
MOST_RANGES: Final = 100_000  # in one message: 2.1 MB in hex have room for 55,000 fingerprints
_RESERVE: Final = 200  # bytes kept for the fingerprint that ends a message early


class MalformedNegentropy(Exception):
    """A message that is not of the protocol; the text says why."""


class OtherVersion(MalformedNegentropy):
    """The other side speaks another version of the protocol."""


class Mode(enum.IntEnum):
    """What a message says of a range."""

    SKIP = 0
    FINGERPRINT = 1
    IDS = 2


_END: Final = Bound(INFINITY)


class _Reading:
    """A message that is read from its beginning."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._time = 0
        self.ranges = 0  # that were begun

    def is_over(self) -> bool:
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        """Raises Malformed when there are not so many bytes left."""
        end = self._at + size
        if end > len(self._data):
            raise MalformedNegentropy("the message ends too early")
        found, self._at = self._data[self._at : end], end
        return found

    def number(self) -> int:
        found = 0
        while True:
            byte = self.take(1)[0]
            found = found << 7 | byte & 0x7F
            if found > INFINITY:
                raise MalformedNegentropy("a number has more than 64 bits")
            if not byte & 0x80:
                return found

    def bound(self) -> Bound:
        """The end of the next range."""
        self.ranges += 1
        if self.ranges > MOST_RANGES:
            raise MalformedNegentropy(f"the message has more than {MOST_RANGES:,} ranges")
        step = self.number()
        self._time = INFINITY if not step or self._time == INFINITY else min(self._time + step - 1, INFINITY)
        size = self.number()
        if size > ID_BYTES:
            raise MalformedNegentropy("the prefix of a bound is longer than an id")
        return Bound(self._time, self.take(size))

    def mode(self) -> Mode:
        try:
            return Mode(self.number())
        except ValueError:
            raise MalformedNegentropy("a range has an unknown mode") from None

    def ids(self) -> dict[bytes, None]:
        """In the order in which they stand."""
        number = self.number()
        data = self.take(number * ID_BYTES)
        return dict.fromkeys([data[at : at + ID_BYTES] for at in range(0, len(data), ID_BYTES)])


class _Writing:
    """A message under construction."""

    def __init__(self) -> None:
        self.data = bytearray((VERSION,))
        self._time = 0

    def mark(self) -> tuple[int, int]:
        """Where it stands, for `undo`."""
        return len(self.data), self._time

    def undo(self, mark: tuple[int, int]) -> None:
        """Take back what was written since."""
        size, self._time = mark
        del self.data[size:]

    def bound(self, bound: Bound) -> None:
        if bound.created_at == INFINITY:
            self.data += varint(0)
        else:
            self.data += varint(bound.created_at - self._time + 1)
        self._time = bound.created_at
        self.data += varint(len(bound.prefix)) + bound.prefix

    def skip(self, bound: Bound) -> None:
        self.bound(bound)
        self.data += varint(Mode.SKIP)

    def fingerprint(self, bound: Bound, fingerprint: bytes) -> None:
        self.bound(bound)
        self.data += varint(Mode.FINGERPRINT) + fingerprint

    def ids(self, bound: Bound, ids: bytes) -> None:
        self.bound(bound)
        self.data += varint(Mode.IDS) + varint(len(ids) // ID_BYTES) + ids


class Reconciled(msgspec.Struct, frozen=True):
    """What a message told the initiator, as the protocol orders it. `reply` is what to send next, None when it is done.

    `ranges` is how many of them it was in.
    """

    reply: bytes | None
    have: list[bytes]
    need: list[bytes]
    ranges: int = 0


class Reconciliation:
    """One side of a conversation over a set. `limit` is the most bytes of a message of ours; 0 is no limit.

    `rest` is called after every range: over a million items a message takes up to 25 ms.
    """

    def __init__(self, items: ItemSet, limit: int = 0, rest: Callable[[], None] = lambda: None) -> None:
        """Raises ValueError for a limit below 4,096."""
        if limit and limit < LEAST_LIMIT:
            raise ValueError(f"a frame limit is 0 or at least {LEAST_LIMIT}")
        self._items = items
        self._rest = rest
        self._most = limit - _RESERVE if limit else 0

    def begin(self) -> bytes:
        """The initiator's first message."""
        out = _Writing()
        self._split(0, len(self._items), _END, out)
        return bytes(out.data)

    def answer(self, message: bytes) -> bytes:
        """The responder's reply. Raises Malformed."""
        reading = self._open(message)
        if reading is None:
            return bytes((VERSION,))
        return bytes(self._reconcile(reading, None).data)

    def go_on(self, message: bytes) -> Reconciled:
        """What the initiator learns from a reply. Raises Malformed."""
        reading = self._open(message)
        if reading is None:
            raise OtherVersion("the other side speaks another version")
        found = Reconciled(None, [], [])
        reply = bytes(self._reconcile(reading, found).data)
        return msgspec.structs.replace(found, reply=reply if len(reply) > 1 else None, ranges=reading.ranges)

    @staticmethod
    def _open(message: bytes) -> _Reading | None:
        """The message behind its version; None when it is another version than ours."""
        if not message or not 0x60 <= message[0] <= 0x6F:
            raise MalformedNegentropy("this is no message of negentropy")
        return _Reading(message[1:]) if message[0] == VERSION else None

    def _reconcile(self, reading: _Reading, found: Reconciled | None) -> _Writing:
        """Go through the ranges of a message; `found` is the initiator's, who learns from ids, while a responder sends its own."""
        out, items = _Writing(), self._items
        agreed: Bound | None = None  # the end of ranges that need no word; said only where something follows
        lower = said = 0  # `said`: up to where the message speaks
        while not reading.is_over():
            bound, mode = reading.bound(), reading.mode()
            upper = items.first_from(bound, lower)
            before = (out.mark(), said)
            if mode is Mode.FINGERPRINT and reading.take(FINGERPRINT_BYTES) != items.fingerprint(lower, upper):
                self._say(agreed, out)
                self._split(lower, upper, bound, out)
                agreed, said = None, upper
            elif mode is Mode.IDS and found is None:
                reading.ids()
                self._say(agreed, out)
                upper = self._list(lower, upper, bound, out)
                agreed, said = None, upper
                before = (out.mark(), said)  # it is as long as there is room for
            else:
                if mode is Mode.IDS and found is not None:
                    self._compare(lower, upper, reading.ids(), found)
                agreed = bound
            if self._most and len(out.data) > self._most:
                mark, said = before
                out.undo(mark)
                out.fingerprint(_END, items.fingerprint(said, len(items)))
                break
            lower = upper
            self._rest()
        return out

    @staticmethod
    def _say(agreed: Bound | None, out: _Writing) -> None:
        if agreed is not None:
            out.skip(agreed)

    def _compare(self, lower: int, upper: int, theirs: dict[bytes, None], found: Reconciled) -> None:
        ours = self._items.ids(lower, upper)
        for at in range(0, len(ours), ID_BYTES):
            event_id = ours[at : at + ID_BYTES]
            if event_id in theirs:
                del theirs[event_id]
            else:
                found.have.append(event_id)
        found.need.extend(theirs)

    def _list(self, lower: int, upper: int, bound: Bound, out: _Writing) -> int:
        """Say which ids there are in a range, as many as the message has room for; how far that came."""
        if self._most:
            room = max(0, self._most - len(out.data)) // ID_BYTES + 1
            if upper - lower > room:
                upper = lower + room
                bound = self._items.bound_at(upper)
        out.ids(bound, self._items.ids(lower, upper))
        return upper

    def _split(self, lower: int, upper: int, bound: Bound, out: _Writing) -> None:
        """Say what there is in a range: ids where they are few, else the fingerprints of its buckets."""
        items, number = self._items, upper - lower
        if number < MOST_LISTED:
            out.ids(bound, items.ids(lower, upper))
            return
        size, larger = divmod(number, BUCKETS)
        for bucket in range(BUCKETS):
            end = lower + size + (bucket < larger)
            out.fingerprint(bound if end == upper else items.bound_before(end), items.fingerprint(lower, end))
            lower = end
