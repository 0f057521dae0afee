"""One session with a peer: that a peer which says nothing is not called in step."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from relay.client import Key
from relay.client.errors import TimedOut
from relay.errors import Prefix, Reject
from relay.federation import peer as peers
from relay.federation import peer_memory
from relay.federation.connection import PeerConnection
from relay.federation.peer import Pauses, PeerRunner
from relay.federation.peer_memory import PeerMemory
from relay.federation.progress import PeerRecord
from relay.federation.session import PROBED, PeerSession
from relay.federation.session_parts import PeerParts, SessionPlan
from relay.federation.sync import Direction
from relay.peer_settings import Federation, PeerSettings
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter
from relay.protocol.item_set import ItemSet
from relay.protocol.negentropy import Reconciliation
from relay.protocol.outdated import PAST_ITS_DAYS
from relay.server.supervision import Faults
from storage.base import Logged, Outcome, Status
from storage.commands import Command
from storage.peers import DOWN, UP, PeerPlace, PeerRow, PeerStatus, RememberRefused
from tests.factories import make_event
from tests.federation.fake_peer import FakePeer, MemoryEvents
from tests.federation.test_peers import until


class ShortLog:
    """relay.federation.session_parts.LogSource of these events."""

    def __init__(self, *events: Event) -> None:
        self.rows = [Logged(seq, wire(event)) for seq, event in enumerate(events, 1)]
        self.is_read = asyncio.Event()

    @property
    def upto(self) -> int:
        return len(self.rows)

    async def follow(self, after: int, upto: int, most: int) -> list[Logged]:
        self.is_read.set()
        return self.rows[after:upto]


class OpenDoor(MemoryEvents):
    """relay.federation.session_parts.WayIn."""

    home: str | None = ""

    async def hand_in(self, event: Event, answer: Callable[[Event, Outcome], None]) -> None:
        answer(event, (await self.take([event]))[0])


class LoggingDoor(OpenDoor):
    """What it takes stands in the log, and that is read, before anybody hears that it is stored."""

    def __init__(self, log: ShortLog) -> None:
        super().__init__()
        self.log = log
        self.committed: Callable[[], None] = lambda: None

    async def take(self, events: Sequence[Event]) -> list[Outcome]:
        outcomes = await super().take(events)
        self.log.rows += [Logged(self.log.upto + at, wire(event)) for at, event in enumerate(events, 1)]
        self.log.is_read.clear()
        self.committed()
        await self.log.is_read.wait()
        for _ in range(5):
            await asyncio.sleep(0)  # what was read is offered
        return outcomes


class NoPeers:
    """storage.peers.Peers."""

    async def all(self) -> list[PeerRow]:
        return []

    async def refused(self, url: str, way: int, now: int, most: int) -> list[bytes]:
        return []


async def execute(_command: Command[Any]) -> None:
    pass


class Hanging(FakePeer):
    """Answers so many questions, and nothing after that."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self.answers = answers

    async def answer(self, connection: ServerConnection, name: str, wanted: Sequence[Filter]) -> None:
        self.answers -= 1
        if self.answers >= 0:
            await super().answer(connection, name, list(wanted))


def session_of(
    link: PeerConnection,
    direction: Direction,
    log: ShortLog | None = None,
    *,
    before: PeerRecord | None = None,
    holding: Sequence[Event] = (),
    door: OpenDoor | None = None,
    federation: Federation | None = None,
) -> tuple[PeerSession, PeerRecord, asyncio.Event]:
    in_step = asyncio.Event()

    def noticed() -> None:
        if record.status.state == "in step":
            in_step.set()

    place, status = (PeerPlace(), PeerStatus()) if before is None else (before.place, before.current())
    record = PeerRecord(PeerRow(link.url, "", False, place, status), noticed)
    parts = PeerParts(record, PeerMemory(link.url, NoPeers(), execute), door or OpenDoor(holding), log or ShortLog())
    plan = SessionPlan(direction, (Filter(),), 0, True)
    return PeerSession(link, plan, parts, "", federation or Federation()), record, in_step


@pytest.mark.parametrize("direction", list(Direction))
async def test_a_peer_that_answers_nothing_is_never_in_step(
    direction: Direction, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeerConnection._wait_for, "__defaults__", (0.3, None))
    async with Hanging(0).serving() as peer:
        peer.compares = "silence"
        link = await PeerConnection.open(peer.url, allow_private=True)
        session, record, in_step = session_of(link, direction)
        with pytest.raises(TimedOut, match="answer"):
            await session.run()
        assert not in_step.is_set()
        assert record.status.in_step_at == 0
        assert not session.was_useful
        await link.close()


