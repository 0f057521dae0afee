"""A peer that wants to cost much: whatever it sends is bounded, has its name told, and holds nobody else up."""

import asyncio
import contextlib
import json
import os
import re
import threading
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.utils import accept_key

from relay.client.errors import Disconnected
from relay.federation import comparison, connection, early, transfers
from relay.federation.connection import PeerConnection
from relay.federation.early import Early
from relay.federation.link import OPEN_WITHIN, Misbehaved
from relay.federation.peer_socket import DROPPED
from relay.federation.stored import stored
from relay.federation.sync import Direction
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from relay.protocol.item_set import ItemSet
from relay.protocol.negentropy import MOST_RANGES, Reconciled, Reconciliation
from tests.e2e.harness import PATIENCE
from tests.factories import make_event
from tests.federation.fake_peer import FakePeer, MemoryEvents
from tests.federation.test_early import REFUSED, comment
from tests.federation.test_peers import until
from tests.federation.test_session import ShortLog, session_of
from tests.federation.test_synchronization import EVERYTHING, notes, synchronized

AGREED = "020000"  # a range in which nothing differs: until a second later


class Splitting(FakePeer):
    """Answers a comparison with this many ranges, and says of the rest that it differs."""

    def __init__(self, ranges: int) -> None:
        super().__init__()
        self.ranges = ranges

    async def go_on(self, connection: ServerConnection, name: str, data: bytes) -> None:
        await self.send(connection, "NEG-MSG", name, "61" + AGREED * self.ranges + "000001" + "ab" * 16)


