"""Time and chance as arguments, so that a test can hold both still; and how long to wait before trying again."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

FIRST: Final = 0.5  # seconds
LONGEST: Final = 60.0  # seconds


class Clock(msgspec.Struct, frozen=True):
    """`now` gives unix seconds, `sleep` waits that many, `chance` gives a number from 0 to 1."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random


class Backoff:
    """Delays that double up to a minute, each cut by up to a half by chance, so that clients do not all come back at once."""

    def __init__(self, chance: Callable[[], float]) -> None:
        self._chance = chance
        self._bound = FIRST

    def next(self) -> float:
        """Seconds to wait before the next try."""
        delay = self._bound * (0.5 + self._chance() / 2)
        self._bound = min(self._bound * 2, LONGEST)
        return delay

    def reset(self) -> None:
        """It worked: start over."""
        self._bound = FIRST
