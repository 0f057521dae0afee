"""A relay's server side without sockets, disk or time: a log in memory and a client whose wire is a list of bytes."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar, cast

import msgspec
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close, Frame, Opcode
from websockets.uri import parse_uri

from relay.config import Config, Storage
from relay.protocol import kinds
from relay.protocol.event import Event, expiration, first_value, values, wire
from relay.protocol.facts import GivenToken
from relay.protocol.filter import Filter, matches
from relay.protocol.groups import belonging
from relay.protocol.groups.state import Group, Member, member_key
from relay.protocol.item_set import ItemSet
from relay.roles.inside import WriterThread
from relay.roles.page import SharedPage
from relay.server.comparisons.compared_sets import ComparedSets
from relay.server.connection.websocket import Connection
from relay.server.hub import Hub
from relay.server.settings import Settings
from relay.server.supervision import Faults
from storage.access import OperatorRules
from storage.base import (
    PUBLIC,
    Counted,
    Found,
    Incoming,
    Limits,
    Logged,
    Missing,
    Outcome,
    Readers,
    Status,
    StoredEvent,
    Written,
)
from storage.command_codec import decode as decode_command
from storage.commands import Command, CountRows, Rebuild, Rebuilt, RemoveMatching, Sweep
from storage.errors import StorageError, TooCostly
from storage.search.engine import SearchHealth

PATIENCE = 30.0  # seconds until a test that waits has failed
T = TypeVar("T")
Stored = tuple[int, Event, tuple[str, ...] | None]


class GroupsTables:
    """Groups and their members."""

    def operator_rules(self) -> OperatorRules:
        return OperatorRules()

    def __init__(self) -> None:
        self.groups: dict[str, Group] = {}
        self.members: dict[tuple[str, str], Member] = {}

    def memberships(self, pubkeys: Sequence[str]) -> list[tuple[str, str, Member, bool]]:
        return [
            (pubkey, group_id, member, bool(member.roles))
            for (pubkey, group_id), member in self.members.items()
            if pubkey in pubkeys and member.is_member and not self.groups[group_id].ended
        ]

    def member(self, pubkey: str, group_id: str) -> Member | None:
        return self.members.get((pubkey, group_id))

    def groups_named(self, ids: Sequence[str]) -> list[Group]:
        return [self.groups[one] for one in ids if one in self.groups]

    def called(self, ids: Sequence[str]) -> dict[str, Group]:
        return {group.id: group for group in self.groups_named(ids)}


class MemoryLog:
    """Writer and Reader over a list. `failure` makes it fail; `gate` and `reading` hold its threads and queries back.

    `carry_out` takes the commands in place of it.

    `quick` makes it answer on the spot.
    """

    def __init__(self, first_part: int = 1000, quick: bool = False) -> None:
        self.rows: list[Stored] = []
        self.batches: list[int] = []
        self.swept = 0
        self.failure: Exception | None = None
        self.carry_out: Callable[[Any], Any] | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.reading = asyncio.Event()
        self.reading.set()
        self.asked: list[tuple[Filter, ...]] = []
        self.quick = quick
        self.told = (True, False)  # whether an answer is complete, and whether the relay's limit cut it
        self._first_part = first_part
        self.missing: Missing | None = None
        self.records = 0
        self.recorded = threading.Semaphore(0)
        self.written = Written()
        self.tables = GroupsTables()
        self.looks = True  # whether look-ups take but a moment

    moving = 0
    unfinished = False
    disk_wait = 0.0

    # Writer

    def last_seq(self) -> int:
        return self.rows[-1][0] if self.rows else 0

    def write(self, batch: Sequence[Incoming], now: int) -> list[Outcome]:
        assert self.gate.wait(PATIENCE)
        if self.failure is not None:
            raise self.failure
        self.batches.append(len(batch))
        return [self._store(item.event) for item in batch]

    def _store(self, event: Event) -> Outcome:
        audience = self._audience(event)
        if kinds.is_ephemeral(event.kind):
            self.written.put(Logged(0, wire(event), audience), event.kind)
            return Outcome(Status.EPHEMERAL, audience=audience)
        if any(event.id == row[1].id for row in self.rows):
            return Outcome(Status.DUPLICATE)
        self.rows.append((self.last_seq() + 1, event, audience))
        self.written.put(Logged(self.last_seq(), wire(event), audience), event.kind)
        return Outcome(Status.STORED, seq=self.last_seq(), audience=audience)

    def _audience(self, event: Event) -> tuple[str, ...] | None:
        if event.kind in (kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP):
            return tuple(values(event, "p"))
        group = self.tables.groups.get(first_value(event, "h") or "")
        return None if group is None else belonging.audience(event, group)

    def put_group(self, group_id: str, **fields: Any) -> None:
        """The group is so from now on, and so is who may read what it holds; told with what is written next."""
        group = Group(group_id, creator="", created_at=0)
        self.tables.groups[group_id] = msgspec.structs.replace(self.tables.groups.get(group_id, group), **fields)
        self.rows = [(seq, event, self._audience(event)) for seq, event, _ in self.rows]
        self.written.changes.append(("group", group_id))

    def put_member(self, pubkey: str, group_id: str, standing: Any = "member", *roles: str) -> None:
        """The key stands so to the group from now on; told with what is written next."""
        self.tables.members[pubkey, group_id] = Member(standing, roles, 0)
        self.written.changes.append(("member", member_key(pubkey, group_id)))

    def collect(self) -> Written:
        written, self.written = self.written, Written()
        return written

    def execute(self, command: Command[T], now: int, token: GivenToken | None = None) -> T:
        if self.carry_out is not None:
            return cast(T, self.carry_out(command))
        return cast(T, self._execute(command))

    def _execute(self, command: object) -> object:
        self.swept += isinstance(command, Sweep)
        if self.failure is not None:
            raise self.failure
        if isinstance(command, RemoveMatching):
            kept = [row for row in self.rows if not matches(command.wanted, row[1])]
            self.written.removed += [row[1].id for row in self.rows if row not in kept]  # type: ignore[operator]
            removed, self.rows = len(self.rows) - len(kept), kept
            return removed
        if isinstance(command, Rebuild):
            return Rebuilt(0)
        return len(self.rows) if isinstance(command, CountRows) else 0

    def record(self) -> None:
        self.records += 1
        self.recorded.release()

    # Reader

    async def query(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
        *,
        after: tuple[int, str] | None = None,
    ) -> Found:
        assert after is None
        self.asked.append(tuple(filters))
        await asyncio.wait_for(self.reading.wait(), PATIENCE)
        return self._found(filters, readers, upto, limits)

    def try_query(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits = Limits(),  # noqa: B008
    ) -> Found | None:
        return self._found(filters, readers, upto, limits) if self.quick else None

    def _found(self, filters: Sequence[Filter], readers: Readers, upto: int | None, limits: Limits) -> Found:
        if self.failure is not None:
            raise self.failure
        found: dict[int, Event] = {}
        for wanted in filters:
            mine = [row for row in self._visible(wanted, readers) if upto is None or row[0] <= upto]
            mine.sort(key=lambda row: (-row[1].created_at, row[1].id))
            limit = limits.default if wanted.limit is None else min(wanted.limit, limits.maximum)
            found |= {row[0]: row[1] for row in mine[:limit]}
        order = sorted(found, key=lambda seq: (-found[seq].created_at, found[seq].id))
        first, rest = order[: self._first_part], order[self._first_part :]
        return Found([wire(found[seq]) for seq in first], tuple(rest), *self.told)

    def _visible(self, wanted: Filter, readers: Readers) -> Iterator[Stored]:
        for row in self.rows:
            if matches(wanted, row[1]) and (row[2] is None or not readers.isdisjoint(row[2])):
                yield row

    async def fetch(self, seqs: Sequence[int], now: int, readers: Readers | None) -> list[bytes]:
        rows = self.rows if readers is None else self._visible(Filter(), readers)
        bodies = {seq: event for seq, event, _ in rows if (expiration(event) or now + 1) > now}
        return [wire(bodies[seq]) for seq in seqs if seq in bodies]

    async def count(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        offset: int | None = None,
        *,
        most: int | None = None,
    ) -> Counted:
        if self.failure is not None:
            raise self.failure
        return Counted(len({row[0] for wanted in filters for row in self._visible(wanted, readers)}))

    async def items(self, wanted: Filter, readers: Readers, now: int, most: int) -> ItemSet:
        await asyncio.wait_for(self.reading.wait(), PATIENCE)
        if self.failure is not None:
            raise self.failure
        found = sorted((-row[1].created_at, bytes.fromhex(row[1].id)) for row in self._visible(wanted, readers))
        found = found[: wanted.limit]
        if len(found) > most:
            raise TooCostly("too many")
        return ItemSet((-before, event_id) for before, event_id in found)

    async def expired(self, after: int, upto: int, most: int) -> list[bytes]:
        return [bytes.fromhex(one.id) for _, one, _ in self.rows if after < (expiration(one) or 0) <= upto][:most]

    async def get(self, event_id: str, readers: Readers = PUBLIC, now: int = 0) -> StoredEvent | None:
        raise StorageError("nothing here asks for one event")

    async def follow(self, after: int, upto: int, most: int) -> list[Logged]:
        rows = [row for row in self.rows if after < row[0] <= upto][:most]
        return [Logged(seq, wire(event), audience) for seq, event, audience in rows]

    async def ask(self, work: Callable[[Any], T]) -> T:
        await asyncio.wait_for(self.reading.wait(), PATIENCE)
        return self.ask_here(work)

    def try_ask(self, work: Callable[[Any], T]) -> T | None:
        return self.ask_here(work) if self.looks else None

    def ask_here(self, work: Callable[[Any], T]) -> T:
        if self.failure is not None:
            raise self.failure
        return work(self.tables)

    def scan(self, wanted: Filter | None, after: int = 0) -> AsyncIterator[StoredEvent]:
        raise StorageError("nothing here scans")

    async def close(self) -> None:  # type: ignore[override]
        pass


class Nothing:
    """A search engine over nothing."""

    def health(self) -> SearchHealth:
        return SearchHealth(chunks=0, pending=0, model="none", dimension=1)


class Wire:
    """The transport of one connection. While `stalled`, the peer takes nothing and what is written piles up."""

    HIGH_WATER = 65536

    def __init__(self, peer: str) -> None:
        self.peer = peer
        self.protocol: Connection = cast(Connection, None)
        self.written: list[bytes] = []
        self.unread = 0
        self.reading = True
        self.closed = False
        self.ended = False  # nothing more is written
        self.aborted = False
        self.lost = False
        self.stalled = False
        self.changed = asyncio.Event()

    def write(self, data: bytes) -> None:
        assert not self.ended
        self.written.append(data)
        self.changed.set()
        if self.stalled:
            self.unread += len(data)
            if self.unread > self.HIGH_WATER:
                self.protocol.pause_writing()

    def drain(self) -> None:
        """The peer reads all there is."""
        self.unread = 0
        self.protocol.resume_writing()

    def get_write_buffer_size(self) -> int:
        return self.unread

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        """As a peer does that hears the end: it ends its side too."""
        self.ended = True
        self.changed.set()
        asyncio.get_running_loop().call_soon(self._hear_end)

    def _hear_end(self) -> None:
        if not self.stalled and not self.closed:
            self.protocol.eof_received()
            self.close()

    def close(self) -> None:
        self.closed = True
        self._lose()

    def abort(self) -> None:
        self.aborted = self.closed = True
        self._lose()

    def _lose(self) -> None:
        if not self.lost:
            self.lost = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)
        self.changed.set()

    def get_extra_info(self, name: str) -> Any:
        return (self.peer, 12345) if name == "peername" else None


class Client:
    """A well-behaved client library on the other end of a Wire."""

    def __init__(
        self,
        hub: Hub,
        peer: str = "203.0.113.1",
        *,
        compressed: bool = False,
        offer: ClientPerMessageDeflateFactory | None = None,
        headers: dict[str, str] | None = None,
        path: str = "/",
    ) -> None:
        if compressed:
            offer = ClientPerMessageDeflateFactory()
        self.protocol = ClientProtocol(parse_uri(f"ws://relay.example{path}"), extensions=[offer] if offer else None)
        self.wire = Wire(peer)
        self.connection = Connection(hub.shared, SimpleNamespace(connections=set()))
        self.wire.protocol = self.connection
        self.messages: list[Any] = []
        self.closed_with: int | None = None
        self.status = 0
        self._taken = 0
        self._read = 0
        self.challenge = ""
        self.connection.connection_made(cast(asyncio.BaseTransport, self.wire))
        request = self.protocol.connect()
        for name, value in (headers or {}).items():
            request.headers[name] = value
        self.protocol.send_request(request)
        self._push()
        self.read()
        self._taken = len(self.messages)

    def send(self, *parts: object) -> None:
        """One message in one frame."""
        self.send_bytes(json.dumps(parts).encode())

    def send_all(self, messages: Iterable[Sequence[object]]) -> None:
        """Messages that come in one read."""
        for parts in messages:
            self.protocol.send_text(json.dumps(parts).encode())
        self.send_raw(b"".join(self.protocol.data_to_send()))

    def ask_for_challenge(self) -> None:
        """Be challenged (NIP-42) by asking for private messages; nothing else may be on its way."""
        self.send("COUNT", "private", {"kinds": [kinds.GIFT_WRAP]})
        assert [message[0] for message in self.pending()] == ["AUTH", "CLOSED"]

    def publish(self, event: Event) -> None:
        self.send_bytes(b'["EVENT",' + wire(event) + b"]")

    def send_bytes(self, data: bytes) -> None:
        self.protocol.send_text(data)
        self._push()

    def send_frame(self, opcode: Opcode, data: bytes, fin: bool = True) -> None:
        self.send_raw(Frame(opcode, data, fin).serialize(mask=True))

    def send_raw(self, data: bytes) -> None:
        """Bytes as they stand; there is no wire any more when the connection is lost."""
        if not self.wire.lost:
            self.connection.data_received(data)

    def _push(self) -> None:
        for data in self.protocol.data_to_send():
            if data:
                self.send_raw(data)

    def read(self) -> None:
        """Take in what the relay has written so far."""
        for data in self.wire.written[self._read :]:
            self.protocol.receive_data(data)
        self._read = len(self.wire.written)
        for event in self.protocol.events_received():
            if isinstance(event, Frame):
                if event.opcode is Opcode.TEXT:
                    self.messages.append(json.loads(bytes(event.data)))
                    if self.messages[-1][0] == "AUTH":
                        self.challenge = self.messages[-1][1]
                elif event.opcode is Opcode.CLOSE:
                    self.closed_with = Close.parse(bytes(event.data)).code
            else:
                self.status = getattr(event, "status_code", 0)
        assert self.protocol.parser_exc is None or self.protocol.parser_exc.__class__ is EOFError

    async def next(self) -> Any:
        """The next message, waiting for it."""
        await self.until(lambda: len(self.messages) > self._taken)
        self._taken += 1
        return self.messages[self._taken - 1]

    async def gather(self, count: int) -> list[Any]:
        return [await self.next() for _ in range(count)]

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait until something is true that only a write on this wire can make true."""

        async def wait() -> None:
            self.read()
            while not happened():
                self.wire.changed.clear()
                await self.wire.changed.wait()
                self.read()

        await asyncio.wait_for(wait(), PATIENCE)

    def pending(self) -> list[Any]:
        """What has come that nobody took yet."""
        self.read()
        taken, self._taken = self._taken, len(self.messages)
        return list(self.messages[taken:])


