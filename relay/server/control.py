"""The control socket: how a command reaches the relay that owns the database.

The server listens on a Unix socket in its data directory that only its own user may open, so what comes in is trusted
as an operator's word: batches of events are taken as verified. Nothing else is trusted: a frame has a bounded size and a
wrong one is answered with an error.

A frame is four bytes of length, big-endian, and one MessagePack message. Each request is answered by any number of
`Working`, then by one reply; one request of a connection is carried out at a time, which is all the back-pressure needed.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from keys.vault import VaultError
from relay.config import ConfigError, Search
from relay.errors import Prefix, Reject
from relay.protocol import event as events
from relay.protocol import filter as filters
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from storage.base import Incoming, Info, Outcome, Status, StorageError
from storage.commands import Compact, Rebuild
from storage.search.engine import Progress

SOCKET_NAME: Final = "control.sock"
MAX_FRAME: Final = 16 * 1024 * 1024  # bytes
MAX_BATCH: Final = 1000  # events
MAX_CONNECTIONS: Final = 8
BACKLOG: Final = 100
MAX_PATH: Final = 107 if sys.platform == "linux" else 103  # sun_path less its closing zero
BEAT: Final = 1.0  # seconds between signs of life
SILENCE: Final = 60.0  # seconds without one after which a client gives up
_HEADER: Final = struct.Struct(">I")


class ControlError(Exception):
    """The control socket cannot be used, or the server answered with an error; the message says which and why."""


class Service(Protocol):
    """What the running relay does for a command; every method may raise StorageError."""

    async def submit(self, batch: list[Incoming]) -> list[Outcome]:
        """Write verified events and send the accepted ones to subscribers; one Outcome each, in order, when durable."""

    async def remove(self, wanted: Filter, limit: int) -> int:
        """As `storage.commands.RemoveMatching`."""

    async def compact(self) -> None:
        """As `storage.commands.Compact`."""

    async def rebuild(self) -> int:
        """As `storage.commands.Rebuild`."""

    async def rotate_master(self, following: str) -> int:
        """As `relay.server.signing.Signing.rotate`; may raise VaultError as well."""

    async def reembed(self, settings: Search, progress: Progress) -> int:
        """Go over to the model that these settings name; how many vectors were made. May raise ConfigError as well."""

    async def backup(self, target: Path) -> int:
        """As `storage.base.Tools.backup`; `target` is absolute."""

    async def info(self) -> Info:
        """As `storage.base.Tools.info`."""


class Submit(msgspec.Struct, tag=True, frozen=True):
    """Write these events, whose ids and signatures the client has checked."""

    events: list[Event]


class Remove(msgspec.Struct, tag=True, frozen=True):
    """Remove at most `limit` events matching `wanted`, a filter as JSON."""

    wanted: bytes
    limit: int


class RotateMaster(msgspec.Struct, tag=True, frozen=True):
    """Seal what is held for others under another master secret: `following`, or a fresh one if that is empty."""

    following: str


class Reembed(msgspec.Struct, tag=True, frozen=True):
    """Go over to the model that these settings name."""

    settings: Search


class Backup(msgspec.Struct, tag=True, frozen=True):
    """Copy the database to `target`, an absolute path."""

    target: str


class Describe(msgspec.Struct, tag=True, frozen=True):
    """Ask for figures about the database."""


Request = Submit | Remove | Compact | Rebuild | RotateMaster | Reembed | Backup | Describe


class Answer(msgspec.Struct, array_like=True, frozen=True):
    """An Outcome on the socket; `prefix` and `message` are those of a refusal."""

    status: Status
    seq: int = 0
    prefix: Prefix | None = None
    message: str = ""


class Working(msgspec.Struct, tag=True, frozen=True):
    """The request is being carried out, since `seconds`; `done` of `total` of it, where that is known."""

    seconds: float
    done: int = 0
    total: int = 0


class Submitted(msgspec.Struct, tag=True, frozen=True):
    """The answer to Submit, one Answer an event, in order."""

    answers: list[Answer]


class Done(msgspec.Struct, tag=True, frozen=True):
    """The answer to the others: the number that the operation gives, 0 for none."""

    number: int = 0


class Described(msgspec.Struct, tag=True, frozen=True):
    """The answer to Describe."""

    info: Info


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The request could not be carried out; after a frame that made no sense the server also hangs up."""

    message: str


Reply = Working | Submitted | Done | Described | Failed

_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(Request).decode
_decode_reply = msgspec.msgpack.Decoder(Reply).decode
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def socket_path(data: Path) -> Path:
    """Where the socket of a data directory is. Raises ControlError when the system cannot have a socket there."""
    path = data.absolute() / SOCKET_NAME
    check_path(path)
    return path


def check_path(path: Path) -> None:
    """Raises ControlError when the system cannot have a socket there."""
    length = len(os.fsencode(path))
    if length > MAX_PATH:
        raise ControlError(
            f"{path} has {length} bytes, but the path of a Unix socket may have {MAX_PATH}; "
            "choose a data directory with a shorter path"
        )


