"""Names of articles: the `d` tag of NIP-54, and which titles are one."""

import re
import unicodedata
from typing import Final

MAX_TITLE: Final = 2000  # characters of a title that are compared: composing many accents takes long


def normalized(text: str) -> str:
    """The text as a `d` tag (NIP-54): composed (NFC), lower case, hyphens for spaces, no punctuation and no signs."""
    joined = "-".join(unicodedata.normalize("NFC", text).lower().split())
    kept = "".join(char for char in unicodedata.normalize("NFC", joined) if char == "-" or _is_kept(char))
    return re.sub("-+", "-", kept).strip("-")


def loses(text: str) -> bool:
    """Whether other texts, that nobody takes for the same, have the same `d` tag: `C++` and `C#` are both `c`."""
    plain = unicodedata.normalize("NFC", text)
    return not all(char == "-" or char.isspace() or _is_kept(char) for char in plain)


def is_same(title: str, other: str) -> bool:
    """Whether two titles are one: case, spaces and the way a character is composed do not count, nor what comes after MAX_TITLE."""
    return _key(title) == _key(other)


def _key(title: str) -> str:
    return unicodedata.normalize("NFC", " ".join(title[:MAX_TITLE].split()).casefold())


def _is_kept(char: str) -> bool:
    return unicodedata.category(char)[0] in "LMN"
