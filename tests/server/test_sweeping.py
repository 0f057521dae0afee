"""When a front has the writer remove what is due, and what it tells it of the rules."""

from collections.abc import Awaitable
from typing import Any

import msgspec

from relay.config import Config
from relay.retention_settings import rules_of
from relay.server import sweeping
from relay.server.supervision import Faults, Tasks
from relay.server.sweeping import Sweeping
from storage.commands import DropPast, Dropped, SetRetention, Sweep
from storage.errors import StorageError

RULE = {"kinds": [1], "days": 30}


def config(*rules: dict[str, Any], interval: float = 5.0) -> Config:
    return msgspec.convert({"retention": list(rules), "storage": {"sweep_interval": interval}}, Config)


class Writer:
    """Carries out what it is sent; `parts` is how many events each part of what is past its days has."""

    def __init__(self, *parts: int) -> None:
        self.sent: list[Any] = []
        self.parts = list(parts)
        self.failure: StorageError | None = None

    async def __call__(self, command: Any) -> Any:
        self.sent.append(command)
        if self.failure is not None:
            raise self.failure
        if isinstance(command, Sweep):
            return 0
        if isinstance(command, DropPast):
            return Dropped(self.parts.pop(0), more=bool(self.parts))
        return None


class Front:
    def __init__(self, writer: Writer, settings: Config) -> None:
        self.now = 0.0
        self.writers = 1
        self.told: list[int] = []
        self.writer = writer
        self.tasks = Tasks(Faults())
        self.sweeping = Sweeping(
            settings, self.execute, lambda: self.now, self.tasks, self.told.append, writer=lambda: self.writers
        )

    def execute(self, command: Any) -> Awaitable[Any]:
        return self.writer(command)

    async def wait(self, seconds: float) -> list[Any]:
        """Let time pass with a look each second; what the writer was sent meanwhile."""
        sent = len(self.writer.sent)
        for _ in range(int(seconds)):
            self.now += 1
            self.sweeping.tick(self.now)
            await self.tasks.settle()
        return self.writer.sent[sent:]


async def test_where_there_are_no_rules_the_writer_is_told_so_once() -> None:
    front = Front(Writer(), config())
    assert await front.wait(15) == [SetRetention([]), *[Sweep(sweeping.BATCH)] * 3]


async def test_another_writer_is_told_the_rules_which_it_may_have_read_otherwise() -> None:
    front = Front(Writer(0), config(RULE))
    told = rules_of(config(RULE).retention)
    assert (await front.wait(5))[0] == SetRetention(told)
    front.writers, front.writer.parts = 2, [0]
    assert await front.wait(5) == [SetRetention(told), Sweep(sweeping.BATCH), DropPast()]
    front.writer.parts = [0]
    assert await front.wait(5) == [Sweep(sweeping.BATCH), DropPast()]


async def test_parts_follow_one_another_and_are_counted() -> None:
    front = Front(Writer(3, 4, 0, 2), config(RULE))
    front.writer.parts, later = [3, 4, 0], [2]
    assert (await front.wait(5))[1:] == [Sweep(sweeping.BATCH), *[DropPast()] * 3]
    front.writer.parts = later
    await front.wait(5)
    assert front.told == [3, 7, 7, 9]


async def test_other_rules_are_told_at_once_and_again_where_that_failed() -> None:
    writer = Writer()
    front = Front(writer, config())
    writer.failure = StorageError("the writer is away")
    front.sweeping.configure(config(RULE))
    assert [type(one) for one in await front.wait(4)] == [SetRetention]
    writer.failure = None
    writer.parts = [0]
    assert [type(one) for one in await front.wait(1)] == [SetRetention, Sweep, DropPast]
    front.sweeping.configure(config(RULE))
    assert await front.wait(1) == []
    front.sweeping.configure(config(interval=0))
    await front.tasks.settle()
    assert writer.sent[-1] == SetRetention([])
    assert await front.wait(20) == []


async def test_rules_that_change_while_events_are_dropped_are_told_before_the_next_part() -> None:
    class Changing(Writer):
        async def __call__(self, command: Any) -> Any:
            if isinstance(command, DropPast) and len(self.parts) == 2:
                front.sweeping.configure(config({"kinds": [7], "days": 3}))
            return await super().__call__(command)

    front = Front(Changing(1, 1, 1), config(RULE))
    sent = await front.wait(5)
    assert [type(one) for one in sent] == [SetRetention, Sweep, DropPast, DropPast, SetRetention, DropPast]
