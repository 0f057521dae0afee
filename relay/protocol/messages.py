"""The messages of NIP-01, 42, 45, 67 and 77: decoding what clients send, encoding what the relay answers.

`decode` either gives one typed message or raises Malformed, which carries the answer to send. A client waits for an answer by
the name it gave, so that name is echoed even where it is wrong: an EVENT or AUTH gets an `OK`, a REQ or COUNT a `CLOSED`, a
verb of NIP-77 a `NEG-ERR`. A `NOTICE` is for what has no name.
"""

import re
from typing import Final

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import filter as filters
from relay.protocol.event import Event, EventFields, checked, describe
from relay.protocol.filter import Filter

MAX_SUBSCRIPTION_ID: Final = 64  # NIP-01
MAX_ECHO: Final = 256  # characters of a name that is wrong
LONG: Final = 65_536  # bytes of a message that is looked over before it is decoded
MAX_LISTS: Final = 10_000  # in the tags of an event: each costs more than its bytes tell
MANY_LISTS: Final = f"more than {MAX_LISTS} tags or brackets in tags"
Name = str | msgspec.Raw  # of an event or a subscription: a text, or a number as it was written


class Publish(msgspec.Struct, frozen=True, gc=False):
    """`["EVENT", event]`."""

    event: Event


class Auth(msgspec.Struct, frozen=True, gc=False):
    """`["AUTH", event]` (NIP-42)."""

    event: Event


class Req(msgspec.Struct, frozen=True, gc=False):
    """`["REQ", id, filter, …]`."""

    subscription: str
    filters: tuple[Filter, ...]


class Count(msgspec.Struct, frozen=True, gc=False):
    """`["COUNT", id, filter, …]` (NIP-45). `offset` is where the HLL reads the pubkey, None when the filters give none."""

    subscription: str
    filters: tuple[Filter, ...]
    offset: int | None = None


class Close(msgspec.Struct, frozen=True, gc=False):
    """`["CLOSE", id]`."""

    subscription: str


class NegOpen(msgspec.Struct, frozen=True, gc=False):
    """`["NEG-OPEN", id, filter, hex]` (NIP-77): begin a comparison; `data` is the initiator's first message."""

    subscription: str
    filter: Filter
    data: bytes


class NegMsg(msgspec.Struct, frozen=True, gc=False):
    """`["NEG-MSG", id, hex]`: the initiator's next message."""

    subscription: str
    data: bytes


class NegClose(msgspec.Struct, frozen=True, gc=False):
    """`["NEG-CLOSE", id]`; nothing is answered."""

    subscription: str


Message = Publish | Auth | Req | Count | Close | NegOpen | NegMsg | NegClose


class Malformed(Exception):
    """A message that cannot be acted on; `reply` is the whole message to answer with.

    `subscription` is set where a REQ of that id is refused: it takes the place of the open one and comes to nothing. `comparison`
    is the same for a comparison (NIP-77).
    """

    def __init__(self, reply: bytes, subscription: str | None = None, comparison: str | None = None) -> None:
        super().__init__(reply)
        self.reply = reply
        self.subscription = subscription
        self.comparison = comparison


class _Named(msgspec.Struct, gc=False):
    id: msgspec.Raw = msgspec.Raw(b'""')


class _Outline(_Named, gc=False):
    tags: msgspec.Raw = msgspec.Raw(b"[]")


class _Outlined(msgspec.Struct, array_like=True, gc=False):
    verb: str
    event: _Outline


class _QuickPublish(msgspec.Struct, array_like=True, tag="EVENT", frozen=True, gc=False):
    event: EventFields


