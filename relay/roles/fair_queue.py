"""Fairness: whoever sends has a queue of its own, and the queues are served round-robin.

A client with a thousand items waiting delays another's next item by one round, not by a thousand. The order of one client's
items is kept.
"""

from collections import deque
from collections.abc import Hashable
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class FairQueue(Generic[T]):
    """Items by client; used by one thread. What it holds is bounded by whoever puts."""

    def __init__(self) -> None:
        self._queues: dict[Hashable, deque[T]] = {}  # never an empty one; the next to be served stands first
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def put(self, client: Hashable, item: T) -> None:
        """Put an item behind the others of its client."""
        queue = self._queues.get(client)
        if queue is None:
            self._queues[client] = deque((item,))
        else:
            queue.append(item)
        self._size += 1

    def take(self, most: int) -> list[T]:
        """Up to `most` items, of each client as many as of any other that has them."""
        taken: list[T] = []
        queues = self._queues
        while queues and len(taken) < most:
            left = most - len(taken)
            share = max(1, left // len(queues))
            for client in list(islice(queues, left)):
                queue = queues.pop(client)
                if len(queue) <= share:
                    taken.extend(queue)
                else:
                    taken.extend(queue.popleft() for _ in range(share))
                    queues[client] = queue
        self._size -= len(taken)
        return taken
