"""The writer as a thread of the process that needs it: the same role on one end of a socket pair.

A relay of one process has it so, as do commands that write while no relay runs, and tests. Nothing starts such a thread again:
where it fails unforeseen, the whole process ends at once, as the writer's process does, and whoever looks after it starts it
again. What was acknowledged is committed by then.
"""

import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

from relay.roles.page import SharedPage
from relay.roles.supervisor import FAILED
from relay.roles.writer import Report, WriterRole
from storage.base import TransactionWriter

log = logging.getLogger("tidings.writer")


class WriterThread:
    """Runs a writer role over `store` until it is closed; the store stays the caller's."""

    def __init__(
        self, store: TransactionWriter, page: SharedPage, commands: Callable[[bytes], Any], report: Report
    ) -> None:
        self.role = WriterRole(store, page, commands, report)
        self._open = True
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)

    def connect(self) -> socket.socket:
        """An end for a link; before `start`."""
        ours, theirs = socket.socketpair()
        self.role.links.attach(theirs)
        return ours

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def _run(self) -> None:
        try:
            self.role.run()
        except BaseException:
            log.critical("the writer failed: this process ends; what was acknowledged is stored", exc_info=True)
            sys.stdout.flush()
            os._exit(FAILED)  # whoever is owed an answer would wait for ever, also a tidy end

    def close(self) -> None:
        """Finish what was sent and end the thread; blocking. Idempotent."""
        if self._open:
            self._open = False
            self.role.stop()
            self._thread.join()
            self.role.close()
