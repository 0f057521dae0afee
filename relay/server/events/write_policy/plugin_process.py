"""One run of a write policy plugin: a process that reads questions and writes answers, until it ends or fails.

States: started (it answers), retired (it answers what it was asked, then its input is closed and it ends), over (it has failed or
ended, and its whole process group is killed). It fails where it ends unasked or closes a pipe, says what answers no question, or
lets the question that has waited longest wait for `timeout`. That one waits since it was asked, or since the one before it was
answered: a plugin that answers in order has that long for each, as with strfry, and one that answers in any order forgets none.
"""

import asyncio
import contextlib
import logging
import math
import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar, cast

from relay.config import PREFIX
from relay.server.events.write_policy.plugin_messages import AnswerLines, OutOfStep, PluginAnswer, answer

ASKED: Final = 64  # questions that are not answered, at most
FIRST: Final = 8  # of them, as long as it is not known how fast it is
FEWEST: Final = 2
SOON: Final = 0.5  # seconds within which a question is to be answered
ASKED_BYTES: Final = 1024 * 1024  # of them, beyond which no more are asked
END: Final = 1.0  # seconds that a plugin has to end once its input is closed
# Seconds in which what it had written is still read, and its status learned, where it has ended.
LAST_WORDS: Final = 0.2
ERROR_LINE: Final = 500  # bytes of a line on its stderr that are logged

log = logging.getLogger("tidings.write_policy")


class PluginQuestion(Protocol):
    """An event that the plugin is asked about."""

    event_id: str
    line: bytes


class _Window:
    """How many questions may be unanswered: as many as are answered SOON, where one waits for those before it.

    One that answers slowly, in the order in which it is asked, would keep who asks for little behind all that was asked before.
    One that answers in any order, or takes as long for one as for many, works on many at once: to ask it less gains nothing.
    """

    def __init__(self) -> None:
        self.size = FIRST
        self._least = math.inf  # seconds that an answer took
        self._last = 0  # question that was answered; they are numbered from 1
        self._is_in_order = True

    def answered(self, number: int, seconds: float) -> None:
        """This question was answered after so long."""
        if number < self._last:
            self.size, self._is_in_order = ASKED, False
        self._last = number
        self._least = min(self._least, seconds)
        if self._is_in_order and seconds > max(SOON, 2 * self._least):
            self.size = max(FEWEST, self.size - 1)
        elif seconds <= max(SOON / 2, 1.25 * self._least):
            self.size = min(ASKED, self.size + 1)


class _Input(asyncio.BaseProtocol):
    """Tells when its input has ended, on either side."""

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended

    def connection_lost(self, _exc: Exception | None) -> None:
        self._ended()


