"""The newest public notes for the first page, as a visitor reads them.

Notes are strangers' text: everything is clipped here, and escaped by the template.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from relay.protocol import kinds
from relay.protocol.event import Event, first_value, parse
from relay.protocol.filter import Filter
from storage.base import PUBLIC, Reader

THREAD: Final = 11  # NIP-7D
COMMENT: Final = 1111  # NIP-22
ARTICLE: Final = 30023  # NIP-23
WIKI: Final = 30818  # NIP-54
SHOWN: Final = {kinds.NOTE: "note", THREAD: "thread", COMMENT: "comment", ARTICLE: "article", WIKI: "wiki page"}

COUNT: Final = 20
LONGEST_TEXT: Final = 600  # characters
LONGEST_NAME: Final = 40
AHEAD: Final = 900  # seconds: what claims to be from later than this would stay on top for ever
HUES: Final = 12


class Note(msgspec.Struct, frozen=True):
    """One event as the page shows it. `name` is "" when the author has published none; `when` is ISO 8601."""

    id: str
    pubkey: str
    name: str
    kind: str
    created_at: int
    when: str
    title: str
    text: str

    @property
    def author(self) -> str:
        """What to call the author."""
        return self.name or self.pubkey[:8]

    @property
    def hue(self) -> int:
        """Which of the page's colours the author has."""
        return int(self.pubkey[:2], 16) % HUES


async def newest(reader: Reader, now: int) -> list[Note]:
    """The newest public notes, newest first, with their authors' names. Raises what `Reader.query` does."""
    wanted = Filter(kinds=frozenset(SHOWN), until=now + AHEAD, limit=COUNT)
    found = await reader.query([wanted], PUBLIC, now)
    events = [parse(wire) for wire in found.wires[:COUNT]]
    names = await _names(reader, frozenset(event.pubkey for event in events), now)
    return [_note(event, names.get(event.pubkey, "")) for event in events]


async def _names(reader: Reader, authors: frozenset[str], now: int) -> dict[str, str]:
    if not authors:
        return {}
    profiles = Filter(kinds=frozenset({kinds.METADATA}), authors=authors, limit=len(authors))
    found = await reader.query([profiles], PUBLIC, now)
    return {event.pubkey: name_in(event.content) for event in map(parse, found.wires)}


def name_in(profile: str) -> str:
    """The name in a kind 0's content (NIP-01, NIP-24), "" when there is none or the content is not what it should be."""
    try:
        value = msgspec.json.decode(profile)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(value, dict):
        return ""
    for field in ("display_name", "name"):
        name = value.get(field)
        if isinstance(name, str) and name.strip():
            return clip(" ".join(name.split()), LONGEST_NAME)
    return ""


def clip(text: str, longest: int) -> str:
    """At most `longest` characters; an ellipsis stands for the rest."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _note(event: Event, name: str) -> Note:
    warning = first_value(event, "content-warning")  # NIP-36
    title = "" if warning is not None else first_value(event, "title") or ""
    text = event.content if warning is None else f"Content warning: {warning or 'sensitive'}"
    return Note(
        id=event.id,
        pubkey=event.pubkey,
        name=name,
        kind=SHOWN[event.kind],
        created_at=event.created_at,
        when=datetime.fromtimestamp(event.created_at, UTC).isoformat().removesuffix("+00:00") + "Z",
        title=clip(" ".join(title.split()), 140),
        text=clip(text.strip(), LONGEST_TEXT),
    )
