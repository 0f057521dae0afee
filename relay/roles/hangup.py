"""SIGHUP at a moment when a process cannot heed it yet, while it starts: it waits until the process can; it would end it.

A service manager may reload what it has just started.
"""

import signal
import sys

# Windows has no such signal.
if sys.platform == "win32":

    def hold() -> None:
        """From now on it waits."""

    def heed() -> None:
        """From now on it is heeded."""

else:

    def hold() -> None:
        """From now on it waits, in this process and in those that it becomes."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})

    def heed() -> None:
        """Its handler is there: one that waits is heeded now, and others as they come."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
