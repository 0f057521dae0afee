"""The event: its struct, its canonical bytes, its id and its tags (NIP-01).

The wire form is always built from the verified fields (`wire`), never copied from a client: a client's own bytes may hold
duplicate keys, fields that nobody signed, or padding.
"""

import hashlib
from collections.abc import Iterator
from typing import Annotated

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import json_errors, kinds

# The length is stated apart because `$` lets a final newline through, and `bytes.fromhex` would pass over it.
Hex64 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", max_length=64)]
Hex128 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{128}$", max_length=128)]
MAX_TIMESTAMP = 2**53 - 1  # what every JSON implementation can carry as an integer
Timestamp = Annotated[int, msgspec.Meta(ge=0, le=MAX_TIMESTAMP)]
Kind = Annotated[int, msgspec.Meta(ge=0, le=kinds.MAX_KIND)]
Tag = Annotated[list[str], msgspec.Meta(min_length=1)]


class Event(msgspec.Struct, frozen=True, gc=False):
    """A signed event (NIP-01). `created_at` is unix seconds; `id`, `pubkey` and `sig` are lower-case hex."""

    id: Hex64
    pubkey: Hex64
    created_at: Timestamp
    kind: Kind
    tags: list[Tag]
    content: str
    sig: Hex128


class EventFields(Event, frozen=True, gc=False):
    """An Event whose hex digits nobody has looked at: three patterns cost more than the rest of the decoding (see `checked`)."""

    id: Annotated[str, msgspec.Meta(min_length=64, max_length=64)]
    pubkey: Annotated[str, msgspec.Meta(min_length=64, max_length=64)]
    sig: Annotated[str, msgspec.Meta(min_length=128, max_length=128)]


class Draft(msgspec.Struct, frozen=True):
    """What an event is to say, before somebody signs it; `created_at` is unix seconds."""

    kind: int
    tags: list[list[str]]
    content: str
    created_at: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Event).decode
_decode_fields = msgspec.json.Decoder(EventFields).decode
_TAG = 96  # bytes of a list, beside what is in it
_VALUE = 64  # bytes of a short text and its place in a list
_FAULTS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def serialize(pubkey: str, created_at: int, kind: int, tags: list[list[str]], content: str) -> bytes:
    """The bytes whose SHA-256 is the event id (NIP-01)."""
    return _encode((0, pubkey, created_at, kind, tags, content))


def compute_digest(event: Event) -> bytes:
    """The 32 bytes that the event's own fields give: what its signature is of."""
    data = _encode((0, event.pubkey, event.created_at, event.kind, event.tags, event.content))
    return hashlib.sha256(data).digest()


def compute_id(event: Event) -> str:
    """The id that the event's own fields give, as lower-case hex; compare it with `event.id`."""
    return compute_digest(event).hex()


def wire(event: Event) -> bytes:
    """The event as JSON, built from its fields: what is stored and what is sent."""
    return _encode(event)


def memory(event: Event, size: int) -> int:
    """Bytes of memory that an event of `size` bytes of JSON is worth, about: small tags take twenty times what they are there."""
    tags = event.tags
    return size + _TAG * len(tags) + _VALUE * sum(map(len, tags))


def parse(data: bytes | str) -> Event:
    """The event in a JSON object. Raises Reject(invalid) naming the field that is wrong; id and signature are not checked."""
    try:
        found = checked(_decode_fields(data))
    except _FAULTS:
        found = None
    if found is not None:
        return found
    try:
        return _decode(data)  # it finds out what is wrong
    except _FAULTS as error:
        raise Reject(Prefix.INVALID, describe(error, data)) from None


def checked(fields: EventFields) -> Event | None:
    """The event of these fields; None where something is not lower-case hex."""
    digits = fields.id + fields.pubkey + fields.sig
    try:
        if bytes.fromhex(digits).hex() != digits:  # it passes over blanks, and takes capitals
            return None
    except ValueError:
        return None
    return known(fields)


def known(fields: EventFields) -> Event:
    """The event of fields that were looked at before."""
    return Event(fields.id, fields.pubkey, fields.created_at, fields.kind, fields.tags, fields.content, fields.sig)


def parse_known(data: bytes) -> Event:
    """The event in a wire form that this relay made (`wire`) and kept: much cheaper than `parse`. Raises msgspec.DecodeError."""
    return known(_decode_fields(data))


def describe(error: Exception, data: bytes | str = b"") -> str:
    """A JSON or type error, of this JSON where it is at hand, in a sentence that a client's author can act on."""
    if isinstance(error, RecursionError):
        return "the JSON is nested too deeply"
    if isinstance(error, UnicodeError):
        return "the text is not valid UTF-8"
    return json_errors.in_words(str(error), data=data)


def rank(event_id: str) -> int:
    """Where an event stands within its second: the highest rank has the lowest id (by its first 8 bytes) and comes first."""
    return 2**63 - 1 - int(event_id[:16], 16)


def address_of(event: Event) -> str | None:
    """The address of a replaceable or addressable event, None for any other kind."""
    if not kinds.has_address(event.kind):
        return None
    return kinds.address(event.kind, event.pubkey, first_value(event, "d") or "")


def first_value(event: Event, name: str) -> str | None:
    """The value of the first tag called `name`: "" when it has none, None when there is no such tag."""
    for tag in event.tags:
        if tag[0] == name:
            return tag[1] if len(tag) > 1 else ""
    return None


def has_tag(event: Event, name: str) -> bool:
    """Whether there is a tag of this name. A loop, since every event is asked and a generator costs three times as much."""
    for tag in event.tags:  # noqa: SIM110
        if tag[0] == name:
            return True
    return False


def values(event: Event, name: str) -> list[str]:
    """The first values of all tags called `name`, in order; tags without a value are passed over."""
    return [tag[1] for tag in event.tags if tag[0] == name and len(tag) > 1]


def indexed_tags(event: Event) -> Iterator[tuple[str, str]]:
    """The (name, first value) of every tag that a filter can ask for: one ASCII letter, either case (NIP-01)."""
    for tag in event.tags:
        name = tag[0]
        if len(tag) > 1 and len(name) == 1 and name.isascii() and name.isalpha():
            yield name, tag[1]


def expiration(event: Event) -> int | None:
    """When the event expires, in unix seconds (NIP-40): the first such tag counts.

    Raises Reject(invalid) when it is not a number: storing for ever what was meant to expire would be worse.
    """
    value = first_value(event, "expiration")
    if value is None:
        return None
    if not (value.isascii() and value.isdigit() and len(value) <= 16):
        raise Reject(Prefix.INVALID, "the expiration tag must hold a unix timestamp in seconds (NIP-40)")
    return int(value)
