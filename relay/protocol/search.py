"""What a search asks for (NIP-50), and `found`: a text against it by its words, as live subscriptions have it.

Rule: every word must be there, in any order; `"a phrase"` is words side by side, `begin*` the beginning of one, from two
characters. What a word is says `tokenizer`, for live and stored events alike. Stored events are found by the search engine, which
also knows nearness of meaning and ranks; what is live has no rank.

`key:value` pairs are extensions of NIP-50. Those that it names, and `mode:`, are always taken out of the text. Any other is passed
over, as the NIP asks, where words remain without it, and is searched for as two words where none do.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Set
from functools import lru_cache
from typing import Any, Final, Literal, cast, get_args

import msgspec

from relay.protocol import kinds, profile
from relay.protocol.event import Event, first_value
from relay.protocol.tokenizer import words

MAX_SEARCH: Final = 1000  # characters of one search
MAX_TERMS: Final = 24  # of one search; what stands after them is not looked for
MAX_TITLE: Final = 300  # characters of a title
MAX_PHRASE: Final = 64  # words of a phrase; one that goes on is found by these
MAX_OPEN_TERMS: Final = 500  # of all open searches of a connection together
MIN_PREFIX: Final = 2  # characters before a star
MAX_WORDS: Final = 20_000  # of a text, that live searches look at
MAX_SCANNED: Final = 4 * 2**20  # characters looked through for the phrases of all live searches, an event

Mode = Literal["words", "meaning", "hybrid"]
MODES: Final[tuple[str, ...]] = get_args(Mode)
DEFAULT_MODE: Final[Mode] = "hybrid"
WORDLESS: Final = "a search (NIP-50) needs a word, a number or an emoji to look for"

_EXTENSIONS: Final = frozenset(("mode", "include", "domain", "language", "sentiment", "nsfw"))
_PART: Final = re.compile(r'"([^"]*)"?|(\S+)')
_PAIR: Final = re.compile(r"([a-z][a-z0-9_-]*):([^\s/:\\]\S*)", re.IGNORECASE)
_LANGUAGE: Final = re.compile(r"[a-z]{2}")


class Term(msgspec.Struct, frozen=True, gc=False):
    """Words that stand side by side; of the last one only the beginning is given where `prefix` is set.

    `quoted`: its writer asked for more than two as they are; else a run of characters may be taken apart where nothing has it all.
    """

    words: tuple[str, ...]
    prefix: bool = False
    quoted: bool = False


class TextSearch(msgspec.Struct, frozen=True, gc=False):
    """One search: `text` is what is left of it without extensions, `language` an ISO 639-1 code in lower case."""

    text: str
    terms: tuple[Term, ...]
    mode: Mode = DEFAULT_MODE
    language: str | None = None


class _SearchPart(msgspec.Struct, frozen=True, gc=False):
    """A phrase or a run of characters of a search, and what it looks for; `passed_over` where other words make it needless."""

    text: str
    term: Term | None
    passed_over: bool = False


@lru_cache(maxsize=1024)
def parse(text: str, pairs_are_words: bool = False) -> TextSearch:
    """What a search string asks for. Nothing is wrong in one; without any word it has no terms and finds nothing.

    `pairs_are_words`: `key:value` is searched for whatever else there is, unless NIP-50 names the key.
    """
    parts: list[_SearchPart] = []
    mode, language = DEFAULT_MODE, None
    for found in _PART.finditer(text):
        phrase, bare = found.groups()
        pair = None if bare is None else _PAIR.fullmatch(bare)
        name = "" if pair is None else pair[1].lower()
        if pair is None or name not in _EXTENSIONS:
            term = _term(phrase if bare is None else bare, bare is not None)
            parts.append(_SearchPart(found.group(), term, pair is not None and not pairs_are_words))
        elif name == "mode" and pair[2].lower() in MODES:
            mode = cast(Mode, pair[2].lower())
        elif name == "language" and _LANGUAGE.fullmatch(pair[2].lower()):
            language = pair[2].lower()
    if any(part.term is not None and not part.passed_over for part in parts):
        parts = [part for part in parts if not part.passed_over]
    terms = dict.fromkeys(part.term for part in parts if part.term is not None)
    return TextSearch(" ".join(part.text for part in parts), tuple(terms)[:MAX_TERMS], mode, language)


def terms_of(text: str) -> tuple[Term, ...]:
    """What is looked for in a text whose extensions were taken out: that of `TextSearch`."""
    found = (_term(bare or phrase, bool(bare)) for phrase, bare in _PART.findall(text))
    return tuple(dict.fromkeys(term for term in found if term is not None))[:MAX_TERMS]


def _term(text: str, is_bare: bool) -> Term | None:
    some = tuple(words(text, MAX_PHRASE))
    if not some:
        return None
    prefix = is_bare and text.endswith("*") and len(some[-1]) >= MIN_PREFIX
    return Term(some, prefix, quoted=not is_bare and len(some) > 2)


# Events


def text_of(event: Event) -> tuple[str, str]:
    """What of an event is searched: its title and its text; of a profile (kind 0) its names, and what it says beside them."""
    if event.kind == kinds.METADATA:
        names, text = profile.searched(event.content)
        return names[:MAX_TITLE], text
    title = first_value(event, "title") or first_value(event, "subject") or ""
    return " ".join(title.split())[:MAX_TITLE], event.content


def language_of(event: Event) -> str | None:
    """The language that the event's first such label names (NIP-32, ISO-639-1)."""
    for tag in event.tags:
        if tag[0] == "l" and len(tag) > 2 and tag[2] == "ISO-639-1" and _LANGUAGE.fullmatch(tag[1]):
            return tag[1]
    return None


