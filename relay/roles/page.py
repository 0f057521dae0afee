"""The shared page: numbers in memory that all processes of one relay see at once.

It holds how far the log is committed, each role's counters, how many connections each front has from each address, which proofs
each front has seen used, and which registrations there were lately.

Every number has one writer: the writer role stores `number`, `upto`, `primary`, what is missing, and what it has counted; a role
stores its own counters, and what it measured (`metrics`); a front stores its own tables; the supervisor stores what roles that have
died had counted, so that no sum becomes less. An aligned 64-bit store through a cast memoryview does not tear, so nobody
needs a lock, and reading costs less than a function call. The page is anonymous memory, mapped before the roles are forked; a role
that dies leaves its numbers, and the supervisor clears them before it starts the role again.

Limits over all fronts stand in tables of it (`addresses`, `proofs`, `sources`): see `shared_limits`.
"""

import mmap
import os
import time
from array import array
from collections.abc import Sequence
from typing import Final

import msgspec

from relay.roles import metrics
from relay.roles.shared_limits import AddressCounts, SourceQuotas, UsedProofs
from relay.roles.shared_table import SharedTable, size

COUNTERS: Final = (
    "pid",
    "ended",  # 1: the role has died and is to be started again
    "started",  # unix seconds
    "alive_at",  # when it last did something, in milliseconds of the monotonic clock, which is the same for all processes
    "connections",  # WebSockets
    "http",  # connections that are not WebSockets, without those of trusted proxies
    "streams",  # of server-sent events
    "subscriptions",
    "waiting",  # events and commands that have no answer yet
    "dropped",  # events past their days, since the role's start, as all until `plugin_failed`
    "delivered",
    "plugin_accepted",  # events that the write policy plugin has decided on, as the next two
    "plugin_rejected",
    "plugin_shadow_rejected",
    "plugin_failed",  # events that nobody could decide on
    "plugin_down",  # 1: it has failed, and not answered since
    "faults",  # things that failed unforeseen
    "busy",  # 1: the writer carries out a command, which may take long
    "rebuilding",  # rows looked at so far while derived rows are made again, 0 while they are not
    "later_parts",  # of what changes left to do and takes longer: how many are done, 0 while nothing of it goes on
    "degraded",  # FAULTY or UNWRITABLE, 0 when all is well
    "peers",  # relays to stay in step with, without those that are paused
    "peers_in_step",
    "peers_comparing",  # of those, with which everything is being compared for the first time
    "applied",  # number of the last commit that it has applied
)
GROWING: Final = (
    "dropped",
    "delivered",
    "plugin_accepted",
    "plugin_rejected",
    "plugin_shadow_rejected",
    "plugin_failed",
)
FAULTY: Final = 1  # something failed lately
UNWRITABLE: Final = 2  # the writer's last batch could not be written
ALIVE_INTERVAL: Final = 1.0  # seconds between two signs of life of a role
SILENT: Final = 5.0  # seconds without a sign of life after which a role is taken to be stuck
MANY: Final = 100_000  # addresses that a front has room for
PROOFS: Final = 50_000  # used proofs that a front has room for
SOURCES: Final = 50_000  # whose commands are counted
_POSITION: Final = 6  # number, upto, primary; the first and last seq that are missing; moving
_AT: Final = {name: at for at, name in enumerate(COUNTERS)}


class Position(msgspec.Struct, frozen=True, gc=False):
    """How far the log is committed.

    `number` counts transactions since the supervisor's start, `upto` is the highest `seq` of the log, and `primary` is the number
    of the last transaction that changed primary rows (tokens, bindings, memberships).
    """

    number: int
    upto: int
    primary: int


