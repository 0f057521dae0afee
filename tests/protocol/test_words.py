"""Numbers with their nouns."""

import pytest

from relay.protocol.words import counted


@pytest.mark.parametrize(
    ("number", "words"), [(0, "0 points"), (1, "1 point"), (2, "2 points"), (-1, "-1 points"), (2000, "2,000 points")]
)
def test_a_number_has_its_noun(number: int, words: str) -> None:
    assert counted(number, "point") == words
