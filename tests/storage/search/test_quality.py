"""How good search is: questions that people would ask, over passages of this project's documentation.

`prose.txt` holds the passages, one a line; `questions.txt` a passage's number (from 0) and a question that it answers.
"""

from pathlib import Path

from storage.search.embedders import WordLlama
from storage.search.engine import Mode
from tests.factories import make_event
from tests.storage.search.test_sqlite import Place

HERE = Path(__file__).parent
PROSE = (HERE / "prose.txt").read_text(encoding="utf-8").splitlines()
QUESTIONS = [line.split("\t") for line in (HERE / "questions.txt").read_text(encoding="utf-8").splitlines()]


class Quality:
    """Which part of the answers has the right passage first, among the first five, and the mean of one by its place."""

    def __init__(self, places: list[int]) -> None:
        self.first = sum(place == 1 for place in places) / len(places)
        self.five = sum(0 < place <= 5 for place in places) / len(places)
        self.reciprocal = sum(1 / place for place in places if place) / len(places)


async def measure(path: Path) -> dict[Mode, Quality]:
    place = await Place(path, WordLlama()).open()
    events = [make_event(1, 1, text) for text in PROSE]
    place.put(*events)
    await place.embed()
    modes: tuple[Mode, ...] = ("words", "meaning", "hybrid")
    found = {}
    for mode in modes:
        places = []
        for number, question in QUESTIONS:
            ids = await place.ids(question, mode=mode)
            right = events[int(number)].id
            places.append(ids.index(right) + 1 if right in ids else 0)
        found[mode] = Quality(places)
    await place.close()
    return found


async def test_both_ways_together_are_best(tmp_path):
    assert len(PROSE) == 200
    assert len(QUESTIONS) >= 60
    found = await measure(tmp_path)
    assert found["hybrid"].first >= max(found["words"].first, found["meaning"].first)
    assert found["hybrid"].five >= max(found["words"].five, found["meaning"].five)
    assert found["hybrid"].reciprocal >= max(found["words"].reciprocal, found["meaning"].reciprocal)
    assert found["hybrid"].five >= 0.7