_encode = msgspec.json.Encoder().encode
_decode_publish = msgspec.json.Decoder(_QuickPublish).decode
_decode_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_event = msgspec.json.Decoder(Event).decode
_decode_named = msgspec.json.Decoder(_Named).decode
_decode_outline = msgspec.json.Decoder(_Outline).decode
_decode_outlined = msgspec.json.Decoder(_Outlined).decode
_decode_any = msgspec.json.Decoder().decode
_question = re.compile(
    rb'\s*\[\s*"(?P<verb>REQ|COUNT|NEG-OPEN|NEG-MSG)"\s*,\s*(?P<name>"(?:[^"\\]|\\.){0,%d}"|-?[0-9][0-9.eE+-]{0,%d})'
    % (MAX_ECHO, MAX_ECHO)
).match
_publication = re.compile(rb'\s*\[\s*"(?:EVENT|AUTH)"\s*,\s*\{').match
_written_id = re.compile(rb'"id"\s*:\s*"([^"\\]{0,%d})"' % MAX_ECHO).search
_FAULTS: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
# Bytes; a longer message that does not begin as one is not decoded to say what is wrong with it.
_LOOKED_AT: Final = 1024
_SHORT: Final = 4096  # bytes; what is wrong with a message of so many costs little to decode twice
_begins = re.compile(rb'[ \t\r\n]{0,16}\[[ \t\r\n]{0,16}"[A-Z-]{1,16}"[ \t\r\n]{0,16},[ \t\r\n]{0,16}["{0-9-]').match


def decode(data: bytes) -> Message:
    """One client message. Raises Malformed with the answer to send."""
    if len(data) > LONG:
        _check_lists(data)
    if data.startswith(b'["EVENT",'):
        try:
            event = checked(_decode_publish(data).event)
        except _FAULTS:
            event = None
        if event is not None:
            return Publish(event)
        # the slow path below finds out what is wrong and whom to tell
    elif len(data) <= _SHORT and data.startswith((b'["REQ","', b'["CLOSE","')):
        usual = _usual(data)
        if usual is not None:
            return usual
    if len(data) > _LOOKED_AT and _begins(data) is None:
        raise Malformed(notice('invalid: the message must be a JSON array that begins with a verb: ["EVENT", {…}]'))
    try:
        parts = _decode_parts(data)
    except _FAULTS as error:
        reason = Reject(Prefix.INVALID, f"the message must be a JSON array ({describe(error, data)})")
        raise broken(data, reason) from None
    verb = _string(parts[0]) if parts else None
    if verb not in _VERBS:
        shown = "a list that starts with no verb" if verb is None else f"the verb {verb[:40]!r}"
        known = ", ".join(_VERBS)
        raise Malformed(notice(f"invalid: {shown} is not known here; this relay knows {known}"))
    return _VERBS[verb](verb, parts)


def _usual(data: bytes) -> Message | None:
    """A REQ or CLOSE in which nothing is wrong, decoded in one go; None where that is not so."""
    try:
        verb, name, *given = _decode_any(data)
        if type(name) is str and 1 <= len(name) <= MAX_SUBSCRIPTION_ID:
            if verb == "CLOSE":
                return Close(name)
            if given:
                if len(given) == 1:
                    return Req(name, (filters.parse(given[0]),))
                return Req(name, tuple([filters.parse(value) for value in given]))
    except (*_FAULTS, Reject, ValueError):
        pass
    return None


def _check_lists(data: bytes) -> None:
    try:
        event = _decode_outlined(data).event
    except _FAULTS:
        return  # no event, or one that is refused for what it is
    if _has_many_lists(event):
        raise Malformed(ok(_echo(event.id) or "", False, f"invalid: {MANY_LISTS}"))


def _has_many_lists(event: _Outline) -> bool:
    return bytes(event.tags).count(b"[") > MAX_LISTS


def has_many_lists(data: bytes) -> bool:
    """Whether an event, as JSON, is refused before it is decoded: for `MANY_LISTS`."""
    try:
        return len(data) > LONG and _has_many_lists(_decode_outline(data))
    except _FAULTS:
        return False


