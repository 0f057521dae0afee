"""What is compared by negentropy (NIP-77): (created_at, id) of many events in the protocol's order, and sums over any part of it.

Theory: the items stand in blocks of some hundred, each with its times, its ids one after the other, and the sum of its ids. An item
that comes or goes changes one block; how many items and what sum stand before each block is counted anew when it is next asked for,
which is a step a block. Within a block sums are kept for every `_STRIDE`th item, once one was asked for. So a set of a million
takes about 45 bytes an item, a fingerprint of any range a few microseconds, and a set can follow a log.
"""

import hashlib
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final

import msgspec

ID_BYTES: Final = 32
FINGERPRINT_BYTES: Final = 16
INFINITY: Final = 2**64 - 1
BLOCK: Final = 512  # items of a new block; one of twice as many is cut in two
_STRIDE: Final = 16  # items between two sums that are kept
_MODULUS: Final = 1 << 256
_WORDS: Final = ID_BYTES // 8

Item = tuple[int, bytes]  # created_at in unix seconds, and the 32 bytes of the id


class Bound(msgspec.Struct, frozen=True, gc=False):
    """The end of a range, exclusive: items below (`created_at`, `prefix`) are inside."""

    created_at: int
    prefix: bytes = b""


def varint(number: int) -> bytes:
    """Base 128, most significant first, the high bit on every byte but the last."""
    found = bytes((number & 0x7F,))
    while number := number >> 7:
        found = bytes((number & 0x7F | 0x80,)) + found
    return found


def _total(ids: bytes) -> int:
    """The sum of ids, as little-endian numbers."""
    return sum([int.from_bytes(ids[at : at + ID_BYTES], "little") for at in range(0, len(ids), ID_BYTES)])


def _running_sums(ids: bytes) -> list[int]:
    """The sum before every `_STRIDE`th item, then of all."""
    sums = [0]
    for start in range(0, len(ids), _STRIDE * ID_BYTES):
        sums.append(sums[-1] + _total(ids[start : start + _STRIDE * ID_BYTES]))
    return sums


class _Block:
    """Some items in order; never empty. `total` is the sum of the ids."""

    __slots__ = ("_sums", "ids", "times", "total")

    def __init__(self, times: "array[int]", ids: bytes) -> None:
        self.times = times
        self.ids = ids
        self._sums: list[int] | None = _running_sums(ids)
        self.total = self._sums[-1]

    def first(self) -> Item:
        return self.times[0], self.ids[:ID_BYTES]

    def at(self, place: int) -> Item:
        return self.times[place], self.ids[place * ID_BYTES : (place + 1) * ID_BYTES]

    def place(self, created_at: int, prefix: bytes) -> int:
        """How many items are below this time and beginning of an id."""
        at = bisect_left(self.times, created_at)
        if not prefix:
            return at
        end = bisect_right(self.times, created_at, lo=at)
        while at < end:
            middle = (at + end) // 2
            if self.ids[middle * ID_BYTES : (middle + 1) * ID_BYTES] < prefix:
                at = middle + 1
            else:
                end = middle
        return at

    def sum_before(self, place: int) -> int:
        """The sum of the first so many ids."""
        if not place:
            return 0
        if self._sums is None:
            self._sums = _running_sums(self.ids)
        at = place // _STRIDE
        return self._sums[at] + _total(self.ids[at * _STRIDE * ID_BYTES : place * ID_BYTES])

    def insert(self, place: int, item: Item) -> None:
        created_at, event_id = item
        self.times.insert(place, created_at)
        at = place * ID_BYTES
        self.ids = self.ids[:at] + event_id + self.ids[at:]
        self.total += int.from_bytes(event_id, "little")
        self._sums = None

    def remove(self, place: int) -> None:
        at = place * ID_BYTES
        self.total -= int.from_bytes(self.ids[at : at + ID_BYTES], "little")
        del self.times[place]
        self.ids = self.ids[:at] + self.ids[at + ID_BYTES :]
        self._sums = None

    def halves(self) -> "tuple[_Block, _Block]":
        middle = len(self.times) // 2
        at = middle * ID_BYTES
        return _Block(self.times[:middle], self.ids[:at]), _Block(self.times[middle:], self.ids[at:])


