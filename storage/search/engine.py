"""What the relay knows of search: a question, its hits, and who answers.

What is searched is cut into passages (`chunks`): short events are one, long texts several. An event is one hit, shown by its
best passage. Hits come in order of relevance; of equals the newest first, then the lowest id.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal, Protocol

import msgspec

from relay.protocol.filter import Filter
from storage.base import PUBLIC, Readers
from storage.errors import StorageError

MAX_TEXT: Final = 2000  # characters of a question that are looked at
MAX_HITS: Final = 500  # of one question
SNIPPET: Final = 240  # characters, about

Mode = Literal["words", "meaning", "hybrid"]
KindOf = Literal["posts", "comments", "messages", "knowledge", "events"]
Progress = Callable[[int, int], None]  # passages done, passages in all


class ModelMismatch(StorageError):
    """The database holds vectors of another model or dimension than the settings name; the message says what to do."""


class SearchQuery(msgspec.Struct, frozen=True):
    """What somebody looks for.

    `wanted`: the other conditions of NIP-01 and the limit, at most MAX_HITS. `now`: unix seconds, nothing that has expired by
    then is found. `upto`: the highest `seq` looked at. `types`: None is all. `user`, `organization`, `project`: only
    knowledge of that scope. `tags`: only what has each of these `t` tags. `language`: ISO 639-1; only what says so in its
    `l` tag, None is any. `near`: the id of an event, in place of the text: what its vectors are nearest to, itself left out;
    nothing while it has none.
    """

    text: str
    wanted: Filter = Filter()
    readers: Readers = PUBLIC
    now: int = 0
    mode: Mode = "hybrid"
    upto: int | None = None
    types: frozenset[KindOf] | None = None
    user: str | None = None
    organization: str | None = None
    project: str | None = None
    tags: frozenset[str] = frozenset()
    language: str | None = None
    near: str = ""


class Hit(msgspec.Struct, frozen=True):
    """An event found. `score`: higher is better, comparable within one answer only. `chunk`: which of its passages, from 0.

    `snippet` is plain text around what was found, and `marks` are the (start, end) of the words in it.
    """

    seq: int
    event_id: str
    wire: bytes
    score: float
    kind_of: KindOf
    title: str
    snippet: str
    marks: list[tuple[int, int]]
    chunk: int
    created_at: int


class SearchedPassage(msgspec.Struct, frozen=True, array_like=True):
    """One passage of a document, as the `knowledge` table has it. `model`: whose vector it has, None until it is made."""

    id: int
    event_id: str
    chunk: int
    title: str
    content: str
    model: str | None
    tags: list[str]
    source: str | None
    user_id: str | None
    organization_id: str | None
    project_id: str | None
    created_at: int


class SearchHealth(msgspec.Struct, frozen=True):
    """Passages in all and those without a vector yet; the model and its dimension; what fails now, if anything."""

    chunks: int
    pending: int
    model: str
    dimension: int
    problem: str | None = None


class SearchEngine(Protocol):
    """Answers questions beside the writer."""

    async def search(self, query: SearchQuery) -> list[Hit]:
        """The hits, most relevant first, at most the filter's limit. Raises TooCostly and StorageError as `Log.query` does.

        Where the model fails, words alone answer; a question without a word or sign to look for finds nothing.
        """

    async def count(self, query: SearchQuery) -> int:
        """How many events the words of the question find, whatever its mode; limits ignored (NIP-45)."""

    async def chunks(self, event_id: str, readers: Readers, now: int) -> Sequence[SearchedPassage]:
        """The passages of one event in order; empty when it is not searched, not here or not theirs to read."""

    def health(self) -> SearchHealth:
        """How it stands, as last counted."""

    async def close(self) -> None:
        """Finish what is under way. Idempotent."""
