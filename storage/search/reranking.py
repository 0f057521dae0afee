"""A second look at what was found: a model compares the best hits with the question again, and orders them anew."""

from collections.abc import Sequence
from typing import Final

import msgspec

from storage.search.embedders import Reranker
from storage.search.engine import Hit

LOOKED_AT: Final = 20  # of the best events
TIME: Final = 1.0  # seconds that this may take
WEIGHT: Final = 0.5  # what the second look weighs against the first


async def reranked(reranker: Reranker, question: str, found: Sequence[tuple[Hit, str]]) -> list[Hit]:
    """The hits, each given with its text, the first LOOKED_AT of them in the order of both looks, or as many as there was time for.

    The scores stay those of the places: the first hit has the highest. Raises EmbeddingError.
    """
    hits = [hit for hit, _ in found]
    texts = [text for _, text in found[:LOOKED_AT]]
    second = await reranker.scores(question, texts, TIME) if texts else []
    first = hits[: len(second)]
    if not first:
        return hits
    best, nearest = max(hit.score for hit in first) or 1.0, max(*second, 1e-6)
    weighed = [
        WEIGHT * near / nearest + (1 - WEIGHT) * hit.score / best for hit, near in zip(first, second, strict=True)
    ]
    order = sorted(range(len(first)), key=lambda place: -weighed[place])
    again = [msgspec.structs.replace(first[place], score=hit.score) for place, hit in zip(order, first, strict=True)]
    return [*again, *hits[len(first) :]]