class ItemSet:
    """A set of items in the protocol's order, by index. Used by one thread at a time."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        """`items` in any order, each once; an id has 32 bytes. Raises ValueError otherwise."""
        self._blocks: list[_Block] = []
        self._firsts: list[Item] = []  # the first item of each block
        self._starts = [0]  # how many items stand before each block, then how many there are
        self._sums = [0]  # the sum of the ids before each block, then of all
        self._is_counted = True  # whether those two are right
        self._size = 0
        self.put_before(sorted(items))

    def __len__(self) -> int:
        return self._size

    # what changes it

    def put_before(self, items: Sequence[Item]) -> None:
        """Take in items in order, all of which stand before those that are here. Raises ValueError for an id of another size."""
        blocks = []
        for start in range(0, len(items), BLOCK):
            part = items[start : start + BLOCK]
            ids = b"".join([event_id for _, event_id in part])
            if len(ids) != ID_BYTES * len(part):
                raise ValueError(f"an id has {ID_BYTES} bytes")
            blocks.append(_Block(array("Q", [created_at for created_at, _ in part]), ids))
        self._blocks[:0] = blocks
        self._firsts[:0] = [block.first() for block in blocks]
        self._size += len(items)
        self._is_counted = False

    def add(self, items: Iterable[Item]) -> None:
        """Take in items; one that is here already changes nothing."""
        for item in items:
            at = max(0, bisect_right(self._firsts, item) - 1)
            if not self._blocks:
                self.put_before([item])
                continue
            block = self._blocks[at]
            place = block.place(*item)
            if place < len(block.times) and block.at(place) == item:
                continue
            block.insert(place, item)
            self._firsts[at] = block.first()
            self._size += 1
            self._is_counted = False
            if len(block.times) >= 2 * BLOCK:
                self._blocks[at : at + 1] = block.halves()
                self._firsts[at : at + 1] = [one.first() for one in self._blocks[at : at + 2]]

    def discard(self, ids: Collection[bytes]) -> None:
        """Let the items with these ids go, those that are here; every item is looked at."""
        if not ids:
            return
        wanted = {int.from_bytes(one[:8], sys.byteorder) for one in ids}
        kept: list[_Block] = []
        for block in self._blocks:
            starts = memoryview(block.ids).cast("Q")[::_WORDS]
            if not wanted.isdisjoint(starts):
                for place in range(len(block.times) - 1, -1, -1):
                    if block.at(place)[1] in ids:
                        block.remove(place)
            if block.times:
                kept.append(block)
        self._blocks = kept
        self._firsts = [block.first() for block in kept]
        self._size = sum(len(block.times) for block in kept)
        self._is_counted = False

    # what is asked

    def __iter__(self) -> Iterator[Item]:
        for block in self._blocks:
            for place in range(len(block.times)):
                yield block.at(place)

    def item(self, index: int) -> Item:
        """The item at `index`."""
        at = self._block_of(index)
        return self._blocks[at].at(index - self._starts[at])

    def ids(self, lower: int, upper: int) -> bytes:
        """The ids of a range, one after the other."""
        found = []
        at = self._block_of(lower)
        while lower < upper:
            start, block = self._starts[at], self._blocks[at]
            end = min(upper, start + len(block.times))
            found.append(block.ids[(lower - start) * ID_BYTES : (end - start) * ID_BYTES])
            lower, at = end, at + 1
        return b"".join(found)

    def first_from(self, bound: Bound, lower: int) -> int:
        """The index of the first item, from `lower` on, that is not below the bound."""
        self._count()
        if bound.created_at == INFINITY:
            return self._size
        at = bisect_left(self._firsts, (bound.created_at, bound.prefix)) - 1
        if at < 0:
            return lower
        return max(lower, self._starts[at] + self._blocks[at].place(bound.created_at, bound.prefix))

    def bound_before(self, index: int) -> Bound:
        """The shortest bound between the item at `index` and the one before it."""
        (time_before, before), (created_at, after) = self.item(index - 1), self.item(index)
        if created_at != time_before:
            return Bound(created_at)
        shared = next(at for at in range(ID_BYTES) if before[at] != after[at])
        return Bound(created_at, after[: shared + 1])

    def bound_at(self, index: int) -> Bound:
        """The bound that has the item at `index` just outside."""
        return Bound(*self.item(index))

    def fingerprint(self, lower: int, upper: int) -> bytes:
        """The first 16 bytes of sha256(sum of the ids mod 2**256, little-endian, and their number as a varint)."""
        total = (self._sum_before(upper) - self._sum_before(lower)) % _MODULUS
        return hashlib.sha256(total.to_bytes(ID_BYTES, "little") + varint(upper - lower)).digest()[:FINGERPRINT_BYTES]

    def _sum_before(self, index: int) -> int:
        at = self._block_of(index)
        return self._sums[at] + (self._blocks[at].sum_before(index - self._starts[at]) if at < len(self._blocks) else 0)

    def _block_of(self, index: int) -> int:
        """The number of the block that has this index; that of the last and one more for the end."""
        self._count()
        return bisect_right(self._starts, index) - 1

    def _count(self) -> None:
        if self._is_counted:
            return
        self._starts, self._sums = [0], [0]
        for block in self._blocks:
            self._starts.append(self._starts[-1] + len(block.times))
            self._sums.append(self._sums[-1] + block.total)
        self._is_counted = True
