"""What has a share of each turn of the event loop knows when a turn is another one.

A turn is what the loop does between two looks at its sockets. All that wants to know of its end is one callback of the loop, and
who only begins a new share compares numbers: each callback costs as much as a small part of a question's answer.
"""

import asyncio
from collections.abc import Callable

from relay.server.supervision import Faults


class Turns:
    """Numbers turns and calls what waits for the next one, in order. Made and used on the event loop."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._call_soon = asyncio.get_running_loop().call_soon
        self._waiting: list[Callable[[], None]] = []
        self._number = 0
        self._is_counted = False  # the end of this turn is waited for

    def number(self) -> int:
        """The number of this turn."""
        if not self._is_counted:
            self._is_counted = True
            self._call_soon(self._next)
        return self._number

    def after(self, call: Callable[[], None]) -> None:
        """Call this once, when the next turn begins."""
        self.number()
        self._waiting.append(call)

    def _next(self) -> None:
        self._number += 1
        self._is_counted = False
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            try:
                call()
            except Exception as error:
                self._faults.report("a turn of the loop", error)
