"""What is said to a write policy plugin and what it says, as JSON lines; strfry's contract, without processes or clocks.

Asked:    {"type":"new","event":{…},"receivedAt":<unix seconds>,"sourceType":"IP4","sourceInfo":"<address or URL>","authed":"<hex>"}
Answered: {"id":"<the event's>","action":"accept|reject|shadowReject","msg":"blocked: …"}

`authed` is there only where a key was proven. A line that is no JSON object is no answer: it may be said by a library, and is
skipped. One that is an object and yet no answer means that the two sides are out of step.
"""

import enum
from ipaddress import ip_address
from typing import Final

import msgspec

from relay.errors import Prefix, Unwanted
from relay.protocol.admission import Door
from relay.server.events.policies import Sender
from storage.base import Incoming

MOST: Final = 8192  # bytes of an answer's line
UNWANTED: Final = "this relay's write policy refuses it"
HERE: Final = "127.0.0.1"  # where what nobody's request made comes from: the relay itself
# What a refusal of an event may begin with (NIP-01, NIP-42).
_PREFIXES: Final = frozenset(Prefix) - {Prefix.UNSUPPORTED, Prefix.CLOSED}


class SourceType(enum.StrEnum):
    """How an event came; strfry's words."""

    IP4 = "IP4"
    IP6 = "IP6"
    IMPORT = "Import"
    STREAM = "Stream"  # a peer sent it as it came there
    SYNC = "Sync"  # a peer had it, and it was lacking here


class Action(enum.StrEnum):
    """What a plugin may say of an event."""

    ACCEPT = "accept"
    REJECT = "reject"
    SHADOW_REJECT = "shadowReject"


class PluginAnswer(msgspec.Struct, frozen=True, gc=False):
    """What a plugin said of the event with this id."""

    id: str
    action: Action
    msg: str = ""


class OutOfStep(Exception):
    """The plugin said something that answers no question; the message says what is wrong."""


class _Question(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    type: str  # no default: it is always said
    event: msgspec.Raw
    received_at: int
    source_type: SourceType
    source_info: str
    authed: str = ""


class _Answered(msgspec.Struct, frozen=True, gc=False):
    id: str
    action: str
    msg: str | None = None  # some plugins say null


_encode: Final = msgspec.json.Encoder().encode
_decode_object: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_answer: Final = msgspec.json.Decoder(_Answered).decode


def question(incoming: Incoming, sender: Sender) -> bytes:
    """The line that asks about an event, which `sender` handed in."""
    kind, place = source_of(sender)
    event, keys = incoming.event, sender.keys
    authed = event.pubkey if event.pubkey in keys else min(keys, default="")
    return _encode(_Question("new", msgspec.Raw(incoming.wire), incoming.received_at, kind, place, authed)) + b"\n"


def source_of(sender: Sender) -> tuple[SourceType, str]:
    """How and from where a sender hands events in, in strfry's words."""
    if sender.door is Door.IMPORT:
        return SourceType.IMPORT, ""
    if sender.door is Door.PEER:
        return SourceType.STREAM if sender.is_live else SourceType.SYNC, sender.address
    try:
        address = ip_address(sender.address)
    except ValueError:
        return SourceType.IP4, HERE
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # how a socket on [::] shows IPv4
    return SourceType.IP4 if address.version == 4 else SourceType.IP6, str(address)


def answer(line: bytes) -> PluginAnswer | None:
    """What a line says; None for one that is no JSON object. Raises OutOfStep."""
    try:
        _decode_object(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    try:
        said = _decode_answer(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise OutOfStep(f"what it said is no answer: {error}") from None
    try:
        action = Action(said.action)
    except ValueError:
        raise OutOfStep(f"it said {said.action[:64]!r}, which is no action: accept, reject or shadowReject") from None
    return PluginAnswer(said.id, action, said.msg or "")


def refusal(msg: str) -> Unwanted:
    """What the author of an event that is rejected is told: with `blocked:` where the plugin gives no prefix of NIP-01."""
    msg = "".join(filter(str.isprintable, " ".join(msg.split())))
    word, colon, reason = msg.partition(":")
    if colon and word in _PREFIXES:
        return Unwanted(Prefix(word), reason.strip() or UNWANTED)
    return Unwanted(Prefix.BLOCKED, msg or UNWANTED)


class AnswerLines:
    """The lines of what a plugin writes; of one that is longer than MOST nothing is kept but that it came."""

    def __init__(self) -> None:
        self._rest = b""
        self._is_long = False
        self.skipped = 0  # lines that were too long

    def feed(self, data: bytes) -> list[bytes]:
        """What has come to its end, without newlines and empty lines."""
        *whole, rest = data.split(b"\n")
        lines = []
        for part in whole:
            self._keep(part)
            if self._is_long:
                self.skipped += 1
            elif self._rest.strip():
                lines.append(self._rest)
            self._rest, self._is_long = b"", False
        self._keep(rest)
        return lines

    def _keep(self, part: bytes) -> None:
        if len(self._rest) + len(part) > MOST:
            self._rest, self._is_long = b"", True
        elif not self._is_long:
            self._rest += part
