"""How much goes in one part of a long removal, so that what others write waits for no part much longer than for a batch.

What an event costs to remove differs much: a note has its entries, a post also its text in the index of words, its topics, its
votes and the comments below it. So the size follows from what the last part took.
"""

from typing import Final

PART: Final = 0.01  # seconds that a part may take, about
FEWEST: Final = 8  # events that go in a part
MOST: Final = 500
AT_FIRST: Final = 32


class PartSize:
    """`most` events go in the next part."""

    def __init__(self) -> None:
        self.most = AT_FIRST

    def took(self, number: int, seconds: float) -> None:
        """A part removed so many events in so long, without waiting for the disk."""
        if number:
            self.most = max(FEWEST, min(MOST, int(PART / max(seconds / number, 1e-6))))
