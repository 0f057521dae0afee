"""The log as followers hear of it where commits were missed, or something in it cannot be read."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest

from relay.protocol.event import Event, parse, wire
from relay.roles.messages import Behind
from relay.roles.page import SharedPage
from relay.server.events import follow
from relay.server.events.follow import Applied, LogFollower
from storage.base import Commit, Logged
from storage.errors import StorageError
from tests.factories import make_event

PATIENCE = 30.0


class Desk:
    """A follower of a log of `events`. `told` are contents and flushes in order; reading raises `failures`, one each time."""

    def __init__(self) -> None:
        self.page = SharedPage(("front", "writer"), fronts=1, addresses=100)
        self.events: list[Event] = []
        self.failures: list[Exception] = []
        self.faults: list[str] = []
        self.told: list[str] = []
        self.unreadable = ""
        self.tasks: list[asyncio.Task[None]] = []
        self.log = LogFollower(
            self.page,
            self,  # type: ignore[arg-type]
            self.decode,
            lambda place, _error: self.faults.append(place),
            self.start,
            flush=lambda: self.told.append("flush"),
        )
        self.log.add(self.applied)

    def start(self, work: Coroutine[Any, Any, None], _name: str) -> None:
        self.tasks.append(asyncio.create_task(work))

    def decode(self, data: bytes) -> Event:
        event = parse(data)
        if event.content == self.unreadable:
            raise ValueError("cannot be read")
        return event

    def applied(self, applied: Applied) -> None:
        self.told += [live.event.content for live in applied.events]

    def write(self, *contents: str) -> Commit:
        """Commit events, which the page tells of."""
        first = len(self.events) + 1
        self.events += [make_event(content=content) for content in contents]
        number = self.page.position().number + 1
        self.page.commit(number, len(self.events), 0)
        return Commit(number, len(self.events), self.logged(first - 1, len(self.events)), [], [])

    def logged(self, after: int, upto: int) -> list[Logged]:
        return [Logged(seq, wire(self.events[seq - 1]), None) for seq in range(after + 1, upto + 1)]

    async def follow(self, after: int, upto: int, most: int) -> list[Logged]:
        """As the reader does."""
        if self.failures:
            raise self.failures.pop(0)
        return self.logged(after, upto)[:most]

    async def caught_up(self) -> None:
        await asyncio.wait_for(asyncio.gather(*self.tasks), PATIENCE)


async def test_what_was_missed_is_told_in_order_and_flushed_with_what_came_meanwhile() -> None:
    desk = Desk()
    desk.write("a", "b")
    desk.log.behind(Behind(1, 2))
    desk.log.commit(desk.write("c"))
    await desk.caught_up()
    assert [each for each in desk.told if each != "flush"] == ["a", "b", "c"]
    assert desk.told[-1] == "flush"


async def test_what_was_missed_is_read_page_by_page_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_PAGE", 2)
    desk = Desk()
    for number, some in enumerate(("abcde", "fg", "h"), 1):  # the last page is short, full, and the only one
        desk.write(*some)
        desk.log.behind(Behind(number, len(desk.events)))
        await desk.caught_up()
        assert desk.log.is_current()
    assert [each for each in desk.told if each != "flush"] == list("abcdefgh")


@pytest.mark.parametrize("failure", [StorageError("busy"), ValueError("nobody foresaw this")])
async def test_a_log_that_cannot_be_read_is_read_again(failure: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_AGAIN", 0)
    desk = Desk()
    desk.failures.append(failure)
    desk.write("a")
    desk.log.behind(Behind(1, 1))
    desk.log.commit(desk.write("b"))
    await desk.caught_up()
    desk.log.commit(desk.write("c"))
    assert [each for each in desk.told if each != "flush"] == ["a", "b", "c"]
    assert desk.faults == ([] if isinstance(failure, StorageError) else ["reading the log"])
    assert desk.log.is_current()


async def test_an_event_that_cannot_be_read_takes_no_other_of_its_commit_with_it() -> None:
    desk = Desk()
    desk.unreadable = "b"
    desk.log.commit(desk.write("a", "b", "c"))
    assert desk.told == ["a", "c"]
    assert desk.faults == ["an event of the log"]
