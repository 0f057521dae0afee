"""What HTTP needs to know of the running relay; `relay.app` provides it.

Everything is read at each request: settings can be reloaded and figures change.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from relay.config import Config
from relay.protocol.admission import Door
from relay.protocol.event import Event
from storage.base import Outcome, Reader
from storage.people import BoundKey, Identity

if TYPE_CHECKING:
    from storage.feed import CommentRow, Page, PostRow

Listener = Callable[[Event, Outcome], None]  # told of what was committed


class Health(Protocol):
    """How the relay is, as a Struct: `/health` answers with all its fields, of which these must be among them.

    `status` is `ok`, `degraded` (events cannot be written now) or `draining` (it is shutting down).
    """

    @property
    def status(self) -> str:
        """`ok`, `degraded` or `draining`."""

    @property
    def connections(self) -> int:
        """Open WebSocket connections."""

    @property
    def last_seq(self) -> int:
        """How many events the log has taken in since it began."""


class Principal(Protocol):
    """The posting identity whose token came with a request."""

    @property
    def identity_id(self) -> str:
        """Its id."""

    @property
    def name(self) -> str:
        """Its name."""


class Identities(Protocol):
    """Who someone is and what the relay signs for them, as far as the feed asks."""

    async def authenticate(self, token: str) -> Principal:
        """The identity that this token is for. Raises Reject: auth-required (no such token now), restricted (wrong kind)."""

    async def sign(
        self, identity_id: str, kind: int, tags: list[list[str]], content: str, created_at: int | None = None
    ) -> Event:
        """An event by the key that the relay holds for the identity. Raises NoCustody with the unsigned event without one."""

    async def profile(self, name: str) -> Identity | None:
        """A local identity by its name, in any case."""

    async def by_key(self, pubkeys: list[str]) -> dict[str, Identity]:
        """Whose these keys are or were."""

    async def keys(self, identity_id: str) -> list[BoundKey]:
        """All keys the identity ever had, oldest first."""


class Feed(Protocol):
    """The feed as rows: `storage.feed`. `viewer` is the identity whose own votes are told; cursors are opaque.

    All raise Reject(invalid) for a cursor that is not theirs.
    """

    async def posts(
        self,
        sort: str,
        limit: int,
        now: int,
        *,
        cursor: str = "",
        offset: int = 0,
        viewer: str | None = None,
        authors: Sequence[str] | None = None,
    ) -> "Page[PostRow]":
        """A page of posts: new, hot, top or rising; of these identities only, where `authors` is given."""

    async def comments(
        self, post_id: str, sort: str, limit: int, now: int, *, cursor: str = "", viewer: str | None = None
    ) -> "Page[CommentRow]":
        """A page of the comments on a post itself, each with its replies: new, old or top."""

    async def posts_by_id(self, ids: Sequence[str], now: int, *, viewer: str | None = None) -> "list[PostRow]":
        """Those of these posts that are here, in any order."""

    async def comments_by_id(self, ids: Sequence[str], now: int, *, viewer: str | None = None) -> "list[CommentRow]":
        """Those of these comments that are here, in any order, without their replies."""


class Hub(Protocol):
    """The running relay, seen from HTTP."""

    @property
    def config(self) -> Config:
        """The effective settings, as of now."""

    @property
    def nips(self) -> tuple[int, ...]:
        """The NIPs this relay implements, ascending."""

    @property
    def version(self) -> str:
        """The version of the software."""

    @property
    def software(self) -> str:
        """URL of the project's home page (NIP-11)."""

    @property
    def self_pubkey(self) -> str | None:
        """The relay's own public key, hex, where it has one (NIP-11 `self`)."""

    @property
    def reader(self) -> Reader:
        """Where events are read."""

    @property
    def identities(self) -> Identities:
        """Identities, their tokens and keys."""

    @property
    def feed(self) -> Feed:
        """Posts and comments."""

    async def publish(
        self, event: Event, door: Door, keys: frozenset[str] = frozenset(), trusted: bool = False
    ) -> Outcome:
        """Take an event by the policies of its door; its outcome, durable. `trusted`: the relay signed it just now."""

    def listen(self, listener: Listener) -> None:
        """From now on tell `listener` of every event that is committed, in order, on the loop."""

    def health(self) -> Health:
        """Figures of this moment; never blocks."""


GivenHub = NamedDependency[SkipValidation[Hub]]  # what a route declares to be handed the hub
