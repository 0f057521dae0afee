"""The feed as it is read: rows and pages. Words and the interface only.

Rule: a page costs what it shows, however deep it lies. A cursor names the row that the next page starts with; a row whose
value has changed meanwhile is found where it stands now. Nothing that has expired is given (NIP-40). Times are unix seconds.
"""

from collections.abc import Sequence
from typing import Final, Generic, Literal, Protocol, TypeVar

import msgspec

from storage.base import PUBLIC, Readers

MAX_PAGE: Final = 100
MAX_OFFSET: Final = 10_000
MAX_AUTHORS: Final = 1000  # of one page; further ones are passed over
MAX_IDS: Final = 1000
MAX_COUNTED: Final = 10_000
# The tag of a group's metadata (9002) with which its posts are in no feed but its own.
FEED_OFF: Final = ("feed", "off")
RANKED: Final = 1000  # newest posts among which `rising`, and `hot` and `top` of some authors, are ranked
DEPTH: Final = 8  # levels of replies given with a comment; deeper ones are asked for by their parent
REPLIES: Final = 25  # given of one comment
MAX_TREE: Final = 500  # replies on one page of comments

Vote = Literal["up", "down"]

T = TypeVar("T")


class PostRow(msgspec.Struct, frozen=True, array_like=True):
    """A post. `wire` is the event that made it; after an edit, `title` and `content` are the edit's.

    `upvotes`, `downvotes`, `score` are the votes that count, `uncounted` those of identities that other relays brought
    where only local ones count. `group_id` is the community that it stands in, `group_name` what that is called; None outside.
    `origin` is the peer that brought its author, None for one who is at home here; `group_url` the home of a community of another
    relay.
    """

    seq: int
    id: str
    posting_identity_id: str
    author_name: str
    author_display_name: str | None
    pubkey: str
    title: str
    url: str | None
    content: str
    created_at: int
    updated_at: int | None
    first_seen: int
    upvotes: int
    downvotes: int
    uncounted: int
    score: int
    comment_count: int
    your_vote: Vote | None
    group_id: str | None = None
    group_name: str | None = None
    origin: str | None = None
    group_url: str | None = None
    wire: bytes = b""


class LinkPreview(msgspec.Struct, frozen=True, array_like=True):
    """What the page that a post links to said of itself when it was read; the description and the picture's https URL may be ""."""

    title: str
    description: str
    picture: str


class CommentRow(msgspec.Struct, frozen=True, array_like=True):
    """A comment, with the first of its replies. `comment_count`: all its direct replies. The rest is as in PostRow."""

    seq: int
    id: str
    post_id: str
    parent_id: str | None
    posting_identity_id: str
    author_name: str
    author_display_name: str | None
    pubkey: str
    content: str
    created_at: int
    updated_at: int | None
    first_seen: int
    upvotes: int
    downvotes: int
    uncounted: int
    score: int
    comment_count: int
    your_vote: Vote | None
    origin: str | None = None
    wire: bytes = b""
    depth: int = 0
    replies: list["CommentRow"] = []


class Page(msgspec.Struct, Generic[T], frozen=True):
    """Some rows in order; `next_cursor` is None on the last page."""

    rows: list[T]
    next_cursor: str | None


class Feed(Protocol):
    """The feed, through readers. All raise StorageError, and Reject(invalid) for a wrong cursor or order.

    `viewer` is the identity whose own votes are told. `limit` is at most MAX_PAGE, more are not given; of large texts fewer.
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
        groups: Sequence[str] | None = None,
        group: str | None = None,
        topic: str | None = None,
    ) -> Page[PostRow]:
        """A page of posts by `sort`: new, hot, top, rising.

        Where `authors` or `groups` is given, only those by these identities and those in these groups (at most MAX_AUTHORS each).
        Where `group` is, only those in that one, or with "" those in none. Otherwise all posts but those of communities that are
        hidden, or that say by `FEED_OFF` that theirs stay with them; with `topic` (relay.protocol.topics) those of them about it.

        `rising` is score / (age in hours + 2)^1.5 at the time of the first page, over the last 48 hours; it, and hot and
        top of some authors and groups and of a topic, rank the newest RANKED posts.
        """

    async def posts_by_id(self, ids: Sequence[str], now: int, *, viewer: str | None = None) -> list[PostRow]:
        """Those of these posts (at most MAX_IDS) that are here."""

    async def comments(
        self,
        post_id: str,
        sort: str,
        limit: int,
        now: int,
        *,
        cursor: str = "",
        viewer: str | None = None,
        parent: str | None = None,
    ) -> Page[CommentRow]:
        """A page of comments by `sort`: new, old, top, controversial; each with replies, in the same order.

        `controversial` ranks the newest RANKED: (up + down) ^ (less / more), and the replies are by `top`.

        They answer the post itself, or the comment `parent` of it. Of each comment at most REPLIES replies are given, DEPTH
        levels of them and MAX_TREE on a page: where `comment_count` says there are more, ask with `parent`.
        """

    async def of_hidden(self, seqs: Sequence[int], readers: Readers = PUBLIC) -> set[int]:
        """Those of these events, by number (at most MAX_IDS), that belong to a hidden group which these readers are not in."""

    async def karma(self, pubkeys: Sequence[str], now: int) -> int:
        """The scores of the newest RANKED posts and as many comments by these keys (at most MAX_IDS), in sum."""

    async def arrivals(self, ids: Sequence[str]) -> dict[str, tuple[int, int]]:
        """Of those of these events (at most MAX_IDS) that are here: the number in the log and when they came."""

    async def how_many_posts(self) -> int:
        """All posts that stand in no community."""

    async def how_many_in(self, group_ids: Sequence[str]) -> dict[str, int]:
        """How many posts stand in each of these communities (at most MAX_IDS), counted up to MAX_COUNTED."""

    async def link_previews(self, seqs: Sequence[int]) -> dict[int, LinkPreview]:
        """Of those of these posts, by number (at most MAX_IDS), that have one."""

    async def comments_by_id(self, ids: Sequence[str], now: int, *, viewer: str | None = None) -> list[CommentRow]:
        """Those of these comments (at most MAX_IDS) that are here, without their replies; `depth` is not told."""
