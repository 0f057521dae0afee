"""Events of the feed: posts, notes that are like them but for the kind, and votes by as many keys as there are votes.

The first AUTHORS posts of a chunk are one by each author, so that whoever takes them in has met all authors.
"""

import random
from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final

from bench.corpus import AUTHORS, CHUNK, TOPICS, Series, signed, text
from relay.protocol import kinds
from relay.protocol.event import Event

_VERSION: Final = 1  # a part of the cache's file names: raise it when the events change
_EPOCH: Final = 1_780_000_000


def _written(kind: int, seed: int, number: int) -> Iterator[Event]:
    chance = random.Random(f"feed {_VERSION} {seed} {number}")  # whatever the kind: a note says what a post does
    for index in range(CHUNK):
        author = index if index < AUTHORS else int(AUTHORS * chance.random() ** 2)
        tags = [["title" if kind == kinds.POST else "subject", f"Post {number}.{index}"], ["t", chance.choice(TOPICS)]]
        yield signed(author, kind, text(chance, index), tags, _EPOCH + number * CHUNK + index)


def _cast(kind: int, written: int, seed: int, number: int) -> Iterator[Event]:
    target = next(islice(_written(kind, seed, 0), written, None))
    tags = [["e", target.id], ["p", target.pubkey], ["k", str(kind)]]
    for voter in range(number * CHUNK, (number + 1) * CHUNK):
        yield signed(AUTHORS + voter, kinds.REACTION, "+", tags, _EPOCH + CHUNK + voter)


POSTS: Final = Series(f"feed{_VERSION}-posts", partial(_written, kinds.POST))
NOTES: Final = Series(f"feed{_VERSION}-notes", partial(_written, kinds.NOTE))

REACTIONS: Final = Series(
    f"feed{_VERSION}-reactions", partial(_cast, kinds.NOTE, 0)
)  # by the voters, to the first note


def votes(post: int) -> Series:
    """Vote n is by voter n, whoever the post's author is, on the post of this number in the seed's first chunk."""
    return Series(f"feed{_VERSION}-votes{post}", partial(_cast, kinds.POST, post))
