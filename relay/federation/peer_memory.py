"""What is known of one peer while it is talked to: which events it has, and what either side refused of the other.

A stranger decides how much that is: of each way the latest MOST_REFUSED are kept, here and in the database. What is past its days
here is so whoever brings it: of those events MOST_PAST are known besides, of all peers together, until this process ends, since a
peer that keeps everything may have millions.
"""

import mmap
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Set
from itertools import islice
from typing import Any, Final

from relay.roles.shared_table import SharedTable, size
from storage.commands import Command
from storage.peers import DOWN, UP, Peers, RememberRefused

KNOWN: Final = 50_000  # events that a peer is known to have
MOST_REFUSED: Final = 100_000  # remembered of a peer, each way
FOR_GOOD: Final = 30 * 86_400  # seconds until what was refused for good may be tried again
FOR_NOW: Final = 3600  # seconds until what was claimed in vain may be asked for again
MOST_PAST: Final = 1_000_000  # about; they take 32 MiB, once there is one
MOST_UNBOUND: Final = 5000  # events by keys that were unbound of which it is known whose they are
_BATCH: Final = 500  # refusals written at once

Execute = Callable[[Command[Any]], Awaitable[Any]]


class PastEvents:
    """Events that were refused because they are past their days here (relay.protocol.retention)."""

    def __init__(self) -> None:
        self._table: SharedTable | None = None

    def add(self, event_id: str) -> None:
        """It is one, and is known where there is room."""
        if self._table is None:
            self._table = SharedTable(memoryview(mmap.mmap(-1, 8 * size(MOST_PAST))).cast("Q"))
        self._table.put(event_id, 1)

    def holds(self, event_id: str) -> bool:
        """Whether it is known to be one."""
        return self._table is not None and self._table.get(event_id) == 1

    def forget(self) -> None:
        """The rules are others."""
        self._table = None


class PeerMemory:
    """Kept for a peer between its sessions; what was refused outlives this process, too. `past` is that of all peers."""

    def __init__(self, url: str, tables: Peers, execute: Execute, past: PastEvents | None = None) -> None:
        self._url = url
        self._past = past or PastEvents()
        self._tables = tables
        self._execute = execute
        self._theirs: OrderedDict[int, None] = OrderedDict()  # by the first half of the id's digits
        self._refused: tuple[dict[str, float], dict[str, float]] = ({}, {})
        self._unwritten: tuple[dict[str, bool], dict[str, bool]] = ({}, {})  # whether it is remembered still, by id
        self._unbound: dict[str, str] = {}  # by whom what was refused because of that is, by id
        self._bound: list[str] = []  # ids of what may be asked for again
        self._is_loaded = False

    async def load(self) -> None:
        """Take up what was refused before this process. Raises StorageError."""
        if self._is_loaded:
            return
        now = int(time.time())
        for way in (DOWN, UP):
            found = await self._tables.refused(self._url, way, now, MOST_REFUSED)
            self._refused[way].update((one.hex(), now + FOR_GOOD) for one in reversed(found))  # the oldest goes first
        self._is_loaded = True

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
        return (until is not None and until > time.time()) or (way == DOWN and self._past.holds(event_id))

    def refuse(self, way: int, event_id: str, *, for_good: bool = True) -> None:
        """Ask for it, or offer it, no more for now; what is so for good, `save` writes down."""
        refused, unwritten, now = self._refused[way], self._unwritten[way], time.time()
        if event_id not in refused and len(refused) >= MOST_REFUSED:
            oldest = next(iter(refused))
            is_written = refused.pop(oldest) > now + FOR_NOW  # else it goes by itself
            if is_written and not unwritten.pop(oldest, False):
                unwritten[oldest] = False
        refused[event_id] = now + (FOR_GOOD if for_good else FOR_NOW)
        if for_good:
            unwritten[event_id] = True

    def refuse_past(self, event_id: str) -> None:
        """Ask for this no more: it is past its days."""
        self.refuse(DOWN, event_id)
        self._past.add(event_id)

    def refuse_unbound(self, event_id: str, pubkey: str) -> None:
        """Ask for this no more before an hour has passed or the key, which is unbound from its identity, is bound again."""
        self.refuse(DOWN, event_id, for_good=False)
        if len(self._unbound) < MOST_UNBOUND:
            self._unbound[event_id] = pubkey

    def bind(self, pubkeys: Set[str]) -> None:
        """These keys are bound to an identity now."""
        found = [event_id for event_id, pubkey in self._unbound.items() if pubkey in pubkeys]
        for event_id in found:
            del self._unbound[event_id]
            self._refused[DOWN].pop(event_id, None)
        self._bound += found

    @property
    def has_bound(self) -> bool:
        """Whether there is something for `take_bound`."""
        return bool(self._bound)

    def take_bound(self) -> list[str]:
        """The events that were refused because of keys that are bound now, to be asked for; each once."""
        found, self._bound = self._bound, []
        return found

    def forget(self, way: int) -> None:
        """What was refused may be taken now; `save` strikes it out."""
        refused, unwritten = self._refused[way], self._unwritten[way]
        for event_id in refused:
            unwritten[event_id] = False
        refused.clear()
        if way == DOWN:
            self._past.forget()

    async def save(self) -> None:
        """Write down what was refused for good since, and strike out what is remembered no more. Raises StorageError."""
        for way, unwritten in enumerate(self._unwritten):
            while unwritten:
                some = dict(islice(unwritten.items(), _BATCH))
                until = int(time.time()) + FOR_GOOD
                for is_kept, at in ((True, until), (False, 0)):
                    ids = [bytes.fromhex(one) for one, kept in some.items() if kept is is_kept]
                    if ids:
                        await self._execute(RememberRefused(self._url, way, ids, at))
                for one in some:
                    unwritten.pop(one, None)