@contextlib.contextmanager
def listening(data: Path) -> Iterator[socket.socket]:
    """The listening socket of a data directory, whose lock the caller holds; removed at the end. Raises ControlError."""
    path = socket_path(data)
    with _bind(path) as listener:
        listener.listen(BACKLOG)
        try:
            yield listener
        finally:
            path.unlink(missing_ok=True)


class Control:
    """The server's side. `beat` is in seconds; `clock` gives unix seconds."""

    def __init__(self, service: Service, beat: float = BEAT, clock: Callable[[], float] = time.time) -> None:
        self._service = service
        self._beat = beat
        self._clock = clock
        self._server: asyncio.Server | None = None
        self._path: Path | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, data: Path) -> None:
        """Listen in the data directory, whose lock the caller holds. Raises ControlError."""
        path = socket_path(data)
        listener = _bind(path)
        self._path = path
        await self.serve(listener)

    async def serve(self, listener: socket.socket) -> None:
        """Answer at a socket that `listening` made."""
        self._server = await asyncio.start_unix_server(self._connected, sock=listener)

    async def close(self) -> None:
        """Stop listening, finish no request that is still waiting, remove the socket. Idempotent."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            refusal = self._refusal(writer)
            if refusal is not None:
                await _send(writer, Failed(refusal))
            else:
                await self._converse(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away or the server is closing: nothing is owed to either
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    def _refusal(self, writer: asyncio.StreamWriter) -> str | None:
        peer = peer_user(writer.get_extra_info("socket"))
        if peer is not None and peer not in (os.geteuid(), 0):
            return f"user {peer} does not own this relay"
        if len(self._tasks) > MAX_CONNECTIONS:
            return f"more than {MAX_CONNECTIONS} commands are running already"
        return None

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = _HEADER.unpack(await reader.readexactly(_HEADER.size))
            if length > MAX_FRAME:
                await _send(writer, Failed(f"a frame may have {MAX_FRAME} bytes, not {length}"))
                return
            try:
                request = _decode_request(await reader.readexactly(length))
            except _FAULTS as error:
                await _send(writer, Failed(f"the request makes no sense: {events.describe(error)}"))
                return
            await self._answer(request, writer)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Carry out one request, with a sign of life every beat."""
        reached = (0, 0)

        def progress(done: int, total: int) -> None:
            nonlocal reached
            reached = (done, total)

        work = asyncio.ensure_future(self._carry_out(request, progress))
        started = time.monotonic()
        try:
            while not (await asyncio.wait((work,), timeout=self._beat))[0]:
                await _send(writer, Working(time.monotonic() - started, *reached))
        except BaseException:
            work.cancel()
            raise
        await _send(writer, work.result())

    async def _carry_out(self, request: Request, progress: Progress) -> Reply:
        try:
            match request:
                case Submit():
                    return await self._submit(request.events)
                case Remove():
                    wanted = filters.parse_json(request.wanted)
                    return Done(await self._service.remove(wanted, request.limit))
                case Compact():
                    await self._service.compact()
                    return Done()
                case Rebuild():
                    return Done(await self._service.rebuild())
                case RotateMaster():
                    return Done(await self._service.rotate_master(request.following))
                case Reembed():
                    return Done(await self._service.reembed(request.settings, progress))
                case Backup():
                    return Done(await self._service.backup(Path(request.target)))
                case Describe():
                    return Described(await self._service.info())
        except (StorageError, ConfigError, Reject, VaultError) as error:
            return Failed(str(error))
        except Exception as error:
            logging.getLogger("tidings.control").exception("the command %s failed", type(request).__name__)
            return Failed(f"internal error ({type(error).__name__}); the log of the relay says more")

    async def _submit(self, batch: list[Event]) -> Reply:
        if len(batch) > MAX_BATCH:
            return Failed(f"a batch may have {MAX_BATCH} events, not {len(batch)}")
        now = int(self._clock())
        outcomes = await self._service.submit([Incoming(one, events.wire(one), Door.IMPORT, now) for one in batch])
        return Submitted([_to_answer(outcome) for outcome in outcomes])


def _to_answer(outcome: Outcome) -> Answer:
    if outcome.refusal is None:
        return Answer(outcome.status, outcome.seq)
    return Answer(outcome.status, outcome.seq, outcome.refusal.prefix, outcome.refusal.message)


def _to_outcome(answer: Answer) -> Outcome:
    refusal = None if answer.prefix is None else Reject(answer.prefix, answer.message)
    return Outcome(answer.status, answer.seq, refusal=refusal)


def peer_user(connection: socket.socket) -> int | None:
    """The user id of the process at the other end, None where the system does not tell."""
    if sys.platform != "linux":
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return int(user)


