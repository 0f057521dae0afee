"""The supervisor: starts the roles of a relay as processes, restarts what dies, and ends them in order.

It is plain on purpose: no event loop, no threads, no database, no secrets, so that forking is safe and nothing here can fail with
what fails in a role. Roles are forked, not executed, after everything they need is imported: importing takes more than a second.

States of a role: starting (forked, not ready), running (it said so), gone (to be started again after a pause), ended (as asked).
A child holds the reading end of a pipe whose writing end only the supervisor has: when the supervisor dies, the pipe ends, and so
does the child (`SupervisorPipes`). Otherwise children left alone would go on accepting connections and never answer. The other way
round every child has a pipe to the supervisor, on which it says that it is ready, or why it cannot start.
"""

import contextlib
import logging
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from relay.roles import signals

READY: Final = b"ready\n"
PAUSES: Final = (0.0, 0.1, 0.5, 1.0)  # seconds before each restart of a role that dies as soon as it is there
STEADY: Final = 1.0  # seconds; a role that served and lived so long is restarted at once
MOST_REASON: Final = 4096  # bytes that a role may say of why it cannot start
FAILED: Final = 70  # exit status of a role that failed unforeseen (EX_SOFTWARE)
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

log = logging.getLogger("tidings.supervisor")


class CannotStart(Exception):
    """A role that is needed could not start; the message is its own."""


class SupervisorPipes(msgspec.Struct, frozen=True):
    """A role's ends of the pipes to its supervisor, as descriptors.

    `end` becomes readable when the supervisor is gone, `status` takes what the supervisor is to be told.
    """

    end: int
    status: int

    def ready(self) -> None:
        """Tell the supervisor that the role does its work now; what it does on SIGHUP is settled by then."""
        signals.heed_hangup()
        os.write(self.status, READY)

    def fail(self, reason: str) -> None:
        """Tell the supervisor why the role cannot start."""
        os.write(self.status, reason.encode("utf-8", "replace")[:MOST_REASON])


class Role(msgspec.Struct, frozen=True):
    """A process to be. `run` is its whole life and returns its exit status; `stage` says in which order roles start, and in
    reverse in which they are ended; `keeps` are descriptors that it inherits beside the pipes to its supervisor."""

    name: str
    stage: int
    run: Callable[[SupervisorPipes], int]
    keeps: Sequence[int] = ()


class _Child(msgspec.Struct):
    role: Role
    number: int
    pid: int = 0
    status: int = -1  # reading end of its status pipe
    said: bytes = b""
    ready: bool = False
    began: float = 0.0
    deaths: int = 0
    due: float | None = None  # when it is to be started again