async def test_a_peer_that_answers_pings_and_nothing_else_any_more_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Hanging(1).serving() as peer:
        peer.compares = "silence"
        link = await PeerConnection.open(peer.url, allow_private=True)
        session, _, in_step = session_of(link, Direction.UP)
        running = asyncio.create_task(session.run())
        await asyncio.wait_for(in_step.wait(), 20)
        assert session.was_useful  # there was nothing to send
        monkeypatch.setattr(PeerConnection._wait_for, "__defaults__", (0.3, None))
        for _ in range(PROBED):
            link.answered_ping()
        with pytest.raises(TimedOut, match="takes what it is sent and answers nothing"):
            await running
        await link.close()


async def test_a_peer_that_takes_events_and_answers_no_questions_is_in_step_where_it_is_only_sent_to() -> None:
    first, second = make_event(content="first"), make_event(content="second")
    async with Hanging(0).serving() as peer:
        peer.compares = "error"
        link = await PeerConnection.open(peer.url, allow_private=True)
        session, _, in_step = session_of(link, Direction.UP, ShortLog(first), holding=[first])
        running = asyncio.create_task(session.run())
        noticed = asyncio.create_task(in_step.wait())
        await asyncio.wait((running, noticed), timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert noticed.done()
        assert len(peer.events) == 1
        for _ in range(PROBED):
            link.answered_ping()
        await until(lambda: _so(peer.verbs().count("EVENT") == 2))  # it is offered again what it has
        await link.answered(link.offer(second.id, wire(second)))
        assert "REQ" not in peer.verbs()
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()


async def test_what_a_peer_gave_is_not_sent_back_however_soon_it_stands_in_the_log() -> None:
    """Of what was fetched some was: the log tells of it before whoever fetched it hears that it is stored."""
    log = ShortLog()
    door = LoggingDoor(log)
    async with FakePeer(make_event(content=str(number)) for number in range(5)).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        session, record, _ = session_of(link, Direction.BOTH, log, door=door)
        door.committed = lambda: session.commit([])
        running = asyncio.create_task(session.run())
        await until(lambda: _so(record.counts.stored == 5 and record.place.up_seq == 5))
        await link.answers()
        assert "EVENT" not in peer.verbs()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()


async def _left_for_saying_nothing(
    running: "asyncio.Task[None]", link: PeerConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A session ends with a peer that answers pings and nothing else."""
    monkeypatch.setattr(PeerConnection._wait_for, "__defaults__", (0.1, None))
    async with asyncio.timeout(20):
        while not running.done():
            link.answered_ping()
            await asyncio.wait((running,), timeout=0.01)
    with pytest.raises(TimedOut, match="takes what it is sent and answers nothing"):
        await running
    await link.close()


async def _so(is_so: bool) -> bool:
    return is_so


async def test_a_peer_that_takes_events_answers_no_questions_and_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Mute(Hanging):
        hangs = False

        async def take(self, connection: ServerConnection, event: Event) -> None:
            if not self.hangs:
                await super().take(connection, event)

    async with Mute(0).serving() as peer:
        peer.compares = "error"
        link = await PeerConnection.open(peer.url, allow_private=True)
        event = make_event()
        session, record, _ = session_of(link, Direction.UP, ShortLog(event), holding=[event])
        running = asyncio.create_task(session.run())
        await until(lambda: _so(bool(record.place.walked_at)))
        peer.hangs = True
        await _left_for_saying_nothing(running, link, monkeypatch)


async def test_places_that_were_noted_while_the_clock_was_wrong_keep_nothing_from_coming() -> None:
    """They lie in the future: nothing would have been fetched before, and nothing compared, until the clock came there."""
    event, door, wrong = make_event(created_at=int(time.time()) - 7200), OpenDoor(), int(time.time()) + 86_400
    async with FakePeer([event]).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        place = PeerPlace(begun_at=1, down_at=wrong, walked_at=wrong)
        before = PeerRecord(PeerRow(link.url, "", False, place, PeerStatus()), lambda: None)
        session, record, in_step = session_of(link, Direction.DOWN, before=before, door=door)
        running = asyncio.create_task(session.run())
        await asyncio.wait_for(in_step.wait(), 20)
        assert [one.id for one in door.taken] == [event.id]
        assert record.place.down_at < wrong
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()
    async with FakePeer([event]).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        at_once = Federation(walk_pause=0.0)
        session, record, _ = session_of(link, Direction.DOWN, before=before, federation=at_once)
        running = asyncio.create_task(session.run())
        await until(lambda: _so(record.place.walked_at < wrong))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()


async def test_what_a_key_wrote_is_fetched_at_once_also_where_it_is_bound_while_something_else_is() -> None:
    """It came after the next ping was answered, half a minute later."""
    event, at, came = make_event(), int(time.time()), asyncio.Event()

    class NotingDoor(OpenDoor):
        async def take(self, events: Sequence[Event]) -> list[Outcome]:
            came.set()
            return await super().take(events)

    async with FakePeer([event]).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        place = PeerPlace(begun_at=1, down_at=at, walked_at=at)
        memory = PeerMemory(link.url, NoPeers(), execute)

        def noticed() -> None:
            if record.status.state == "in step":  # it has just caught up
                memory.bind({event.pubkey})
                session.commit([])

        record = PeerRecord(PeerRow(link.url, "", False, place, PeerStatus()), noticed)
        memory.refuse_unbound(event.id, event.pubkey)
        plan = SessionPlan(Direction.DOWN, (Filter(),), 0, True)
        session = PeerSession(link, plan, PeerParts(record, memory, NotingDoor(), ShortLog()), "", Federation())
        running = asyncio.create_task(session.run())
        await asyncio.wait_for(came.wait(), 20)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()


async def test_a_peer_is_in_step_with_what_is_new_while_everything_is_compared_and_both_are_told() -> None:
    class Leisurely(FakePeer):
        """Takes its time to compare what is old."""

        def __init__(self) -> None:
            super().__init__([make_event()])
            self.go_on_now = asyncio.Event()

        async def compare(
            self, connection: ServerConnection, comparisons: Any, name: str, wanted: Filter, data: bytes
        ) -> None:
            if wanted.since is None:
                await self.go_on_now.wait()
            await super().compare(connection, comparisons, name, wanted, data)

    async with Leisurely().serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        session, record, in_step = session_of(link, Direction.DOWN)
        running = asyncio.create_task(session.run())
        await asyncio.wait_for(in_step.wait(), 20)
        await until(lambda: _so(record.status.comparing))
        assert (record.status.state, record.place.walked_at) == ("in step", 0)
        peer.go_on_now.set()
        await until(lambda: _so(bool(record.place.walked_at)))
        assert (record.status.state, record.status.comparing) == ("in step", False)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()


async def test_a_peer_is_silent_that_has_said_nothing_since_it_was_asked_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PeerConnection._wait_for, "__defaults__", (0.3, None))
    event = make_event()
    async with Hanging(0).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        answer = link.offer(event.id, wire(event))
        assert (await asyncio.wait_for(answer, 20)).accepted
        await link.answers()
        with pytest.raises(TimedOut, match="takes what it is sent and answers nothing"):
            await link.answers()
        await link.close()


async def test_a_peer_is_not_blamed_while_this_relay_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    held, go_on = asyncio.Event(), asyncio.Event()

    async def take(_event: Event) -> None:
        held.set()
        await go_on.wait()

    async with FakePeer([make_event()]).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        await link.subscribe((Filter(),), take)
        await asyncio.wait_for(held.wait(), 20)
        monkeypatch.setattr(PeerConnection._wait_for, "__defaults__", (0.3, None))
        await link.answers()
        go_on.set()
        await link.close()


async def test_an_answer_is_not_late_while_this_relay_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer has given it long ago: it waits behind an event that is being taken."""
    held, go_on = asyncio.Event(), asyncio.Event()
    event = make_event(content="ours")

    async def take(_event: Event) -> None:
        held.set()
        await go_on.wait()

    async with FakePeer([make_event()]).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        stored = await link.subscribe((Filter(),), take)
        await asyncio.wait_for(held.wait(), 20)
        monkeypatch.setattr(PeerConnection._wait_for, "__defaults__", (0.2, None))
        name = await link.open_comparison(Filter(), Reconciliation(ItemSet()).begin())
        waiting = [
            asyncio.ensure_future(one)
            for one in (link.ended(stored), link.answered(link.offer(event.id, wire(event))), link.compared(name, 0.2))
        ]
        await link.answers()  # which waits that long
        assert not [one for one in waiting if one.done()]
        go_on.set()
        assert await asyncio.gather(*waiting)
        await link.close()


async def test_a_peer_that_hangs_after_it_took_what_there_was_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Though it is only sent to, and there is nothing to send: it has answered something else before."""
    async with Hanging(0).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        session, record, _ = session_of(link, Direction.UP, ShortLog(make_event()))
        running = asyncio.create_task(session.run())

        async def walked() -> bool:
            return bool(record.place.walked_at)

        await until(walked)
        assert len(peer.events) == 1
        await _left_for_saying_nothing(running, link, monkeypatch)


async def test_a_peer_that_did_not_compare_once_is_asked_again_in_the_next_session() -> None:
    async with FakePeer([make_event()]).serving() as peer:
        record: PeerRecord | None = None
        for answer, compares in (("closed", False), ("yes", True)):
            peer.compares = answer
            link = await PeerConnection.open(peer.url, allow_private=True)
            session, record, in_step = session_of(link, Direction.DOWN, before=record)
            running = asyncio.create_task(session.run())
            await asyncio.wait_for(in_step.wait(), 20)
            assert record.status.compares is compares
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await link.close()


class Slow(FakePeer):
    """Takes nothing for now."""

    async def take(self, connection: ServerConnection, event: Event) -> None:
        await self.send(connection, "OK", event.id, False, "rate-limited: wait 300 seconds")


async def test_why_events_wait_to_be_sent_is_told() -> None:
    async with Slow().serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        told = asyncio.Event()

        def noticed() -> None:
            if record.current().delayed_because:
                told.set()

        record = PeerRecord(PeerRow(link.url, "", False, PeerPlace(), PeerStatus()), noticed)
        log = ShortLog(make_event())
        parts = PeerParts(record, PeerMemory(link.url, NoPeers(), execute), OpenDoor(), log)
        session = PeerSession(link, SessionPlan(Direction.UP, (Filter(),), 0, True), parts, "", Federation())
        running = asyncio.create_task(session.run())
        await asyncio.wait_for(told.wait(), 20)
        assert record.current().delayed_because == {"rate-limited: wait 300 seconds": 1}
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()


class Relapsing(FakePeer):
    """Comes in step, and misbehaves as soon as it is asked for everything."""

    async def compare(
        self,
        connection: ServerConnection,
        comparisons: dict[str, Reconciliation],
        name: str,
        wanted: Filter,
        data: bytes,
    ) -> None:
        if wanted.since is None:
            for _ in range(300):
                await connection.send("no message")
        await super().compare(connection, comparisons, name, wanted, data)


def prepared(peer: FakePeer, noticed: Callable[[], None]) -> tuple[PeerRecord, PeerRunner]:
    """What keeps in step with this peer, and what is told of that."""
    record = PeerRecord(PeerRow(peer.url, "", False, PeerPlace(), PeerStatus()), noticed)
    parts = PeerParts(record, PeerMemory(peer.url, NoPeers(), execute), OpenDoor(), ShortLog())
    settings = PeerSettings(url=peer.url, direction="down", allow_private=True)
    return record, PeerRunner(settings, parts, Key(b"\1" * 32), Federation, Faults())


async def until_it_waits(peer: FakePeer, walked: Callable[[], None] = lambda: None) -> PeerRecord:
    """What is told of a peer once its sessions are over and the next is waited for. `walked` is called when all was compared."""
    waiting = asyncio.Event()

    def noticed() -> None:
        if record.status.state == "waiting":
            waiting.set()
        if record.place.walked_at:
            walked()

    record, runner = prepared(peer, noticed)
    runner.start()
    await asyncio.wait_for(waiting.wait(), 20)
    await runner.close("stopped")
    return record


@pytest.mark.parametrize(("kind", "useful"), [(Relapsing, 0), (FakePeer, 1)])
async def test_a_peer_that_misbehaved_is_left_alone_for_longer_and_longer(
    kind: type[FakePeer], useful: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    resets = 0

    class Counting(Pauses):
        def reset(self) -> None:
            nonlocal resets
            resets += 1

    def break_off() -> None:  # everything went well
        for connection in peer.connections:
            connection.transport.abort()

    monkeypatch.setattr(peers, "Pauses", Counting)
    async with kind([make_event()]).serving() as peer:
        record = await until_it_waits(peer, break_off)
    assert record.status.in_step_at
    assert resets == useful
    record.is_in_step(int(time.time()))
    told = record.current()
    assert not told.last_error
    assert ("sent what is no message" in told.misbehaved, bool(told.misbehaved_at)) == (not useful, not useful)


class Refusing(FakePeer):
    """Answers no question."""

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        await self.send(connection, "CLOSED", name, "error: no")


async def test_what_a_peer_refuses_is_told_with_its_words() -> None:
    async with Refusing().serving() as peer:
        record = await until_it_waits(peer)
    assert record.status.last_error == f"{peer.url} refuses what it is asked: error: no"


async def test_a_peer_that_is_left_before_it_has_said_who_it_is_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection stayed open, and was pinged, for as long as the peer liked."""
    asked = asyncio.Event()

    async def own_key(*_: object, **__: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(peers, "own_key", own_key)
    async with FakePeer().serving() as peer:
        _, runner = prepared(peer, lambda: None)
        runner.start()
        await asyncio.wait_for(asked.wait(), 20)
        await runner.close("stopped")
        await asyncio.wait_for(peer.connections[0].wait_closed(), 20)


async def test_what_is_past_its_days_is_got_once_however_much_that_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A peer that keeps everything may have more of it than is remembered of what a peer is refused."""
    monkeypatch.setattr(peer_memory, "MOST_REFUSED", 3)

    class Forgetful(OpenDoor):
        async def take(self, events: Sequence[Event]) -> list[Outcome]:
            refusal = Reject(Prefix.BLOCKED, f"{PAST_ITS_DAYS} such events: kind 1 is kept for 1 day")
            return [Outcome(Status.REFUSED, refusal=refusal)] * len(events)

    async with FakePeer(make_event(content=str(number)) for number in range(40)).serving() as peer:
        link = await PeerConnection.open(peer.url, allow_private=True)
        session, record, _ = session_of(link, Direction.DOWN, door=Forgetful())
        for _ in range(2):
            await session._synchronize(Filter(), Direction.DOWN, 0)
            assert record.counts.received == 40
        session._memory.forget(DOWN)
        await session._synchronize(Filter(), Direction.DOWN, 0)
        assert record.counts.received == 80
        await link.close()


class StoredRefusals:
    """storage.peers.Peers, and the command that writes what is remembered, over a dict. `written` is how many rows that took."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, bytes], int] = {}
        self.written = 0

    async def all(self) -> list[PeerRow]:
        return []

    async def refused(self, url: str, way: int, now: int, most: int) -> list[bytes]:
        latest = sorted((until, one) for (of, one), until in self.rows.items() if of == way and until > now)
        return [one for _, one in reversed(latest)][:most]

    async def execute(self, command: Command[Any]) -> None:
        assert isinstance(command, RememberRefused)
        self.written += len(command.ids)
        self.rows |= {(command.way, one): command.until for one in command.ids}
        self.rows = {key: until for key, until in self.rows.items() if until}


async def test_a_peer_decides_not_how_much_is_remembered_of_what_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_memory, "MOST_REFUSED", 10)
    database = StoredRefusals()
    memory = PeerMemory("wss://peer.example", database, database.execute)
    ids = [f"{n:064x}" for n in range(50)]
    await memory.load()
    for number, one in enumerate(ids[:40]):
        memory.refuse(DOWN, one)
        if number in (4, 9, 17):
            await memory.save()
    memory.refuse(UP, ids[0])
    await memory.save()
    kept = {(DOWN, bytes.fromhex(one)) for one in ids[30:40]} | {(UP, bytes.fromhex(ids[0]))}
    assert database.rows.keys() == kept
    assert database.written <= 18 + 18 + 10 + 1  # what was forgotten before it was written is not
    for one in ids[40:]:  # claimed in vain, of which there may be any number
        memory.refuse(DOWN, one, for_good=False)
    assert [memory.is_refused(DOWN, one) for one in (ids[39], ids[40])] == [False, True]
    await memory.save()
    assert database.rows.keys() == {(UP, bytes.fromhex(ids[0]))}


async def test_what_was_refused_is_remembered_by_the_next_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_memory, "MOST_REFUSED", 2)
    database = StoredRefusals()
    before = PeerMemory("wss://peer.example", database, database.execute)
    before.refuse(DOWN, "aa" * 32)
    await before.save()
    memory = PeerMemory("wss://peer.example", database, database.execute)
    await memory.load()
    assert memory.is_refused(DOWN, "aa" * 32)
