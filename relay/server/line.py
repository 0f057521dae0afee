"""The line of events before the verifier: whoever sends has a place of its own, and the places are served in turn.

A signature takes longer than everything else together, so here is where a flood would keep others waiting: a client with a
thousand events before the verifier delays another's by one batch. The order of one source's events is kept. The loop puts,
the verifier's thread takes.
"""

import threading
from collections import deque
from collections.abc import Hashable, Iterable
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Line(Generic[T]):
    """Items by source. What it holds is bounded by whoever puts."""

    def __init__(self) -> None:
        self._places: dict[Hashable, deque[T]] = {}  # never an empty one; the next to be served stands first
        self._change = threading.Condition()
        self._closed = False

    def put(self, items: Iterable[tuple[Hashable, T]]) -> None:
        """Let items stand in line, each behind the others of its source."""
        with self._change:
            for source, item in items:
                place = self._places.get(source)
                if place is None:
                    self._places[source] = deque((item,))
                else:
                    place.append(item)
            self._change.notify()

    def take(self, most: int) -> list[T]:
        """Up to `most` items, of each source as many as of any other that has them; waits for the first.

        Nothing once the line is closed and empty.
        """
        with self._change:
            while not self._places and not self._closed:
                self._change.wait()
            taken: list[T] = []
            while self._places and len(taken) < most:
                left = most - len(taken)
                share = max(1, left // len(self._places))
                for source in list(islice(self._places, left)):
                    place = self._places.pop(source)
                    taken.extend(place.popleft() for _ in range(min(share, len(place))))
                    if place:
                        self._places[source] = place
            return taken

    def is_empty(self) -> bool:
        """Whether nobody stands in line. For any thread."""
        return not self._places

    def close(self) -> None:
        """Nothing is put any more."""
        with self._change:
            self._closed = True
            self._change.notify()