class Supervisor:
    """Runs roles until SIGTERM or SIGINT; SIGHUP is passed on. Only one may live in a process; it takes its signals over.

    `patience` is how many seconds each stage has to end after it was asked; then it is killed. `cleared` is called with the number
    of a role that has died, before it is started again; `ending` once when the end begins.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        patience: float,
        cleared: Callable[[int], None],
        ending: Callable[[], None] = lambda: None,
    ) -> None:
        self._children = [_Child(role, number) for number, role in enumerate(roles)]
        self._patience = patience
        self._cleared = cleared
        self._at_end = ending
        self._selector = selectors.DefaultSelector()
        self._pending: set[int] = set()
        self._started = False
        self._end_pipe: tuple[int, int] = (-1, -1)
        self._wake: tuple[int, int] = (-1, -1)

    def run(self, started: Callable[[], None]) -> None:
        """Start the roles stage by stage, call `started`, look after them until a signal asks for the end, and end them.

        Raises CannotStart when a role fails before it was ever ready; the others are ended first.
        """
        with self._signals():
            try:
                self._start_all()
                self._started = True
                if not self._ending():
                    started()
                self._look_after()
            finally:
                self._end_all()

    # starting

    def _start_all(self) -> None:
        for stage in sorted({child.role.stage for child in self._children}):
            some = [child for child in self._children if child.role.stage == stage]
            for child in some:
                self._start(child)
            while not all(child.ready for child in some):
                self._wait(None)
                if self._ending():
                    return
                for child in some:
                    if not child.pid and not child.ready:
                        raise CannotStart(
                            child.said.decode("utf-8", "replace").strip() or f"{child.role.name} ended at once"
                        )

    def _start(self, child: _Child) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            self._become(child.role, writing)
        os.close(writing)
        os.set_blocking(reading, False)
        child.pid, child.status, child.said, child.ready = pid, reading, b"", False
        child.began, child.due = time.monotonic(), None
        self._selector.register(reading, selectors.EVENT_READ, child)

    def _become(self, role: Role, status: int) -> None:
        """In the child: keep only what is its own, and live the role's life."""
        code = FAILED
        try:
            signals.hold_hangup()
            signal.set_wakeup_fd(-1)
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGTERM):
                # They may reach all at once; the supervisor says what follows.
                signal.signal(number, signal.SIG_IGN)
            self._selector.close()
            _close_all_but({0, 1, 2, status, self._end_pipe[0], *role.keeps})
            code = role.run(SupervisorPipes(self._end_pipe[0], status))
        except BaseException:
            log.exception("%s failed", role.name)
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    # looking after

    def _look_after(self) -> None:
        while not self._ending():
            if signal.SIGHUP in self._pending:
                self._pending.discard(signal.SIGHUP)
                self._tell(self._children, signal.SIGHUP)
            now = time.monotonic()
            for child in self._children:
                if child.due is not None and child.due <= now:
                    self._start(child)
            due = [child.due for child in self._children if child.due is not None]
            self._wait(max(0.0, min(due) - time.monotonic()) if due else None)

    def _ending(self) -> bool:
        return bool(self._pending & {signal.SIGTERM, signal.SIGINT})

    def _wait(self, seconds: float | None) -> None:
        """Until a signal comes, a role says something, or the time is over."""
        for key, _ in self._selector.select(seconds):
            if key.data is None:
                self._pending.update(os.read(self._wake[0], 4096))
            else:
                self._listen(key.data)
        if signal.SIGCHLD in self._pending:
            self._pending.discard(signal.SIGCHLD)
            self._reap()

    def _listen(self, child: _Child) -> None:
        try:
            data = os.read(child.status, MOST_REASON)
        except BlockingIOError:
            return
        if not data:
            self._selector.unregister(child.status)
            os.close(child.status)
            child.status = -1
            return
        child.said = (child.said + data)[:MOST_REASON]
        child.ready = child.ready or child.said == READY

    def _reap(self) -> None:
        """Note every child that has ended. The first process of a container is given those of other processes too."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for child in self._children:
                if child.pid == pid:
                    self._lost(child, status)

    def _lost(self, child: _Child, status: int) -> None:
        while child.status >= 0:  # what it said last
            self._listen(child)
        child.pid = 0
        if self._ending() or not self._started:
            return
        now = time.monotonic()
        child.deaths = deaths(child.deaths, now - child.began if child.ready else 0.0)
        pause = PAUSES[min(child.deaths, len(PAUSES)) - 1]
        child.due = now + pause
        self._cleared(child.number)
        said = child.said.decode("utf-8", "replace").strip().rpartition("\n")[2]
        reason = f" ({said})" if said and not child.ready else ""
        again = f" in {pause:g} s" if pause else ""
        log.error("%s %s%s; it is started again%s", child.role.name, _how(status), reason, again)

    # ending

    def _end_all(self) -> None:
        self._at_end()
        for stage in sorted({child.role.stage for child in self._children}, reverse=True):
            some = [child for child in self._children if child.role.stage == stage]
            self._tell(some, signals.END)
            deadline = time.monotonic() + self._patience
            while any(child.pid for child in some) and time.monotonic() < deadline:
                self._pending.add(signal.SIGTERM)  # whatever dies now is not started again
                self._wait(max(0.0, deadline - time.monotonic()))
            late = [child for child in some if child.pid]
            for child in late:
                log.error("%s did not end within %g s: killed", child.role.name, self._patience)
            self._tell(late, signal.SIGKILL)
            for child in late:
                os.waitpid(child.pid, 0)
                child.pid = 0

    @staticmethod
    def _tell(children: Sequence[_Child], number: signal.Signals) -> None:
        for child in children:
            if child.pid:
                os.kill(child.pid, number)

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Signals wake the selector through a pipe; nothing runs inside a handler."""
        self._end_pipe, self._wake = os.pipe(), os.pipe()
        for end in self._wake:
            os.set_blocking(end, False)
        self._selector.register(self._wake[0], selectors.EVENT_READ, None)
        former = {number: signal.signal(number, _note) for number in _SIGNALS}
        former_wake = signal.set_wakeup_fd(self._wake[1], warn_on_full_buffer=False)
        signals.heed_hangup()
        try:
            yield
        finally:
            signal.set_wakeup_fd(former_wake)
            for number, handler in former.items():
                signal.signal(number, handler)
            self._selector.close()
            for end in (*self._end_pipe, *self._wake):
                os.close(end)


def deaths(before: int, served: float) -> int:
    """How many times in a row a role has died as soon as it was there, this death counted, at least 1.

    `served` is how many seconds it lived, 0 where it did not get ready.
    """
    return 1 if served > STEADY else before + 1


def _note(_number: int, _frame: object) -> None:
    """The number goes through the wake-up pipe; a handler only has to be there."""


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"


def _close_all_but(kept: set[int]) -> None:
    """Close every other descriptor: a role that held another's socket would keep it open after that role's death."""
    start = 0
    for number in sorted(kept):
        if start < number:  # an empty range would be taken for all there are
            os.closerange(start, number)
        start = number + 1
    os.closerange(start, os.sysconf("SC_OPEN_MAX"))
