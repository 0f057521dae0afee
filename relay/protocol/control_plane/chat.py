"""Chat messages (kind 9, NIP-C7): what the tags of a message in a group say beside its text.

`role` (who speaks: a user, an assistant …), `finish_reason`, `usage` (prompt tokens, completion tokens, cost), and as JSON
arrays `tool_invocations`, `parts`, `annotations`. A plain message of any client has none of them.
"""

import math
from typing import Final

import msgspec

from relay.protocol.event import Event, first_value

ROLES: Final = ("user", "assistant", "system", "tool", "data")
MAX_TOKENS: Final = 2**53 - 1
MAX_REASON: Final = 100  # characters
_USAGE: Final = 4  # parts of the tag: its name, two numbers of tokens, a cost
_ARRAYS: Final = ("tool_invocations", "parts", "annotations")

_array: Final = msgspec.json.Decoder(list[msgspec.Raw])


class Usage(msgspec.Struct, frozen=True):
    """What making a message took: tokens read and written, and its cost in the currency of whoever counts, to 12 digits."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None


class Saying(msgspec.Struct, frozen=True):
    """What the tags of a message say; arrays as JSON text."""

    role: str = "user"
    finish_reason: str | None = None
    usage: Usage = Usage()
    tool_invocations: str | None = None
    parts: str | None = None
    annotations: str | None = None


_PLAIN: Final = Saying()
_TAGS: Final = frozenset(("role", "finish_reason", "usage", *_ARRAYS))


def read(event: Event) -> Saying:
    """Whatever of the tags is as it should be."""
    if _is_plain(event):
        return _PLAIN
    role, reason = first_value(event, "role"), first_value(event, "finish_reason")
    return Saying(
        role if role in ROLES else "user",
        reason if reason and len(reason) <= MAX_REASON else None,
        _usage(event),
        *(text if text is not None and _is_array(text) else None for text in _arrays(event)),
    )


def fault(event: Event) -> str | None:
    """Why these tags are not as they should be, None where they are."""
    if _is_plain(event):
        return None
    role, reason = first_value(event, "role"), first_value(event, "finish_reason")
    if role is not None and role not in ROLES:
        return f"its role tag must be one of {', '.join(ROLES)}"
    if reason is not None and not 0 < len(reason) <= MAX_REASON:
        return f"its finish_reason tag has 1 to {MAX_REASON} characters"
    given = next((tag for tag in event.tags if tag[0] == "usage"), None)
    if given is not None and _numbers(given) is None:
        return "its usage tag holds prompt tokens, completion tokens and cost: two whole numbers and a decimal one, or empty texts"
    for name, text in zip(_ARRAYS, _arrays(event), strict=True):
        if text is not None and not _is_array(text):
            return f"its {name} tag must hold a JSON array"
    return None


def _is_plain(event: Event) -> bool:
    """Whether it has none of these tags. A loop, since every message is asked twice."""
    for tag in event.tags:  # noqa: SIM110
        if tag[0] in _TAGS:
            return False
    return True


def _arrays(event: Event) -> list[str | None]:
    return [first_value(event, name) for name in _ARRAYS]


def _is_array(text: str) -> bool:
    try:
        _array.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return "\x00" not in text


def _usage(event: Event) -> Usage:
    given = next((tag for tag in event.tags if tag[0] == "usage"), None)
    return Usage() if given is None else _numbers(given) or Usage()


def _numbers(tag: list[str]) -> Usage | None:
    """None where one of them is no such number, or there are more."""
    if len(tag) > _USAGE:
        return None
    prompt, completion, cost = [*tag[1:4], "", "", ""][:3]
    try:
        found = Usage(_count(prompt), _count(completion), float(f"{float(cost):.12g}") if cost else None)
    except ValueError:
        return None
    return found if found.cost is None or (math.isfinite(found.cost) and found.cost >= 0) else None


def _count(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= MAX_TOKENS):
        raise ValueError
    return int(text)