def broken(data: bytes, reason: Reject) -> Malformed:
    """The refusal of a message that is not decoded or cannot be, by the name that its sender probably gave it.

    JavaScript writes text that is none (`"\\ud800"`) without a murmur, so that these come from good clients too.
    """
    named = _question(data)
    name = None if named is None else _echo(msgspec.Raw(named["name"]))
    if named is not None and name is not None:
        verb, own = named["verb"].decode(), name if isinstance(name, str) else None
        if verb.startswith("NEG-"):
            return Malformed(neg_error(name, reason), comparison=own)
        return Malformed(closed(name, reason), own if verb == "REQ" else None)
    if _publication(data) is None:
        return Malformed(notice(str(reason)))
    event_id = _written_id(data)
    return Malformed(ok("" if event_id is None else event_id[1].decode(errors="replace"), False, str(reason)))


def _event_message(verb: str, parts: list[msgspec.Raw]) -> Message:
    if len(parts) < 2:
        raise Malformed(notice(f'invalid: {verb} needs an event: ["{verb}", {{…}}]'))
    try:
        event = _decode_event(parts[1])
    except _FAULTS as error:
        reason = f"invalid: {describe(error)}"
        name = _id_in(parts[1])
        raise Malformed(notice(reason) if name is None else ok(name, False, reason)) from None
    return Publish(event) if verb == "EVENT" else Auth(event)


def _filters_message(verb: str, parts: list[msgspec.Raw]) -> Message:
    subscription = _subscription(verb, parts)
    try:
        if len(parts) < 3:
            raise Reject(Prefix.INVALID, f'{verb} needs at least one filter: ["{verb}", "{subscription}", {{…}}]')
        raw = [_decode_any(part) for part in parts[2:]]
        parsed = tuple(filters.parse(value) for value in raw)
    except Reject as refusal:
        raise Malformed(closed(subscription, refusal), subscription if verb == "REQ" else None) from None
    except _FAULTS as error:
        reply = closed(subscription, Reject(Prefix.INVALID, describe(error)))
        raise Malformed(reply, subscription if verb == "REQ" else None) from None
    if verb == "REQ":
        return Req(subscription, parsed)
    from relay.protocol.hll import offset_of

    return Count(subscription, parsed, offset_of(raw[0]) if len(raw) == 1 else None)


def _close_message(verb: str, parts: list[msgspec.Raw]) -> Message:
    return Close(_subscription(verb, parts))


def _negentropy_message(verb: str, parts: list[msgspec.Raw]) -> Message:
    subscription = _subscription(verb, parts)
    try:
        if verb == "NEG-CLOSE":
            return NegClose(subscription)
        shape = _SHAPES[verb]
        if len(parts) < shape.count(",") + 1:
            raise Reject(Prefix.INVALID, f"{verb} is {shape}")
        data = _bytes(parts[-1] if verb == "NEG-MSG" else parts[3], verb)
        if verb == "NEG-MSG":
            return NegMsg(subscription, data)
        return NegOpen(subscription, filters.parse(_decode_any(parts[2])), data)
    except Reject as refusal:
        raise Malformed(neg_error(subscription, refusal), comparison=subscription) from None
    except _FAULTS as error:
        reply = neg_error(subscription, Reject(Prefix.INVALID, describe(error)))
        raise Malformed(reply, comparison=subscription) from None


def goes_on_comparing(data: bytes) -> bool:
    """Whether a message, as it came, is a NEG-MSG by its beginning."""
    return _GOES_ON(data) is not None


def _bytes(raw: msgspec.Raw, verb: str) -> bytes:
    """A message of negentropy. Raises Reject."""
    text = _string(raw)
    if text is None or not text.isascii() or " " in text:
        raise Reject(Prefix.INVALID, f"the message of {verb} must be text of hex digits")
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise Reject(Prefix.INVALID, f"the message of {verb} must be text of hex digits") from None