class SearchedText:
    """The words of one event, prepared once for all who search live. What takes long is made when somebody asks for it.

    `present` are its words, MAX_WORDS at most. Phrases are looked for in MAX_SCANNED characters; where more would have to
    be looked through, one counts as found if all its words are there, so that nobody misses an event for another's searches.
    """

    __slots__ = ("_line", "_ordered", "_scanned", "language", "present")

    def __init__(self, event: Event) -> None:
        title, text = (words(part, MAX_WORDS) for part in text_of(event))
        self.language = language_of(event)
        self.present = frozenset(title).union(text)
        self._line = f" {' '.join(title)} \n {' '.join(text)} "  # no phrase begins in the title and ends in the text
        self._ordered: list[str] | None = None
        self._scanned = 0

    def has(self, term: Term) -> bool:
        """Whether the words of the term stand here, side by side."""
        if len(term.words) == 1:
            return self._begins(term.words[0]) if term.prefix else term.words[0] in self.present
        whole = term.words[:-1] if term.prefix else term.words
        if not self.present.issuperset(whole) or (term.prefix and not self._begins(term.words[-1])):
            return False
        self._scanned += len(self._line)
        phrase = f" {' '.join(term.words)}{'' if term.prefix else ' '}"
        return self._scanned > MAX_SCANNED or phrase in self._line

    def _begins(self, prefix: str) -> bool:
        """Whether a word begins so."""
        if self._ordered is None:
            self._ordered = sorted(self.present)
        place = bisect_left(self._ordered, prefix)
        return place < len(self._ordered) and self._ordered[place].startswith(prefix)

    def beginnings(self, prefixes: Set[Any], length: int) -> Iterator[str]:
        """Those of these prefixes, all of this length, with which a word begins: at the cost of the fewer of both."""
        if len(prefixes) < len(self.present):
            return filter(self._begins, prefixes)
        return (prefix for prefix in {word[:length] for word in self.present} if prefix in prefixes)


def found(asked: TextSearch, text: SearchedText) -> bool:
    """Whether the event of this text is what is asked for, by words alone."""
    if not asked.terms or (asked.language is not None and asked.language != text.language):
        return False
    return all(text.has(term) for term in asked.terms)
