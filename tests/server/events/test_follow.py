"""The log as followers hear of it where commits were missed, or something in it cannot be read."""

import asyncio
from collections.abc import Callable, Coroutine
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
        self.at_once = True
        self.meanwhile = ""  # what is committed while the database is read
        self.looked_up: Callable[[], object] = lambda: None  # called once what is kept was looked up
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
        self.log.kept = self

    def start(self, work: Coroutine[Any, Any, None], _name: str) -> None:
        self.tasks.append(asyncio.create_task(work))

    def decode(self, data: bytes) -> Event:
        event = parse(data)
        if event.content == self.unreadable:
            raise ValueError("cannot be read")
        return event

    def applied(self, applied: Applied) -> None:
        self.told += ["anew"] * applied.anew + [live.event.content for live in applied.events]

    def write(self, *contents: str, primary: bool = False) -> Commit:
        """Commit events, which the page tells of; `primary`: also rows that are kept."""
        first = len(self.events) + 1
        self.events += [make_event(content=content) for content in contents]
        number = self.page.position().number + 1
        self.page.commit(number, len(self.events), number if primary else self.page.primary)
        return Commit(number, len(self.events), self.logged(first - 1, len(self.events)), [], [])

    def logged(self, after: int, upto: int) -> list[Logged]:
        return [Logged(seq, wire(self.events[seq - 1]), None) for seq in range(after + 1, upto + 1)]

    async def follow(self, after: int, upto: int, most: int) -> list[Logged]:
        """As the reader does."""
        if self.failures:
            raise self.failures.pop(0)
        coming, self.meanwhile = self.meanwhile, ""
        for content in coming:
            self.log.commit(self.write(content))
        return self.logged(after, upto)[:most]

    def try_begin_anew(self) -> bool:
        """As who keeps primary rows does; `at_once` says whether that takes but a moment."""
        self.told.append("kept")
        return self.at_once

    async def begin_anew(self) -> None:
        self.told.append("looked up")
        self.looked_up()

    async def caught_up(self) -> None:
        await asyncio.wait_for(asyncio.gather(*self.tasks), PATIENCE)

    def contents(self) -> list[str]:
        """The events that were told."""
        return [one for one in self.told if one not in ("anew", "kept", "looked up", "flush")]


async def test_what_was_missed_is_told_in_order_and_flushed_with_what_came_meanwhile() -> None:
    desk = Desk()
    desk.write("a", "b")
    desk.log.behind(Behind(1, 2))
    assert not desk.log.is_current()  # though nothing that is kept has changed
    desk.log.commit(desk.write("c"))
    await desk.caught_up()
    assert desk.contents() == ["a", "b", "c"]
    assert desk.told[-1] == "flush"


async def test_what_is_kept_is_looked_up_before_what_was_missed_is_told() -> None:
    desk = Desk()
    desk.write("a", primary=True)
    assert not desk.log.is_current()
    desk.log.behind(Behind(1, 1))
    await desk.caught_up()
    assert desk.told == ["anew", "looked up", "a", "flush", "flush"]
    assert desk.log.is_current()
    desk.log.commit(desk.write("b"))
    assert desk.log.is_current()


async def test_what_is_kept_is_not_current_where_it_changed_since_it_was_looked_up() -> None:
    """Until the commit was there, somebody who was sent away from a group could read on by what was kept."""
    desk, coming = Desk(), list[Commit]()
    desk.write("a")
    desk.looked_up = lambda: coming.append(desk.write("b", primary=True))
    desk.log.behind(Behind(1, 1))
    await desk.caught_up()
    assert not desk.log.is_current()
    desk.log.commit(coming[0])
    assert desk.log.is_current()
    assert desk.contents() == ["a", "b"]


@pytest.mark.parametrize("at_once", [True, False])
async def test_where_no_event_was_missed_nothing_is_read_but_what_is_kept(at_once: bool) -> None:
    desk = Desk()
    desk.at_once = at_once
    desk.log.commit(desk.write("a"))
    desk.write(primary=True)
    desk.log.behind(Behind(2, 1))
    assert desk.log.is_current() == at_once
    assert len(desk.tasks) == (not at_once)
    await desk.caught_up()
    assert desk.told == ["a", "anew", "kept", *([] if at_once else ["anew", "looked up", "flush"])]
    assert (desk.log.is_current(), desk.log.number, desk.log.upto) == (True, 2, 1)


async def test_what_is_missed_again_meanwhile_is_read_by_the_same_task() -> None:
    desk = Desk()
    desk.write("a")
    desk.log.behind(Behind(1, 1))
    desk.write("b", primary=True)
    desk.log.behind(Behind(2, 2))
    assert not desk.log.is_current()
    await desk.caught_up()
    assert len(desk.tasks) == 1
    assert desk.contents() == ["a", "b"]
    assert (desk.log.is_current(), desk.log.number, desk.log.upto) == (True, 2, 2)
    desk.log.behind(Behind(1, 1))  # from before
    assert (desk.log.number, desk.log.upto) == (2, 2)


@pytest.mark.parametrize("most", [2, 3, 4])
async def test_what_comes_while_the_log_is_read_is_told_after_it_however_much_it_is(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "MOST_HELD", most)
    desk = Desk()
    desk.write("a")
    desk.meanwhile = "bcd"
    desk.log.behind(Behind(1, 1))
    await desk.caught_up()
    assert (desk.told.count("anew") == 1) == (most >= 3)  # what is not held is read
    assert desk.contents() == list("abcd")
    assert (desk.log.is_current(), desk.log.number, desk.log.upto) == (True, 4, 4)


async def test_who_cannot_be_told_keeps_nobody_else_from_it() -> None:
    desk = Desk()

    def fail(_: Applied) -> None:
        raise ValueError("cannot be told")

    desk.log.add(fail)
    told: list[Applied] = []
    desk.log.add(told.append)
    desk.log.commit(desk.write("a"))
    assert [live.event.content for live in told[0].events] == ["a"]
    assert desk.faults == ["the follower test_who_cannot_be_told_keeps_nobody_else_from_it.<locals>.fail"]


async def test_what_was_told_is_told_no_more_by_an_older_commit() -> None:
    desk = Desk()
    first, second = desk.write("a"), desk.write("b")
    desk.log.behind(Behind(2, 2))
    await desk.caught_up()
    for commit in (first, second):
        desk.log.commit(commit)
    assert desk.contents() == ["a", "b"]
    assert (desk.log.number, desk.log.upto) == (2, 2)


async def test_what_is_skipped_is_told_to_nobody() -> None:
    desk = Desk()
    desk.write("a")
    desk.log.skip()
    assert desk.log.upto == 1
    desk.log.commit(desk.write("b"))
    assert desk.contents() == ["b"]


async def test_what_was_missed_is_read_page_by_page_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "_PAGE", 2)
    desk = Desk()
    for number, some in enumerate(("abcde", "fg", "h"), 1):  # the last page is short, full, and the only one
        desk.write(*some)
        desk.log.behind(Behind(number, len(desk.events)))
        await desk.caught_up()
        assert desk.log.is_current()
    assert desk.contents() == list("abcdefgh")


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
    assert desk.contents() == ["a", "b", "c"]
    assert desk.faults == ([] if isinstance(failure, StorageError) else ["reading the log"])
    assert desk.log.is_current()


async def test_an_event_that_cannot_be_read_takes_no_other_of_its_commit_with_it() -> None:
    desk = Desk()
    desk.unreadable = "b"
    desk.log.commit(desk.write("a", "b", "c"))
    assert desk.told == ["a", "c"]
    assert desk.faults == ["an event of the log"]
