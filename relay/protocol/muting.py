"""What somebody does not want to see (NIP-51, kind 10000): people, by their keys, and words.

A muted word hides a text that has it as a whole word, or words side by side, in any case and with or without accents: what a
word is says `tokenizer`, as for search. So `ass` hides no class, and a word of a script without spaces is found inside of a longer
run.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from relay.protocol.event import Event, values
from relay.protocol.tokenizer import words

WORD: Final = "word"  # the tag of a word
MAX_WORDS: Final = 100  # of one list that are looked for
MAX_WORD: Final = 100  # characters of one
MAX_READ: Final = 20_000  # words of a text that are looked through


class Muted(msgspec.Struct, frozen=True):
    """`keys` are public keys, `phrases` words as the tokenizer gives them, with spaces between and around."""

    keys: frozenset[str] = frozenset()
    phrases: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.keys or self.phrases)

    def hides(self, pubkey: str, *texts: str) -> bool:
        """Whether what this key wrote, of these texts, is not to be seen."""
        if pubkey in self.keys:
            return True
        return bool(self.phrases) and any(self._has(text) for text in texts)

    def _has(self, text: str) -> bool:
        folded = f" {' '.join(words(text, MAX_READ))} "
        return any(phrase in folded for phrase in self.phrases)


def muted(keys: Iterable[str], found: Iterable[str]) -> Muted:
    """What hides the writings of these keys and texts with any of these words; the first MAX_WORDS of them."""
    phrases = (" ".join(words(word[:MAX_WORD])) for word in found)
    return Muted(frozenset(keys), tuple(dict.fromkeys(f" {phrase} " for phrase in phrases if phrase))[:MAX_WORDS])


def words_of(lists: Sequence[Event]) -> list[str]:
    """The words in these mute lists, as they were written, each once."""
    return list(dict.fromkeys(word for event in lists for word in values(event, WORD)))
