"""What the events of the feed point at: posts (NIP-7D), comments (NIP-22), votes (NIP-25), and edits, of chat messages too.

One definition for those who decide on an event and those who index it. Nothing here knows whether a target is there.
"""

import unicodedata
from functools import lru_cache
from typing import Final

from relay.protocol import kinds, names, urls
from relay.protocol.event import Event, first_value

_BREAKING: Final = frozenset(("Cc", "Cs", "Zl", "Zp"))  # control characters, lone surrogates, separators of lines
# The kinds whose text edits (kind 1010) give.
EDITED: Final = frozenset((kinds.POST, kinds.COMMENT, kinds.CHAT, kinds.ISSUE))
MAX_TITLE: Final = 300  # characters

_ID: Final = 64  # characters
_UP: Final = frozenset({"+", ""})
_DOWN: Final = "-"


def title(event: Event) -> str | None:
    """The title a post or an edit gives, None when it gives none: its first `title` tag, not blank, at most MAX_TITLE long."""
    value = first_value(event, "title")
    return value if value is not None and value.strip(" ") and len(value) <= MAX_TITLE else None


def title_fault(text: str | None) -> str | None:
    """Why this can be no title, None when it can: it is one line, and people see something of it.

    Marks of direction and the like are text in many languages; what shows a title leaves out those that turn what is beside it.
    """
    if text is not None and len(text) > MAX_TITLE:
        return f"a title has at most {MAX_TITLE} characters"
    if text is None or names.is_blank(text):
        return f"a post needs a title of 1 to {MAX_TITLE} visible characters (NIP-7D)"
    if not text.isprintable() and any(unicodedata.category(char) in _BREAKING for char in text):
        return "a title is one line without control characters"
    return None


def link_fault(text: str) -> str | None:
    """Why this can be no link of a post, None when it can."""
    if urls.link(text) is not None:
        return None
    return (
        f"a link is an http or https URL of at most {urls.MAX_URL} characters, with a host, without a user before it and "
        "without backslashes, spaces, control, hidden or directional characters"
    )


def in_group(event: Event) -> bool:
    """Whether the event belongs to a group (NIP-29), and so not to the feed of all."""
    return first_value(event, "h") is not None


def edited(event: Event) -> str | None:
    """The id of the post, comment, message or issue that a kind 1010 edits: its first `e` tag."""
    return _id(first_value(event, "e"))


def root(event: Event) -> str | None:
    """The id of the event that a comment stands under: its first `E` tag."""
    return _id(first_value(event, "E"))


def parent(event: Event) -> str | None:
    """The id of the comment that a comment answers, by its first `e` tag; None when it answers the root itself.

    NIP-7D's own example has no `e` tag: it answers the root.
    """
    value = first_value(event, "e")
    return None if value == first_value(event, "E") else _id(value)


def voted(event: Event) -> str | None:
    """The id of what a kind 7 votes on: its last `e` tag; None when it is no vote (an emoji is neither up nor down)."""
    if event.content != _DOWN and event.content not in _UP:
        return None
    for tag in reversed(event.tags):
        if tag[0] == "e" and len(tag) > 1:
            return _id(tag[1])
    return None


def subject(event: Event) -> str | None:
    """The id of the event that an edit or a vote is about; None for every other event."""
    if event.kind == kinds.REACTION:
        return voted(event)
    return edited(event) if event.kind == kinds.EDIT else None


def _id(value: str | None) -> str | None:
    return value if value is not None and len(value) == _ID and _is_hex(value) else None


@lru_cache(maxsize=4096)  # what an event is about is asked four times and more on its way
def _is_hex(value: str) -> bool:
    return kinds.is_hex(value, _ID)
