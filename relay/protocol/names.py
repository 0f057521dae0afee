"""What an identity may be called and what is shown of it: for every door the same.

Names are ASCII, so that no two look alike by way of another alphabet and each fits a URL and NIP-05. What is shown beside them
is any text, without the characters that would drive a terminal, hide, or turn the text around them.
"""

import re
import unicodedata
from typing import Final

MAX_NAME: Final = 64  # characters, as below
MAX_DISPLAY_NAME: Final = 100
MAX_DESCRIPTION: Final = 500
RESERVED: Final = frozenset(("me", "register", "status", "profile", "_", "general", "admin", "relay"))

_NAME: Final = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9_.-]{1,64}", re.ASCII)
_JOINERS: Final = frozenset("\u200c\u200d")  # needed by Persian and by emoji
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))


def is_name(name: str) -> bool:
    """Whether an identity can be called so: 1 to 64 letters, digits, `_`, `-`, `.`, one of them a letter or digit."""
    return _NAME.fullmatch(name) is not None


def foreign_character(name: str) -> str | None:
    """The first character that no name may have, described for a person; None when all are allowed."""
    for char in name:
        if not (char.isascii() and (char.isalnum() or char in "_.-")):
            return f"U+{ord(char):04X} {unicodedata.name(char, 'control character')}"
    return None


def name_key(name: str) -> str:
    """What two names share when they are the same name: case does not count."""
    return name.lower()


def is_reserved(name: str) -> bool:
    """Whether the name would be taken for a route, a place or the operator, so that no identity of this relay has it."""
    return name_key(name) in RESERVED


def shown(text: str, most: int) -> str:
    """The text as it may be shown: without hidden and directional characters (a newline stays), `most` characters of it."""
    return "".join(char for char in text if _is_visible(char)).strip()[:most].strip()


def is_blank(text: str) -> bool:
    """Whether nobody would see anything of the text: spaces and hidden characters only."""
    return not any(_is_visible(char) and char not in _JOINERS and not char.isspace() for char in text)


def _is_visible(char: str) -> bool:
    return char == "\n" or char in _JOINERS or unicodedata.category(char) not in _HIDDEN
