"""`profiles`: who a key says it is. The newest live kind 0, whatever of its content is JSON of the right type."""

import json
from typing import Any, Final

import msgspec

from relay.protocol import kinds
from relay.protocol.event import Event
from relay.protocol.rows import Place, Projection, Sources

_FIELDS: Final = ("name", "display_name", "about", "picture", "nip05")


class ProfileFields(msgspec.Struct, frozen=True):
    """A row; `seq` is the number of the event it is made of."""

    pubkey: str
    seq: int
    name: str | None
    display_name: str | None
    about: str | None
    picture: str | None
    nip05: str | None
    created_at: int


def _keys(event: Event) -> tuple[str, ...]:
    return (event.pubkey,) if event.kind == kinds.METADATA else ()


def _place(key: str, _sources: Sources) -> Place:
    return (key,)


def _rows(key: str, sources: Sources) -> tuple[ProfileFields, ...]:
    live = sources.newest(kinds.METADATA, key)
    if live is None:
        return ()
    fields = _fields(live.event.content)
    name, display_name, about, picture, nip05 = (_text(fields.get(field)) for field in _FIELDS)
    return (ProfileFields(key, live.seq, name, display_name, about, picture, nip05, live.event.created_at),)


def _fields(content: str) -> dict[str, Any]:
    """The object in a kind 0. By the standard library, which reads an escaped half of a character too."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    """A text that anybody can read: half a character is none."""
    if not isinstance(value, str):
        return None
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


PROJECTION: Final = Projection(
    "profiles", ProfileFields, ("pubkey",), frozenset({kinds.METADATA}), _keys, _rows, place=_place
)
