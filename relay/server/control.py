"""The control socket: how a command reaches the relay that owns the database.

The server listens on a Unix socket in its data directory that only its own user may open, so what comes in is trusted
as an operator's word: batches of events are taken as verified. Nothing else is trusted: a frame has a bounded size and a
wrong one is answered with an error.

A frame is four bytes of length, big-endian, and one MessagePack message. Each request is answered by any number of
`Working`, then by one reply; one request of a connection is carried out at a time, which is all the back-pressure needed.
"""

import asyncio
import contextlib
import os
import socket
import stat
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

from keys.vault import VaultError
from relay.errors import Reject, internal
from relay.protocol import event as events
from relay.protocol import filter as filters
from relay.protocol.admission import Door
from relay.protocol.filter import Filter
from relay.search_settings import Search
from relay.server.control_messages import (
    FAULTS,
    HEADER,
    MAX_BATCH,
    MAX_FRAME,
    CommandDone,
    ControlError,
    Describe,
    Described,
    Failed,
    Reembed,
    Remove,
    Reply,
    Request,
    RotateMaster,
    RulesChanged,
    SubmitEvents,
    Submitted,
    Working,
    decode_request,
    encode,
    socket_path,
    to_answer,
)
from relay.server.supervision import Faults
from relay.setting_parts import ConfigError
from storage.access import ChangeRules, RuleChange
from storage.base import Incoming, Outcome
from storage.commands import Compact, Rebuild
from storage.errors import StorageError
from storage.peers import AddPeer, PausePeer, PeerChange, RemovePeer
from storage.search.engine import Progress
from storage.tools import Info

MAX_CONNECTIONS: Final = 8
BACKLOG: Final = 100
ALIVE_INTERVAL: Final = 1.0  # seconds between signs of life
HANG_UP_TIME: Final = 2.0  # seconds that a command has to read what was wrong with what it sent


class Service(Protocol):
    """What the running relay does for a command; every method may raise StorageError."""

    @property
    def faults(self) -> Faults:
        """Where what nobody foresaw is reported."""

    async def submit(self, batch: list[Incoming]) -> list[Outcome]:
        """Write verified events and send the accepted ones to subscribers; one Outcome each, in order, when durable."""

    async def remove(self, wanted: Filter, limit: int) -> int:
        """As `storage.commands.RemoveMatching`."""

    async def compact(self) -> None:
        """As `storage.commands.Compact`."""

    async def rebuild(self) -> int:
        """As `storage.commands.Rebuild`."""

    async def rotate_master(self, following: str) -> int:
        """As `relay.server.identities.signing.Signing.rotate`; may raise VaultError as well."""

    async def reembed(self, settings: Search, progress: Progress) -> int:
        """Go over to the model that these settings name; how many vectors were made. May raise ConfigError as well."""

    async def change_peer(self, change: PeerChange) -> bool:
        """Carry it out; whether there was something to change."""

    async def change_rules(self, *changes: RuleChange) -> list[bool]:
        """Carry out what the operator says; whether there was something to change, of each. May raise Reject as well."""

    async def info(self) -> Info:
        """As `storage.tools.Tools.info`."""


@contextlib.contextmanager
def listening(data: Path) -> Iterator[socket.socket]:
    """The listening socket of a data directory, whose lock the caller holds; removed at the end. Raises ControlError."""
    path = socket_path(data)
    with _bind(path) as listener:
        listener.listen(BACKLOG)
        try:
            yield listener
        finally:
            _remove(path)


class Control:
    """The server's side. `interval` is the seconds between signs of life; `clock` gives unix seconds."""

    def __init__(
        self, service: Service, interval: float = ALIVE_INTERVAL, clock: Callable[[], float] = time.time
    ) -> None:
        self._service = service
        self._interval = interval
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
            _remove(self._path)
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
            (length,) = HEADER.unpack(await reader.readexactly(HEADER.size))
            if length > MAX_FRAME:
                await _hang_up(reader, writer, f"a frame may have {MAX_FRAME} bytes, not {length}")
                return
            try:
                request = decode_request(await reader.readexactly(length))
            except FAULTS as error:
                await _hang_up(reader, writer, f"the request makes no sense: {events.describe(error)}")
                return
            await self._answer(request, writer)

    async def _answer(self, request: Request, writer: asyncio.StreamWriter) -> None:
        """Carry out one request, with a sign of life at each interval."""
        reached = (0, 0)

        def progress(done: int, total: int) -> None:
            nonlocal reached
            reached = (done, total)

        work = asyncio.ensure_future(self._carry_out(request, progress))
        started = time.monotonic()
        try:
            while not (await asyncio.wait((work,), timeout=self._interval))[0]:
                await _send(writer, Working(time.monotonic() - started, *reached))
        except BaseException:
            work.cancel()
            raise
        await _send(writer, work.result())

    async def _carry_out(self, request: Request, progress: Progress) -> Reply:
        try:
            match request:
                case SubmitEvents():
                    return await self._submit(request)
                case Remove():
                    wanted = filters.parse_json(request.wanted)
                    return CommandDone(await self._service.remove(wanted, request.limit))
                case Compact():
                    await self._service.compact()
                    return CommandDone()
                case Rebuild():
                    return CommandDone(await self._service.rebuild())
                case RotateMaster():
                    return CommandDone(await self._service.rotate_master(request.following))
                case Reembed():
                    return CommandDone(await self._service.reembed(request.settings, progress))
                case AddPeer() | RemovePeer() | PausePeer():
                    return CommandDone(int(await self._service.change_peer(request)))
                case ChangeRules():
                    return RulesChanged(await self._service.change_rules(*request.changes))
                case Describe():
                    return Described(await self._service.info())
        except (StorageError, ConfigError, Reject, VaultError) as error:
            return Failed(str(error))
        except Exception as error:
            self._service.faults.report(f"the command {type(request).__name__}", error)
            return Failed(f"{internal(error).message}; the log of the relay says more")

    async def _submit(self, request: SubmitEvents) -> Reply:
        batch = request.events
        if len(batch) > MAX_BATCH:
            return Failed(f"a batch may have {MAX_BATCH} events, not {len(batch)}")
        if request.door not in (Door.IMPORT, Door.PEER):
            return Failed(f"events do not come by the door {request.door.name} here")
        now = int(self._clock())
        outcomes = await self._service.submit(
            [Incoming(one, events.wire(one), request.door, now, origin=request.origin) for one in batch]
        )
        return Submitted([to_answer(outcome) for outcome in outcomes])


def peer_user(connection: socket.socket) -> int | None:
    """The user id of the process at the other end, None where the system does not tell."""
    if sys.platform != "linux":
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, user, _ = struct.unpack("3i", credentials)
    return int(user)


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # it may be gone, or the disk only be read by now
        path.unlink()


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
    body = encode(reply)
    writer.write(HEADER.pack(len(body)) + body)
    await writer.drain()


async def _hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, words: str) -> None:
    """Say what was wrong. What still comes is passed over: a reset, for that, would keep it from the command."""
    await _send(writer, Failed(words))
    writer.write_eof()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(HANG_UP_TIME):
            while await reader.read(65536):
                pass
