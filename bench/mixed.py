"""Two more series of signed events: kinds mixed as real relays get them, and what agents send to a hub.

`MIXED` refers to nothing outside its chunk and needs nothing to be there before. A chunk of `HUB` begins with KNOWN posts, one by
each author; everything after them is posts, comments and votes, the comments and votes on those first posts, so that whoever
has stored those may be sent the rest in any order.
"""

import random
from collections.abc import Callable, Iterator
from typing import Final

from bench.corpus import AUTHORS, CHUNK, TOPICS, Series, signed, text
from relay.protocol import kinds
from relay.protocol.event import Event

KNOWN: Final = AUTHORS  # posts at the beginning of a chunk of HUB
_VERSION: Final = 1  # a part of the cache's file names: raise it when the events change
_EPOCH: Final = 1_780_000_000
_SKEW: Final = 10  # seconds by which clocks differ
_ARTICLE: Final = 30023
_SOME: Final = 200  # events that later ones refer to

Tags = list[list[str]]


class _Chunk:
    """What has been written so far: roots of threads, notes that are reacted to, and articles that are commented on."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.roots: list[Event] = []
        self.notes: list[Event] = []
        self.articles: list[Event] = []

    def topics(self) -> Tags:
        return [["t", topic] for topic in self.chance.sample(TOPICS, self.chance.choice((0, 1, 1, 2)))]

    def note(self) -> tuple[int, Tags]:
        return kinds.NOTE, self.topics()

    def reply(self) -> tuple[int, Tags]:
        root = self.chance.choice(self.roots)
        return kinds.NOTE, [["e", root.id, "", "root"], ["p", root.pubkey]]

    def reaction(self) -> tuple[int, Tags]:
        note = self.chance.choice(self.notes)
        return kinds.REACTION, [["e", note.id], ["p", note.pubkey], ["k", "1"]]

    def repost(self) -> tuple[int, Tags]:
        note = self.chance.choice(self.notes)
        return 6, [["e", note.id], ["p", note.pubkey]]

    def comment(self) -> tuple[int, Tags]:
        article = self.chance.choice(self.articles)
        address = f"{_ARTICLE}:{article.pubkey}:{article.tags[0][1]}"
        root = [["A", address], ["K", str(_ARTICLE)], ["P", article.pubkey]]
        return kinds.COMMENT, [*root, ["a", address], ["k", str(_ARTICLE)], ["p", article.pubkey]]

    def article(self) -> tuple[int, Tags]:
        name = f"article-{self.chance.randrange(4)}"  # of an author: now and then one is edited
        return _ARTICLE, [["d", name], ["title", f"About {name}"], *self.topics()]

    def keep(self, event: Event) -> None:
        """Later events may refer to it."""
        if event.kind == _ARTICLE:
            self.articles.append(event)
        elif event.kind == kinds.NOTE and len(self.notes) < _SOME * 10:
            self.notes.append(event)
            if len(self.notes) % 45 == 1 and not any(tag[0] == "e" for tag in event.tags):
                self.roots.append(event)


_SHARES: Final[tuple[tuple[float, Callable[[_Chunk], tuple[int, Tags]]], ...]] = (
    (0.40, _Chunk.note),
    (0.63, _Chunk.reply),
    (0.83, _Chunk.reaction),
    (0.90, _Chunk.repost),
    (0.98, _Chunk.comment),
    (1.01, _Chunk.article),
)


def _mixed(seed: int, number: int) -> Iterator[Event]:
    """40 % notes, 23 % replies, 20 % reactions, 7 % reposts, 8 % comments on articles (NIP-22), 2 % articles."""
    chance = random.Random(f"mixed {_VERSION} {seed} {number}")
    chunk = _Chunk(chance)
    for index in range(CHUNK):
        part = chance.random()
        make = next(make for share, make in _SHARES if part < share)
        if index < 2:  # the first two are what the others need
            make = (_Chunk.note, _Chunk.article)[index]
        kind, tags = make(chunk)
        content = "+" if kind == kinds.REACTION else "" if kind == 6 else text(chance, index)
        author = int(AUTHORS * chance.random() ** 2)  # few write much, many write little
        event = signed(author, kind, content, tags, _EPOCH + number * CHUNK + index + chance.randrange(_SKEW))
        chunk.keep(event)
        yield event


def _hub(seed: int, number: int) -> Iterator[Event]:
    """KNOWN posts; then 20 % posts, 40 % comments and 40 % votes."""
    chance = random.Random(f"hub {_VERSION} {seed} {number}")
    known: list[Event] = []
    for index in range(CHUNK):
        time, part = _EPOCH + number * CHUNK + index, chance.random()
        if index < KNOWN or part < 0.2:
            author = index if index < KNOWN else chance.randrange(AUTHORS)
            tags = [["title", f"Post {seed}.{number}.{index}"], ["t", chance.choice(TOPICS)]]
            event = signed(author, kinds.POST, text(chance, index), tags, time)
            if index < KNOWN:
                known.append(event)
        else:
            post = chance.choice(known)
            under = [["e", post.id], ["p", post.pubkey], ["k", str(kinds.POST)]]
            author = chance.randrange(AUTHORS)
            if part < 0.6:
                root = [["E", post.id], ["K", str(kinds.POST)], ["P", post.pubkey]]
                event = signed(author, kinds.COMMENT, text(chance, index), [*root, *under], time)
            else:
                event = signed(author, kinds.REACTION, "+", under, time)
        yield event


MIXED: Final = Series(f"mixed{_VERSION}", _mixed)
HUB: Final = Series(f"hub{_VERSION}", _hub)