@pytest.mark.parametrize(
    ("ranges", "told"),
    [
        (MOST_RANGES, f"sent a message of a comparison that is none: the message has more than {MOST_RANGES:,} ranges"),
        (MOST_RANGES // 2, "says too much in a comparison"),
    ],
)
async def test_ranges_without_end_are_not_looked_at(ranges: int, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each message of a megabyte held the loop for two seconds, and there could be as many as it liked."""
    on_loop = []

    class Noting(Reconciliation):
        def go_on(self, message: bytes) -> Reconciled:
            on_loop.append(threading.current_thread() is threading.main_thread())
            return super().go_on(message)

    monkeypatch.setattr(comparison, "Reconciliation", Noting)
    events = notes(100)
    items = ItemSet((event.created_at, bytes.fromhex(event.id)) for event in events)
    async with Splitting(ranges).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        with pytest.raises((Misbehaved, comparison.CannotCompare)):
            await comparison.compare(link, EVERYTHING, items)
        assert told in link.misbehaved
        await link.close()
    assert 0 < len(on_loop) <= 3
    assert not any(on_loop)


class Claiming(FakePeer):
    """Claims ever new ids, a hundred with each message."""

    async def go_on(self, connection: ServerConnection, name: str, data: bytes) -> None:
        claimed = "0200" + "02" + "64" + os.urandom(32 * 100).hex()
        await self.send(connection, "NEG-MSG", name, "61" + claimed + "000001" + "ab" * 16)


async def test_who_claims_much_in_vain_is_compared_with_no_faster_than_it_is_asked() -> None:
    """It was asked for that at leisure, and half of a core went into hearing of ever more of it."""
    gate, told = asyncio.Event(), 0

    class Needs(comparison.NobodyAsks):
        def tell(self, ids: list[bytes]) -> None:
            nonlocal told
            told += len(ids)

        async def keep_up(self) -> None:
            await gate.wait()

    async with Claiming().serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        comparing = asyncio.create_task(comparison.compare(link, EVERYTHING, ItemSet(), Needs()))
        await until(lambda: _so(told > 0))
        for _ in range(3):
            await link.answers()
        assert told == 100
        gate.set()
        await until(lambda: _so(told > 300))
        comparing.cancel()
        await asyncio.gather(comparing, return_exceptions=True)
        await link.close()


async def test_what_is_asked_for_is_waited_for_where_much_is_claimed_in_vain() -> None:
    gate = asyncio.Event()

    async def ask(_ids: list[str]) -> list[str]:
        await gate.wait()
        return []

    async def take(_events: Sequence[Event]) -> None:
        raise AssertionError

    ids = [f"{number:064x}" for number in range(2 * transfers.ASKED * transfers.ASKING + 1)]
    for in_vain in (False, True):
        fetching = transfers.Fetching(ask, take, time.monotonic, lambda in_vain=in_vain: in_vain)  # type: ignore[misc]
        fetching.want(ids)
        waiting = asyncio.create_task(fetching.keep_up())
        await asyncio.sleep(0)
        assert waiting.done() is not in_vain
        gate.set()
        await asyncio.wait_for(waiting, PATIENCE)
        gate.clear()
        await fetching.aclose()


async def test_more_claims_of_one_second_than_anybody_has_are_no_mistake(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was heard all day long by a relay that only sends to it, which asks for nothing."""
    monkeypatch.setattr(comparison, "MOST_NEEDED", 50)
    async with Claiming().serving() as peer:
        with pytest.raises(Misbehaved, match="claims more events of one second than anybody has"):
            await synchronized(peer, MemoryEvents(), direction=Direction.UP, never_pages=True, until=10_000)


async def _so(is_so: bool) -> bool:
    return is_so


class Late(FakePeer):
    """Goes on with what was asked long after it is closed."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        await self.send(connection, "EOSE", name)
        event = make_event(content="x" * 10_000)
        while True:
            await self.give(connection, name, event)
            await asyncio.sleep(0)  # the other side has its turn


async def test_what_comes_for_what_is_closed_is_no_fault_for_a_while_only() -> None:
    """It was none for ten seconds, however much came, and each question began them anew."""
    async with Late().serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        await stored(link, (EVERYTHING,), 10)
        reason = await asyncio.wait_for(link.lost(), PATIENCE)
        assert isinstance(reason, Misbehaved)
        assert str(reason).endswith("it sent an event for a subscription that is not open")
        assert link.taken < 2 * connection.MOST_LATE // 10_000
        await link.close()


EVENT = json.loads(wire(make_event()))
COSTLY = [
    json.dumps(["EVENT", "s1", {**EVENT, "tags": [["a"]] * (connection.MOST_PARTS + 1)}]),
    json.dumps(["EVENT", "s1", {**EVENT, "more": [{}] * (connection.MOST_PARTS + 1)}]),
    json.dumps(["EOSE", "s1", [""] * connection.MOST_PARTS]),
]


@pytest.mark.parametrize("message", COSTLY)
async def test_what_would_take_long_to_take_apart_is_not(message: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two megabytes of small tags took the loop 0.2 s each time, and counted as one event."""

    class Sending(FakePeer):
        async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
            while True:
                await connection.send(message)
                await asyncio.sleep(0)

    decoded = []
    monkeypatch.setattr(connection.messages, "decode", decoded.append)
    async with Sending().serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        await link.subscribe((EVERYTHING,), lambda _event: None)
        reason = await asyncio.wait_for(link.lost(), PATIENCE)
        await link.close()
    assert isinstance(reason, Misbehaved)
    assert "it sent what is no message" in str(reason)
    assert decoded == []


async def test_a_large_event_is_no_fault() -> None:
    follows = [["p", f"{number:064x}", "wss://relay.example"] for number in range(8000)]
    event, taken = make_event(kind=3, tags=follows, content="[[{" * 5000), asyncio.Event()
    async with FakePeer([event]).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        await link.subscribe((EVERYTHING,), lambda _event: taken.set())
        await asyncio.wait_for(taken.wait(), PATIENCE)
        assert link.wasted == 0
        await link.close()


async def test_a_peer_that_goes_round_and_round_in_what_is_known_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """More events than a subscription remembers, and no more than its memory holds: they cost it nothing."""
    events = notes(30)

    class Turning(FakePeer):
        async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
            await super().answer(connection, name, wanted)
            while wanted[0].limit == 0:
                for event in events:
                    await self.give(connection, name, event)

    monkeypatch.setattr(connection, "MOST_SEEN", 20)
    async with Turning(events).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        session, record, _ = session_of(link, Direction.DOWN)
        with pytest.raises(Disconnected):
            await asyncio.wait_for(session.run(), PATIENCE)
        await link.close()
        assert link.misbehaved.endswith("it sent events again and again")
        assert record.counts.stored == 30


async def test_what_was_sent_to_a_peer_may_come_back_once() -> None:
    events = notes(500)
    back = 0

    class Echoing(FakePeer):
        live = ("", None)

        async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
            await super().answer(connection, name, wanted)
            if wanted[0].limit == 0:
                self.live = (name, connection)

        async def take(self, connection: ServerConnection, event: Any) -> None:
            nonlocal back
            await super().take(connection, event)
            await self.give(connection, self.live[0], event)
            back += 1
            if back == len(events):
                all_back.set()

    all_back = asyncio.Event()
    async with Echoing().serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        session, _, _ = session_of(link, Direction.BOTH, ShortLog(*events), holding=events)
        running = asyncio.create_task(session.run())
        await asyncio.wait_for(all_back.wait(), PATIENCE)
        await link.answers()
        assert not running.done()
        assert not link.misbehaved
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()


def test_what_a_peer_refuses_for_now_is_kept_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer decides what it refuses; five thousand events may be half a gigabyte."""
    kept, post = Early(), make_event(kind=11)
    answers = [comment(post, post, str(number) * 1000) for number in range(10)]
    monkeypatch.setattr(early, "MOST_SIZE", 3 * len(wire(answers[0])))
    for one in answers:
        assert kept.keep(one, wire(one), REFUSED)
    assert len(kept) == 3
    assert len(kept.taken(post.id, wire(post))) == 3
    assert kept.keep(answers[5], wire(answers[5]), REFUSED)
    assert len(kept) == 1


class Endless:
    """A server that says something to whoever asks, and goes on for ever. `sent` is how many bytes it could send."""

    def __init__(self, head: bytes, more: bytes) -> None:
        self.head = head
        self.more = more
        self.sent = 0
        self.ended = asyncio.Event()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = await reader.readuntil(b"\r\n\r\n")
        key = re.search(rb"(?i)sec-websocket-key: *(\S+)", asked)
        assert key is not None
        writer.write(self.head.replace(b"ACCEPT", accept_key(key[1].decode()).encode()))
        with contextlib.suppress(OSError):
            while not writer.is_closing():
                writer.write(self.more)
                await writer.drain()
                self.sent += len(self.more)
        self.ended.set()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self.answer, "127.0.0.1", 0) as server:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


@pytest.mark.parametrize(
    ("head", "more", "told"),
    [
        (PAGE + b"\r\n", b"x" * 65536, "opens no WebSocket, it answers: 200 OK"),
        (PAGE + b"Content-Length: 9999999999\r\n\r\n", b"x" * 65536, "opens no WebSocket, it answers: 200 OK"),
        (UPGRADE, b"X-More: of it\r\n" * 1000, "speaks no HTTP"),
    ],
)
async def test_an_answer_without_end_to_the_handshake_is_not_read(head: bytes, more: bytes, told: str) -> None:
    """It was, for twenty seconds, with half of a core."""
    server = Endless(head, more)
    async with server.serving() as url:
        with pytest.raises(Disconnected, match=told):
            await asyncio.wait_for(PeerConnection.open(url, allow_private=True), OPEN_WITHIN / 2)
        await asyncio.wait_for(server.ended.wait(), PATIENCE)


async def test_who_goes_on_after_a_broken_frame_is_not_read_from() -> None:
    server = Endless(UPGRADE + b"Sec-WebSocket-Accept: ACCEPT\r\n\r\n", b"\xc1\x7e\x10\x00" + bytes(4096))
    async with server.serving() as url:
        link = await PeerConnection.open(url, allow_private=True)
        assert "reserved bits must be 0" in str(await asyncio.wait_for(link.lost(), PATIENCE))
        await asyncio.wait_for(server.ended.wait(), PATIENCE)
        await link.close()
    assert server.sent < 16 * DROPPED
