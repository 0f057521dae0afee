"""What an operator does to a database beside serving it: figures, checks, copies."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from relay.protocol.rows import Projection


class Inconsistency(msgspec.Struct, frozen=True, gc=False):
    """Something `check` found wrong; `seq` is 0 where it is not about one event."""

    seq: int
    message: str


class Info(msgspec.Struct, frozen=True):
    """What `tidings info` tells. Sizes are bytes; `kinds` is (kind, events), most first, at most 20."""

    events: int
    last_seq: int
    schema_version: int
    database_bytes: int
    wal_bytes: int
    oldest: int | None
    newest: int | None
    kinds: list[tuple[int, int]]
    authors: int
    expiring: int
    tombstones: int


class Tools(Protocol):
    """The operator's tools; sizes are bytes."""

    async def info(self) -> Info:
        """Figures about the database."""

    def check(self, projections: Sequence[Projection], verify: bool = True) -> AsyncIterator[Inconsistency]:
        """Compare the database with itself: the file, ids, signatures, index rows, projections against a rebuild."""

    async def backup(self, target: Path) -> int:
        """A consistent copy while the writer goes on; bytes written. Raises StorageError when `target` exists."""
