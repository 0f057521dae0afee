"""The control socket's messages, as its server (`control`) and its client (`relay.commands.control_client`) exchange them."""

import contextlib
import errno
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol.admission import Door
from relay.protocol.event import Event
from relay.search_settings import Search
from storage.access import ChangeRules
from storage.base import Outcome, Status
from storage.commands import Compact, Rebuild
from storage.peers import AddPeer, PausePeer, RemovePeer
from storage.tools import Info

SOCKET_NAME: Final = "control.sock"
MAX_FRAME: Final = 16 * 1024 * 1024  # bytes
MAX_BATCH: Final = 1000  # events
MAX_PATH: Final = 107 if sys.platform == "linux" else 103  # sun_path less its closing zero
HEADER: Final = struct.Struct(">I")


class ControlError(Exception):
    """The control socket cannot be used, or the server answered with an error; the message says which and why."""


class SubmitEvents(msgspec.Struct, tag="Submit", frozen=True):
    """Write these events, whose ids and signatures the client has checked, by this door; `origin` is the peer they came by."""

    events: list[Event]
    door: Door = Door.IMPORT
    origin: str | None = None


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


class Describe(msgspec.Struct, tag=True, frozen=True):
    """Ask for figures about the database."""


Request = (
    SubmitEvents
    | Remove
    | Compact
    | Rebuild
    | RotateMaster
    | Reembed
    | Describe
    | AddPeer
    | RemovePeer
    | PausePeer
    | ChangeRules
)


class EventOutcome(msgspec.Struct, array_like=True, frozen=True):
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
    """The answer to SubmitEvents, one EventAnswer an event, in order."""

    answers: list[EventOutcome]


class CommandDone(msgspec.Struct, tag="Done", frozen=True):
    """The answer to the others: the number that the operation gives, 0 for none."""

    number: int = 0


class RulesChanged(msgspec.Struct, tag=True, frozen=True):
    """The answer to ChangeRules: whether there was something to change, of each."""

    done: list[bool]


class Described(msgspec.Struct, tag=True, frozen=True):
    """The answer to Describe."""

    info: Info


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The request could not be carried out; after a frame that made no sense the server also hangs up."""

    message: str


Reply = Working | Submitted | CommandDone | RulesChanged | Described | Failed
encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_reply = msgspec.msgpack.Decoder(Reply).decode
FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


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


def to_answer(outcome: Outcome) -> EventOutcome:
    if outcome.refusal is None:
        return EventOutcome(outcome.status, outcome.seq, message=outcome.message)
    return EventOutcome(outcome.status, outcome.seq, outcome.refusal.prefix, outcome.refusal.message)


def to_outcome(answer: EventOutcome) -> Outcome:
    refusal = None if answer.prefix is None else Reject(answer.prefix, answer.message)
    return Outcome(answer.status, answer.seq, refusal=refusal, message="" if refusal else answer.message)


@contextlib.contextmanager
def named() -> Iterator[None]:
    """System errors of the socket in words."""
    try:
        yield
    except TimeoutError:
        raise ControlError("the server gives no sign of life; is it stopped or overloaded?") from None
    except OSError as error:
        reason = "hung up" if error.errno in (errno.EPIPE, errno.ECONNRESET) else f"failed: {error.strerror or error}"
        raise ControlError(f"the connection to the server {reason}") from None
