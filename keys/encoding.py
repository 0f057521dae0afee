"""NIP-19: keys, ids and pointers as bech32 text, and back. For people to read and paste, never on the wire (NIP-01).

Rule: strict. Each kind of text decodes only as what it says it is, so that a secret is never taken for a public key, and
no error repeats the text it was given.
"""

from collections.abc import Callable
from typing import Final, Literal

import msgspec
from pynostr import bech32

from relay.protocol.kinds import MAX_KIND, is_hex

MAX_LENGTH: Final = 5000  # characters, NIP-19
Bare = Literal["npub", "nsec", "note"]

_SPECIAL, _RELAY, _AUTHOR, _KIND = range(4)
_Items = list[tuple[int, bytes]]


class ProfilePointer(msgspec.Struct, frozen=True):
    """`nprofile`: a public key and where it is found."""

    pubkey: str
    relays: tuple[str, ...] = ()


class EventPointer(msgspec.Struct, frozen=True):
    """`nevent`: an event id and where it is found."""

    id: str
    relays: tuple[str, ...] = ()
    author: str | None = None
    kind: int | None = None


class AddressPointer(msgspec.Struct, frozen=True):
    """`naddr`: the address of a replaceable or addressable event; `d` is empty for a plain replaceable."""

    kind: int
    pubkey: str
    d: str = ""
    relays: tuple[str, ...] = ()


Pointer = ProfilePointer | EventPointer | AddressPointer


def encode(prefix: Bare, value: str) -> str:
    """64 lower-case hex digits as `npub`, `nsec` or `note`. Raises ValueError."""
    return to_bech32(prefix, _from_hex(value))


def decode(prefix: Bare, text: str) -> str:
    """The 64 hex digits in an `npub`, `nsec` or `note`. Raises ValueError when the text is anything else."""
    found, data = from_bech32(text)
    if found != prefix:
        raise ValueError(f"expected {prefix}1…, found {_named(found)}")
    return _to_hex(data)


def encode_pointer(pointer: Pointer) -> str:
    """An `nprofile`, `nevent` or `naddr`. Raises ValueError for a field that cannot be written."""
    match pointer:
        case ProfilePointer(pubkey, relays):
            return to_bech32("nprofile", _write([(_SPECIAL, _from_hex(pubkey)), *_relays(relays)]))
        case EventPointer(event_id, relays, author, kind):
            items = [(_SPECIAL, _from_hex(event_id)), *_relays(relays)]
            items += [] if author is None else [(_AUTHOR, _from_hex(author))]
            items += [] if kind is None else [(_KIND, _from_kind(kind))]
            return to_bech32("nevent", _write(items))
        case AddressPointer(kind, pubkey, d, relays):
            items = [(_SPECIAL, d.encode()), *_relays(relays), (_AUTHOR, _from_hex(pubkey)), (_KIND, _from_kind(kind))]
            return to_bech32("naddr", _write(items))


def decode_pointer(text: str) -> Pointer:
    """What an `nprofile`, `nevent` or `naddr` points to; items of unknown type are passed over. Raises ValueError."""
    prefix, data = from_bech32(text)
    if prefix not in _POINTERS:
        raise ValueError(f"expected nprofile1…, nevent1… or naddr1…, found {_named(prefix)}")
    return _POINTERS[prefix](_read(data))


def _profile(items: _Items) -> ProfilePointer:
    return ProfilePointer(_to_hex(_one(items, _SPECIAL)), _relay_urls(items))


def _event_pointer(items: _Items) -> EventPointer:
    author, kind = _first(items, _AUTHOR), _first(items, _KIND)
    return EventPointer(
        _to_hex(_one(items, _SPECIAL)),
        _relay_urls(items),
        None if author is None else _to_hex(author),
        None if kind is None else _to_kind(kind),
    )


def _address_pointer(items: _Items) -> AddressPointer:
    kind, pubkey = _to_kind(_one(items, _KIND)), _to_hex(_one(items, _AUTHOR))
    return AddressPointer(kind, pubkey, _to_text(_one(items, _SPECIAL), "utf-8"), _relay_urls(items))


