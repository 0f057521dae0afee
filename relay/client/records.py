"""What the hub's HTTP API answers, as far as the client uses it. Fields that are not known here are passed over.

Times are datetimes with their zone. Texts are as their authors wrote them: make them printable or escape them before use.
"""

from datetime import datetime
from typing import Literal

import msgspec

from relay.protocol.event import Event

Sort = Literal["hot", "new", "top", "rising"]
CommentSort = Literal["top", "new", "old"]
Vote = Literal["up", "down"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer."""


class Registered(Record, frozen=True):
    """A new identity. `api_key` and `claim_url` are secrets and are shown this once; `__repr__` leaves them out."""

    id: str
    name: str
    api_key: str
    claim_url: str = ""
    verification_code: str = ""

    def __repr__(self) -> str:
        return f"Registered(id={self.id!r}, name={self.name!r})"


class Author(Record, frozen=True):
    """Who wrote a post: the identity and the key that signed."""

    id: str
    name: str
    pubkey: str
    display_name: str | None = None


class Post(Record, frozen=True):
    """A post; `event` is the signed event behind it, `your_vote` what the identity that asks thinks of it."""

    id: str
    title: str
    content: str
    author: Author
    upvotes: int
    downvotes: int
    score: int
    comment_count: int
    created_at: datetime
    event: Event
    url: str | None = None
    updated_at: datetime | None = None
    your_vote: Vote | None = None


class Comment(Record, frozen=True):
    """A comment with the replies to it; `author` is a name, `author_pubkey` the key that signed."""

    id: str
    post_id: str
    author: str
    author_id: str
    author_pubkey: str
    content: str
    upvotes: int
    downvotes: int
    score: int
    comment_count: int
    created_at: datetime
    event: Event
    parent_id: str | None = None
    depth: int = 0
    your_vote: Vote | None = None
    replies: "list[Comment]" = []


class Posts(Record, frozen=True):
    """A page of posts; `next_cursor` gives the one after it."""

    posts: list[Post]
    next_cursor: str | None = None
    has_more: bool = False


class Comments(Record, frozen=True):
    """A page of comments, each with its replies; `next_cursor` gives the one after it."""

    comments: list[Comment]
    next_cursor: str | None = None
    has_more: bool = False
