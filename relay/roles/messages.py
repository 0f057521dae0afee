"""What roles say to the writer and hear from it: MessagePack, in frames (`channel`), each message an array with its tag.

Events travel in their wire form, which the writer stores as it is. Commands and their results are encoded by those who know them
(`storage.commands`); here they are bytes.
"""

import enum
from typing import Final

import msgspec

from relay.errors import Prefix
from relay.protocol.admission import Door
from relay.protocol.facts import GivenToken
from storage.base import Commit, Expected
from storage.failures import CommandFailure


class Follow(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """The first message of a link: which role this is, by its number. From now on it is sent the log as it is committed.

    Where it names `kinds`, it is only told that something of these came, anything left, or primary rows changed: by Commits without
    events. With none of them it is told of primary rows alone. It may be sent again.
    """

    role: int
    kinds: list[int] | None = None


class Entry(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One verified event. `token` names it in the answer, `client` is whose turn it takes; the rest is storage.base.Incoming."""

    token: int
    client: int
    wire: bytes
    door: Door
    received_at: int
    expected: Expected | None = None
    sent_with: GivenToken | None = None
    origin: str | None = None
    home: str = ""


class Submit(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """Events to be stored."""

    entries: list[Entry]


class Quota(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A command is counted by its `source`, an address: `most` at once, and so many within `seconds` on average.

    `what` they are called to whoever asks for too many.
    """

    source: str
    what: str
    most: int
    seconds: int


class Ask(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """A command to be carried out in a transaction of its own."""

    token: int
    client: int
    command: bytes
    sent_with: GivenToken | None = None
    quota: Quota | None = None


class Recollection(enum.IntEnum):
    """What is known of a request that may have come before."""

    BEGIN = 0  # nothing: do it, and say how it ended
    ANSWERED = 1
    DIFFERS = 2  # another request came under this name


class Recalled(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An answer over HTTP that was given before, where there is one."""

    known: Recollection
    status: int = 0
    headers: list[tuple[bytes, bytes]] = []
    body: bytes = b""


class Recall(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """A request is about to be done; see `relay.roles.answers`. A Result with Recalled follows, once it is known."""

    token: int
    name: bytes
    digest: bytes


class Answered(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """The request has ended; `answer` is what to tell whoever asks again, None where it may be done again. No answer follows."""

    name: bytes
    answer: Recalled | None


class Other(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An event that was not simply stored: `status` and `seq` as in storage.base.Outcome, `prefix` where it was refused."""

    token: int
    status: int
    seq: int
    prefix: Prefix | None
    message: str
    changed: bool = False  # what it was expected to follow is not the newest any more


class Outcomes(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """What became of events: `stored` are tokens and `seqs` their numbers; `others` is everything else.

    `failed`: the database could not be written, or the writer has a fault; nothing of these was stored.
    """

    stored: list[int]
    seqs: list[int]
    others: list[Other]
    failed: bool = False


class CommandResult(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """What a command gave, encoded, or `failure`: why it was not carried out."""

    token: int
    value: bytes
    failure: CommandFailure | None = None


class Behind(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """Commits are missing here, up to this `number` and `seq`, or as the page has it now where they are 0.

    What is missing is to be read from the database, and caches begin empty.
    """

    number: int = 0
    upto: int = 0


ToWriter = Follow | Submit | Ask | Recall | Answered
FromWriter = Outcomes | CommandResult | Behind | Commit

encode: Final = msgspec.msgpack.Encoder().encode
to_writer: Final = msgspec.msgpack.Decoder(ToWriter).decode
from_writer: Final = msgspec.msgpack.Decoder(FromWriter).decode
