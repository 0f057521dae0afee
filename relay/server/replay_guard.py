"""NIP-98 proofs that were used: each is good once. Bounded; while it is full, proofs are refused rather than forgotten.

What was used before this process started is not known, so proofs made before that are refused as well.
"""

from typing import Final

from keys.nip98 import WINDOW
from relay.errors import Prefix, Reject
from relay.protocol.event import Event

MAX_USED: Final = 100_000


class ReplayGuard:
    """`started_at` is unix seconds."""

    def __init__(self, started_at: int) -> None:
        self._started_at = started_at
        self._used: dict[str, int] = {}  # id -> when it stops being good, oldest use first

    def use(self, proof: Event, now: int) -> None:
        """Use up a proof whose time and signature were checked. Raises Reject(invalid) when it was used, error when full."""
        if proof.created_at < self._started_at:
            raise Reject(Prefix.INVALID, "the proof was made before this relay started; make a new one")
        if proof.id in self._used:
            raise Reject(Prefix.INVALID, "this proof was used already; make a new one for each request")
        while self._used and next(iter(self._used.values())) < now:
            del self._used[next(iter(self._used))]
        if len(self._used) >= MAX_USED:
            raise Reject(Prefix.ERROR, "too many proofs at once; try again in a moment")
        # Counted from now, not from its own time: that keeps the oldest first, and is never too short.
        self._used[proof.id] = now + 2 * WINDOW
