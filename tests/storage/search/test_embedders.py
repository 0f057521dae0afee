"""Models give rows of length 1, and an endpoint that misbehaves gives a clear error and nothing else."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import wordllama
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.search.embedders import BATCH, RETRIES, EmbeddingError, Endpoint, WordLlama, normalised


def endpoint(answer: Callable[[httpx.Request], httpx.Response]) -> Endpoint:
    return Endpoint("http://models.test/v1/", "small", 3, key="secret", pause=0, transport=httpx.MockTransport(answer))


def vectors(request: httpx.Request) -> httpx.Response:
    texts = json.loads(request.content)["input"]
    rows = [{"index": n, "embedding": [len(text), 0, 0]} for n, text in enumerate(texts)]
    return httpx.Response(200, json={"data": rows[::-1], "model": "small"})


async def test_rows_come_in_the_order_of_the_texts_at_length_one():
    def answer(request: httpx.Request) -> httpx.Response:
        data = [{"index": 1, "embedding": [0, 3, 4]}, {"index": 0, "embedding": [2, 0, 0]}]
        return httpx.Response(200, json={"data": data})

    rows = await endpoint(answer).embed(["a", "b"])
    assert np.allclose(rows, [[1, 0, 0], [0, 0.6, 0.8]])


async def test_many_texts_are_asked_in_batches():
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(len(json.loads(request.content)["input"]))
        assert request.url == "http://models.test/v1/embeddings"
        assert request.headers["authorization"] == "Bearer secret"
        return vectors(request)

    assert (await endpoint(answer).embed(["x"] * (2 * BATCH + 1))).shape == (2 * BATCH + 1, 3)
    assert sorted(asked) == [1, BATCH, BATCH]


async def test_a_busy_server_is_asked_again():
    answers = [httpx.Response(503), httpx.Response(429)]
    rows = await endpoint(lambda request: answers.pop() if answers else vectors(request)).embed(["x"])
    assert rows.shape == (1, 3)


async def test_a_server_that_stays_away_is_given_up():
    asked: list[int] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(1)
        raise httpx.ConnectError("no route")

    with pytest.raises(EmbeddingError, match="cannot be reached"):
        await endpoint(answer).embed(["x"])
    assert len(asked) == RETRIES


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(401, text="bad key secret"), "answered 401"),
        (httpx.Response(200, text="<html>"), "no list"),
        (httpx.Response(200, json={"data": []}), "0 vectors for 1"),
        (httpx.Response(200, json={"data": [{"index": 0, "embedding": [1, 2]}]}), "another dimension"),
        (httpx.Response(200, json={"data": [{"index": 7, "embedding": [1, 2, 3]}]}), "1 vectors for 1"),
    ],
)
async def test_a_wrong_answer_is_an_error_without_secrets(response, reason):
    with pytest.raises(EmbeddingError, match=reason) as caught:
        await endpoint(lambda _: response).embed(["x"])
    assert "secret" not in str(caught.value)


def test_what_is_not_finite_becomes_nothing():
    rows = normalised([[float("nan"), 1], [float("inf"), 1], [0, 0], [3, 4]])
    assert np.allclose(rows, [[0, 0], [0, 0], [0, 0], [0.6, 0.8]])


@pytest.fixture(scope="module")
def models() -> tuple[WordLlama, Any]:
    """The model as it is used, and the package's own."""
    package = Path(wordllama.__file__).parent
    return WordLlama(), wordllama.WordLlama.load(cache_dir=package, dim=256, disable_download=True)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["cat", "cats", "Straße", "日本", "🎉", " ", "  ", "\n", "\t", "▁", "<s>", "</s>", "\0", "y" * 60]
        )
    ).map("".join)
    | st.text(max_size=80)
)
def test_a_text_has_the_vector_that_its_tokens_have_whatever_is_remembered_of_words(models, text):
    ours, theirs = models
    (row,) = asyncio.run(ours.embed([text]))
    assert np.allclose(row, normalised(theirs.embed([text or " "]))[0], atol=1e-6)


@pytest.mark.parametrize("text", ["", " ", "🎉🎉", "日本語", "x" * 100_000])
async def test_the_model_that_comes_along_takes_any_text(text):
    rows = await WordLlama().embed([text])
    assert rows.shape == (1, 256)
    assert np.isfinite(rows).all()
