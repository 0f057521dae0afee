"""What a relay says, decoded into types, and what a client says, encoded (NIP-01, 42, 45, 67, 77). No I/O.

A relay is a stranger: whatever it sends is one of these types or raises Unintelligible, never anything else.
"""

from collections.abc import Iterable
from typing import Final

import msgspec

from relay.client.errors import MAX_WORDS
from relay.protocol import event as events
from relay.protocol import filter as filters
from relay.protocol.event import Event
from relay.protocol.filter import Filter


class EventMessage(msgspec.Struct, frozen=True):
    """`["EVENT", id, event]`. Neither the event's id nor its signature has been checked."""

    subscription: str
    event: Event


class Ok(msgspec.Struct, frozen=True):
    """`["OK", event id, accepted, words]`."""

    event_id: str
    accepted: bool
    words: str


class Eose(msgspec.Struct, frozen=True):
    """`["EOSE", id]`; `complete` is what NIP-67's hint says, None without one."""

    subscription: str
    complete: bool | None


class Closed(msgspec.Struct, frozen=True):
    """`["CLOSED", id, words]`."""

    subscription: str
    words: str


class CountAnswer(msgspec.Struct, frozen=True):
    """`["COUNT", id, {"count": …}]` (NIP-45)."""

    subscription: str
    total: int
    hll: str | None


class Notice(msgspec.Struct, frozen=True):
    """`["NOTICE", words]`."""

    words: str


class Challenge(msgspec.Struct, frozen=True):
    """`["AUTH", challenge]` (NIP-42)."""

    text: str


class Compared(msgspec.Struct, frozen=True):
    """`["NEG-MSG", id, hex]`: the other side's turn in a comparison (NIP-77)."""

    comparison: str
    data: bytes


class NotCompared(msgspec.Struct, frozen=True):
    """`["NEG-ERR", id, words, most]`; `most` is how many events a comparison may cover, where the relay says so (NIP-77)."""

    comparison: str
    words: str
    most: int | None


class _EventWords(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="EVENT"):
    """EventMessage as most relays write it; nobody has looked at the hex digits."""

    subscription: str
    event: events.EventFields


class _OkWords(msgspec.Struct, frozen=True, gc=False, array_like=True, tag="OK"):
    """Ok as most relays write it."""

    event_id: str
    accepted: bool
    words: str


Word = EventMessage | Ok | Eose | Closed | CountAnswer | Notice | Challenge | Compared | NotCompared


class Unintelligible(Exception):
    """What came is no message that a relay sends; the text says why, not what."""


_decode_parts: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_event: Final = msgspec.json.Decoder(Event).decode
_decode_frequent: Final = msgspec.json.Decoder(_EventWords | _OkWords).decode
_encode: Final = msgspec.json.Encoder().encode
_FAULTS: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
_FEW: Final = 10**9  # no bound that a relay names is above


def decode(data: str | bytes) -> Word:
    """One message from a relay. Raises Unintelligible."""
    try:
        if isinstance(data, str):
            data = data.encode()
        found = _frequent(data) if data.startswith((b'["EVENT"', b'["OK"')) else None
        if found is not None:
            return found
        parts = _decode_parts(data)
        if len(parts) > 2 and bytes(parts[0]) == b'"EVENT"':
            return EventMessage(msgspec.json.decode(parts[1], type=str), _decode_event(parts[2]))
        return _word([msgspec.json.decode(part) for part in parts[:4]])
    except _FAULTS as error:
        raise Unintelligible(events.describe(error, data)) from None


def _frequent(data: bytes) -> EventMessage | Ok | None:
    """The message, decoded in one go; None where something about it is unusual."""
    try:
        found = _decode_frequent(data)
    except _FAULTS:
        return None
    if isinstance(found, _OkWords):
        return Ok(found.event_id, found.accepted, found.words[:MAX_WORDS])
    event = events.checked(found.event)
    return None if event is None else EventMessage(found.subscription, event)


def _word(parts: list[object]) -> Word:
    match parts:
        case ["OK", str(event_id), bool(accepted), *rest]:
            return Ok(event_id, accepted, _text(rest))
        case ["EOSE", str(name), list(hints), *_]:
            return Eose(name, True if "finish" in hints else False if "more" in hints else None)
        case ["EOSE", str(name), *_]:
            return Eose(name, None)
        case ["CLOSED", str(name), *rest]:
            return Closed(name, _text(rest))
        case ["COUNT", str(name), {"count": int(total), **more}, *_] if total is not True and total is not False:
            hll = more.get("hll")
            return CountAnswer(name, total, hll if isinstance(hll, str) else None)
        case ["NOTICE", *rest]:
            return Notice(_text(rest))
        case ["AUTH", str(challenge), *_]:
            return Challenge(challenge)
        case ["NEG-MSG", str(name), str(digits), *_]:
            return Compared(name, _bytes(digits))
        case ["NEG-ERR", str(name), *rest]:
            most = rest[1] if len(rest) > 1 else None
            return NotCompared(name, _text(rest), most if type(most) is int and 0 <= most < _FEW else None)
    raise Unintelligible("it is none of the messages of NIP-01, 42, 45 and 77")


def _bytes(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise Unintelligible("the message of NEG-MSG is not of hex digits") from None


def _text(rest: list[object]) -> str:
    """What is said for a person, no more than MAX_WORDS of it: a thousand answers may wait to be looked at."""
    return rest[0][:MAX_WORDS] if rest and isinstance(rest[0], str) else ""


def publish(event: Event) -> bytes:
    """`EVENT`."""
    return _encode(("EVENT", event))


def authenticate(event: Event) -> bytes:
    """`AUTH` (NIP-42)."""
    return _encode(("AUTH", event))


def req(subscription: str, wanted: Iterable[Filter]) -> bytes:
    """`REQ`."""
    return _encode(("REQ", subscription, *(msgspec.Raw(filters.to_json(one)) for one in wanted)))


def count(subscription: str, wanted: Iterable[Filter]) -> bytes:
    """`COUNT` (NIP-45)."""
    return _encode(("COUNT", subscription, *(msgspec.Raw(filters.to_json(one)) for one in wanted)))


def close(subscription: str) -> bytes:
    """`CLOSE`."""
    return _encode(("CLOSE", subscription))


def compare(comparison: str, wanted: Filter, data: bytes) -> bytes:
    """`NEG-OPEN` (NIP-77)."""
    return _encode(("NEG-OPEN", comparison, msgspec.Raw(filters.to_json(wanted)), data.hex()))


def go_on(comparison: str, data: bytes) -> bytes:
    """`NEG-MSG` (NIP-77)."""
    return _encode(("NEG-MSG", comparison, data.hex()))


def end_comparison(comparison: str) -> bytes:
    """`NEG-CLOSE` (NIP-77)."""
    return _encode(("NEG-CLOSE", comparison))
