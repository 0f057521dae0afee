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
# Unicode 16, Default_Ignorable_Code_Point (DerivedCoreProperties.txt): nothing is drawn for them, though some are letters.
_IGNORABLE: Final = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
# Not ignorable, but drawn as nothing: Braille without dots, a musical note without head, Egyptian blanks, the Khitan filler.
_BLANK: Final = (0x2800, 0x1D159, 0x13441, 0x13442, 0x16FE4)
_UNDRAWN: Final = "".join(rf"\U{a:08x}-\U{b:08x}" for a, b in (*_IGNORABLE, *zip(_BLANK, _BLANK, strict=True)))
# Runs of what may be drawn: a text of 100,000 invisible characters must cost no more than one that reads.
_runs: Final = re.compile(rf"[^\s{_UNDRAWN}]+")


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
    """The text as it may be shown: without hidden and directional characters (a newline stays), `most` characters of it.

    "" where nobody would see anything of it.
    """
    if not text.replace("\n", "").isprintable():  # which most texts are, and nothing of those is hidden
        text = "".join(char for char in text if _is_visible(char))
    found = text.strip()[:most].strip()
    return "" if is_blank(found) else found


def is_blank(text: str) -> bool:
    """Whether nobody would see anything of the text: spaces, hidden characters and those that nothing is drawn for."""
    if text.isascii() and text.isprintable():  # which most titles are: every post is asked
        return not text or text.isspace()
    return not any(any(map(str.isprintable, run[0])) for run in _runs.finditer(text))


def is_plain(text: str) -> bool:
    """Whether every character of the text is seen, so that it reads as what it is: no spaces either."""
    return not text or (text.isprintable() and _runs.fullmatch(text) is not None)


def hidden_character(text: str) -> str | None:
    """The first hidden or directional character of the text, described for a person; None where it has none.

    Ends of lines and tabs are none.
    """
    if text.isprintable():
        return None
    found = next((char for char in text if char not in "\r\t" and not _is_visible(char)), None)
    return None if found is None else f"U+{ord(found):04X} {unicodedata.name(found, 'control character')}"


def _is_visible(char: str) -> bool:
    return char == "\n" or char in _JOINERS or unicodedata.category(char) not in _HIDDEN
