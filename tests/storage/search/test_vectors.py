"""The index finds what comparing everything finds, through sealing, removals, restarts and damaged files."""

from pathlib import Path

import numpy as np
import pytest

from storage.search import vectors
from storage.search.embedders import normalised
from storage.search.vectors import VectorIndex

DIMENSION = 32


def points(number: int, seed: int = 1) -> np.ndarray:
    """Clustered, as texts are: around a fiftieth as many centres."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(max(number // 50, 2), DIMENSION))
    return normalised(centres[chance.integers(0, len(centres), number)] + 0.5 * chance.normal(size=(number, DIMENSION)))


def index(path: Path, capacity: int = 256, model: str = "m") -> VectorIndex:
    made = VectorIndex(path, model, DIMENSION, capacity)
    made.load()
    return made


def filled(path: Path, number: int, capacity: int = 256) -> VectorIndex:
    made = index(path, capacity)
    made.add(range(1, number + 1), points(number))
    return made


def exact(rows: np.ndarray, vector: np.ndarray, number: int) -> set[int]:
    return {place + 1 for place in np.argsort(-(rows @ vector))[:number].tolist()}


def recall(made: VectorIndex, rows: np.ndarray, alive: np.ndarray) -> float:
    shown = np.where(alive[:, None], rows, -rows * 0 - 1e-3)
    found = 0
    for vector in points(50, seed=2):
        near = {passage for passage, _ in made.nearest(vector, 10)}
        best = np.argsort(-np.where(alive, shown @ vector, -9))[:10] + 1
        found += len(near & set(best.tolist()))
    return found / 500


def test_recall_against_comparing_everything(tmp_path):
    made = filled(tmp_path, 3000, capacity=1024)
    assert len(list(tmp_path.glob("*.hnsw"))) == 2
    assert recall(made, points(3000), np.ones(3000, bool)) >= 0.95


def test_what_was_removed_is_not_found(tmp_path):
    made = filled(tmp_path, 1000)
    gone = range(1, 1001, 2)
    made.discard(gone)
    alive = np.array([number % 2 == 1 for number in range(1000)])
    assert made.ids().tolist() == list(range(2, 1001, 2))
    assert recall(made, points(1000), alive) >= 0.95


def test_cosines_are_those_of_the_vectors(tmp_path):
    made, rows = filled(tmp_path, 600), points(600)
    for passage, cosine in made.nearest(rows[3], 20):
        assert cosine == pytest.approx(float(rows[passage - 1] @ rows[3]), abs=1e-4)


def test_more_than_there_is_gives_all(tmp_path):
    made = filled(tmp_path, 300)
    assert {passage for passage, _ in made.nearest(points(1)[0], 5000)} == set(range(1, 301))


def test_an_empty_index_finds_nothing(tmp_path):
    assert index(tmp_path).nearest(points(1)[0], 10) == []


def test_sealed_segments_are_there_after_a_restart(tmp_path):
    before = filled(tmp_path, 600)
    after = index(tmp_path)
    assert after.ids().tolist() == list(range(1, 513))
    after.add(range(513, 601), points(600)[512:])
    vector = points(1, seed=5)[0]
    assert after.nearest(vector, 10) == before.nearest(vector, 10)


def test_a_crash_in_the_middle_of_saving_leaves_no_half_segment(tmp_path, monkeypatch):
    filled(tmp_path, 256)

    def crash(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(vectors, "_measure", crash)
    made = VectorIndex(tmp_path, "m", DIMENSION, 256)
    with pytest.raises(KeyboardInterrupt):
        made.add(range(257, 513), points(256))
    monkeypatch.undo()
    assert index(tmp_path).ids().tolist() == list(range(1, 257))
    assert not list(tmp_path.glob("*.new"))


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-10], lambda data: data[:500] + b"\xff" + data[501:], lambda _: b""]
)
def test_a_damaged_segment_is_dropped_and_made_again(tmp_path, damage):
    filled(tmp_path, 512)
    file = min(tmp_path.glob("*.hnsw"))
    file.write_bytes(damage(file.read_bytes()))
    after = index(tmp_path)
    assert after.ids().tolist() == list(range(257, 513))
    after.add(range(1, 257), points(512)[:256])
    assert index(tmp_path).ids().tolist() == list(range(1, 513))


def test_a_segment_without_its_note_counts_for_nothing(tmp_path):
    filled(tmp_path, 256)
    next(tmp_path.glob("*.json")).unlink()
    assert len(index(tmp_path)) == 0
    assert list(tmp_path.iterdir()) == []


def test_segments_of_another_model_are_deleted(tmp_path):
    filled(tmp_path, 256)
    assert len(index(tmp_path, model="another")) == 0
    assert list(tmp_path.iterdir()) == []


def test_a_segment_with_many_removals_is_given_back_to_be_built_again(tmp_path):
    made = filled(tmp_path, 512)
    made.discard(range(1, 101))
    assert made.take_stale() == list(range(101, 257))
    assert made.ids().tolist() == list(range(257, 513))
    assert len(list(tmp_path.glob("*.hnsw"))) == 1


def test_the_files_are_little_more_than_the_vectors(tmp_path):
    made = VectorIndex(tmp_path, "m", 256, 512)
    made.load()
    rows = normalised(np.random.default_rng(1).normal(size=(512, 256)))
    made.add(range(512), rows)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 1.3 * rows.nbytes
