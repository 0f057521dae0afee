"""Checks of proofs on the event loop (AUTH, NIP-98, JWT), bounded: by address for wrong ones, in all by their share of the loop.

A signature takes about 0.1 ms, and what follows on a connection may depend on it, so it is checked as it comes in. Whoever
sends thousands gets the rest refused without a look.
"""

import math
import time
from collections.abc import Callable
from typing import Final, TypeVar

from relay.errors import Reject, TooFast
from relay.server.limits.rates import Buckets

SHARE: Final = 0.25  # of the loop's time, for all proofs of everybody together
AHEAD: Final = 0.2  # seconds of that share which may be used at once: 50 ms of the loop
BURST: Final = 60.0  # seconds' worth of wrong proofs that one address may send at once

T = TypeVar("T")


class ProofChecks:
    """`clock` gives seconds and `cpu` those that this thread has worked. Used on the loop."""

    def __init__(self, clock: Callable[[], float], cpu: Callable[[], float] = time.thread_time) -> None:
        self._clock = clock
        self._cpu = cpu
        self._wrong = Buckets()
        self._paid = 0.0  # until when the share is used up

    def run(self, address: str, a_minute: float, check: Callable[[], T]) -> T:
        """What `check` gives, which raises Reject where the proof is wrong; of those, one address may send so many.

        Raises TooFast, and then nothing was checked. 0 a minute is no limit of wrong ones.
        """
        now, rate = self._clock(), a_minute / 60
        if rate > 0 and (left := self._wrong.left(address, rate, BURST, now)) < 1.0:
            raise TooFast("too many proofs from your address were wrong; wait a moment", math.ceil((1 - left) / rate))
        if self._paid - now > AHEAD:
            raise TooFast("this relay has too many proofs to check; try again in a moment", 1)
        begun = self._cpu()
        try:
            return check()
        except Reject:
            self._wrong.take(address, rate, BURST, now)
            raise
        finally:
            self._paid = max(self._paid, now) + (self._cpu() - begun) / SHARE