class SharedPage:
    """The numbers of the relay whose roles have these names, in this order. Made once, before any role is forked."""

    def __init__(self, roles: Sequence[str], fronts: int, addresses: int = MANY, proofs: int = PROOFS) -> None:
        """The first `fronts` roles are fronts, each with room for so many different `addresses` and used `proofs`, about."""
        self.roles = tuple(roles)
        self.fronts = fronts
        self.made_at = int(time.time())
        self._made = time.monotonic()
        tables = [*[size(addresses)] * fronts, *[size(proofs)] * fronts, size(SOURCES)]
        self._ended = len(self.roles)  # the place of what roles that have died had counted
        self._measured = _POSITION + (self._ended + 1) * len(COUNTERS)
        start = self._measured + (self._ended + 1) * metrics.NUMBERS
        self._numbers = memoryview(mmap.mmap(-1, (start + sum(tables)) * 8)).cast("Q")
        made = []
        for length in tables:
            made.append(SharedTable(self._numbers[start : start + length]))
            start += length
        self.addresses = AddressCounts(made[:fronts])
        self.proofs = UsedProofs(made[fronts:-1])
        self.sources = SourceQuotas(made[-1])

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

    @property
    def moving(self) -> int:
        """How many groups there are whose events are being entered for others than before: while there are none, nobody looks."""
        return self._numbers[5]

    def move(self, groups: int) -> None:
        """So many are; called by the writer, before anybody is told of the change."""
        self._numbers[5] = groups

    # counters

    def count(self, role: int, name: str) -> int:
        """One counter of a role."""
        return self._numbers[_POSITION + role * len(COUNTERS) + _AT[name]]

    def store(self, role: int, **counters: int) -> None:
        """Store some of a role's counters; called by that role."""
        for name, number in counters.items():
            self._numbers[_POSITION + role * len(COUNTERS) + _AT[name]] = number

    def total(self, name: str) -> int:
        """The sum of a counter over all roles."""
        return sum([self.count(role, name) for role in range(self._ended + 1)])

    def measure(self, role: int, numbers: list[int]) -> None:
        """Store what a role has counted and timed (`metrics`); called by that role."""
        at = self._measured + role * metrics.NUMBERS
        self._numbers[at : at + metrics.NUMBERS] = memoryview(array("Q", numbers))

    def measured(self) -> list[int]:
        """The sums of that over all roles, since the page was made."""
        every = self._numbers[self._measured : self._measured + (self._ended + 1) * metrics.NUMBERS].tolist()
        return [sum(every[at :: metrics.NUMBERS]) for at in range(metrics.NUMBERS)]

    def begin(self, role: int) -> None:
        """A role begins its work: its counters are as at its start. Called by that role, before any other of these."""
        self.store(role, **dict.fromkeys(COUNTERS, 0))
        self.measure(role, metrics.fresh())
        self.store(role, pid=os.getpid(), started=int(time.time()))
        self.say_alive(role)

    def say_alive(self, role: int) -> None:
        """A role works; it says so once a second."""
        self.store(role, alive_at=int(time.monotonic() * 1000))

    def silence(self, role: int) -> float:
        """Seconds since a role said that it works."""
        return max(0.0, time.monotonic() - self.count(role, "alive_at") / 1000)

    def clear(self, role: int) -> None:
        """Forget a role that has ended: its counters and its addresses. Proofs that it saw stay used, and what it had counted."""
        grown = {name: self.count(self._ended, name) + self.count(role, name) for name in GROWING}
        self.store(self._ended, **grown)
        own, ended = (self._measured + place * metrics.NUMBERS for place in (role, self._ended))
        for at in range(metrics.NUMBERS):
            self._numbers[ended + at] += self._numbers[own + at]
        self.measure(role, metrics.fresh())
        self.store(role, **dict.fromkeys(COUNTERS, 0))
        self.store(role, ended=1)
        if role < self.fronts:
            self.addresses.clear(role)

    @property
    def uptime(self) -> int:
        """Seconds since the page was made."""
        return int(time.monotonic() - self._made)

    # limits over all fronts

    def join(self, front: int, counter: str, at_most: int) -> bool:
        """Add one to a front's `counter` unless all fronts together have `at_most` already; 0 is no limit."""
        self.store(front, **{counter: self.count(front, counter) + 1})
        if at_most and self.total(counter) > at_most:
            self.part(front, counter)
            return False
        return True

    def part(self, front: int, counter: str) -> None:
        """Take one from a front's `counter`."""
        self.store(front, **{counter: self.count(front, counter) - 1})
