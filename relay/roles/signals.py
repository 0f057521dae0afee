"""What signals mean to the processes of a relay.

A role ends when its supervisor says so, by END, and passes SIGTERM over as it does SIGINT: service managers and terminals send
them to all processes of the relay at once, and a writer that ended before the fronts would leave what they were sent unanswered.
SIGHUP waits while a process starts and cannot heed it yet; it would end it. A service manager may reload what it has just started.
"""

import asyncio
import os
import signal
import sys
from typing import Final

# Windows has none of these, and a relay is one process there.
if sys.platform == "win32":
    END: Final = signal.SIGTERM

    def hold_hangup() -> None:
        """From now on SIGHUP waits."""

    def heed_hangup() -> None:
        """From now on SIGHUP is heeded."""

else:
    END: Final = signal.SIGUSR1  # by which a supervisor ends a role

    def hold_hangup() -> None:
        """From now on SIGHUP waits, in this process and in those that it forks."""
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})

    def heed_hangup() -> None:
        """Its handler is there: a SIGHUP that waits is heeded now, and others as they come."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def asked_to_end(loop: asyncio.AbstractEventLoop, supervisor: int) -> asyncio.Event:
    """Set when this role is asked to end. Where its supervisor is gone, as its pipe says, it ends at once."""
    stop = asyncio.Event()
    loop.add_signal_handler(END, stop.set)
    loop.add_reader(supervisor, os._exit, 1)
    return stop
