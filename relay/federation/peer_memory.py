"""What is known of one peer while it is talked to: which events it has, and what either side refused of the other."""

import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from storage.commands import Command
from storage.peers import DOWN, UP, Peers, RememberRefused

KNOWN: Final = 50_000  # events that a peer is known to have
MOST_REFUSED: Final = 100_000  # remembered of a peer, each way
FOR_GOOD: Final = 30 * 86_400  # seconds until what was refused for good may be tried again
FOR_NOW: Final = 3600  # seconds until what was claimed in vain may be asked for again
_BATCH: Final = 200  # refusals written at once

Execute = Callable[[Command[Any]], Awaitable[Any]]


class PeerMemory:
    """Kept for a peer between its sessions; what was refused outlives this process, too."""

    def __init__(self, url: str, tables: Peers, execute: Execute) -> None:
        self._url = url
        self._tables = tables
        self._execute = execute
        self._theirs: OrderedDict[int, None] = OrderedDict()  # by the first half of the id's digits
        self._refused: tuple[dict[str, float], dict[str, float]] = ({}, {})
        self._unwritten: dict[tuple[int, int], list[bytes]] = {}  # by way and how long it is good

    async def load(self) -> None:
        """Take up what was refused before. Raises StorageError."""
        now = int(time.time())
        for way in (DOWN, UP):
            found = await self._tables.refused(self._url, way, now, MOST_REFUSED)
            self._refused[way].update((one.hex(), now + FOR_GOOD) for one in found)

    def is_theirs(self, event_id: str) -> bool:
        """Whether the event came from the peer, or it said that it has it."""
        return int(event_id[:16], 16) in self._theirs

    def note_theirs(self, event_id: str) -> None:
        """The peer has this event."""
        self._theirs[int(event_id[:16], 16)] = None
        if len(self._theirs) > KNOWN:
            self._theirs.popitem(last=False)

    def is_refused(self, way: int, event_id: str) -> bool:
        """Whether asking for it (DOWN) or offering it (UP) would be in vain."""
        until = self._refused[way].get(event_id)
        return until is not None and until > time.time()

    def refuse(self, way: int, event_id: str, *, for_good: bool = True) -> None:
        """Ask for it, or offer it, no more for now; `save` writes it down."""
        refused, seconds = self._refused[way], FOR_GOOD if for_good else FOR_NOW
        if event_id not in refused and len(refused) >= MOST_REFUSED:
            del refused[next(iter(refused))]
        refused[event_id] = time.time() + seconds
        self._unwritten.setdefault((way, seconds), []).append(bytes.fromhex(event_id))

    async def save(self) -> None:
        """Write down what was refused since. Raises StorageError."""
        unwritten, self._unwritten = self._unwritten, {}
        for (way, seconds), ids in unwritten.items():
            until = int(time.time()) + seconds
            for part in _parts(ids):
                await self._execute(RememberRefused(self._url, way, part, until))


def _parts(ids: list[bytes]) -> Iterable[list[bytes]]:
    return (ids[at : at + _BATCH] for at in range(0, len(ids), _BATCH))
