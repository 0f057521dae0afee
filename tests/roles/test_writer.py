"""The writer role at the other end of a socket: what it answers, in which order, and what it tells followers."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from relay.errors import Prefix, Reject
from relay.protocol.admission import Door
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from relay.roles.channel import FrameReader, frame
from relay.roles.inside import WriterThread
from relay.roles.messages import Ask, Behind, CommandResult, Entry, Follow, Outcomes, Submit, encode, from_writer
from relay.roles.page import UNWRITABLE, Position, SharedPage
from storage.base import Commit, Status
from storage.command_codec import decode
from storage.commands import Command, CountRows, RemoveMatching, TryRoom
from storage.errors import StorageError
from tests.factories import NOW, make_event
from tests.server.fakes import PATIENCE, MemoryLog

EVENTS = [make_event(content=str(number)) for number in range(40)]


class Peer:
    """A role at the other end, blocking."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self.socket.settimeout(PATIENCE)
        self._reader = FrameReader()
        self._heard: list[Any] = []

    def send(self, *messages: object) -> None:
        self.socket.sendall(b"".join(frame(encode(message)) for message in messages))

    def submit(self, *events: Event, client: int = 1, first: int = 1) -> None:
        entries = [Entry(first + n, client, wire(event), Door.CLIENT, NOW) for n, event in enumerate(events)]
        self.send(Submit(entries))

    def ask(self, command: Command[Any], token: int = 1) -> None:
        self.send(Ask(token, 1, encode(command)))

    def next(self) -> Any:
        while not self._heard:
            data = self.socket.recv(65536)
            assert data, "the writer hung up"
            self._heard += [from_writer(body) for body in self._reader.feed(data)]
        return self._heard.pop(0)

    def tokens(self, number: int) -> list[int]:
        """Tokens of so many answers, in the order in which they came."""
        found: list[int] = []
        while len(found) < number:
            message = self.next()
            assert isinstance(message, Outcomes)
            found += message.stored
        return found


class Desk:
    def __init__(self) -> None:
        self.log = MemoryLog()
        self.page = SharedPage(("front", "writer"), fronts=1, addresses=10)
        self.faults: list[str] = []
        self.thread = WriterThread(self.log, self.page, decode, lambda place, _error: self.faults.append(place))  # type: ignore[arg-type]
        self.peers: list[Peer] = []

    def peer(self, follows: bool = False) -> Peer:
        peer = Peer(self.thread.connect())
        self.peers.append(peer)
        if follows:
            peer.send(Follow(0))
        return peer


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.log.gate.set()
    made.thread.close()
    for peer in made.peers:
        peer.socket.close()


def test_a_follower_hears_of_a_commit_before_its_sender_is_answered(desk: Desk) -> None:
    peer = desk.peer(follows=True)
    desk.thread.start()
    assert peer.next() == Behind(1, 0)
    peer.submit(EVENTS[0])
    commit, answer = peer.next(), peer.next()
    assert isinstance(commit, Commit)
    assert [(one.seq, one.wire) for one in commit.events] == [(1, wire(EVENTS[0]))]
    assert (commit.number, commit.upto) == (2, 1)
    assert answer == Outcomes([1], [1], [])


def test_the_page_shows_a_commit_before_anybody_is_told(desk: Desk) -> None:
    peer = desk.peer(follows=True)
    desk.thread.start()
    peer.next()
    peer.submit(EVENTS[0])
    peer.next()
    assert desk.page.position() == Position(2, 1, 1)


def test_whoever_names_kinds_is_told_that_some_came_and_of_no_others(desk: Desk) -> None:
    peer, other = desk.peer(), desk.peer()
    peer.send(Follow(0, [11]))
    desk.thread.start()
    assert peer.next() == Behind(1, 0)
    other.submit(EVENTS[0])
    other.next()
    other.submit(make_event(kind=11), EVENTS[1], first=2)
    other.next()
    other.submit(EVENTS[2], first=4)
    other.next()
    other.ask(RemoveMatching(Filter(ids=frozenset([EVENTS[0].id])), 10))
    other.next()
    assert peer.next() == Commit(3, 3, [], [], [])
    assert peer.next() == Commit(5, 4, [], [EVENTS[0].id], [])


