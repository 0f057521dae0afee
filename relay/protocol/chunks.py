"""Text -> passages: what of an event is searched, cut where people would cut it.

A passage holds at most `size` characters. Texts are cut between paragraphs, then between sentences, then between words;
where one passage ends, the last sentences of at most `overlap` characters begin the next, so that what stands at a cut is found.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec

from relay.protocol import event as events
from relay.protocol import names, search
from relay.protocol.event import Event

_PARAGRAPH: Final = re.compile(r"\n\s*\n")
_SENTENCE: Final = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])")


class Cutting(msgspec.Struct, frozen=True):
    """What is searched: kinds of events, kinds that are knowledge, the size of a passage and its overlap in characters."""

    kinds: tuple[int, ...] = ()
    knowledge: tuple[int, ...] = ()
    size: int = 1000
    overlap: int = 150

    def has(self, kind: int) -> bool:
        """Whether the kind has passages."""
        return kind in self.kinds or kind in self.knowledge

    @property
    def searched(self) -> frozenset[int]:
        """All kinds that have passages."""
        return frozenset(self.kinds) | frozenset(self.knowledge)


def split(text: str, size: int, overlap: int) -> list[str]:
    """The passages of a text; one of which nobody sees anything has none. `overlap` is below `size`."""
    if names.is_blank(text):
        return []
    even = " ".join(text.split())
    if len(even) <= size - 2 and even == text.strip() and not _ends_without_space(even):
        return [even]  # as it comes out below, of one passage
    passages: list[str] = []
    held: list[str] = []  # sentences of the passage at hand, each with the space before it
    length = 0
    fresh = False  # whether it holds more than the end of the one before
    for unit in _units(text, size):
        if fresh and length + len(unit) > size:
            passages.append("".join(held).strip())
            held = _end(held, overlap, size - len(unit))
            length = sum(map(len, held))
        held.append(unit)
        length += len(unit)
        fresh = True
    return [*passages, "".join(held).strip()] if fresh else passages


def _ends_without_space(text: str) -> bool:
    """Whether a sentence may end where no space stands. Each alone: a pattern takes twenty times as long."""
    return "。" in text or "！" in text or "？" in text


def _end(held: list[str], overlap: int, room: int) -> list[str]:
    """The last units that fit into the overlap and leave room for what follows."""
    kept: list[str] = []
    length = 0
    for unit in reversed(held):
        length += len(unit)
        if length > min(overlap, room):
            break
        kept.insert(0, unit)
    return kept


def _units(text: str, size: int) -> Iterator[str]:
    """Sentences in order, none longer than `size`, each with what parts it from the one before."""
    before = ""
    for paragraph in _PARAGRAPH.split(text.replace("\r\n", "\n")):
        for sentence in _SENTENCE.split(paragraph):
            stripped = sentence.strip()
            for piece in _pieces(stripped, size - 2):
                yield before + piece
                before = " "
        before = "\n\n" if before else ""


def _pieces(sentence: str, size: int) -> Iterator[str]:
    while len(sentence) > size:
        cut = sentence.rfind(" ", size // 2, size + 1)
        cut = size if cut < 0 else cut
        yield sentence[:cut].rstrip()
        sentence = sentence[cut:].lstrip()
    if sentence:
        yield sentence


Piece = tuple[str, int, str | None, str, str | None, str, str]  # what it is, rank, language, tags, source, title, text


def passages_of(cutting: Cutting, event: Event, title: str | None, content: str | None) -> list[Piece]:
    """The passages of an event.

    `title` and `content` are those of its row in the feed, where it has one: edits count there.
    """
    own_title, own_text = search.text_of(event)
    shown = own_title.replace("\x00", " ") if title is None else title
    knowledge = event.kind in cutting.knowledge
    text = (own_text if content is None else content).replace("\x00", " ")
    shown = "" if names.is_blank(shown) else shown
    texts = split(text, cutting.size, cutting.overlap) or ([""] if shown else [])
    head = ("knowledge" if knowledge else "events", events.rank(event.id), search.language_of(event))
    tags = msgspec.json.encode(list(dict.fromkeys(events.values(event, "t")))).decode()
    source = events.first_value(event, "source") or events.first_value(event, "r")
    return [(*head, tags, source, shown, passage) for passage in texts]


def number(cutting: Cutting, event: Event) -> int:
    """How many passages the event makes as it stands."""
    return len(passages_of(cutting, event, None, None))
