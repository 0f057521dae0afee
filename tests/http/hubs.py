"""A hub without a relay behind it: what HTTP is handed in these tests."""

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, Self

import httpx
import msgspec

from relay.config import Config
from relay.http.app import build
from relay.http.routes import ROUTES
from relay.protocol.event import Event, wire
from relay.protocol.filter import Filter, matches
from relay.roles import metrics
from relay.roles.page import SharedPage
from relay.server.events.follow import Follower
from relay.server.health import RoleHealth
from relay.server.lasting import LastingAnswers
from relay.server.limits.addresses import AddressSet
from relay.server.limits.rates import OpenConnections
from relay.server.livekit import Rooms
from relay.server.settings import Settings
from relay.server.supervision import Faults
from storage.base import Counted, Found, Limits, Readers, StoredEvent
from storage.errors import StorageError
from storage.feed import CommentRow, LinkPreview, PostRow
from storage.feed import Page as FeedPage


class Health(msgspec.Struct, frozen=True):
    """The figures that the fake hub gives."""

    status: str = "ok"
    connections: int = 3
    subscriptions: int = 5
    last_seq: int = 1234
    takes_events: bool = True
    roles: Sequence[RoleHealth] = ()


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
        *,
        after: tuple[int, str] | None = None,
    ) -> Found:
        assert after is None
        if self.trouble is not None:
            raise self.trouble
        found: list[Event] = []
        for wanted in filters:
            found += [event for event in self.events if matches(wanted, event)][: wanted.limit]
        return Found([wire(event) for event in found], (), True)

    async def fetch(self, seqs: Sequence[int], now: int, readers: Readers | None) -> list[bytes]:
        raise NotImplementedError

    async def count(
        self,
        filters: Sequence[Filter],
        readers: Readers,
        now: int,
        offset: int | None = None,
        *,
        most: int | None = None,
    ) -> Counted:
        raise NotImplementedError

    async def get(self, event_id: str, readers: Readers, now: int) -> StoredEvent | None:
        raise NotImplementedError

    async def replaced(self, event_id: str) -> bytes | None:
        return None

    async def earlier(self, address: str) -> list[bytes]:
        raise NotImplementedError

    def scan(self, wanted: Filter | None, after: int = 0) -> AsyncIterator[StoredEvent]:
        raise NotImplementedError

    async def close(self) -> None:
        pass


class ListFeed:
    """A feed over lists of rows, one page each; with `trouble`, lists of posts fail with it."""

    def __init__(
        self,
        posts: Sequence[PostRow] = (),
        comments: Sequence[CommentRow] = (),
        cursor: str | None = None,
        trouble: StorageError | None = None,
    ) -> None:
        self.rows = {row.id: row for row in posts}
        self.comment_rows = {row.id: row for row in comments}
        self.cursor = cursor
        self.trouble = trouble
        self.previews: dict[int, LinkPreview] = {}

    async def posts(self, sort: str, limit: int, now: int, **_more: Any) -> FeedPage[PostRow]:
        if self.trouble is not None:
            raise self.trouble
        return FeedPage(list(self.rows.values()), self.cursor)

    async def comments(self, post_id: str, sort: str, limit: int, now: int, **_more: Any) -> FeedPage[CommentRow]:
        return FeedPage([row for row in self.comment_rows.values() if row.parent_id is None], self.cursor)

    async def posts_by_id(self, ids: Sequence[str], now: int, **_more: Any) -> list[PostRow]:
        return [self.rows[each] for each in ids if each in self.rows]

    async def link_previews(self, seqs: Sequence[int]) -> dict[int, LinkPreview]:
        return {seq: self.previews[seq] for seq in seqs if seq in self.previews}

    async def comments_by_id(self, ids: Sequence[str], now: int, **_more: Any) -> list[CommentRow]:
        return [self.comment_rows[each] for each in ids if each in self.comment_rows]


class FakeHub:
    """What HTTP needs to know of a relay, settable."""

    def __init__(
        self, config: Config | None = None, reader: ListReader | None = None, feed: ListFeed | None = None
    ) -> None:
        self.config = config or Config()
        self.reader = reader or ListReader()
        self.feed = feed or ListFeed()
        self.nips: tuple[int, ...] = (1, 11, 42)
        self.version = "1.2.3"
        self.software = "https://example.org/tidings"
        self.self_pubkey: str | None = None
        self.figures = Health()
        self.numbers = metrics.fresh()
        self.faults = Faults()
        self.fronts = 1
        self.blocked = AddressSet(())
        self.lasting = LastingAnswers()
        self.rooms = Rooms(self.reader, Settings(self.config, "ws://relay.example/"))  # type: ignore[arg-type]
        self.streams = OpenConnections(SharedPage(("front",), fronts=1, addresses=100), 0, "streams", "stream ")
        self.followers: list[Follower] = []

    async def readers_of(self, identity_id: str) -> Readers:
        return frozenset()

    def health(self) -> Health:
        return self.figures

    @property
    def last_seq(self) -> int:
        return self.figures.last_seq

    @property
    def is_draining(self) -> bool:
        return self.figures.status == "draining"

    def measured(self) -> list[int]:
        return self.numbers

    def follow(self, follower: Follower) -> None:
        self.followers.append(follower)


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
