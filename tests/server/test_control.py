"""The control socket, with a service that only remembers what it was asked."""

import asyncio
import socket
import stat
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest

from relay.commands import control_client
from relay.commands.control_client import Client
from relay.errors import Prefix, Reject
from relay.protocol import event as events
from relay.protocol.admission import Door
from relay.protocol.filter import Filter
from relay.search_settings import Search
from relay.server import control, control_messages
from relay.server.control import Control
from relay.server.control_messages import ControlError
from relay.server.supervision import Faults
from storage.base import Incoming, Outcome, Status
from storage.errors import StorageError
from storage.search.engine import Progress
from storage.tools import Info
from tests.factories import NOW, make_event
from tests.server.fakes import PATIENCE

T = TypeVar("T")
INFO = Info(3, 9, 1, 4096, 0, NOW, NOW + 1, [(1, 2), (7, 1)], 2, 0, 1)


class Remembering:
    """A control.Service that does nothing and notes what it was asked."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.asked: list[object] = []
        self.batch: list[Incoming] = []
        self.answers: list[Outcome] = []
        self.failure: Exception | None = None
        self.gate: asyncio.Event | None = None
        self.asked_first = asyncio.Event()

    async def _note(self, *what: object) -> None:
        self.asked.append(what)
        self.asked_first.set()
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure

    async def submit(self, batch: list[Incoming]) -> list[Outcome]:
        await self._note("submit", len(batch))
        self.batch = batch
        return self.answers

    async def remove(self, wanted: Filter, limit: int) -> int:
        await self._note("remove", wanted, limit)
        return 5

    async def compact(self) -> None:
        await self._note("compact")

    async def rebuild(self) -> int:
        await self._note("rebuild")
        return 7

    async def rotate_master(self, following: str) -> int:
        await self._note("rotate", following)
        return 13

    async def reembed(self, settings: Search, progress: Progress) -> int:
        progress(20, 30)
        await self._note("reembed", settings)
        return 17

    async def backup(self, target: Path) -> int:
        await self._note("backup", target)
        return 11

    async def info(self) -> Info:
        await self._note("info")
        return INFO


@asynccontextmanager
async def serving(data: Path, service: Remembering, interval: float = 60.0) -> AsyncIterator[Control]:
    """A control socket in `data`."""
    server = Control(service, interval=interval, clock=lambda: NOW + 0.5)
    await server.start(data)
    try:
        yield server
    finally:
        await server.close()


async def ask(data: Path, question: Callable[[Client], T]) -> T:
    """Connect, ask one thing and hang up, on another thread since the client blocks."""

    def talk() -> T:
        client = control_client.connect(data)
        assert client is not None
        with closing(client):
            return question(client)

    return await asyncio.to_thread(talk)


async def raw(data: Path, sent: bytes) -> list[control_messages.Reply]:
    """Send bytes as they are; every reply until the server hangs up."""
    reader, writer = await asyncio.open_unix_connection(str(data / control_messages.SOCKET_NAME))
    writer.write(sent)
    received = await reader.read()
    writer.close()
    await writer.wait_closed()
    replies: list[control_messages.Reply] = []
    while received:
        (length,) = struct.unpack(">I", received[:4])
        replies.append(msgspec.msgpack.decode(received[4 : 4 + length], type=control_messages.Reply))
        received = received[4 + length :]
    return replies


async def test_hands_events_over_and_brings_an_outcome_for_each(tmp_path: Path) -> None:
    service = Remembering()
    sent = [make_event(1, content=f"event {number}", tags=[["t", "x"]]) for number in range(3)]
    service.answers = [
        Outcome(Status.STORED, 41),
        Outcome(Status.DUPLICATE),
        Outcome(Status.REFUSED, refusal=Reject(Prefix.BLOCKED, "this event was deleted")),
    ]
    async with serving(tmp_path, service):
        outcomes = await ask(tmp_path, lambda client: client.submit(sent))
    assert [(one.status, one.seq) for one in outcomes] == [
        (Status.STORED, 41),
        (Status.DUPLICATE, 0),
        (Status.REFUSED, 0),
    ]
    assert [str(one.refusal) for one in outcomes if one.refusal] == ["blocked: this event was deleted"]
    assert service.batch == [Incoming(one, events.wire(one), Door.IMPORT, NOW) for one in sent]


async def test_every_operation_reaches_the_service_and_brings_its_answer(tmp_path: Path) -> None:
    service = Remembering()
    wanted = Filter(kinds=frozenset((1, 7)), tags={"t": frozenset(("nostr",))}, until=NOW)
    async with serving(tmp_path, service):
        answers = await ask(
            tmp_path,
            lambda client: (
                client.remove(wanted, 100),
                client.rebuild(),
                client.info(),
                client.rotate_master("next"),
                client.reembed(Search(embedder="minilm")),
                client.compact(),
            ),
        )
    assert answers[:5] == (5, 7, INFO, 13, 17)
    assert service.asked == [
        ("remove", wanted, 100),
        ("rebuild",),
        ("info",),
        ("rotate", "next"),
        ("reembed", Search(embedder="minilm")),
        ("compact",),
    ]


async def test_what_nobody_foresaw_fails_the_command_and_is_told_by_health(tmp_path: Path) -> None:
    service = Remembering()

    def once(client: Client) -> None:
        with pytest.raises(ControlError, match=r"internal error \(RuntimeError\); the log"):
            client.compact()

    service.failure = RuntimeError("a secret")
    async with serving(tmp_path, service):
        await ask(tmp_path, once)
    assert service.faults.problem() == "the command Compact failed (RuntimeError); the log says more"


@pytest.mark.parametrize("failure", [StorageError("the disk is full"), Reject(Prefix.ERROR, "the disk is full")])
async def test_tells_why_an_operation_failed_and_goes_on(tmp_path: Path, failure: Exception) -> None:
    service = Remembering()

    def twice(client: Client) -> int:
        service.failure = failure
        with pytest.raises(ControlError, match="the disk is full"):
            client.compact()
        service.failure = None
        return client.rebuild()

    async with serving(tmp_path, service):
        assert await ask(tmp_path, twice) == 7


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (struct.pack(">I", 3) + b"\xc1\xc1\xc1", "makes no sense"),
        (struct.pack(">I", 0), "makes no sense"),
        (struct.pack(">I", 12) + b"\x81\xa4type\xa5Reset", "makes no sense"),
        (struct.pack(">I", control_messages.MAX_FRAME + 1), "bytes"),
        (b"GET / HTTP/1.1\r\n\r\n", "bytes"),
        (b"GET / HTTP/1.1\r\n\r\n" + bytes(4_000_000), "bytes"),  # closed with something unread, a socket is reset
    ],
    ids=["no message", "nothing", "unknown", "too long", "HTTP", "much HTTP"],
)
async def test_answers_a_wrong_frame_with_an_error_and_hangs_up(tmp_path: Path, sent: bytes, words: str) -> None:
    service = Remembering()
    async with serving(tmp_path, service):
        replies = await raw(tmp_path, sent)
        assert await ask(tmp_path, lambda client: client.rebuild()) == 7
    assert len(replies) == 1
    assert isinstance(replies[0], control_messages.Failed)
    assert words in replies[0].message


async def test_refuses_events_that_no_event_could_be(tmp_path: Path) -> None:
    service = Remembering()
    broken = msgspec.structs.replace(make_event(1), id="no id")
    async with serving(tmp_path, service):
        with pytest.raises(ControlError, match="makes no sense"):
            await ask(tmp_path, lambda client: client.submit([broken]))
    assert service.asked == []


async def test_refuses_a_batch_of_too_many_events(tmp_path: Path) -> None:
    service = Remembering()
    batch = [make_event(1)] * (control_messages.MAX_BATCH + 1)
    async with serving(tmp_path, service):
        with pytest.raises(ControlError, match="a batch may have"):
            await ask(tmp_path, lambda client: client.submit(batch))
    assert service.asked == []


async def test_refuses_a_filter_that_is_none(tmp_path: Path) -> None:
    service = Remembering()
    request = msgspec.msgpack.encode(control_messages.Remove(b'{"kinds":"all"}', 1))
    async with serving(tmp_path, service):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / control_messages.SOCKET_NAME))
        writer.write(struct.pack(">I", len(request)) + request)
        (length,) = struct.unpack(">I", await reader.readexactly(4))
        reply = msgspec.msgpack.decode(await reader.readexactly(length), type=control_messages.Reply)
        writer.close()
        await writer.wait_closed()
    assert isinstance(reply, control_messages.Failed)
    assert "kinds must be a list" in reply.message
    assert service.asked == []


async def test_a_client_that_leaves_in_the_middle_of_a_frame_harms_nobody(tmp_path: Path) -> None:
    service = Remembering()
    async with serving(tmp_path, service):
        _, writer = await asyncio.open_unix_connection(str(tmp_path / control_messages.SOCKET_NAME))
        writer.write(struct.pack(">I", 1000) + b"half")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        assert await ask(tmp_path, lambda client: client.rebuild()) == 7


async def test_gives_signs_of_life_and_progress_while_an_operation_takes_long(tmp_path: Path) -> None:
    service = Remembering()
    service.gate = asyncio.Event()
    running = asyncio.get_running_loop()
    seen: list[float] = []

    def patiently(client: Client) -> int:
        def working(state: control_messages.Working) -> None:
            seen.append(state.seconds)
            assert (state.done, state.total) == (20, 30)
            if len(seen) == 3:
                assert service.gate is not None
                running.call_soon_threadsafe(service.gate.set)

        client.working = working
        return client.reembed(Search())

    async with serving(tmp_path, service, interval=0.001):
        assert await ask(tmp_path, patiently) == 17
    assert len(seen) >= 3
    assert seen == sorted(seen)


async def test_gives_up_on_a_server_that_gives_no_sign_of_life(tmp_path: Path) -> None:
    service = Remembering()
    service.gate = asyncio.Event()

    def impatiently() -> None:
        client = control_client.connect(tmp_path, silence=0.01)
        assert client is not None
        with closing(client):
            client.compact()

    async with serving(tmp_path, service):
        with pytest.raises(ControlError, match="no sign of life"):
            await asyncio.to_thread(impatiently)


async def test_only_the_owner_may_open_the_socket(tmp_path: Path) -> None:
    async with serving(tmp_path, Remembering()):
        mode = (tmp_path / control_messages.SOCKET_NAME).stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


async def test_refuses_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Remembering()
    monkeypatch.setattr(control, "peer_user", lambda connection: 54321)
    async with serving(tmp_path, service):
        with pytest.raises(ControlError, match="user 54321 does not own this relay"):
            await ask(tmp_path, lambda client: client.info())
    assert service.asked == []


async def test_refuses_more_connections_than_it_can_hold(tmp_path: Path) -> None:
    async with serving(tmp_path, Remembering()):
        idle = [
            await asyncio.open_unix_connection(str(tmp_path / control_messages.SOCKET_NAME))
            for _ in range(control.MAX_CONNECTIONS)
        ]
        with pytest.raises(ControlError, match="commands are running already"):
            await ask(tmp_path, lambda client: client.info())
        for _, writer in idle:
            writer.close()
            await writer.wait_closed()


async def test_no_client_where_no_server_is(tmp_path: Path) -> None:
    assert control_client.connect(tmp_path) is None
    assert control_client.connect(tmp_path / "missing") is None
    async with serving(tmp_path, Remembering()):
        pass
    assert control_client.connect(tmp_path) is None


async def test_replaces_the_socket_of_a_dead_server(tmp_path: Path) -> None:
    path = tmp_path / control_messages.SOCKET_NAME
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as dead:
        dead.bind(str(path))
    assert control_client.connect(tmp_path) is None
    async with serving(tmp_path, Remembering()):
        assert await ask(tmp_path, lambda client: client.rebuild()) == 7
    assert not path.exists()


async def test_leaves_the_socket_of_a_living_server_alone(tmp_path: Path) -> None:
    async with serving(tmp_path, Remembering()):
        with pytest.raises(ControlError, match="another relay answers"):
            await Control(Remembering()).start(tmp_path)
        assert await ask(tmp_path, lambda client: client.rebuild()) == 7


async def test_does_not_remove_a_file_that_is_no_socket(tmp_path: Path) -> None:
    path = tmp_path / control_messages.SOCKET_NAME
    path.write_text("precious")
    with pytest.raises(ControlError, match="not a socket"):
        await Control(Remembering()).start(tmp_path)
    assert path.read_text() == "precious"


async def test_says_when_the_path_is_too_long_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True)
    with pytest.raises(ControlError, match="shorter path"):
        await Control(Remembering()).start(deep)
    assert control_client.connect(deep) is None


async def test_closing_hangs_up_on_requests_that_still_wait(tmp_path: Path) -> None:
    service = Remembering()
    service.gate = asyncio.Event()
    async with serving(tmp_path, service):
        waiting = asyncio.create_task(ask(tmp_path, lambda client: client.compact()))
        await service.asked_first.wait()
    with pytest.raises(ControlError, match="hung up"):
        await waiting


async def test_what_is_read_after_hanging_up_is_told_as_that(tmp_path: Path) -> None:
    async with serving(tmp_path, Remembering()):
        client = await asyncio.to_thread(control_client.connect, tmp_path)
        assert client is not None
        try:
            client._stream.close()
            with pytest.raises(ControlError, match="hung up"):
                await asyncio.to_thread(client.compact)
        finally:
            client.close()


async def test_a_client_that_hangs_up_waits_for_no_answer(tmp_path: Path) -> None:
    service = Remembering()
    service.gate = asyncio.Event()
    async with serving(tmp_path, service):
        client = await asyncio.to_thread(control_client.connect, tmp_path)
        assert client is not None
        waiting = asyncio.create_task(asyncio.to_thread(client.compact))
        await service.asked_first.wait()
        async with asyncio.timeout(PATIENCE):
            await asyncio.to_thread(client.close)
            with pytest.raises(ControlError, match="hung up"):
                await waiting
        client.close()
        service.gate.set()
