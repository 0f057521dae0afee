"""What fronts say to the role that compares (NIP-77) and hear from it: MessagePack in frames (`channel`), arrays with a tag.

A front names each comparison by a token of its own. To each message that it hands on comes one answer, or the end of it.
"""

from typing import Final

import msgspec

from relay.errors import Prefix
from relay.protocol.filter import Filter
from storage.base import Readers

MOST_ASKED: Final = 4 * 1024 * 1024  # bytes of a frame to the role


class BeginComparison(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """Compare what these readers may see of `wanted`, `most` events at most; `data` is the initiator's first message.

    `token` names the comparison, `client` is whose turn it takes. A message of the initiator's may have `room` bytes.
    """

    token: int
    client: int
    wanted: Filter
    readers: Readers
    most: int
    room: int
    data: bytes


class ContinueComparison(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """The initiator's next message."""

    token: int
    data: bytes


class EndComparison(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """The comparison is over; an answer may come all the same."""

    token: int


class ComparisonAnswer(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """What to tell the initiator."""

    token: int
    data: bytes


class ComparisonRefused(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """The comparison is ended, and why; `most` is how many events one may cover, where there are more."""

    prefix: Prefix
    words: str
    most: int | None = None
    token: int = 0


class Alive(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """The role works: said at the beginning of a link, and once a second."""


ToComparing = BeginComparison | ContinueComparison | EndComparison
FromComparing = ComparisonAnswer | ComparisonRefused | Alive

encode: Final = msgspec.msgpack.Encoder().encode
to_comparing: Final = msgspec.msgpack.Decoder(ToComparing).decode
from_comparing: Final = msgspec.msgpack.Decoder(FromComparing).decode
