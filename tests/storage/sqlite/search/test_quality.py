"""How good search is: questions that people would ask, over passages of this project's documentation.

`prose.txt` holds the passages, one a line; `questions.txt` a passage's number (from 0) and a question that it answers.
"""

from pathlib import Path
from typing import Any

import pytest

from storage.search import reranking
from storage.search.embedders import WordLlama
from storage.search.engine import Mode
from storage.search.minilm import MiniLm
from tests.factories import make_event
from tests.storage.sqlite.search.test_sqlite_search import Place

HERE = Path(__file__).parent
PROSE = (HERE / "prose.txt").read_text(encoding="utf-8").splitlines()
QUESTIONS = [line.split("\t") for line in (HERE / "questions.txt").read_text(encoding="utf-8").splitlines()]


class Quality:
    """Which part of the answers has the right passage first, among the first five, and the mean of one by its place."""

    def __init__(self, places: list[int]) -> None:
        self.first = sum(place == 1 for place in places) / len(places)
        self.five = sum(0 < place <= 5 for place in places) / len(places)
        self.reciprocal = sum(1 / place for place in places if place) / len(places)


async def measure(path: Path, embedder: Any, reranker: Any = None) -> dict[Mode, Quality]:
    place = await Place(path, embedder, reranker=reranker).open()
    events = [make_event(1, 1, text) for text in PROSE]
    place.put(*events)
    await place.embed()
    modes: tuple[Mode, ...] = ("words", "meaning", "hybrid")
    found = {}
    for mode in modes if reranker is None else modes[2:]:
        places = []
        for number, question in QUESTIONS:
            ids = await place.ids(question, mode=mode)
            right = events[int(number)].id
            places.append(ids.index(right) + 1 if right in ids else 0)
        found[mode] = Quality(places)
    await place.close()
    return found


@pytest.mark.parametrize(("model", "five"), [(WordLlama, 0.7), (MiniLm, 0.85)])
async def test_both_ways_together_are_best(tmp_path, model, five):
    assert len(PROSE) == 200
    assert len(QUESTIONS) >= 60
    found = await measure(tmp_path, model())
    assert found["hybrid"].first >= max(found["words"].first, found["meaning"].first)
    assert found["hybrid"].five >= max(found["words"].five, found["meaning"].five)
    assert found["hybrid"].reciprocal >= max(found["words"].reciprocal, found["meaning"].reciprocal)
    assert found["hybrid"].five >= five


async def test_a_second_look_betters_the_order(tmp_path, monkeypatch):
    monkeypatch.setattr(reranking, "TIME", 60.0)  # whatever the machine
    once = (await measure(tmp_path / "once", WordLlama()))["hybrid"]
    twice = (await measure(tmp_path / "twice", WordLlama(), MiniLm()))["hybrid"]
    assert twice.first > once.first
    assert twice.five > once.five
    assert twice.reciprocal > once.reciprocal


# Questions that nothing in the prose answers.
FOREIGN = [
    "asdfgh qwertz",
    "recipe for chocolate cake",
    "who won the football world cup in 1998",
    "best hiking boots for winter",
    "photosynthesis in desert plants",
    "cheap flights to Lisbon",
    "symptoms of the flu",
    "Mozart piano concerto",
    "dinosaur extinction asteroid",
    "grow tomatoes on a balcony",
]


@pytest.mark.parametrize("model", [WordLlama, MiniLm])
async def test_what_nothing_answers_finds_next_to_nothing_by_meaning(tmp_path, model):
    place = await Place(tmp_path, model()).open()
    place.put(*(make_event(1, 1, text) for text in PROSE))
    await place.embed()
    found = [len(await place.ids(question, mode="meaning")) for question in FOREIGN]
    assert sum(found) <= len(FOREIGN)
    await place.close()