_VERBS: Final = {
    "EVENT": _event_message,
    "REQ": _filters_message,
    "CLOSE": _close_message,
    "COUNT": _filters_message,
    "AUTH": _event_message,
    "NEG-OPEN": _negentropy_message,
    "NEG-MSG": _negentropy_message,
    "NEG-CLOSE": _negentropy_message,
}
_GOES_ON: Final = re.compile(rb'\s*\[\s*"NEG-MSG"').match
_SHAPES: Final = {"NEG-OPEN": '["NEG-OPEN", id, {filter}, "hex"]', "NEG-MSG": '["NEG-MSG", id, "hex"]'}


def _subscription(verb: str, parts: list[msgspec.Raw]) -> str:
    name = _string(parts[1]) if len(parts) > 1 else None
    if name is not None and 1 <= len(name) <= MAX_SUBSCRIPTION_ID:
        return name
    echo = _echo(parts[1]) if len(parts) > 1 else None
    reason = f"{verb} needs a subscription id of 1 to {MAX_SUBSCRIPTION_ID} characters as its second element"
    if echo is None or verb == "CLOSE":
        raise Malformed(notice(f"invalid: {reason}"))
    answer = neg_error if verb.startswith("NEG-") else closed
    raise Malformed(answer(echo, Reject(Prefix.INVALID, reason)))


def _string(raw: msgspec.Raw) -> str | None:
    try:
        value = _decode_any(raw)
    except _FAULTS:
        return None
    return value if isinstance(value, str) else None


def _id_in(raw: msgspec.Raw) -> Name | None:
    """What an event calls itself, "" where it has no name; None for what is no event at all."""
    try:
        return _echo(_decode_named(raw).id) or ""
    except _FAULTS:
        return None


def _echo(raw: msgspec.Raw) -> Name | None:
    """A name as its sender may look for it in the answer; None for what names nothing."""
    try:
        value = _decode_any(raw)
    except _FAULTS:
        return None
    if isinstance(value, str):
        return value[:MAX_ECHO]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return raw if is_number and len(bytes(raw)) <= MAX_ECHO else None


def ok(event_id: Name, accepted: bool, message: str = "") -> bytes:
    """`OK`, always with four elements; a refusal's message starts with a prefix (`str(Reject)`)."""
    return _encode(("OK", event_id, accepted, message))


def eose(subscription: str, hint: str | None = None) -> bytes:
    """`EOSE`, with the NIP-67 hint `finish` or `more` when one is known."""
    return _encode(("EOSE", subscription) if hint is None else ("EOSE", subscription, (hint,)))


def closed(subscription: Name, refusal: Reject) -> bytes:
    """`CLOSED`: the relay refuses or ends a subscription."""
    return _encode(("CLOSED", subscription, str(refusal)))


def neg_msg(subscription: str, data: bytes) -> bytes:
    """`NEG-MSG`: the answer to the initiator's message (NIP-77)."""
    return _encode(("NEG-MSG", subscription, data.hex()))


def neg_error(subscription: Name, refusal: Reject, most: int | None = None) -> bytes:
    """`NEG-ERR`: the comparison is refused or ended; `most` is how many events one may cover, where there were more."""
    words = ("NEG-ERR", subscription, str(refusal))
    return _encode(words if most is None else (*words, most))


def notice(text: str) -> bytes:
    """`NOTICE`: a sentence for a person."""
    return _encode(("NOTICE", text))


def is_notice(message: bytes) -> bool:
    """Whether it is one of `notice`."""
    return message.startswith(b'["NOTICE",')


def challenge(text: str) -> bytes:
    """`AUTH` from the relay (NIP-42)."""
    return _encode(("AUTH", text))


def count(subscription: str, total: int, hll: str | None = None) -> bytes:
    """`COUNT` from the relay (NIP-45); `hll` is 512 hex digits."""
    return _encode(("COUNT", subscription, {"count": total} if hll is None else {"count": total, "hll": hll}))


def event_prefix(subscription: str) -> bytes:
    """What goes before an event's wire form in an `EVENT` message; `]` goes after it."""
    return b'["EVENT",' + _encode(subscription) + b","
