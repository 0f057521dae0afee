"""The shared page: numbers in memory that all processes of one relay see at once.

It holds how far the log is committed, each role's counters, and how many connections each front has from each address.

Every number has one writer: the writer role stores `number`, `upto`, `primary` and what is missing; a role stores its own counters;
a front stores its own table of addresses. An aligned 64-bit store through a cast memoryview does not tear, so nobody needs a
lock, and reading costs less than a function call. The page is anonymous memory, mapped before the roles are forked; a role that
dies leaves its numbers, and the supervisor clears them before it starts the role again.
"""

import mmap
from collections.abc import Sequence
from typing import Final

import msgspec

COUNTERS: Final = (
    "pid",
    "started",  # unix seconds
    "connections",
    "subscriptions",
    "waiting",  # events and commands that have no answer yet
    "stored",  # since the role's start, as the next two
    "refused",
    "delivered",
    "faults",  # things that failed unforeseen
    "degraded",  # 1: it does not do its work at the moment
    "applied",  # number of the last commit that it has applied
)
_POSITION: Final = 5  # number, upto, primary; the first and last seq that are missing
_PROBES: Final = 64  # slots that an address may be in, from the one that its hash names
_MASK: Final = (1 << 64) - 1


class Position(msgspec.Struct, frozen=True, gc=False):
    """How far the log is committed.

    `number` counts transactions since the supervisor's start, `upto` is the highest `seq` of the log, and `primary` is the number
    of the last transaction that changed primary rows (tokens, bindings, memberships).
    """

    number: int
    upto: int
    primary: int


class Page:
    """The numbers of the relay whose roles have these names, in this order. Made once, before any role is forked."""

    def __init__(self, roles: Sequence[str], fronts: int, addresses: int) -> None:
        """`addresses` is how many different addresses each of the first `fronts` roles has room for, about."""
        self.roles = tuple(roles)
        self._capacity = 1 << max(7, (2 * addresses - 1).bit_length())
        counters = len(self.roles) * len(COUNTERS)
        self._tables = _POSITION + counters
        size = self._tables + fronts * 2 * self._capacity
        self._memory = mmap.mmap(-1, size * 8)
        self._numbers = memoryview(self._memory).cast("Q")
        self.fronts = fronts

    # the log

    @property
    def upto(self) -> int:
        """The highest committed `seq`."""
        return self._numbers[1]

    @property
    def primary(self) -> int:
        """The number of the last transaction that changed primary rows."""
        return self._numbers[2]

    def position(self) -> Position:
        """All three numbers. A transaction may be committed between reading one and the next."""
        numbers = self._numbers
        return Position(numbers[0], numbers[1], numbers[2])

    def commit(self, number: int, upto: int, primary: int) -> None:
        """A transaction is durable; called by the writer, before anybody is told."""
        numbers = self._numbers
        numbers[2] = primary
        numbers[1] = upto
        numbers[0] = number

    @property
    def missing(self) -> tuple[int, int] | None:
        """Which events of the log are known to be missing: the first and the last `seq`."""
        first, last = self._numbers[3], self._numbers[4]
        return (first, last) if last else None

    def miss(self, first: int, last: int) -> None:
        """Events are missing; called by the writer at its start."""
        self._numbers[3], self._numbers[4] = first, last

    # counters

    def counters(self, role: int) -> memoryview:
        """The counters of a role in the order of COUNTERS; only that role may store into them."""
        start = _POSITION + role * len(COUNTERS)
        return self._numbers[start : start + len(COUNTERS)]

    def count(self, role: int, name: str) -> int:
        """One counter of a role."""
        return self._numbers[_POSITION + role * len(COUNTERS) + COUNTERS.index(name)]

    def total(self, name: str) -> int:
        """The sum of a counter over all roles."""
        return sum(self.count(role, name) for role in range(len(self.roles)))

    def clear(self, role: int) -> None:
        """Forget a role that has ended: its counters and its addresses."""
        start = _POSITION + role * len(COUNTERS)
        for at in range(start, start + len(COUNTERS)):
            self._numbers[at] = 0
        if role < self.fronts:
            table = (self._tables + role * 2 * self._capacity) * 8
            self._memory[table : table + self._capacity * 16] = bytes(self._capacity * 16)

    # addresses

    def enter(self, front: int, address: str, at_most: int) -> bool:
        """Count a connection from `address` at `front` unless all fronts together have `at_most` from there already.

        Its own count is stored before the others' are read, so that two fronts never let in one too many together. `at_most` 0
        is no limit. False also when the table has no room for another address.
        """
        slot = self._slot(front, address, claim=True)
        if slot is None:
            return False
        self._numbers[slot + 1] += 1
        if at_most and self.connections_of(address) > at_most:
            self._numbers[slot + 1] -= 1
            return False
        return True

    def leave(self, front: int, address: str) -> None:
        """A connection that `enter` counted has ended."""
        slot = self._slot(front, address)
        if slot is not None and self._numbers[slot + 1]:
            self._numbers[slot + 1] -= 1

    def connections_of(self, address: str) -> int:
        """How many connections all fronts have from an address."""
        slots = (self._slot(front, address) for front in range(self.fronts))
        return sum(self._numbers[slot + 1] for slot in slots if slot is not None)

    def _slot(self, front: int, address: str, *, claim: bool = False) -> int | None:
        """Where a front's table has an address: its key, and behind it the count. `claim`: take a free place if it has none."""
        key = hash(address) & _MASK or 1  # the hash is keyed by a secret of the process that was forked
        base, free, numbers = self._tables + front * 2 * self._capacity, None, self._numbers
        for probe in range(_PROBES):
            slot = base + 2 * ((key + probe) & (self._capacity - 1))
            if numbers[slot] == key:
                return slot
            if free is None and not numbers[slot + 1]:
                free = slot
            if not numbers[slot]:
                break
        if claim and free is not None:
            numbers[free] = key
            return free
        return None