_POINTERS: Final[dict[str, Callable[[_Items], Pointer]]] = {
    "nprofile": _profile,
    "nevent": _event_pointer,
    "naddr": _address_pointer,
}


def _write(items: _Items) -> bytes:
    out = bytearray()
    for kind, value in items:
        if len(value) > 255:
            raise ValueError(f"a value of {len(value)} bytes does not fit; 255 is the most (NIP-19)")
        out += bytes((kind, len(value))) + value
    return bytes(out)


def _read(data: bytes) -> _Items:
    items: _Items = []
    at = 0
    while at < len(data):
        value = data[at + 2 : at + 2 + data[at + 1]] if at + 1 < len(data) else b""
        if at + 2 + len(value) > len(data) or len(value) != data[at + 1]:
            raise ValueError("the text ends in the middle of an item")
        items.append((data[at], value))
        at += 2 + len(value)
    return items


def _first(items: _Items, kind: int) -> bytes | None:
    return next((value for found, value in items if found == kind), None)


def _one(items: _Items, kind: int) -> bytes:
    value = _first(items, kind)
    if value is None:
        raise ValueError(f"the item of type {kind} is missing (NIP-19)")
    return value


def _relays(urls: tuple[str, ...]) -> _Items:
    if not all(url.isascii() for url in urls):
        raise ValueError("a relay URL must be ASCII (NIP-19)")
    return [(_RELAY, url.encode()) for url in urls]


def _relay_urls(items: _Items) -> tuple[str, ...]:
    return tuple(_to_text(value, "ascii") for found, value in items if found == _RELAY)


def _to_text(value: bytes, codec: str) -> str:
    try:
        return value.decode(codec)
    except UnicodeDecodeError:
        raise ValueError(f"a text in it is not {codec} (NIP-19)") from None


def _from_kind(kind: int) -> bytes:
    if not 0 <= kind <= MAX_KIND:
        raise ValueError(f"{kind} is no event kind; kinds go from 0 to {MAX_KIND}")
    return kind.to_bytes(4)


def _to_kind(value: bytes) -> int:
    kind = int.from_bytes(value)
    if len(value) != 4 or kind > MAX_KIND:
        raise ValueError(f"an event kind is four bytes, 0 to {MAX_KIND}")
    return kind


def _from_hex(value: str) -> bytes:
    if not is_hex(value, 64):
        raise ValueError("a key or id is exactly 64 lower-case hex digits")
    return bytes.fromhex(value)


def _to_hex(value: bytes) -> str:
    if len(value) != 32:
        raise ValueError(f"a key or id is 32 bytes, not {len(value)}")
    return value.hex()


def to_bech32(prefix: str, data: bytes) -> str:
    """The bytes as bech32 text. Raises ValueError beyond MAX_LENGTH."""
    text: str = bech32.bech32_encode(prefix, bech32.convertbits(data, 8, 5), bech32.Encoding.BECH32)
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the text would have {len(text)} characters; {MAX_LENGTH} is the most (NIP-19)")
    return text


def from_bech32(text: str) -> tuple[str, bytes]:
    """(prefix, bytes) of bech32 text. Raises ValueError for a wrong checksum, bech32m, odd padding or too much of it."""
    if len(text) > MAX_LENGTH:
        raise ValueError(f"the text has {len(text)} characters; {MAX_LENGTH} is the most (NIP-19)")
    prefix, words, encoding = bech32.bech32_decode(text)
    data = None if encoding is not bech32.Encoding.BECH32 else bech32.convertbits(words, 5, 8, False)
    if data is None:
        raise ValueError("this is not bech32 text, or a character of it is wrong (NIP-19)")
    return prefix, bytes(data)


def _named(prefix: str) -> str:
    known = ("npub", "nsec", "note", *_POINTERS)
    return f"{prefix}1…" if prefix in known else "an unknown prefix"