class _Output(asyncio.Protocol):
    """What is heard of one of its outputs, until that has ended."""

    def __init__(self, heard: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._heard = heard
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        self._heard(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._ended()


def _pipe(theirs: contextlib.ExitStack, *, is_input: bool) -> tuple[int, int]:
    """A pipe for a plugin: their end, which `theirs` closes, and ours. Not the socket that asyncio makes: programs open /dev/stdin
    and /dev/stderr."""
    reading, writing = os.pipe()
    their_end, our_end = (reading, writing) if is_input else (writing, reading)
    theirs.callback(os.close, their_end)
    return their_end, our_end


Q = TypeVar("Q", bound=PluginQuestion)


class PluginProcess(asyncio.SubprocessProtocol, Generic[Q]):
    """`answered` gets what was answered, in that order; `failed` is called once, with why, and what was asked in vain.

    Used on the loop.
    """

    def __init__(
        self,
        command: str,
        timeout: float,
        answered: Callable[[list[tuple[Q, PluginAnswer]]], None],
        failed: Callable[["PluginProcess[Q]", str, list[Q]], None],
    ) -> None:
        self.timeout = timeout
        self.has_answered = False
        self._command = command
        self._answered = answered
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self.started_at = self._loop.time()
        self._process: asyncio.SubprocessTransport | None = None
        self._input: asyncio.WriteTransport | None = None
        self._outputs: list[asyncio.BaseTransport] = []
        self._lines = AnswerLines()
        self._errors = b""
        self._asked: dict[str, deque[tuple[Q, int, float]]] = {}  # by id, as they were asked: with its number, and when
        self._asked_ever = 0
        self._window = _Window()
        self._unanswered = 0
        self._bytes = 0
        self._waits_since = 0.0  # the one that was asked first
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0  # when that is to be called
        self._is_started = False
        self._output_ended = False
        self._input_ended = False  # by its own doing
        self._is_retired = self._is_over = False
        self._gone = asyncio.Event()
        self._said_all = asyncio.Event()  # on stderr

    async def start(self) -> None:
        """Begin, once. Raises OSError, ValueError where that cannot be."""
        try:
            with contextlib.ExitStack() as theirs:  # their ends of the pipes
                reading, writing = _pipe(theirs, is_input=True)
                self._input, _ = await self._loop.connect_write_pipe(
                    lambda: _Input(self._input_lost), os.fdopen(writing, "wb", 0)
                )
                await self._loop.subprocess_exec(
                    lambda: self,
                    "/bin/sh",
                    "-c",
                    self._command,
                    stdin=reading,
                    stdout=await self._listen(theirs, self._hear, self._output_lost),
                    stderr=await self._listen(theirs, self._complain, self._has_complained),
                    start_new_session=True,  # a group of its own, to be killed with all that it started
                    env={name: value for name, value in os.environ.items() if not name.startswith(PREFIX)},
                )
        except BaseException:
            self._is_over = True
            self._gone.set()
            self._said_all.set()
            self._close_input()
            raise
        self._is_started = True
        if self._is_retired:
            self._close_input()

    async def _listen(
        self, theirs: contextlib.ExitStack, heard: Callable[[bytes], None], ended: Callable[[], None]
    ) -> int:
        """The writing end of a pipe of which everything is heard; their end is closed with the others."""
        writing, reading = _pipe(theirs, is_input=False)
        output, _ = await self._loop.connect_read_pipe(lambda: _Output(heard, ended), os.fdopen(reading, "rb", 0))
        self._outputs.append(output)
        return writing

    # questions

    @property
    def room(self) -> int:
        """How many more questions may be asked now."""
        if not self._is_started or self._is_over or self._is_retired or self._bytes >= ASKED_BYTES:
            return 0
        return max(0, self._window.size - self._unanswered)

    def ask(self, questions: Sequence[Q]) -> None:
        """Ask about these, as many as there is `room` for."""
        now = self._loop.time()
        if not self._asked:
            self._waits_since = now
        for question in questions:
            self._asked_ever += 1
            self._asked.setdefault(question.event_id, deque()).append((question, self._asked_ever, now))
            self._bytes += len(question.line)
        self._unanswered += len(questions)
        assert self._input is not None
        if not self._input.is_closing():  # else it fails in a moment
            self._input.write(b"".join([question.line for question in questions]))
        if self._timer is None:
            self._due = now
            self._watch()

    def _watch(self) -> None:
        """Look, when the first question has waited for long enough, whether it is still there."""
        self._timer = None
        if not self._asked or self._is_over:
            return
        now = self._loop.time()
        if now - self._due > self.timeout / 4:  # it is we who stood still: what was said meanwhile is not read yet
            self._waits_since = now
        left = self._waits_since + self.timeout - now
        if left <= 0:
            self._fail(f"it did not answer within {self.timeout:g} s")
        else:
            self._due = now + left
            self._timer = self._loop.call_later(left, self._watch)

    # what the process does

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._process = cast(asyncio.SubprocessTransport, transport)

    def _hear(self, data: bytes) -> None:
        if self._is_over:
            return
        found: list[tuple[Q, PluginAnswer]] = []
        wrong = ""
        skipped = -self._lines.skipped
        for line in self._lines.feed(data):
            try:
                said = answer(line)
                if said is not None:
                    found.append((self._take(said.id), said))
                else:
                    skipped += 1
            except OutOfStep as error:
                wrong = str(error)
                break
        if skipped + self._lines.skipped:
            log.warning("the write policy plugin said what is no answer on its output, and it was skipped")
        if found:
            self.has_answered = True
            self._answered(found)
        if wrong:
            self._fail(wrong)
        elif self._is_retired and not self._asked:
            self._close_input()

    def _take(self, event_id: str) -> Q:
        waiting = self._asked.get(event_id)
        if waiting is None:
            raise OutOfStep(f"it answered about {event_id[:64]!r}, which it was not asked about")
        now = self._loop.time()
        if next(iter(self._asked)) == event_id:
            self._waits_since = now
        question, number, asked_at = waiting.popleft()
        self._window.answered(number, now - asked_at)
        if not waiting:
            del self._asked[event_id]
        self._unanswered -= 1
        self._bytes -= len(question.line)
        return question

    def _complain(self, data: bytes) -> None:
        """What it says on stderr goes to the relay's log, which bounds how many lines that are."""
        *lines, rest = (self._errors + data).split(b"\n")
        self._errors = rest[:ERROR_LINE]
        for line in filter(None, map(bytes.strip, lines)):
            text = line[:ERROR_LINE].decode(errors="replace")
            log.info("the write policy plugin says: %s", "".join(filter(str.isprintable, text)))

    def _has_complained(self) -> None:
        self._complain(b"\n")
        self._said_all.set()

    def _input_lost(self) -> None:
        if self._is_retired or self._is_over:
            return
        self._input_ended = True
        self._ending()

    def _output_lost(self) -> None:
        self._output_ended = True
        self._ending()

    def process_exited(self) -> None:
        self._gone.set()
        self._ending()

    def _ending(self) -> None:
        """It has ended, or said its last: what it wrote before that counts."""
        if self._output_ended and self._gone.is_set():
            self._ended()
        else:
            self._loop.call_later(LAST_WORDS, self._ended)

    def _ended(self) -> None:
        status = None if self._process is None else self._process.get_returncode()
        if status is None:
            self._fail(
                "it closed its input" if self._input_ended and not self._output_ended else "it closed its output"
            )
        elif status < 0:
            self._fail(f"it was ended by {signal.Signals(-status).name}")
        else:
            self._fail(f"it ended with status {status}")

    # the end

    def retire(self) -> None:
        """Ask no more: when all is answered, its input is closed, and it is to end."""
        self._is_retired = True
        if self._is_started and not self._asked:
            self._close_input()

    async def close(self) -> None:
        """Close its input and wait until it has ended, or was killed after END with all that it started."""
        self._close_input()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2 * END):  # one that hangs in the kernel is not waited for
                await self._gone.wait()
        self._fail("it did not end")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_WORDS):
                await self._said_all.wait()
        for output in self._outputs:
            output.close()

    def _close_input(self) -> None:
        self._is_retired = True
        if self._input is not None and not self._input.is_closing():
            self._input.close()
            if not self._is_over:
                self._loop.call_later(END, self._fail, "it did not end when its input did")

    def _fail(self, reason: str) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._input is not None and not self._input.is_closing():
            self._input.abort()
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.get_pid(), signal.SIGKILL)
            self._process.close()
        asked = [question for waiting in self._asked.values() for question, _, _ in waiting]
        self._asked.clear()
        self._unanswered = self._bytes = 0
        self._failed(self, reason, asked)
