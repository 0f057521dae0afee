"""What is shown of a passage that was found: the part of its text where most of the words stand, and where in it they do."""

from collections.abc import Sequence
from typing import Final

from relay.protocol import tokenizer
from relay.protocol.search import Term
from storage.search.engine import SNIPPET

_WORDS: Final = (
    "a about all also an and any are as at be been but by can could did do does for from had has have "
    "he her his how i if in into is it its may me my no not of on or our she should so some "
    "than that the their them then there these they this to was we were what when where which who why will with would you your"
)
STOP_WORDS: Final = frozenset(_WORDS.split())  # English words that tell nothing about a text


def highlighted(some: Sequence[Term]) -> list[Term]:
    """The terms that are worth showing: all but the words that stand in every text, where others remain."""
    kept = [term for term in some if term.prefix or len(term.words) > 1 or term.words[0] not in STOP_WORDS]
    return kept or list(some)


def snippet(content: str, some: Sequence[Term]) -> tuple[str, list[tuple[int, int]]]:
    """About SNIPPET characters of a text where most of the words stand, on one line, and where in them these stand."""
    line = " ".join(content.split())
    found = places(line, some)
    start = _best_start(found) if len(line) > SNIPPET else 0
    if start > 0:
        early = max(start - SNIPPET // 6, 0)
        start = early if (space := line.find(" ", early, start)) < 0 else space + 1
    end = min(start + SNIPPET, len(line))
    if end < len(line) and (space := line.rfind(" ", start, end)) >= start + SNIPPET // 2:
        end = space
    before, after = "… " if start else "", " …" if end < len(line) else ""
    shift = len(before) - start
    marks = [(first + shift, last + shift) for first, last in found if first >= start and last <= end]
    return before + line[start:end] + after, marks


def places(line: str, some: Sequence[Term]) -> list[tuple[int, int]]:
    """Where the words of the terms stand in a text; those that follow without a gap are one place."""
    begun: dict[str, list[Term]] = {}
    for term in some:
        begun.setdefault(term.words[0], []).append(term)
    beginnings = tuple(term for term in some if term.prefix and len(term.words) == 1)
    found = tokenizer.spans(line)
    marked: set[int] = set()
    for place, (word, _, _) in enumerate(found):
        for term in (*begun.get(word, ()), *beginnings):
            if _stands_at(place, found, term):
                marked.update(range(place, place + len(term.words)))
    return _joined([found[place][1:] for place in sorted(marked)])


def _stands_at(place: int, found: list[tuple[str, int, int]], term: Term) -> bool:
    part = [word for word, _, _ in found[place : place + len(term.words)]]
    if len(part) < len(term.words):
        return False
    last = part[-1].startswith(term.words[-1]) if term.prefix else part[-1] == term.words[-1]
    return last and tuple(part[:-1]) == term.words[:-1]


def _joined(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in places:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined


def _best_start(found: list[tuple[int, int]]) -> int:
    """The first place of the stretch that holds most of them; the first of equals."""
    best, most, last = 0, 0, 0
    for first, (start, _) in enumerate(found):
        while last < len(found) and found[last][1] - start <= SNIPPET * 2 // 3:
            last += 1
        if last - first > most:
            best, most = start, last - first
    return best
