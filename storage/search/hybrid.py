"""Both ways of finding weighed together.

Plain reciprocal rank fusion lowered recall on natural questions, so scores are weighed instead: the cosine as it is, and BM25
as a part of the best of the answer. The weight was chosen by measurement, see docs/search.md.
"""

from collections.abc import Mapping
from typing import Final

MEANING: Final = 0.6  # what meaning weighs against words


def fuse(words: Mapping[int, float], meaning: Mapping[int, float]) -> dict[int, float]:
    """The score of every passage that either way found; what one way did not find counts as nothing there.

    `words`: BM25, above 0; `meaning`: cosine; both higher where better.
    """
    best = max(words.values(), default=0.0) or 1.0
    nearest = max(meaning.values(), default=0.0)
    scale = nearest if nearest > 0 else 1.0
    return {
        passage: MEANING * max(meaning.get(passage, 0.0), 0.0) / scale + (1 - MEANING) * words.get(passage, 0.0) / best
        for passage in words.keys() | meaning.keys()
    }
