"""A relay to synchronize with that does what a test wants: honest by default, each lie a method to replace."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import msgspec
from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from keys import schnorr
from relay.protocol import filter as filters
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter, matches
from relay.protocol.item_set import ItemSet
from relay.protocol.negentropy import Reconciliation
from storage.base import Outcome, Status
from storage.errors import TooCostly


class FakePeer:
    """Keeps events in a dict and answers as NIP-01, 42 and 77 say. `said` is every message that it was sent.

    `compares` is "yes", or how it refuses: "error", "notice", "closed", "silence". `most` is how many events it compares,
    `page` how many it gives to a REQ at once, `hints`: it says whether those are all (NIP-67).
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.events = {event.id: event for event in events}
        self.said: list[Any] = []
        self.compares = "yes"
        self.most = 1_000_000
        self.tells_most = True
        self.page = 500
        self.hints = False
        self.wants_proof = False
        self.connections: list[ServerConnection] = []
        self.url = ""
        self._server: WebSocketServer | None = None

    async def handle(self, connection: ServerConnection) -> None:
        """One client, to its end."""
        self.connections.append(connection)
        comparisons: dict[str, Reconciliation] = {}
        proven = False
        with contextlib.suppress(ConnectionClosed):
            async for data in connection:
                message = json.loads(data)
                self.said.append(message)
                match message:
                    case ["AUTH", event]:
                        proven = True
                        await self.send(connection, "OK", event["id"], True, "")
                    case [("REQ" | "NEG-OPEN") as verb, name, *_] if self.wants_proof and not proven:
                        await self.send(connection, "AUTH", "challenge")
                        refusal = "NEG-ERR" if verb == "NEG-OPEN" else "CLOSED"
                        await self.send(connection, refusal, name, "auth-required: who are you?")
                    case ["REQ", name, *wanted]:
                        await self.answer(connection, name, [filters.parse(one) for one in wanted])
                    case ["EVENT", event]:
                        await self.take(connection, msgspec.convert(event, Event))
                    case ["NEG-OPEN", name, wanted, data]:
                        await self.compare(connection, comparisons, name, filters.parse(wanted), bytes.fromhex(data))
                    case ["NEG-MSG", name, data]:
                        await self.go_on(connection, name, comparisons[name].answer(bytes.fromhex(data)))

    async def send(self, connection: ServerConnection, *parts: object) -> None:
        await connection.send(json.dumps(parts))

    def found(self, wanted: Sequence[Filter]) -> list[Event]:
        some = [event for event in self.events.values() if any(matches(one, event) for one in wanted)]
        return sorted(some, key=lambda event: (-event.created_at, event.id))[: _most(wanted)]

    async def give(self, connection: ServerConnection, name: str, event: Event) -> None:
        await connection.send(b'["EVENT",%s,%s]' % (json.dumps(name).encode(), wire(event)), text=True)

    async def answer(self, connection: ServerConnection, name: str, wanted: list[Filter]) -> None:
        limit = min([self.page, *(one.limit for one in wanted if one.limit is not None)])
        found = self.found([msgspec.structs.replace(one, limit=None) for one in wanted])
        for event in found[:limit]:
            await self.give(connection, name, event)
        hint = [["finish" if len(found) <= limit else "more"]] if self.hints else []
        await self.send(connection, "EOSE", name, *hint)

    async def take(self, connection: ServerConnection, event: Event) -> None:
        known = event.id in self.events
        self.events[event.id] = event
        await self.send(connection, "OK", event.id, True, "duplicate: have it" if known else "")

    async def compare(
        self,
        connection: ServerConnection,
        comparisons: dict[str, Reconciliation],
        name: str,
        wanted: Filter,
        data: bytes,
    ) -> None:
        found = self.found([wanted])
        match self.compares:
            case "error":
                await self.send(connection, "NEG-ERR", name, "error: negentropy is off")
            case "notice":
                await self.send(connection, "NOTICE", "bad msg: negentropy disabled")
            case "closed":
                await self.send(connection, "CLOSED", name, "unsupported: what is this?")
            case "yes" if len(found) > self.most:
                told = [self.most] if self.tells_most else []
                await self.send(connection, "NEG-ERR", name, "blocked: too many query results", *told)
            case "yes":
                items = ItemSet((event.created_at, bytes.fromhex(event.id)) for event in found)
                comparisons[name] = Reconciliation(items, 30_000)
                await self.go_on(connection, name, comparisons[name].answer(data))

    async def go_on(self, connection: ServerConnection, name: str, data: bytes) -> None:
        await self.send(connection, "NEG-MSG", name, data.hex())

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator["FakePeer"]:
        async with serve(self.handle, "127.0.0.1", 0, max_size=None, ping_interval=None) as server:
            self._server = server
            self.url = f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
            yield self

    def verbs(self) -> list[str]:
        return [message[0] for message in self.said]


def _most(wanted: Sequence[Filter]) -> int | None:
    return wanted[0].limit if len(wanted) == 1 else None


class MemoryEvents:
    """relay.federation.local_events.LocalEvents over a dict. `most` is how many events it gives at once."""

    def __init__(self, events: Iterable[Event] = (), most: int = 1_000_000) -> None:
        self.events = {event.id: event for event in events}
        self.most = most
        self.taken: list[Event] = []
        self.passed_over = 0

    async def items(self, wanted: Filter, most: int) -> ItemSet:
        found = [event for event in self.events.values() if matches(wanted, event)]
        found = sorted(found, key=lambda event: -event.created_at)[: wanted.limit]
        if len(found) > min(most, self.most):
            raise TooCostly("too many")
        return ItemSet((event.created_at, bytes.fromhex(event.id)) for event in found)

    async def wires(self, ids: Sequence[str]) -> list[bytes]:
        return [wire(self.events[one]) for one in ids if one in self.events]

    async def pass_over(self, number: int) -> None:
        self.passed_over += number

    async def take(self, events: Sequence[Event]) -> list[Outcome]:
        await asyncio.sleep(0)
        return [self._take(event) for event in events]

    def _take(self, event: Event) -> Outcome:
        refusal = schnorr.fault(event)
        if refusal is not None:
            return Outcome(Status.REFUSED, refusal=refusal)
        if event.id in self.events:
            return Outcome(Status.DUPLICATE)
        self.taken.append(event)
        self.events[event.id] = event
        return Outcome(Status.STORED, seq=len(self.events))
