"""The words of a text: one folding and one tokenizer for what is stored, what is asked and what is matched live.

Case, accents and the form of a character (full width, ligature, superscript, composed or not) do not count: each character is
folded alone, so that the cost of a text is that of its characters, and a word is what is left between spaces and punctuation.
Three rules beside that:

- scripts that are written without spaces, and Hangul, whose particles hang on to their words, are cut into characters
  (syllables); whoever asks for several side by side asks for a phrase, which is found inside of a longer run too;
- a pictograph (an emoji) is a word of its own, whatever its skin colour;
- vowel signs and the voicing marks of kana belong to their letters and are kept.

The index of stored words is made by `folded`. Whoever changes what these functions give raises `VERSION`, and every index is
made again at the next start.
"""

import re
import unicodedata
from itertools import islice
from typing import Final

VERSION: Final = f"1, Unicode {unicodedata.unidata_version}"
MAX_WORD: Final = 64  # characters; a longer run is several words side by side

_SPACELESS: Final = (  # blocks: Thai, Lao, Tibetan apart; Myanmar, Khmer, Tai Le to New Tai Lue, Tai Tham, Tai Viet
    (0x0E00, 0x0EFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x1950, 0x19DF),
    (0x1A20, 0x1AAF),
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAADF),
)
_MARKS: Final = "".join(
    chr(code)
    for first, last in _SPACELESS
    for code in range(first, last + 1)
    if unicodedata.category(chr(code))[0] == "M"
)
_LETTERS: Final = "".join(
    chr(code)
    for first, last in _SPACELESS
    for code in range(first, last + 1)
    if unicodedata.category(chr(code))[0] != "M"
)
_ALONE: Final = (  # the above; Han, kana, bopomofo, the first part of a Hangul syllable
    _LETTERS
    + "\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3105-\u312f"
    "\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00016ff0-\U00016ff6\U0001b000-\U0001b16f"
    "\U00020000-\U0003ffff\u1100-\u115e\ua960-\ua97c"
)
_WITH_IT: Final = _MARKS + "\u3099\u309a\u1161-\u11ff\ud7b0-\ud7fb"  # what goes with the character before it
_WORD: Final = re.compile(rf"[{_ALONE}][{_WITH_IT}]*|[^ {_ALONE}]{{1,{MAX_WORD}}}")
_ASCII_WORD: Final = re.compile(rf"[a-z0-9]{{1,{MAX_WORD}}}")
_PICTOGRAPH: Final = re.compile("[\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001fbff]")
_SKIN: Final = frozenset(map(chr, range(0x1F3FB, 0x1F400)))
_LENGTHENING: Final = "\u0640"  # Arabic
_NO_WIDTH_SPACE: Final = "\u200b"
_FILLERS: Final = "\u115f\u1160"  # Hangul letters that nobody sees
_LONGEST: Final = 8  # characters that one counts as; U+FDFA, a sentence of 18, stays what it is
_MOST_PIECES: Final = 8192  # remembered
_REMEMBERED: Final = 0x20000  # code points below; of those above, whose folding is plain, there are too many


class _Folding(dict[int, str]):
    """What becomes of each character: "" or the characters it counts as, spaces around what parts words.

    What was folded once is remembered, so that nobody makes a text dear by its choice of characters.
    """

    def __missing__(self, code: int) -> str:
        char = chr(code)
        if (
            code >= _REMEMBERED
            and unicodedata.category(char) in ("Lo", "Co", "Cn")
            and not unicodedata.decomposition(char)
        ):
            return char if char.isalpha() else " "
        is_han = "\u3400" <= char <= "\u4dbf" or "\u4e00" <= char <= "\u9fff"
        folded = char if is_han else _fold(char)
        self[code] = folded
        return folded


_FOLDING: Final = _Folding()


def words(text: str, most: int | None = None) -> list[str]:
    """The words of a text in order, folded; the first `most` of them."""
    is_ascii = text.isascii()
    pattern, plain = (_ASCII_WORD, text.lower()) if is_ascii else (_WORD, text.translate(_FOLDING))
    if most is None:
        found: list[str] = pattern.findall(plain)
    else:
        found = [match[0] for match in islice(pattern.finditer(plain), most)]
    if is_ascii:
        return found
    joined = " ".join(found)
    # Word by word no run of marks is long, so that this cannot take longer than the text deserves.
    return unicodedata.normalize("NFC", joined).split(" ") if joined else []


class _FoldedPieces(dict[str, str]):
    """The words of what stands between blanks, a space between. Short ones, which people use again and again, are remembered."""

    def __missing__(self, piece: str) -> str:
        found = " ".join(words(piece))
        if len(piece) <= MAX_WORD:
            if len(self) >= _MOST_PIECES:
                self.clear()
            self[piece] = found
        return found


_FOLDED_PIECES: Final = _FoldedPieces()


def folded(text: str) -> str:
    """The words of a text, a space between: what a tokenizer that knows ASCII alone cuts into the same words."""
    if text.isascii():
        return " ".join(words(text))
    return " ".join(filter(None, map(_FOLDED_PIECES.__getitem__, text.split())))


def spans(text: str) -> list[tuple[str, int, int]]:
    """The words of a text with the place of each in it, [start, end)."""
    if text.isascii():
        return [(match[0], *match.span()) for match in _ASCII_WORD.finditer(text.lower())]
    pieces = [_FOLDING[ord(char)] for char in text]
    places = [place for place, piece in enumerate(pieces) for _ in piece]
    found = []
    for match in _WORD.finditer("".join(pieces)):
        word = unicodedata.normalize("NFC", match[0])
        found.append((word, places[match.start()], places[match.end() - 1] + 1))
    return found


def _fold(char: str) -> str:
    apart = unicodedata.normalize("NFKD", char)
    plain = "".join(part for part in (apart if len(apart) <= _LONGEST else char) if not _is_passed_over(part))
    lower = unicodedata.normalize("NFKD", plain.casefold()) if len(apart) <= _LONGEST else plain
    return "".join(_as_part(part) for part in lower if not _is_passed_over(part))


def _is_passed_over(char: str) -> bool:
    """Whether a word is the same without it: accents, what is around a letter, what nobody sees."""
    category = unicodedata.category(char)
    if category in ("Mn", "Mc", "Me"):
        above = unicodedata.combining(char)
        return above >= 200 or above == 1 or 10 <= above <= 36 or category == "Me" or _is_selector(char)
    return (category == "Cf" and char != _NO_WIDTH_SPACE) or char in _SKIN or char == _LENGTHENING


def _is_selector(char: str) -> bool:
    """Whether it only chooses a form of the character before it, or joins two for sorting."""
    return char == "\u034f" or "\u180b" <= char <= "\u180f" or "\ufe00" <= char <= "\ufe0f" or char >= "\U000e0100"


def _as_part(char: str) -> str:
    if _PICTOGRAPH.match(char):
        return f" {char} "
    if char in _FILLERS or unicodedata.category(char)[0] not in "LNM":
        return " "
    return char
