"""How many files the relay may have open: each connection is one, and most systems begin with 1,024.

That is a bound for programs which cannot handle more. A process may raise it by itself up to the one that its operator or the
system set (the hard limit, setrlimit(2)), as servers do.
"""

import contextlib
import logging
import os
import sys
from typing import Final

FEW: Final = 4096  # an operator is told where so few may be open
_ENOUGH: Final = 1_048_576  # where there is no hard limit; systems refuse to have none at all
_AT_LEAST: Final = 10_240  # what each of them allows

log = logging.getLogger("tidings")


def complete_standard() -> None:
    """Have stdin, stdout and stderr, where whoever started this process has closed them: what is written there goes nowhere, and
    no socket and no database gets their numbers.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest number that is free
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w", encoding="utf-8", buffering=1))


def allow_most() -> None:
    """Let this process, and those it starts, have as many files open as it may. Says so where these are few."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    for most in (_ENOUGH, _AT_LEAST) if hard == unlimited else (hard,):
        if soft != unlimited and soft < most:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
                break
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != unlimited and soft < FEW:
        log.warning(
            "this process may have %d files open, and each connection is one: raise LimitNOFILE= or ulimit -Hn", soft
        )
