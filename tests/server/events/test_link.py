"""The link to the writer: what it sends again to one that was started again, when the writer could begin, and what is told while
there is none.
"""

import asyncio
from typing import Any, cast

import pytest

from relay.protocol.admission import Door
from relay.roles.channel import MAX_FRAME, FrameReader, frame
from relay.roles.messages import Ask, Behind, Outcomes, Submit, encode, to_writer
from relay.server.events import link as links
from relay.server.events.link import TAKEN, Away, Link, Lost
from storage.base import Incoming, Outcome, Status
from storage.commands import CountRows
from tests.factories import NOW, make_event

SIZE = 2**20


class Writer:
    """The transport of a link, and what reads at its other end."""

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.submitted: list[int] = []
        self.asked = 0

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def write(self, data: bytes) -> None:
        for body in self.reader.feed(data):
            message = to_writer(body)
            if isinstance(message, Submit):
                self.submitted += [entry.token for entry in message.entries]
            self.asked += isinstance(message, Ask)


def ignore(*_given: Any) -> None:
    pass


def begin(link: Link, writer: Writer) -> None:
    """The writer takes the connection, and speaks."""
    link.connection_made(cast(asyncio.BaseTransport, writer))
    link.data_received(frame(encode(Behind(1, 0))))


async def test_all_that_is_unanswered_is_sent_again_however_much_it_is() -> None:
    link = Link(0, committed=ignore, behind=ignore, failed=ignore, turned=ignore, report=ignore)
    large = Incoming(make_event(), b"x" * SIZE, Door.CLIENT, NOW)
    count = MAX_FRAME // SIZE + 1
    for _ in range(count):
        link.submit(large, None, ignore)
        link.push()
    for writer in (Writer(), Writer()):  # the second after the first was killed
        begin(link, writer)
        assert writer.submitted == list(range(1, count + 1))
        link.connection_lost(None)


async def test_the_writer_could_begin_with_what_is_submitted_once_it_has_answered_what_was_sent() -> None:
    link = Link(0, committed=ignore, behind=ignore, failed=ignore, turned=ignore, report=ignore)
    begin(link, Writer())
    event = Incoming(make_event(), b"{}", Door.CLIENT, NOW)
    assert not link.could_begin()  # there is nothing
    link.submit(event, None, ignore)
    assert link.could_begin()
    link.push()
    link.submit(event, None, ignore)
    assert not link.could_begin()  # it has the first
    link.data_received(frame(encode(Outcomes([1], [1], []))))
    assert link.could_begin()


async def test_who_sends_little_does_not_wait_behind_all_that_another_has_sent() -> None:
    """While a peer sent large events, a client's event was stored ten seconds later."""

    class Slow(Writer):
        """Reads a while after each message."""

        def write(self, data: bytes) -> None:
            super().write(data)
            if len(data) > SIZE // 32:
                link.pause_writing()

    link = Link(0, committed=ignore, behind=ignore, failed=ignore, turned=ignore, report=ignore)
    writer = Slow()
    begin(link, writer)
    event = make_event()
    for _ in range(500):
        link.submit(Incoming(event, b"x" * 8000, Door.CLIENT, NOW), "a flood", ignore)
    link.push()
    before = len(writer.submitted)
    assert before < 50
    link.submit(Incoming(event, b"{}", Door.CLIENT, NOW), "somebody else", ignore)
    link.push()
    assert len(writer.submitted) == before
    link.resume_writing()
    assert 501 in writer.submitted
    assert len(writer.submitted) < 2 * before + TAKEN
    while len(writer.submitted) < 501:
        link.resume_writing()
    assert [token for token in writer.submitted if token != 501] == list(range(1, 501))


async def test_a_writer_that_was_started_again_is_sent_everything_as_it_reads() -> None:
    class Slow(Writer):
        def write(self, data: bytes) -> None:
            super().write(data)
            link.pause_writing()

    link = Link(0, committed=ignore, behind=ignore, failed=ignore, turned=ignore, report=ignore)
    for writer in (Slow(), Slow()):
        begin(link, writer)
        for _ in range(100):
            link.submit(Incoming(make_event(), b"x" * 8000, Door.CLIENT, NOW), "a client", ignore)
        link.push()
        known = len(writer.submitted)
        while True:
            link.resume_writing()
            if len(writer.submitted) == known:
                break
            known = len(writer.submitted)
        assert writer.submitted == list(range(1, known + 1))
        link.connection_lost(None)
    assert known == 200


async def test_events_do_not_wait_for_ever_for_a_writer_that_does_not_come_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its socket outlives it: the connection is made, and nobody reads."""
    monkeypatch.setattr(links, "HELD", 0.0)
    monkeypatch.setattr(links, "PATIENCE", 0.0)
    link = Link(0, committed=ignore, behind=ignore, failed=ignore, turned=ignore, report=ignore)
    event = Incoming(make_event(), b"{}", Door.CLIENT, NOW)

    async def told() -> Outcome:
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        link.submit(event, None, answer.set_result)
        link.push()
        return await asyncio.wait_for(answer, 30.0)

    def is_error(outcome: Outcome) -> bool:
        return outcome.status is Status.REFUSED and str(outcome.refusal).startswith("error: the relay's writer")

    gone, silent, writer = Writer(), Writer(), Writer()
    begin(link, gone)
    waiting = asyncio.create_task(told())
    await asyncio.sleep(0)
    assert gone.submitted == [1]
    link.connection_lost(None)
    assert is_error(await waiting)
    assert is_error(await told())  # while there is no connection
    link.connection_made(cast(asyncio.BaseTransport, silent))
    assert is_error(await told())
    link.connection_lost(None)
    assert silent.submitted == []
    begin(link, writer)
    assert writer.submitted == []  # who sent them knows that they were not stored
    assert not link.unanswered


async def test_a_command_is_refused_where_nobody_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "PATIENCE", 0.0)
    link = Link(0, committed=ignore, behind=ignore, failed=ignore, turned=ignore, report=ignore)
    silent = Writer()
    link.connection_made(cast(asyncio.BaseTransport, silent))
    for ask in (link.execute(CountRows()), link.recall(b"a name", b"a digest")):
        with pytest.raises(Away, match="nothing was done"):
            await asyncio.wait_for(ask, 30.0)
    assert silent.asked == 0


async def test_a_command_waits_for_the_next_writer_where_one_has_gone_as_soon_as_it_had_spoken() -> None:
    link = Link(0, committed=ignore, behind=ignore, failed=ignore, turned=ignore, report=ignore)
    asking = [asyncio.create_task(one) for one in (link.execute(CountRows()), link.recall(b"a name", b"a digest"))]
    await asyncio.sleep(0)
    begin(link, Writer())
    link.connection_lost(None)  # before those who wait go on
    await asyncio.sleep(0)
    begin(link, Writer())
    await asyncio.sleep(0)
    assert link.unanswered == 2
    link.connection_lost(None)
    for ask in asking:
        with pytest.raises(Lost):
            await ask
