"""What the operator says is put in force, also where a look at it fails."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from relay.config import Config
from relay.server import live_rules
from relay.server.events.follow import Applied
from relay.server.live_rules import LiveRules
from relay.server.settings import Settings
from relay.server.supervision import Faults
from storage.access import OperatorRules, RuleSubject
from storage.base import PrimaryTables
from storage.errors import StorageError

SAID = OperatorRules({RuleSubject.KIND: "7"}, {}, {})


class Failing:
    """Tables that fail once."""

    def __init__(self, failure: Exception) -> None:
        self.failure: Exception | None = failure

    async def ask(self, _work: Callable[[Any], OperatorRules]) -> OperatorRules:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure
        return SAID


class Counting:
    """Tables of which each look finds more than the one before."""

    looks = 0

    async def ask(self, _work: Callable[[Any], OperatorRules]) -> OperatorRules:
        self.looks += 1
        found = OperatorRules({RuleSubject.KIND: str(self.looks)})
        await asyncio.sleep(0)
        return found


async def test_one_look_does_for_all_who_waited_for_it() -> None:
    settings, tables = Settings(Config(), "ws://relay.example/"), Counting()
    rules = LiveRules(settings, cast(PrimaryTables, tables), cast(Any, None), Faults(), told=lambda: None)
    await asyncio.gather(*(rules.look() for _ in range(20)))
    assert (tables.looks, settings.said) == (
        2,
        OperatorRules({RuleSubject.KIND: "2"}),
    )  # the first began before the others came
    await rules.look()
    assert tables.looks == 3


@pytest.mark.parametrize(("failure", "reported"), [(StorageError("the disk is away"), 0), (RuntimeError("a fault"), 1)])
async def test_what_cannot_be_looked_up_is_looked_up_again(
    monkeypatch: pytest.MonkeyPatch, failure: Exception, reported: int
) -> None:
    monkeypatch.setattr(live_rules, "AGAIN", 0)
    settings, faults, told = Settings(Config(), "ws://relay.example/"), Faults(), asyncio.Event()
    tables = cast(PrimaryTables, Failing(failure))
    rules = LiveRules(settings, tables, cast(Any, None), faults, told=told.set)
    rules.applied(Applied([], anew=True))
    await asyncio.wait_for(told.wait(), 30)
    await rules.close()
    assert (settings.said, faults.count) == (SAID, reported)