MakeHub = Callable[..., Awaitable[Hub]]


class WrittenHub(Hub):
    """A hub whose writer is a thread over a log in memory; the first of `fronts`, or the one `beside` the first."""

    def __init__(
        self, log: MemoryLog, config: Config, url: str, fronts: int = 1, beside: "WrittenHub | None" = None
    ) -> None:
        faults = Faults()
        if beside is None:
            names = ("front", "other front")[:fronts]
            page = SharedPage((*names, "writer"), fronts=fronts, addresses=100)
            self._writer = WriterThread(log, page, decode_command, faults.report)  # type: ignore[arg-type]
        else:
            page, self._writer = beside.page, beside._writer
        super().__init__(Settings(config, url), page, log, "", faults=faults, role=int(beside is not None))  # type: ignore[arg-type]
        self.search = Nothing()  # type: ignore[assignment]
        self.sets = ComparedSets(log, self.log, faults)
        self.follow(self.sets.applied)
        self.comparisons.answering = self.sets.front()
        self._connecting = asyncio.get_running_loop().create_task(self.connect(self._writer.connect()))
        if beside is None:
            self._writer.start()

    async def close(self) -> None:
        await self._connecting
        await super().close()
        await self.sets.close()
        if not self.role:
            await asyncio.to_thread(self._writer.close)


def make_hub(log: MemoryLog, config: Config | None = None, url: str = "ws://relay.example/") -> Hub:
    """A hub over this log, in which nothing goes on by itself that would send what nobody sent; the caller closes it."""
    return WrittenHub(log, config or Config(storage=Storage(sweep_interval=0)), url)


def set_clock(hub: Hub, clock: Callable[[], float]) -> None:
    """From now on the hub and its connections go by this clock, in seconds."""
    hub.clock = hub.shared.clock = clock
    hub.gate.clock = clock


async def settle() -> None:
    """Let everything that is ready run: a few turns of the loop, no time."""
    for _ in range(20):
        await asyncio.sleep(0)
