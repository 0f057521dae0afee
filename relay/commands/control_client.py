"""The client of the control socket: how a command asks a running relay. Blocking."""

import contextlib
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from relay.protocol import event as events
from relay.protocol import filter as filters
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.protocol.filter import Filter
from relay.search_settings import Search
from relay.server.control_messages import (
    FAULTS,
    HEADER,
    MAX_FRAME,
    MAX_PATH,
    SOCKET_NAME,
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
    decode_reply,
    encode,
    named,
    to_outcome,
)
from storage.access import ChangeRules, RuleChange
from storage.base import Outcome
from storage.commands import Compact, Rebuild
from storage.peers import PeerChange
from storage.tools import Info

SILENCE: Final = 60.0  # seconds without one after which a client gives up


class Client:
    """The command's side, blocking. Made by `connect`; every method raises ControlError.

    `working` is called whenever the server says that it still works on a request.
    """

    def __init__(self, connection: socket.socket, working: Callable[[Working], None] | None = None) -> None:
        self._socket = connection
        self._stream = connection.makefile("rb")
        self.working = working

    def close(self) -> None:
        """Hang up, also where another thread waits for an answer: it is told that the server hung up. Idempotent."""
        with contextlib.suppress(OSError):  # it is closed already
            self._socket.shutdown(socket.SHUT_RDWR)  # to close a stream that is being read would wait for what it reads
        self._stream.close()
        self._socket.close()

    def submit(self, batch: Sequence[Event], door: Door = Door.IMPORT, origin: str | None = None) -> list[Outcome]:
        """Write verified events, at most MAX_BATCH; one Outcome each, in order, once they are durable."""
        self._send(SubmitEvents(list(batch), door, origin))
        reply = self._receive()
        if not isinstance(reply, Submitted) or len(reply.answers) != len(batch):
            raise ControlError("the server answered a batch with something else")
        return [to_outcome(answer) for answer in reply.answers]

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

    def change_peer(self, change: PeerChange) -> bool:
        """Carry it out; whether there was something to change."""
        return bool(self._number(change))

    def change_rules(self, *changes: RuleChange) -> list[bool]:
        """Carry out what the operator says; whether there was something to change, of each."""
        self._send(ChangeRules(list(changes)))
        reply = self._receive()
        if not isinstance(reply, RulesChanged) or len(reply.done) != len(changes):
            raise ControlError("the server answered a change of rules with something else")
        return reply.done

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
        if not isinstance(reply, CommandDone):
            raise ControlError("the server answered the request with something else")
        return reply.number

    def _send(self, request: Request) -> None:
        body = encode(request)
        if len(body) > MAX_FRAME:
            raise ControlError(f"the request has {len(body)} bytes; a frame may have {MAX_FRAME}")
        with named():
            try:
                self._socket.sendall(HEADER.pack(len(body)) + body)
            except (BrokenPipeError, ConnectionResetError):
                self._receive()  # a server that hangs up has said why, and that is worth more than our failure to send
                raise

    def _receive(self) -> Reply:
        """The next reply that is not Working. Raises ControlError for a Failed."""
        while True:
            with named():
                head = self._exactly(HEADER.size)
                (length,) = HEADER.unpack(head)
                if length > MAX_FRAME:
                    raise ControlError("the server answered with a frame that is too long")
                body = self._exactly(length)
            try:
                reply: Reply = decode_reply(body)
            except FAULTS as error:
                raise ControlError(f"the server's answer makes no sense: {events.describe(error)}") from None
            if isinstance(reply, Failed):
                raise ControlError(reply.message)
            if not isinstance(reply, Working):
                return reply
            if self.working is not None:
                self.working(reply)

    def _exactly(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except ValueError:  # another thread has closed it before this one began to read
            data = b""
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


def is_running(data: Path) -> bool:
    """Whether a relay runs on this data directory; True also where that cannot be told."""
    if len(os.fsencode(data.absolute() / SOCKET_NAME)) > MAX_PATH:
        return True
    try:
        client = connect(data)
    except ControlError:
        return True
    if client is None:
        return False
    client.close()
    return True
