"""Answers over HTTP that go on for as long as somebody listens, and their end where their address is blocked."""

import asyncio

from relay.server.limits.addresses import AddressSet


class LastingAnswers:
    """Those of one front, by the task that gives each. Used on the loop."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Task[object], str] = {}

    def begin(self, task: asyncio.Task[object], address: str) -> None:
        """This task's answer goes on, to a client there."""
        self._open[task] = address

    def end(self, task: asyncio.Task[object]) -> bool:
        """It is over; whether `end_blocked` left it be, or it was none."""
        return self._open.pop(task, None) != ""

    def end_blocked(self, blocked: AddressSet) -> None:
        """Cancel those whose address is blocked."""
        for task, address in list(self._open.items()):
            if address and address in blocked:
                self._open[task] = ""
                task.cancel()