def test_whoever_does_not_follow_gets_answers_alone(desk: Desk) -> None:
    peer = desk.peer()
    desk.thread.start()
    peer.submit(EVENTS[0], EVENTS[0], make_event(kind=20001))
    answer = peer.next()
    assert (answer.stored, answer.seqs) == ([1], [1])
    assert [(other.token, other.status) for other in answer.others] == [(2, Status.DUPLICATE), (3, Status.EPHEMERAL)]


def test_a_flood_of_one_client_delays_another_by_one_transaction(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.roles.transaction_size.MOST", 8)
    monkeypatch.setattr("relay.roles.transaction_size.LEAST", 8)
    flood, other = desk.peer(), desk.peer()
    flood.submit(*EVENTS[:-1])
    other.submit(EVENTS[-1])
    desk.thread.start()
    assert other.tokens(1) == [1]
    assert flood.tokens(39) == list(range(1, 40))
    stored = [row[1] for row in desk.log.rows]
    assert stored.index(EVENTS[-1]) < 16
    assert [event for event in stored if event != EVENTS[-1]] == EVENTS[:-1]


def test_clients_of_one_front_take_turns_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.roles.transaction_size.MOST", 8)
    monkeypatch.setattr("relay.roles.transaction_size.LEAST", 8)
    peer = desk.peer()
    peer.submit(*EVENTS[:-1], client=1)
    peer.submit(EVENTS[-1], client=2, first=1000)
    desk.thread.start()
    peer.tokens(40)
    assert [row[1] for row in desk.log.rows].index(EVENTS[-1]) < 16


def test_a_command_is_answered_with_what_it_gives(desk: Desk) -> None:
    peer = desk.peer()
    desk.thread.start()
    peer.submit(EVENTS[0])
    peer.tokens(1)
    peer.ask(RemoveMatching(Filter(), 10), token=7)
    assert peer.next() == CommandResult(7, encode(1), None)


def test_followers_are_told_what_left_the_log(desk: Desk) -> None:
    peer = desk.peer(follows=True)
    desk.thread.start()
    peer.next()
    peer.submit(EVENTS[0])
    peer.next()
    peer.next()
    peer.ask(RemoveMatching(Filter(), 10))
    commit = peer.next()
    assert (commit.events, commit.removed) == ([], [EVENTS[0].id])


def test_what_changes_primary_rows_is_on_the_page(desk: Desk) -> None:
    peer = desk.peer()
    desk.thread.start()

    def carry_out(_command: object) -> int:
        desk.log.written.changes.append(("identities", ""))
        return 0

    desk.log.carry_out = carry_out
    peer.ask(CountRows())
    peer.next()
    assert desk.page.position() == Position(2, 0, 2)


@pytest.mark.parametrize("error", [StorageError("the disk is full"), RuntimeError("a bug"), SystemExit(1)])
def test_a_store_that_fails_refuses_the_batch_and_the_writer_goes_on(desk: Desk, error: Exception) -> None:
    peer = desk.peer()
    desk.thread.start()
    desk.log.failure = error
    peer.submit(EVENTS[0], EVENTS[1])
    answer = peer.next()
    assert answer.failed
    assert [(other.token, other.prefix) for other in answer.others] == [(1, Prefix.ERROR), (2, Prefix.ERROR)]
    assert "bug" not in answer.others[0].message
    desk.log.failure = None
    peer.submit(EVENTS[0])
    assert peer.tokens(1) == [1]


def test_why_a_command_was_not_carried_out_comes_back(desk: Desk) -> None:
    peer = desk.peer()
    desk.thread.start()

    def fail(_command: object) -> None:
        raise Reject(Prefix.RESTRICTED, "not here")

    desk.log.carry_out = fail
    peer.ask(CountRows())
    result = peer.next()
    assert str(result.failure.error()) == "restricted: not here"
    assert not desk.faults


@pytest.mark.parametrize("junk", [b"\xff\xff\xff\xff", frame(b"\xc1"), frame(encode(["nonsense"]))])
def test_a_link_that_sends_what_is_no_message_is_dropped_alone(desk: Desk, junk: bytes) -> None:
    bad, good = desk.peer(), desk.peer()
    desk.thread.start()
    bad.socket.sendall(junk)
    assert bad.socket.recv(10) == b""
    good.submit(EVENTS[0])
    assert good.tokens(1) == [1]


def test_a_front_that_is_stopped_holds_nobody_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relay.roles.role_links.LOG_BYTES", 200_000)
    stopped, peer = desk.peer(follows=True), desk.peer()
    desk.thread.start()
    assert stopped.next() == Behind(1, 0)
    for number in range(40):
        peer.submit(make_event(content=f"{number} " + "x" * 60_000))
        assert peer.tokens(1) == [1]
    heard = []
    while not heard or heard[-1] != Behind():
        heard.append(stopped.next())
    assert len(heard) < 40
    peer.submit(EVENTS[0])
    peer.tokens(1)
    commit = stopped.next()
    assert [one.wire for one in commit.events] == [wire(EVENTS[0])]


def test_what_was_sent_before_the_end_is_done(desk: Desk) -> None:
    peer = desk.peer()
    desk.log.gate.clear()
    desk.thread.start()
    peer.submit(*EVENTS)
    desk.thread.role.stop()
    desk.log.gate.set()
    assert peer.tokens(len(EVENTS)) == list(range(1, len(EVENTS) + 1))


def test_roles_may_connect_to_a_socket_while_it_runs(desk: Desk) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        desk.thread.role.links.listen(listener)
        desk.thread.start()
        peer = Peer(socket.create_connection(listener.getsockname()))
        desk.peers.append(peer)
        peer.submit(EVENTS[0])
        assert peer.tokens(1) == [1]
        desk.thread.close()


def test_a_database_that_can_be_written_again_is_told_before_anybody_sends_an_event(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relay.roles.writer.ROOM_INTERVAL", 0.0)
    monkeypatch.setattr("relay.roles.writer.ALIVE_INTERVAL", 0.01)
    tried = threading.Semaphore(0)

    def carry_out(command: Command[Any]) -> None:
        if desk.log.failure is not None:
            raise desk.log.failure
        if command == TryRoom(0):
            tried.release()

    desk.log.carry_out = carry_out
    writer = desk.page.roles.index("writer")
    peer = desk.peer()
    desk.log.failure = StorageError("the disk is full")
    desk.thread.start()
    peer.submit(EVENTS[0])
    assert peer.next().failed
    assert desk.page.count(writer, "degraded") == UNWRITABLE
    desk.log.failure = None
    assert tried.acquire(timeout=PATIENCE)
    peer.ask(CountRows())  # its answer comes after what the writer found out has been told
    assert isinstance(peer.next(), CommandResult)
    assert desk.page.count(writer, "degraded") == 0


def test_a_command_that_finds_no_room_tells_that_the_database_cannot_be_written(desk: Desk) -> None:
    writer = desk.page.roles.index("writer")
    peer = desk.peer()
    desk.log.failure = StorageError("the disk is full")
    desk.thread.start()
    peer.ask(CountRows())
    assert isinstance(peer.next(), CommandResult)
    assert desk.page.count(writer, "degraded") == UNWRITABLE


def test_a_command_that_fails_for_another_reason_tells_of_no_such_thing(desk: Desk) -> None:
    def carry_out(command: Command[Any]) -> None:
        if isinstance(command, CountRows):
            raise StorageError("a reader still holds the write-ahead log")

    desk.log.carry_out = carry_out
    peer = desk.peer()
    desk.thread.start()
    peer.ask(CountRows())
    assert isinstance(peer.next(), CommandResult)
    assert desk.page.count(desk.page.roles.index("writer"), "degraded") == 0
