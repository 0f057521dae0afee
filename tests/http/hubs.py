"""A hub without a relay behind it: what HTTP is handed in these tests."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any, Self

import httpx
import msgspec

from relay.config import Config
from relay.http.app import build
from relay.http.routes import ROUTES
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter, matches
from storage.base import Counted, Found, Limits, Outcome, Readers, Record, StorageError


class Health(msgspec.Struct, frozen=True):
    """The figures that the fake hub gives."""

    status: str = "ok"
    connections: int = 3
    subscriptions: int = 5
    last_seq: int = 1234


class ListReader:
    """A reader over a list of public events; with `trouble`, every query fails with it."""

    def __init__(self, events: Iterable[Event] = (), trouble: StorageError | None = None) -> None:
        self.events = sorted(events, key=lambda event: (-event.created_at, event.id))
        self.trouble = trouble

    async def query(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        upto: int | None = None,
        limits: Limits | None = None,
    ) -> Found:
        if self.trouble is not None:
            raise self.trouble
        found: list[Event] = []
        for wanted in filters:
            found += [event for event in self.events if matches(wanted, event)][: wanted.limit]
        return Found([wire(event) for event in found], (), True)

    async def fetch(self, seqs: Sequence[int], now: int) -> list[bytes]:
        raise NotImplementedError

    async def count(self, filters: Sequence[Filter], readers: Readers, now: int, offset: int | None = None) -> Counted:
        raise NotImplementedError

    async def get(self, event_id: str, readers: Readers, now: int) -> Record | None:
        raise NotImplementedError

    def scan(self, wanted: Filter | None, after: int = 0) -> AsyncIterator[Record]:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class FakeHub:
    """What HTTP needs to know of a relay, settable."""

    def __init__(self, config: Config | None = None, reader: ListReader | None = None) -> None:
        self.config = config or Config()
        self.reader = reader or ListReader()
        self.nips: tuple[int, ...] = (1, 11, 42)
        self.version = "1.2.3"
        self.software = "https://example.org/tidings"
        self.self_pubkey: str | None = None
        self.figures = Health()
        self.listeners: list[Callable[[Event, Outcome], None]] = []

    def health(self) -> Health:
        return self.figures

    def listen(self, listener: Callable[[Event, Outcome], None]) -> None:
        self.listeners.append(listener)


class Browser(httpx.AsyncClient):
    """A client of the HTTP side of a hub, without a socket; an exception that reaches the server fails the test."""

    def __init__(self, hub: FakeHub | None = None, routes: Sequence[Any] = ROUTES) -> None:
        transport = httpx.ASGITransport(build(hub or FakeHub(), routes))  # type: ignore[arg-type]
        super().__init__(transport=transport, base_url="http://relay.example:7447")

    async def __aenter__(self) -> Self:
        return await super().__aenter__()


def config(**sections: dict[str, Any]) -> Config:
    """Settings that differ from the defaults: `config(limits={"min_pow": 20})`."""
    return msgspec.convert(sections, Config)
