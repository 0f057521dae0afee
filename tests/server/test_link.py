"""The link to the writer: what it sends again to one that was started again, and when the writer could begin."""

import asyncio
from typing import Any, cast

from relay.protocol.admission import Door
from relay.roles.channel import MAX_FRAME, FrameReader, frame
from relay.roles.messages import Outcomes, Submit, encode, to_writer
from relay.server.link import Link
from storage.base import Incoming
from tests.factories import NOW, make_event

SIZE = 2**20


class Writer:
    """The transport of a link, and what reads at its other end."""

    def __init__(self) -> None:
        self.reader = FrameReader()
        self.submitted: list[int] = []

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def write(self, data: bytes) -> None:
        for body in self.reader.feed(data):
            message = to_writer(body)
            if isinstance(message, Submit):
                self.submitted += [entry.token for entry in message.entries]


def ignore(*_given: Any) -> None:
    pass


async def test_all_that_is_unanswered_is_sent_again_however_much_it_is() -> None:
    link = Link(0, committed=ignore, behind=ignore, failed=ignore, turned=ignore, report=ignore)
    large = Incoming(make_event(), b"x" * SIZE, Door.CLIENT, NOW)
    count = MAX_FRAME // SIZE + 1
    for _ in range(count):
        link.submit(large, None, ignore)
        link.push()
    for writer in (Writer(), Writer()):  # the second after the first was killed
        link.connection_made(cast(asyncio.BaseTransport, writer))
        assert writer.submitted == list(range(1, count + 1))
        link.connection_lost(None)


async def test_the_writer_could_begin_with_what_is_submitted_once_it_has_answered_what_was_sent() -> None:
    link = Link(0, committed=ignore, behind=ignore, failed=ignore, turned=ignore, report=ignore)
    link.connection_made(cast(asyncio.BaseTransport, Writer()))
    event = Incoming(make_event(), b"{}", Door.CLIENT, NOW)
    assert not link.could_begin()  # there is nothing
    link.submit(event, None, ignore)
    assert link.could_begin()
    link.push()
    link.submit(event, None, ignore)
    assert not link.could_begin()  # it has the first
    link.data_received(frame(encode(Outcomes([1], [1], []))))
    assert link.could_begin()
