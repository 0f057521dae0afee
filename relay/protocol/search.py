"""What a search asks for (NIP-50), and `found`: the words of a text against it, as live subscriptions have it.

Rule: every word must be there, in any order; `"a phrase"` is words side by side, `begin*` the beginning of one. Case and accents
do not count. `key:value` pairs are extensions: `mode:` and `language:` are known, all others are passed over. Stored events
are found by the search engine, which also knows nearness of meaning and ranks; what is live has no rank.
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, Literal, cast, get_args

import msgspec

from relay.protocol.event import Event, first_value

MAX_SEARCH: Final = 1000  # characters of one search

Mode = Literal["words", "meaning", "hybrid"]
MODES: Final[tuple[str, ...]] = get_args(Mode)
DEFAULT_MODE: Final[Mode] = "hybrid"

_WORD: Final = re.compile(r"[^\W_]+")
_PART: Final = re.compile(r'"([^"]*)"?|(\S+)')
_EXTENSION: Final = re.compile(r"([a-z][a-z0-9_-]*):([^\s/]\S*)", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"[a-z]{2}")


class Term(msgspec.Struct, frozen=True, gc=False):
    """Words that stand side by side; of the last one only the beginning is given where `prefix` is set."""

    words: tuple[str, ...]
    prefix: bool = False


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One search: `text` is what is left of it without extensions, `language` an ISO 639-1 code in lower case."""

    text: str
    terms: tuple[Term, ...]
    mode: Mode = DEFAULT_MODE
    language: str | None = None


@lru_cache(maxsize=1024)
def parse(text: str) -> Asked:
    """What a search string asks for. Nothing is wrong in one; without any word it has no terms and finds nothing."""
    kept: list[str] = []
    terms: list[Term] = []
    mode, language = DEFAULT_MODE, None
    for part in _PART.finditer(text):
        phrase, bare = part.groups()
        extension = None if bare is None else _EXTENSION.fullmatch(bare)
        if extension is not None:
            name, value = extension.group(1).lower(), extension.group(2).lower()
            if name == "mode" and value in MODES:
                mode = cast(Mode, value)
            elif name == "language" and _LANGUAGE.fullmatch(value):
                language = value
            continue
        kept.append(part.group())
        words = tuple(tokens(phrase if bare is None else bare))
        if words:
            terms.append(Term(words, bare is not None and bare.endswith("*")))
    return Asked(" ".join(kept), tuple(dict.fromkeys(terms)), mode, language)


def tokens(text: str) -> list[str]:
    """The words of a text in order: runs of letters and digits, in lower case, without accents."""
    if text.isascii():
        return _WORD.findall(text.lower())
    plain = unicodedata.normalize("NFKD", text)
    return _WORD.findall("".join(char for char in plain if unicodedata.category(char) != "Mn").casefold())


def text_of(event: Event) -> str:
    """What of an event is searched: its title and its content."""
    title = first_value(event, "title") or first_value(event, "subject")
    return f"{title}\n{event.content}" if title else event.content


def languages_of(event: Event) -> list[str]:
    """The languages that the event's labels name (NIP-32, ISO-639-1), in lower case."""
    return [tag[1].lower() for tag in event.tags if tag[0] == "l" and len(tag) > 2 and tag[2] == "ISO-639-1"]


def found(asked: Asked, words: Sequence[str], event: Event) -> bool:
    """Whether the event, whose searched text has these words, is what is asked for, by words alone."""
    if not asked.terms or (asked.language is not None and asked.language not in languages_of(event)):
        return False
    present = frozenset(words)
    return all(_stands_in(term, words, present) for term in asked.terms)


def _stands_in(term: Term, words: Sequence[str], present: frozenset[str]) -> bool:
    whole = term.words[:-1] if term.prefix else term.words
    if not present.issuperset(whole):
        return False
    if len(term.words) == 1:
        return not term.prefix or any(word.startswith(term.words[0]) for word in present)
    length = len(term.words)
    return any(
        tuple(words[start : start + len(whole)]) == whole
        and (not term.prefix or words[start + length - 1].startswith(term.words[-1]))
        for start in range(len(words) - length + 1)
    )
