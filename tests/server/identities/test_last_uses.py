"""When a token was used last: kept once at a time, and nobody waits for it."""

import asyncio
from typing import Any

from relay.server.identities.last_uses import COARSE, LastUses
from relay.server.supervision import Faults, Tasks
from storage.errors import StorageError
from storage.identities.commands import UseToken
from storage.identities.types import StoredToken
from tests.factories import NOW


class SlowWriter:
    """Counts what it is asked, and answers once it `may`; with `failure`, by that."""

    def __init__(self) -> None:
        self.asked: list[UseToken] = []
        self.may = asyncio.Event()
        self.failure: Exception | None = None

    async def execute(self, command: Any) -> None:
        self.asked.append(command)
        await self.may.wait()
        if self.failure is not None:
            raise self.failure


def token(used_at: int | None) -> StoredToken:
    return StoredToken("t", "i", "", used_at, NOW, None, None)


async def test_many_uses_while_the_writer_is_away_are_one_command() -> None:
    writer, tasks = SlowWriter(), Tasks(Faults())
    uses = LastUses("identity", writer, tasks)  # type: ignore[arg-type]
    assert [uses.note(token(None), NOW + one) for one in range(3)] == [True, False, False]
    writer.may.set()
    await tasks.settle()
    assert writer.asked == [UseToken("identity", "t")]
    assert not uses.note(token(NOW), NOW + COARSE - 1)
    assert uses.note(token(NOW), NOW + COARSE)
    await tasks.settle()


async def test_what_cannot_be_kept_is_no_fault_and_is_tried_again() -> None:
    writer, faults = SlowWriter(), Faults()
    tasks = Tasks(faults)
    uses = LastUses("user", writer, tasks)  # type: ignore[arg-type]
    writer.failure = StorageError("away")
    writer.may.set()
    for _ in range(2):
        assert uses.note(token(None), NOW)
        await tasks.settle()
    assert faults.problem() is None
