"""Short ids: the first digits of ids that were shown, and back.

An id has 64 hex digits, too many to read, to type, and for a model to repeat. So the first 12 are shown, and the whole ids of what
was shown are remembered; where two begin alike, the short form is refused and never guessed.
"""

import re
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final

SHORT: Final = 12  # hex digits
FULL: Final = 64
REMEMBERED: Final = 20_000  # ids
_ID: Final = re.compile(r"[0-9a-f]{4,64}")


class ShownIds:
    """The ids that were shown, the newest so many."""

    def __init__(self, most: int = REMEMBERED, shown: Iterable[str] = ()) -> None:
        self._most = most
        self._order: deque[str] = deque()
        self._sorted: list[str] = []
        for one in shown:
            self.short(one)

    def __iter__(self) -> Iterator[str]:
        """All of them, those that were shown first first."""
        return iter(self._order)

    def short(self, event_id: str) -> str:
        """The id as it is shown."""
        place = bisect_left(self._sorted, event_id)
        if place == len(self._sorted) or self._sorted[place] != event_id:
            insort(self._sorted, event_id)
            self._order.append(event_id)
            if len(self._order) > self._most:
                del self._sorted[bisect_left(self._sorted, self._order.popleft())]
        return event_id[:SHORT]

    def whole(self, said: str) -> str:
        """The id that is meant by the whole of it or by its beginning. Raises ValueError, which says what to do."""
        said = said.strip().strip("[]").lower()
        if not _ID.fullmatch(said):
            raise ValueError(f"{said[:100]!r} is no id: an id is 64 hex digits, or the first of them as they are shown")
        if len(said) == FULL:
            return said
        place = bisect_left(self._sorted, said)
        found = [one for one in self._sorted[place : place + 2] if one.startswith(said)]
        if not found:
            raise ValueError(
                f"no id beginning with {said} was shown lately: read the list again, or give all 64 digits"
            )
        if len(found) > 1:
            raise ValueError(f"several ids begin with {said}: give more digits, up to all 64")
        return found[0]
