"""The search role at its socket: what a front that is broken, hostile or stuck does to others, which is nothing."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from relay.protocol.filter import Filter
from relay.roles import search
from relay.roles.channel import FrameReader, frame
from relay.roles.search import SettingsInForce
from relay.roles.search_messages import (
    MOST_QUESTION,
    PART,
    CountHits,
    FindHits,
    HitsFound,
    NumberFound,
    Standing,
    encode,
    from_search,
    to_search,
)
from storage.search.engine import SearchQuery
from tests.roles.searching import PATIENCE, Door, Shelf, hit

QUERY = SearchQuery("cat", Filter(limit=500))


class Front:
    """The other end, by hand."""

    def __init__(self, path: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.socket.setblocking(False)
        self._reader = FrameReader()
        self._heard: list[Any] = []

    async def send(self, *bodies: bytes) -> None:
        async with asyncio.timeout(PATIENCE):
            await asyncio.get_running_loop().sock_sendall(self.socket, b"".join(map(frame, bodies)))

    async def next(self) -> Any:
        """The next message; None when the role hung up."""
        async with asyncio.timeout(PATIENCE):
            while not self._heard:
                try:
                    data = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
                except ConnectionError:
                    return None
                if not data:
                    return None
                self._heard += [from_search(body) for body in self._reader.feed(data)]
        return self._heard.pop(0)

    async def answer(self) -> Any:
        """The next message that is no sign of life, which may come at any time."""
        while isinstance(found := await self.next(), Standing):
            pass
        return found

    async def ended(self) -> None:
        while await self.next() is not None:
            pass


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    opened = Door(tmp_path, Shelf([hit(number) for number in range(1, 4)]))
    await opened.start()
    yield opened
    await opened.close()


async def greeted(door: Door) -> Front:
    front = Front(door.path)
    door.keep(front.socket)
    assert await front.next() == Standing(door.service.health())
    return front


NO_FRAMES = {
    "a length that nothing has": b"\xff\xff\xff\xff",
    "a question that is too long": (MOST_QUESTION + 1).to_bytes(4, "little"),
    "no MessagePack": frame(b"\xc1"),
    "nothing": frame(b""),
    "another message": frame(msgspec.msgpack.encode([99, 1])),
    "fields of other types": frame(msgspec.msgpack.encode([1, "one", 2])),
    "text that is no UTF-8": frame(b"\x93\x01\x01\x81\xa4text\xa1\xff"),
    "too deep": frame(b"\x91" * 100_000),
}


@pytest.mark.parametrize("data", NO_FRAMES.values(), ids=NO_FRAMES)
async def test_what_is_no_message_ends_its_link_alone(door, data):
    broken, sound = await greeted(door), await greeted(door)
    await asyncio.get_running_loop().sock_sendall(broken.socket, data)
    await broken.ended()
    await sound.send(encode(CountHits(1, QUERY)))
    assert await sound.answer() == NumberFound(1, 3)
    assert door.faults.count == 0


@given(st.binary(max_size=300))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_a_message_or_a_decode_error(data):
    with contextlib.suppress(msgspec.DecodeError):
        to_search(data)


async def test_more_questions_than_agreed_and_a_token_twice_end_the_link(door, monkeypatch):
    monkeypatch.setattr(search, "MOST_UNANSWERED", 3)
    door.service.gate.clear()
    for tokens in ((1, 2, 3, 4), (1, 1)):
        front = await greeted(door)
        await front.send(*[encode(FindHits(token, QUERY)) for token in tokens])
        await front.ended()
    door.service.gate.set()
    front = await greeted(door)
    await front.send(encode(CountHits(1, QUERY)))
    assert await front.answer() == NumberFound(1, 3)


async def test_a_front_that_never_reads_ties_up_its_own_answers_only(door):
    door.service.hits = [hit(number, PART // 4) for number in range(1, 9)]
    stuck, sound = await greeted(door), await greeted(door)
    await stuck.send(*[encode(FindHits(token, QUERY)) for token in range(20)])
    for _ in range(search.AT_ONCE):
        await door.service.begun.get()
    for number in range(20):
        await sound.send(encode(CountHits(number, QUERY)))
        assert await sound.answer() == NumberFound(number, 8)
        await door.service.begun.get()
    assert door.service.begun.empty()  # the others of the stuck one have not even begun
    for number in range(1000):  # what it is to be told is not heaped up either
        door.service.state = msgspec.structs.replace(door.service.state, pending=number)
        door.server.tell()
    answers: dict[int, int] = {}
    while len(answers) < 20 or min(answers.values()) < 8:
        message = await stuck.next()
        if isinstance(message, HitsFound):
            answers[message.token] = answers.get(message.token, 0) + len(message.hits)


async def test_a_front_that_leaves_abandons_what_it_asked(door):
    door.service.gate.clear()
    front = await greeted(door)
    await front.send(encode(FindHits(1, QUERY)))
    begun = await door.service.begun.get()
    front.socket.close()
    async with asyncio.timeout(PATIENCE):
        assert await door.service.cancelled.get() == begun


def test_settings_outlive_the_role_that_put_them():
    kept = SettingsInForce()
    assert kept.get() == b""
    kept.put(b"a longer one")
    kept.put(b"short")
    assert kept.get() == b"short"
    with pytest.raises(ValueError, match="bytes"):
        kept.put(bytes(70_000))
    assert kept.get() == b"short"
