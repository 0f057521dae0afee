"""Text -> vectors: one interface, and the models behind it.

Vectors are rows of float32 of length 1 (a text without anything to say gets zeros), so that their product is the cosine.
"""

import asyncio
import re
import threading
from collections.abc import Sequence
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

import httpx
import msgspec
import numpy as np
import numpy.typing as npt

from storage.errors import StorageError

Vectors = npt.NDArray[np.float32]

RETRIES: Final = 4  # of one request to an endpoint
BATCH: Final = 64  # texts in it
AT_ONCE: Final = 4  # requests under way
REMEMBERED: Final = 20_000  # words whose tokens are at hand
LONGEST: Final = 40  # characters of such a word
_WORD: Final = re.compile(" +[^ ]+")
_AGAIN: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class EmbeddingError(StorageError):
    """No vectors for now; the message says why, without the texts or any key."""


class Embedder(Protocol):
    """A model. `name` and `dimension` are locked into the database.

    `floor`: the cosine below which two texts have nothing to do with each other, by measurement; -1 where nobody knows.
    """

    name: str
    dimension: int
    floor: float

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text. Raises EmbeddingError."""

    async def close(self) -> None:
        """Let go of what it holds. Idempotent."""


class Reranker(Protocol):
    """A model that takes a closer look at what was found."""

    async def scores(self, question: str, texts: Sequence[str], seconds: float) -> list[float]:
        """How near the texts are to the question: as many of the first as could be looked at within so many seconds.

        Raises EmbeddingError.
        """

    async def close(self) -> None:
        """Let go of what it holds. Idempotent."""


def normalised(vectors: npt.ArrayLike) -> Vectors:
    """The rows at length 1; a row that is zero or not finite becomes zero."""
    rows = np.asarray(vectors, dtype=np.float32)
    rows = np.where(np.isfinite(rows).all(axis=1, keepdims=True), rows, 0)
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


class WordLlama:
    """The embedded default: static word vectors whose weights come with the package. Loaded when first used; no network.

    A vector is the mean of those of its text's tokens. No token reaches over the space before a word, so a word gives the same
    ones wherever it stands, and those of REMEMBERED words are at hand: telling tokens apart was most of the work.
    """

    name = "wordllama-256"
    dimension = 256
    floor = 0.2

    def __init__(self) -> None:
        self._weights: Vectors | None = None
        self._loading = threading.Lock()

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text."""
        if self._weights is not None and len(texts) == 1:
            return self._embed(texts)  # 20 microseconds: less than a hop to a thread
        return await asyncio.to_thread(self._embed, texts)

    async def close(self) -> None:
        """Nothing is held."""

    def _embed(self, texts: Sequence[str]) -> Vectors:
        with self._loading:
            if self._weights is None:
                self._weights = self._load()
        rows = np.empty((len(texts), self.dimension), np.float32)
        for place, text in enumerate(texts):
            np.add.reduce(self._weights.take(self._tokens_of(text or " "), axis=0), axis=0, out=rows[place])
        return normalised(rows)  # so the sum will do for the mean

    def _tokens_of(self, text: str) -> list[int]:
        """The numbers of the text's tokens. What has a meaning of its own to the tokenizer is left to it as a whole."""
        if text.endswith(" ") or any(mark in text for mark in self._marks):
            return self._tokenized(text)
        found: list[int] = []
        for word in _WORD.findall(f" {text}"):
            known = self._remembered if len(word) <= LONGEST else self._tokenized
            found += known(word[1:])  # the tokenizer puts a space before what it is given
        return found

    def _tokenized(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer.encode(text, add_special_tokens=False).ids
        return ids

    def _load(self) -> Vectors:
        found = find_spec("wordllama")
        if found is None or found.origin is None:
            raise EmbeddingError("the package wordllama is not installed")
        package = Path(found.origin).parent
        model = import_module("wordllama").WordLlama.load(cache_dir=package, dim=self.dimension, disable_download=True)
        self._tokenizer: Any = model.tokenizer
        self._tokenizer.no_padding()
        self._marks = tuple(token.content for token in self._tokenizer.get_added_tokens_decoder().values())
        self._remembered = lru_cache(REMEMBERED)(self._tokenized)
        weights: Vectors = model.embedding
        return weights


class _Item(msgspec.Struct, frozen=True):
    index: int
    embedding: list[float]


class _Answer(msgspec.Struct, frozen=True):
    data: list[_Item]


class Endpoint:
    """Any server that speaks the OpenAI embeddings API. Requests are batched, bounded and tried again with growing pauses."""

    def __init__(
        self,
        url: str,
        model: str,
        dimension: int,
        *,
        key: str = "",
        timeout: float = 30.0,
        pause: float = 0.5,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.name = model
        self.dimension = dimension
        self._url = f"{url.rstrip('/')}/embeddings"
        self._pause = pause
        self._slots = asyncio.Semaphore(AT_ONCE)
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self.floor = -1.0
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout, transport=transport)

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text. Raises EmbeddingError when the server cannot be reached or answers with something else."""
        parts = [texts[start : start + BATCH] for start in range(0, len(texts), BATCH)]
        if not parts:
            return np.zeros((0, self.dimension), np.float32)
        return np.concatenate(await asyncio.gather(*(self._ask(part) for part in parts)))

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _ask(self, texts: Sequence[str]) -> Vectors:
        async with self._slots:
            for attempt in range(RETRIES):
                if attempt:
                    await asyncio.sleep(self._pause * 2 ** (attempt - 1))
                if self._client.is_closed:  # another model took its place
                    raise EmbeddingError("the embeddings endpoint is not used any more")
                try:
                    answer = await self._client.post(self._url, json={"model": self.name, "input": list(texts)})
                except httpx.HTTPError as error:
                    problem = f"the embeddings endpoint cannot be reached ({type(error).__name__})"
                    continue
                if answer.status_code == 200:
                    return self._vectors(answer.content, len(texts))
                problem = f"the embeddings endpoint answered {answer.status_code}"
                if answer.status_code not in _AGAIN:
                    break
        raise EmbeddingError(problem)

    def _vectors(self, body: bytes, number: int) -> Vectors:
        try:
            items = msgspec.json.decode(body, type=_Answer).data
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise EmbeddingError(
                "the embeddings endpoint answered with something that is no list of embeddings"
            ) from None
        rows = {item.index: item.embedding for item in items}
        if rows.keys() != set(range(number)):
            raise EmbeddingError(f"the embeddings endpoint gave {len(rows)} vectors for {number} texts")
        if any(len(row) != self.dimension for row in rows.values()):
            raise EmbeddingError(f"the embeddings endpoint gave vectors of another dimension than {self.dimension}")
        return normalised([rows[place] for place in range(number)])
