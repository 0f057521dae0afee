"""What fronts ask the search role and hear from it: MessagePack, in frames (`channel`), each message an array with its tag.

A front may send a question once it was told how search stands (`Standing`), which is the first thing it hears; until then nobody
may be at the other end, since the listening socket outlives the role. Every question has a token of the front's own, and one
answer: hits in as many parts as they need, or a number, or passages, or why there is none.
"""

from typing import Final

import msgspec

from storage.base import Readers
from storage.failures import CommandFailure
from storage.search.engine import Hit, SearchedPassage, SearchHealth, SearchQuery

MOST_QUESTION: Final = 4 * 1024 * 1024  # bytes of a frame to the search role
MOST_UNANSWERED: Final = 1024  # questions of one front that have no answer yet
PART: Final = 1024 * 1024  # bytes of events in one part of an answer, about


class FindHits(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """As `SearchEngine.search`."""

    token: int
    query: SearchQuery


class CountHits(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """As `SearchEngine.count`."""

    token: int
    query: SearchQuery


class ReadChunks(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """As `SearchEngine.chunks`."""

    token: int
    event_id: str
    readers: Readers
    now: int


class ChangeModel(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """Go over to the model of these settings, encoded by those who know them; the answer is how many vectors were made."""

    token: int
    settings: bytes


class PurgeVectors(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """Take removed vectors out of the files; the answer is a number without meaning."""

    token: int


class LookAgain(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=6):
    """There may be passages without vectors that no event tells of. Not answered."""


class Abandon(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=7):
    """Nobody waits for the answer any more; it may come all the same."""

    token: int


class HitsFound(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=1):
    """Some of the hits, in order; `more` follow."""

    token: int
    hits: list[Hit]
    more: bool


class NumberFound(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=2):
    """The answer that is a number."""

    token: int
    number: int


class ChunksFound(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=3):
    """The passages."""

    token: int
    chunks: list[SearchedPassage]


class QuestionFailed(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=4):
    """There is no answer."""

    token: int
    failure: CommandFailure


class ModelProgress(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=5):
    """How far `ChangeModel` is: passages done, passages in all."""

    token: int
    done: int
    total: int


class Standing(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=6):
    """How search stands: told at the beginning of a link, whenever it changes, and once a second."""

    health: SearchHealth


ToSearch = FindHits | CountHits | ReadChunks | ChangeModel | PurgeVectors | LookAgain | Abandon
FromSearch = HitsFound | NumberFound | ChunksFound | QuestionFailed | ModelProgress | Standing

encode: Final = msgspec.msgpack.Encoder().encode
to_search: Final = msgspec.msgpack.Decoder(ToSearch).decode
from_search: Final = msgspec.msgpack.Decoder(FromSearch).decode