def _bind(path: Path) -> socket.socket:
    """A socket bound at `path` that nobody else could open for a moment; one left by a dead server is replaced."""
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise ControlError(f"{path} is in the way: it is not a socket; move it elsewhere")
        if _is_answered(path):
            raise ControlError(f"another relay answers at {path}; stop it first")
        path.unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o177)
    try:
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise ControlError(f"cannot make the control socket {path}: {error.strerror}") from None
    finally:
        os.umask(previous)
    listener.setblocking(False)
    return listener


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except OSError as error:
            raise ControlError(f"cannot try the control socket {path}: {error.strerror}") from None
    return True


async def _send(writer: asyncio.StreamWriter, reply: Reply) -> None:
    body = _encode(reply)
    writer.write(_HEADER.pack(len(body)) + body)
    await writer.drain()


class Client:
    """The command's side, blocking. Made by `connect`; every method raises ControlError.

    `working` is called whenever the server says that it still works on a request.
    """

    def __init__(self, connection: socket.socket, working: Callable[[Working], None] | None = None) -> None:
        self._socket = connection
        self._stream = connection.makefile("rb")
        self.working = working

    def close(self) -> None:
        """Hang up. Idempotent."""
        self._stream.close()
        self._socket.close()

    def submit(self, batch: Sequence[Event]) -> list[Outcome]:
        """Write verified events, at most MAX_BATCH; one Outcome each, in order, once they are durable."""
        self._send(Submit(list(batch)))
        reply = self._receive()
        if not isinstance(reply, Submitted) or len(reply.answers) != len(batch):
            raise ControlError("the server answered a batch with something else")
        return [_to_outcome(answer) for answer in reply.answers]

    def remove(self, wanted: Filter, limit: int) -> int:
        """Remove at most `limit` matching events; how many went."""
        return self._number(Remove(filters.to_json(wanted), limit))

    def compact(self) -> None:
        """Compact the database."""
        self._number(Compact())

    def rebuild(self) -> int:
        """Rebuild the projections; how many rows there are."""
        return self._number(Rebuild())

    def rotate_master(self, following: str) -> int:
        """Seal everything held under another master secret ("": a fresh one); how many values that were."""
        return self._number(RotateMaster(following))

    def reembed(self, settings: Search) -> int:
        """Go over to the model that these settings name; how many vectors were made."""
        return self._number(Reembed(settings))

    def backup(self, target: Path) -> int:
        """Copy the database to `target`; bytes written."""
        return self._number(Backup(str(target.absolute())))

    def info(self) -> Info:
        """Figures about the database."""
        self._send(Describe())
        reply = self._receive()
        if not isinstance(reply, Described):
            raise ControlError("the server answered a question for figures with something else")
        return reply.info

    def _number(self, request: Request) -> int:
        self._send(request)
        reply = self._receive()
        if not isinstance(reply, Done):
            raise ControlError("the server answered the request with something else")
        return reply.number

    def _send(self, request: Request) -> None:
        body = _encode(request)
        if len(body) > MAX_FRAME:
            raise ControlError(f"the request has {len(body)} bytes; a frame may have {MAX_FRAME}")
        with _named():
            try:
                self._socket.sendall(_HEADER.pack(len(body)) + body)
            except (BrokenPipeError, ConnectionResetError):
                self._receive()  # a server that hangs up has said why, and that is worth more than our failure to send
                raise

    def _receive(self) -> Reply:
        """The next reply that is not Working. Raises ControlError for a Failed."""
        while True:
            with _named():
                head = self._exactly(_HEADER.size)
                (length,) = _HEADER.unpack(head)
                if length > MAX_FRAME:
                    raise ControlError("the server answered with a frame that is too long")
                body = self._exactly(length)
            try:
                reply: Reply = _decode_reply(body)
            except _FAULTS as error:
                raise ControlError(f"the server's answer makes no sense: {events.describe(error)}") from None
            if isinstance(reply, Failed):
                raise ControlError(reply.message)
            if not isinstance(reply, Working):
                return reply
            if self.working is not None:
                self.working(reply)

    def _exactly(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) < size:
            raise ControlError("the server hung up")
        return data


def connect(data: Path, silence: float = SILENCE) -> Client | None:
    """A client of the relay running on this data directory, None when none answers. Raises ControlError.

    `silence` is how many seconds without a sign of life a request may take.
    """
    path = data.absolute() / SOCKET_NAME
    if len(os.fsencode(path)) > MAX_PATH:
        return None  # no server can have made one there either
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(silence)
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
        connection.close()
        return None
    except OSError as error:
        connection.close()
        raise ControlError(f"cannot use the control socket {path}: {error.strerror or error}") from None
    return Client(connection)


@contextlib.contextmanager
def _named() -> Iterator[None]:
    """System errors of the socket in words."""
    try:
        yield
    except TimeoutError:
        raise ControlError("the server gives no sign of life; is it stopped or overloaded?") from None
    except OSError as error:
        reason = "hung up" if error.errno in (errno.EPIPE, errno.ECONNRESET) else f"failed: {error.strerror or error}"
        raise ControlError(f"the connection to the server {reason}") from None
