"""A table in shared memory: a number for each name, one process that stores, any that read.

A name is kept as the hash of it, which is keyed by a secret of the process that was forked, so that nobody can choose names that
fall together. Open addressing: a name is in one of `_PROBES` places, from the one that its hash says. A place whose number is at
most `free` may be taken for another name; it never becomes empty again, so that whoever looks further on finds what is there.
An aligned 64-bit store through a cast memoryview does not tear; a reader may see a place's new name with its former number, which
is then a free one, hence as good as none.
"""

from typing import Final

_PROBES: Final = 64
_MASK: Final = (1 << 64) - 1


def size(names: int) -> int:
    """How many 64-bit numbers a table needs that has room for about so many names."""
    return 2 << max(7, (2 * names - 1).bit_length())


class SharedTable:
    """The table in these numbers, as many as `size` said."""

    __slots__ = ("_last", "_numbers")

    def __init__(self, numbers: memoryview) -> None:
        self._numbers = numbers
        self._last = len(numbers) // 2 - 1

    def get(self, name: str) -> int:
        """The number of a name; 0 when there is none."""
        place, numbers = self._hash(name), self._numbers
        for probe in range(place, place + _PROBES):
            at = 2 * (probe & self._last)
            if numbers[at] == place:
                return numbers[at + 1]
            if not numbers[at]:
                break
        return 0

    def put(self, name: str, number: int, free: int = 0) -> bool:
        """Store the number of a name; False when there is no place for it. Only the process whose table it is may do so."""
        place, numbers, found = self._hash(name), self._numbers, -1
        for probe in range(place, place + _PROBES):
            at = 2 * (probe & self._last)
            if numbers[at] == place:
                numbers[at + 1] = number
                return True
            if found < 0 and numbers[at + 1] <= free:
                found = at
            if not numbers[at]:
                break
        if found < 0:
            return False
        numbers[found] = place
        numbers[found + 1] = number
        return True

    def clear(self) -> None:
        """Forget everything."""
        with self._numbers.cast("B") as raw:
            raw[:] = bytes(len(raw))

    @staticmethod
    def _hash(name: str) -> int:
        return hash(name) & _MASK or 1
