"""The line of events before the verifier: whoever sends has a place of its own, and the places are served in turn.

A signature takes longer than everything else together, so here is where a flood would keep others waiting: a client with a
thousand events before the verifier delays another's by one batch. The order of one source's events is kept. The loop puts,
the verifier's thread takes.
"""

import queue
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
        self._lock = threading.Lock()
        # One token while anybody stands in line. An event that comes alone would feel what a Condition costs.
        self._tokens: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, items: Iterable[tuple[Hashable, T]]) -> None:
        """Let items stand in line, each behind the others of its source. By one thread only."""
        with self._lock:
            was_empty = not self._places
            for source, item in items:
                place = self._places.get(source)
                if place is None:
                    self._places[source] = deque((item,))
                else:
                    place.append(item)
            is_empty = not self._places
        if was_empty and not is_empty:
            self._tokens.put(None)  # without the lock: whoever wakes up takes it at once

    def take(self, most: int) -> list[T]:
        """Up to `most` items, of each source as many as of any other that has them; waits for the first.

        Nothing once the line is closed and empty.
        """
        self._tokens.get()
        taken: list[T] = []
        with self._lock:
            while self._places and len(taken) < most:
                left = most - len(taken)
                share = max(1, left // len(self._places))
                for source in list(islice(self._places, left)):
                    place = self._places.pop(source)
                    if len(place) <= share:
                        taken.extend(place)
                    else:
                        taken.extend(place.popleft() for _ in range(share))
                        self._places[source] = place
            if self._places:
                self._tokens.put(None)
        return taken

    def is_empty(self) -> bool:
        """Whether nobody stands in line. For any thread."""
        return not self._places

    def close(self) -> None:
        """Nothing is put any more, and one taker waits."""
        self._tokens.put(None)
