"""Ids as people see and type them: short ones on a terminal, and what an id given as an argument stands for.

What a terminal showed is remembered in a file, so that the next command knows what a short id means. Programs, which read a pipe,
get whole ids.
"""

import contextlib
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from keys import encoding
from relay.commands.own_files import own_file
from relay.protocol.kinds import is_hex

if TYPE_CHECKING:
    from relay.client.ids import ShownIds

MOST: Final = 2000  # ids that are remembered
_IN_URL: Final = re.compile(r"https?://\S+/([0-9a-f]{64})(?:\?[^#]*)?(?:#(?:c-([0-9a-f]{64})|.*))?")  # post, comment


def for_people() -> bool:
    """Whether a person reads what is printed."""
    return sys.stdout.isatty()


def colours() -> bool:
    """Whether what is printed may have colours and weights (https://no-color.org)."""
    return for_people() and not os.environ.get("NO_COLOR")


def styled(text: str, *, bold: bool = False, dim: bool = False) -> str:
    """A text with a weight, where that can be seen."""
    return click.style(text, bold=bold or None, dim=dim or None) if colours() else text


def shown_file() -> Path:
    """Where the ids are remembered that were shown."""
    return own_file("shown")


def shown(event_id: str) -> str:
    """An id as it is printed; where that is short, it is remembered."""
    if not for_people():
        return event_id
    from relay.client.ids import FULL, SHORT

    if not is_hex(event_id, FULL):
        return event_id
    with contextlib.suppress(OSError):  # a home that cannot be written: then the whole id must be given
        shown_file().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(shown_file(), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(f"{event_id}\n")
    return event_id[:SHORT]


def _remembered() -> "ShownIds":
    from relay.client.ids import FULL, ShownIds

    try:
        lines = shown_file().read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return ShownIds(MOST)
    kept = ShownIds(MOST, [line for line in lines if is_hex(line, FULL)])
    if len(lines) > 2 * MOST:
        with contextlib.suppress(OSError):
            fresh = shown_file().with_suffix(".new")
            fresh.write_text("".join(f"{one}\n" for one in kept), encoding="ascii")
            fresh.replace(shown_file())
    return kept


def entry_id(text: str) -> str:
    """The id that an argument stands for: an id, the beginning of one that was shown, a URL of the page, `note1…` or `nevent1…`.

    A URL that leads to a comment stands for the comment. Raises click.BadParameter.
    """
    found = _IN_URL.fullmatch(text.strip().lower())
    return _id(text) if found is None else found[2] or found[1]


def post_id(text: str) -> str:
    """As `entry_id`, of a post: a URL that leads to a comment under it stands for the post."""
    found = _IN_URL.fullmatch(text.strip().lower())
    return _id(text) if found is None else found[1]


def _id(text: str) -> str:
    from relay.client.ids import FULL

    said = text.strip().lower()
    try:
        if said.startswith("note1"):
            return encoding.decode("note", said)
        if said.startswith("nevent1"):
            pointer = encoding.decode_pointer(said)
            if not isinstance(pointer, encoding.EventPointer):
                raise ValueError("this points at no event")
            return pointer.id
        return said if is_hex(said, FULL) else _remembered().whole(said)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
