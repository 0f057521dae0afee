"""Removing what is due by time: what has expired (NIP-40), and what is past its days by the rules of retention.

One front sends the writer a part after another, and rests in between for longer than a part took, so that clients are served
first. The writer knows the rules from its start on; what changes of them while it runs is told it here. So are they once to each
writer that comes, and by each front that begins: who is started again reads the file, which may be another one by then, or broken.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from relay.config import Config
from relay.retention_settings import rules_of
from relay.server.supervision import Tasks
from storage.commands import Command, DropPast, SetRetention, Sweep
from storage.errors import StorageError

BATCH: Final = 1000  # events that a part of what has expired has
SHARE: Final = 3  # times as long as a part of what is past its days took, nothing more of it is done
LONG: Final = 1.0  # seconds after which it is told that events are being dropped

log = logging.getLogger("tidings.hub")


class Sweeping:
    """Made with the settings that the writer started with. Methods are called on the loop."""

    def __init__(
        self,
        config: Config,
        execute: Callable[[Command[Any]], Awaitable[Any]],
        clock: Callable[[], float],
        tasks: Tasks,
        tell: Callable[[int], None],
        *,
        writer: Callable[[], int],
    ) -> None:
        """`tell` is given how many events were dropped since the start; `writer` tells which writer it is that executes."""
        self.task: asyncio.Task[None] | None = None
        self.swept_at = clock()
        self._rules = self._known = config.retention  # `_known`: of the writer
        self._told = 0  # which writer they were told
        self._interval = config.storage.sweep_interval
        self._execute = execute
        self._writer = writer
        self._tasks = tasks
        self._tell = tell
        self._dropped = 0

    def configure(self, config: Config) -> None:
        """These settings hold now; the doors follow at once, where nothing is being swept."""
        self._rules, self._interval = config.retention, config.storage.sweep_interval
        if self._rules != self._known:
            self._start()

    def tick(self, now: float) -> None:
        """Begin when it is time to. `now` is by the clock."""
        if self._interval and now - self.swept_at >= self._interval and self._start():
            self.swept_at = now

    def _start(self) -> bool:
        if self.task is not None and not self.task.done():
            return False
        self.task = self._tasks.start(self._sweep(), "the sweep of what is due")
        return True

    async def _sweep(self) -> None:
        try:
            await self._tell_rules()
            if not self._interval:
                return
            while await self._execute(Sweep(BATCH)) == BATCH:
                pass
            while self._known:
                await self._drop()
                if self._rules == self._known:
                    return
                await self._tell_rules()
        except StorageError as error:
            log.error("sweep of what is due: %s", error)

    async def _tell_rules(self) -> None:
        while self._rules != self._known or self._told != self._writer():
            rules, writer = self._rules, self._writer()
            await self._execute(SetRetention(rules_of(rules)))
            self._known, self._told = rules, writer

    async def _drop(self) -> None:
        """Drop what is past its days, until nothing is left or the rules are others."""
        begun, number, is_told, more = time.monotonic(), 0, False, True
        while more and self._rules == self._known:
            start = time.monotonic()
            done = await self._execute(DropPast())
            number, more = number + done.number, done.more
            self._dropped += done.number
            self._tell(self._dropped)
            ended = time.monotonic()
            if more and ended - begun > LONG and not is_told:
                is_told = True
                log.info("dropping what is past its days ([[retention]]) takes longer: it goes on between other work")
            if more:
                await asyncio.sleep(SHARE * (ended - start))
        if is_told:
            log.info("dropped %d events that were past their days in %.1f s", number, time.monotonic() - begun)
