"""The front's end of its link to the writer: events and commands out, their answers and the log in.

What was sent and is not answered is kept. When the link breaks because the writer died, it is made again and the events are sent
again: one that was committed before is a duplicate, which is as good an answer. Commands are not repeated; whoever sent one is
told that the relay failed.

States: away (no connection, or one on which nobody has spoken yet: the listening socket outlives the writer), here (the writer has
spoken, which it does at once). Where it stays away, because its disk cannot be written, say, nobody waits without end: commands
are refused after PATIENCE, events after HELD.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable
from functools import cache, partial
from typing import Any, Final, TypeVar, cast, get_args

import msgspec

from relay.errors import Changed, Prefix, Reject, internal
from relay.protocol.facts import GivenToken
from relay.roles.channel import FrameReader, frame
from relay.roles.fair_queue import FairQueue
from relay.roles.messages import (
    Answered,
    Ask,
    Behind,
    CommandResult,
    Entry,
    Follow,
    FromWriter,
    Other,
    Outcomes,
    Quota,
    Recall,
    Recalled,
    Recollection,
    Submit,
    encode,
    from_writer,
)
from storage.base import Commit, Incoming, Outcome, Status
from storage.commands import Command
from storage.errors import StorageError

T = TypeVar("T")
Settle = Callable[[Outcome], None]  # called on the loop once the outcome is known and durable

PATIENCE: Final = 2.0  # seconds that a command waits for a writer that is being started again
HELD: Final = 10.0  # seconds that events wait for it, the first time; then PATIENCE, until it is there
PART: Final = 64 * 1024  # bytes of events in one message, about
TAKEN: Final = 16  # events taken in turn before it is looked whether they are a message
UNREAD: Final = 256 * 1024  # bytes that the writer has not read, beyond which others wait for their turn
AGAIN: Final = 0.02  # seconds between two attempts to reach a writer that is being started again

log = logging.getLogger("tidings.link")


class Lost(StorageError):
    """The writer went away before it answered."""

    def __init__(self) -> None:
        super().__init__(
            "the relay's writer is being started again; whether this was done is not known: look, then try again"
        )


class Away(StorageError):
    """There is no writer to ask."""

    def __init__(self) -> None:
        super().__init__("the relay's writer is being started again; nothing was done: try again later")


class _Asked(msgspec.Struct):
    """A command or another question on its way."""

    decode: Callable[[bytes], Any]  # its result
    future: "asyncio.Future[Any]"


class Link(asyncio.Protocol):
    """Owned by the pipeline; used on the loop.

    `committed` gets every commit; `behind` is called where commits are missing; `failed` is told whether the last batch could
    be written. `turned` is called after each read, when everything in it was handed over. Where it names `kinds`, it hears no
    more than that some of these came (messages.Follow).
    """

    def __init__(
        self,
        role: int,
        *,
        committed: Callable[[Commit], None],
        behind: Callable[[Behind], None],
        failed: Callable[[str | None], None],
        turned: Callable[[], None],
        report: Callable[[str, BaseException], None],
        kinds: list[int] | None = None,
    ) -> None:
        self._role = role
        self._kinds = kinds
        self._committed = committed
        self._behind = behind
        self._failed = failed
        self._turned = turned
        self._report = report
        self._transport: asyncio.Transport | None = None
        self._here = asyncio.Event()
        self.writers = 0  # that have spoken: another number, another writer
        self._limit: asyncio.TimerHandle | None = None  # of how long events wait for a writer that is away
        self._held_for = HELD
        self._reader = FrameReader()
        self._token = 0
        self._events: dict[int, tuple[Entry, Settle]] = {}
        self._commands: dict[int, _Asked] = {}
        self._outgoing: FairQueue[Entry] = FairQueue()
        self._is_full = False  # the writer is to read first
        self._gone = asyncio.Event()

    # out

    def submit(self, given: Incoming, client: Hashable, settle: Settle) -> None:
        """Send a verified event with the next `push`; `settle` follows."""
        self._token += 1
        entry = Entry(
            self._token,
            hash(client) & 0xFFFFFFFF,
            given.wire,
            given.door,
            given.received_at,
            given.expected,
            given.token,
            given.origin,
            given.home,
        )
        self._events[self._token] = (entry, settle)
        self._outgoing.put(entry.client, entry)
        if not self._here.is_set():
            self._hold()

    def push(self) -> None:
        """Send what was submitted, of each client in turn, as far as the writer reads it; the rest follows when it has.

        Whatever is on the way stands in one line: who sends little would wait behind all that somebody else has sent.
        """
        while self._outgoing and self._transport is not None and self._here.is_set() and not self._is_full:
            entries: list[Entry] = []
            size = 0
            while self._outgoing and size < PART:
                some = self._outgoing.take(TAKEN)
                entries += some
                size += sum([len(entry.wire) for entry in some])
            self._transport.write(frame(encode(Submit(entries))))

    async def execute(self, command: Command[T], token: GivenToken | None = None, quota: Quota | None = None) -> T:
        """Have a command carried out; what it gives.

        Raises what the command may, TooFast by its `quota`, StorageError, Away, Lost.
        """
        if not self._here.is_set():
            await self._wait()
        assert self._transport is not None
        self._token += 1
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._commands[self._token] = _Asked(_result_decoder(type(command)), future)
        self.push()
        asked = Ask(self._token, 0 if token is None else hash(token.key) & 0xFFFFFFFF, encode(command), token, quota)
        self._transport.write(frame(encode(asked)))
        return await future

    async def recall(self, name: bytes, digest: bytes) -> Recalled:
        """What is known of a request, once it is; see `relay.roles.answers`. After BEGIN, `answered` must follow.

        Raises Away, Lost.
        """
        if not self._here.is_set():
            await self._wait()
        assert self._transport is not None
        self._token += 1
        token, future = self._token, asyncio.get_running_loop().create_future()
        self._commands[token] = _Asked(_recalled, future)
        self._transport.write(frame(encode(Recall(token, name, digest))))
        try:
            found: Recalled = await asyncio.shield(future)
        except asyncio.CancelledError:
            future.add_done_callback(partial(self._unwanted, name))
            raise
        return found

    def _unwanted(self, name: bytes, future: "asyncio.Future[Recalled]") -> None:
        """Nobody is there any more to do what may begin now."""
        if not future.cancelled() and future.exception() is None and future.result().known is Recollection.BEGIN:
            self.answered(name, None)

    def answered(self, name: bytes, answer: Recalled | None) -> None:
        """A request that began has ended; None: it may be done again."""
        if self._transport is not None:
            self._transport.write(frame(encode(Answered(name, answer))))

    async def _wait(self) -> None:
        """Until there is a writer at the other end. Raises Away when that takes too long."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not self._here.is_set():  # it may have gone again before this goes on
                    await self._here.wait()
        except TimeoutError:
            raise Away from None

    def _hold(self) -> None:
        """Events wait for a writer that is away, but not for ever."""
        if self._limit is None:
            self._limit = asyncio.get_running_loop().call_later(self._held_for, self._give_up)

    def _give_up(self) -> None:
        """Answer every event that waits. Some may have been sent to the writer before it went away."""
        self._limit, self._held_for = None, PATIENCE
        self._outgoing = FairQueue()
        reason = str(Lost())
        self._failed(reason)
        refused = Outcome(Status.REFUSED, refusal=Reject(Prefix.ERROR, reason))
        for token in list(self._events):
            self._settle(token, refused)
        self._turned()

    def could_begin(self) -> bool:
        """Whether there is something to push, and nothing that was pushed before is unanswered."""
        return 0 < len(self._outgoing) == len(self._events)

    @property
    def unanswered(self) -> int:
        """How many events and commands have no answer yet."""
        return len(self._events) + len(self._commands)

    @property
    def is_lost(self) -> bool:
        """Whether there is no connection any more."""
        return self._gone.is_set()

    # the connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._gone.clear()
        self._is_full = False
        self._transport.set_write_buffer_limits(high=UNREAD)
        self._reader = FrameReader()
        self._transport.write(frame(encode(Follow(self._role, self._kinds))))  # it answers with Behind

    def _meet(self) -> None:
        """The writer has spoken: give it what is unanswered."""
        if self._limit is not None:
            self._limit.cancel()
        self._limit, self._held_for = None, HELD
        self.writers += 1
        self._here.set()
        self._outgoing = FairQueue()
        for entry, _ in self._events.values():
            self._outgoing.put(entry.client, entry)
        self.push()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self.push()

    def connection_lost(self, _exc: Exception | None) -> None:
        self._transport = None
        self._here.clear()
        if self._events:
            self._hold()
        commands, self._commands = self._commands, {}
        for asked in commands.values():
            if not asked.future.done():
                asked.future.set_exception(Lost())
        self._gone.set()

    def hear(self, kinds: list[int] | None) -> None:
        """From now on be told of these kinds, everything where None; `behind` follows. See messages.Follow."""
        self._kinds = kinds
        if self._transport is not None:
            self._transport.write(frame(encode(Follow(self._role, kinds))))

    async def gone(self) -> None:
        """Returns when the other side has hung up."""
        await self._gone.wait()

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    # in

    def data_received(self, data: bytes) -> None:
        if not self._here.is_set():
            self._meet()
        try:
            bodies = self._reader.feed(data)
            for body in bodies:
                self._take(from_writer(body))
        except Exception as error:
            self._report("the link to the writer", error)
            if self._transport is not None:
                self._transport.abort()
        self._turned()

    def _take(self, message: FromWriter) -> None:
        if isinstance(message, Commit):
            self._committed(message)
        elif isinstance(message, Outcomes):
            self._outcomes(message)
        elif isinstance(message, CommandResult):
            self._result(message)
        elif isinstance(message, Behind):
            self._behind(message)

    def _outcomes(self, message: Outcomes) -> None:
        self._failed(message.others[0].message if message.failed and message.others else None)
        for token, seq in zip(message.stored, message.seqs, strict=True):
            self._settle(token, Outcome(Status.STORED, seq))
        for other in message.others:
            self._settle(other.token, _outcome(other))

    def _settle(self, token: int, outcome: Outcome) -> None:
        found = self._events.pop(token, None)
        if found is None:
            return
        try:
            found[1](outcome)
        except Exception as error:
            self._report("an answer", error)

    def _result(self, message: CommandResult) -> None:
        asked = self._commands.pop(message.token, None)
        if asked is None or asked.future.done():
            return
        if message.failure is not None:
            asked.future.set_exception(message.failure.error())
            return
        try:
            asked.future.set_result(asked.decode(message.value))
        except Exception as error:
            asked.future.set_exception(StorageError(internal(error).message))
            raise


def _outcome(other: Other) -> Outcome:
    refusal: Reject | None = None
    if other.changed:
        refusal = Changed()
    elif other.prefix is not None:
        refusal = Reject(other.prefix, other.message)
    message = other.message if other.prefix is None else ""
    return Outcome(Status(other.status), other.seq, refusal=refusal, message=message)


_recalled: Final = msgspec.msgpack.Decoder(Recalled).decode


@cache
def _result_decoder(command: type[Command[Any]]) -> Callable[[bytes], Any]:
    """What reads a command's result: its class says of which type that is."""
    (given,) = get_args(command.__orig_bases__[0])  # type: ignore[attr-defined]
    return msgspec.msgpack.Decoder(given).decode


async def keep(link: Link, path: str) -> None:
    """Connect the link to the writer's socket, and again whenever it breaks, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            await loop.create_unix_connection(lambda: link, path)
        except OSError:
            await asyncio.sleep(AGAIN)
        else:
            await link.gone()
