"""What has a share of each turn of the event loop is told when the turn is over.

A turn is what the loop does between two looks at its sockets. All that wants to know of its end is one callback of the loop: each
costs as much as a small part of a question's answer.
"""

import asyncio
from collections.abc import Callable

from relay.server.supervision import Faults


class Turns:
    """Calls what waits for the next turn, in order. All methods are called on the event loop."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._waiting: list[Callable[[], None]] = []

    def after(self, call: Callable[[], None]) -> None:
        """Call this once, when the next turn begins."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        self._waiting.append(call)

    def _next(self) -> None:
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            try:
                call()
            except Exception as error:
                self._faults.report("a turn of the loop", error)
