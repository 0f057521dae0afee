"""Limits over all fronts, kept in tables of the shared page: connections of an address, used proofs, what a source does.

A front stores its own count first and reads those of the others then. Of two that come at the same moment one at least sees the
other, so that they never let in one too many together; both may be refused. (Between the store and the read an interpreter does far
more than a processor holds a store back for.)
"""

from collections.abc import Sequence

from relay.roles.shared_table import SharedTable


class AddressCounts:
    """How many connections each front has from each address: a table of each front."""

    def __init__(self, tables: Sequence[SharedTable]) -> None:
        self._tables = tables

    def enter(self, front: int, address: str, at_most: int) -> bool:
        """Count a connection from `address` at `front` unless all fronts together have `at_most` from there already.

        `at_most` 0 is no limit. False also when the table has no room for another address.
        """
        table = self._tables[front]
        if not table.put(address, table.get(address) + 1):
            return False
        if at_most and self.total(address) > at_most:
            self.leave(front, address)
            return False
        return True

    def leave(self, front: int, address: str) -> None:
        """A connection that `enter` counted has ended."""
        table = self._tables[front]
        count = table.get(address)
        if count:
            table.put(address, count - 1)

    def total(self, address: str) -> int:
        """How many connections all fronts have from an address."""
        return sum([table.get(address) for table in self._tables])

    def clear(self, front: int) -> None:
        """A front has ended, and its connections with it."""
        self._tables[front].clear()


class UsedProofs:
    """Which proofs each front has seen used: a table of each front."""

    def __init__(self, tables: Sequence[SharedTable]) -> None:
        self._tables = tables

    def use(self, front: int, proof: str, now: int, until: int) -> bool | None:
        """Use up a proof, by its id, which is good until then at most (unix seconds).

        False when it was used on any front, None when there is no room: then it is not used.
        """
        if self._tables[front].get(proof) > now:
            return False
        if not self._tables[front].put(proof, until, free=now):
            return None
        return not any(table.get(proof) > now for at, table in enumerate(self._tables) if at != front)


class SourceQuotas:
    """How much each source has done lately: one table, the writer's."""

    def __init__(self, table: SharedTable) -> None:
        self._table = table

    def spend(self, source: str, interval: float, most: int, now: float) -> float:
        """Count one thing that `source` does, of which there may be `most` at once and one in `interval` seconds on average.

        0 where that is within the limit, else in how many seconds it is. Called by the writer; `now` is monotonic. What is kept
        of a source is when all that it did will have been worth its interval; where there are too many sources, a new one is
        not counted.
        """
        at, step = int(now * 1000), int(interval * 1000)
        following = max(self._table.get(source), at) + step
        over = following - at - most * step
        if over > 0:
            return over / 1000
        self._table.put(source, following, free=at)
        return 0.0
