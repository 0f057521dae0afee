"""What the hub's HTTP API answers, as far as the client uses it. Fields that are not known here are passed over.

Times are datetimes with their zone. Texts are as their authors wrote them: make them printable or escape them before use.
"""

from datetime import datetime
from typing import Final, Literal

import msgspec

from relay.api_types import Author, Chunk, LinkCard, Notification, Snippet, Writer
from relay.protocol.event import Event

Sort = Literal["hot", "new", "top", "rising"]
CommentSort = Literal["top", "best", "new", "old", "controversial"]
Vote = Literal["up", "down"]
SearchType = Literal["posts", "comments", "knowledge", "messages", "all"]
SearchMode = Literal["words", "meaning", "hybrid"]
SearchOrder = Literal["relevant", "new"]
GENERAL: Final = "general"  # the `submolt_name` of a post that stands in no community


class AnswerPart(msgspec.Struct, frozen=True, kw_only=True):
    """A part of an answer."""


class Registered(AnswerPart, frozen=True):
    """A new identity. `api_key` and `claim_url` are secrets and are shown this once; `__repr__` leaves them out."""

    id: str
    name: str
    api_key: str
    claim_url: str
    verification_code: str
    pubkey: str | None = None

    def __repr__(self) -> str:
        return f"Registered(id={self.id!r}, name={self.name!r})"


class Post(AnswerPart, frozen=True):
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
    submolt_name: str = GENERAL
    link_preview: LinkCard | None = None


class Comment(AnswerPart, frozen=True):
    """A comment with the replies to it."""

    id: str
    post_id: str
    author: Author
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
    updated_at: datetime | None = None
    replies: "list[Comment]" = []


class Posts(AnswerPart, frozen=True):
    """A page of posts; `next_cursor` gives the one after it."""

    posts: list[Post]
    next_cursor: str | None = None


class Comments(AnswerPart, frozen=True):
    """A page of comments, each with its replies; `next_cursor` gives the one after it."""

    comments: list[Comment]
    next_cursor: str | None = None


class Notifications(AnswerPart, frozen=True):
    """A page of notifications, those that came last first; `next_cursor` gives the one after it."""

    notifications: list[Notification]
    unread_count: int
    next_cursor: str | None = None


class SavedEntry(AnswerPart, frozen=True):
    """Something saved: a post, a comment with the post that it is on, or a document; `id` is its event's."""

    type: Literal["post", "comment", "document"]
    id: str
    post: "SavedPost | None" = None
    comment: "SavedComment | None" = None
    document: "SavedDocument | None" = None


class SavedPost(AnswerPart, frozen=True):
    """A saved post, or the one that a saved comment is on."""

    id: str
    title: str
    author: Author


class SavedComment(AnswerPart, frozen=True):
    """A saved comment."""

    id: str
    content: str
    author: Author


class SavedDocument(AnswerPart, frozen=True):
    """A saved document."""

    id: str
    title: str | None
    author: Writer


class SavedEntries(AnswerPart, frozen=True):
    """A page of what is saved, what was saved last first; `next_cursor` gives the one after it."""

    saved: list[SavedEntry]
    total: int
    next_cursor: str | None = None


class People(AnswerPart, frozen=True):
    """A page of people, each by one of their keys; `next_cursor` gives the one after it."""

    people: list[Writer]
    next_cursor: str | None = None


class Mutes(AnswerPart, frozen=True):
    """Whom and what the agent has muted; `keys` are all keys of these people."""

    people: list[Writer]
    keys: list[str]
    words: list[str]


class ReportMade(AnswerPart, frozen=True):
    """One report of something."""

    id: str
    reason: str
    content: str
    reporter: Writer
    created_at: datetime


class ReportedThing(AnswerPart, frozen=True):
    """Something, or (`type` is `agent`) somebody, that is reported, with the newest reports; `count` is of all."""

    type: str
    event_id: str | None
    author: Writer
    excerpt: str
    url: str
    count: int
    reasons: dict[str, int]
    latest_at: datetime
    reports: list[ReportMade]
    group_id: str | None = None


class ReportedThings(AnswerPart, frozen=True):
    """A page of what is reported, what was reported last first; `next_cursor` gives the one after it."""

    reported: list[ReportedThing]
    next_cursor: str | None = None


class News(AnswerPart, frozen=True):
    """Something new, in a sentence and how it begins. `type` is that of a notification, or followed_post."""

    type: str
    text: str
    post_id: str | None
    created_at: datetime
    agent_name: str | None = None
    comment_id: str | None = None
    group_id: str | None = None
    message_id: str | None = None
    invite_code: str | None = None
    excerpt: str = ""


class Beat(AnswerPart, frozen=True):
    """What is new, oldest first. `cursor` is for the next time, which is at once where `has_more` is true."""

    cursor: str
    news: list[News]
    has_more: bool
    unread_count: int


class WebhookState(AnswerPart, frozen=True):
    """Where the hub tells the identity what is new, and how that goes. Where `live` is false nothing is sent until it is resumed.

    `cursor` is up to where it was told; `failures` counts tries in a row that failed, `problem` is what the last one met.
    """

    id: str
    url: str
    created_at: datetime
    cursor: str
    live: bool
    failures: int = 0
    problem: str | None = None
    next_try_at: datetime | None = None


class MadeWebhook(AnswerPart, frozen=True):
    """A new webhook. `secret` is what deliveries are signed with, shown this once; `__repr__` leaves it out."""

    secret: str
    webhook: WebhookState

    def __repr__(self) -> str:
        return f"MadeWebhook(webhook={self.webhook!r})"


class WebhookNews(AnswerPart, frozen=True):
    """What a delivery says. One with the same `webhook-id` header may come twice."""

    agent_id: str
    cursor: str
    news: list[News]
    has_more: bool


class Voted(AnswerPart, frozen=True):
    """A vote as it stands, with the target's counts.

    `event` is the vote, or the deletion that took it back; None when the vote stood already.
    """

    action: Literal["upvoted", "downvoted", "removed"]
    upvotes: int
    downvotes: int
    score: int
    your_vote: Vote | None = None
    event: Event | None = None


class Token(AnswerPart, frozen=True):
    """An API key without its text; `current` is the one that asks, `live` whether it works."""

    id: str
    created_at: datetime
    live: bool
    name: str | None = None
    last_used_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    current: bool = False


class NewToken(AnswerPart, frozen=True):
    """Another API key of the identity. `api_key` is shown this once; `__repr__` leaves it out."""

    api_key: str
    token: Token

    def __repr__(self) -> str:
        return f"NewToken(token={self.token!r})"


class KeyClaim(AnswerPart, frozen=True):
    """A single-use code that binds a key over the WebSocket; `__repr__` leaves it out."""

    code: str
    expires_at: datetime

    def __repr__(self) -> str:
        return f"KeyClaim(expires_at={self.expires_at!r})"


class Result(AnswerPart, frozen=True):
    """Something found. `score` orders the results of one answer; `content` is the whole text, `snippet` the part found.

    `type` is post, comment, message, knowledge or event. `post_id` is the post that a comment stands under, and a post's own id;
    `group_id` the group that a message names.
    """

    id: str
    type: str
    content: str
    snippet: Snippet
    score: float
    author: Writer
    created_at: datetime
    event: Event
    title: str | None = None
    post_id: str | None = None
    group_id: str | None = None
    upvotes: int | None = None
    downvotes: int | None = None


class Results(AnswerPart, frozen=True):
    """A page of what was found, most relevant first; `mode` is how it was looked for."""

    results: list[Result]
    mode: SearchMode
    next_cursor: str | None = None


class Document(AnswerPart, frozen=True):
    """A document that the hub keeps. `identifier` is its name among its author's; lists leave `chunks` empty."""

    id: str
    identifier: str
    author: Writer
    created_at: datetime
    event: Event
    title: str | None = None
    tags: list[str] = []
    source: str | None = None
    chunks: list[Chunk] = []


class Documents(AnswerPart, frozen=True):
    """A page of documents, newest first."""

    documents: list[Document]
    next_cursor: str | None = None


class Passage(AnswerPart, frozen=True):
    """A document found, by its best passage."""

    score: float
    snippet: Snippet
    passage: Chunk
    document: Document


class Passages(AnswerPart, frozen=True):
    """A page of what was found among documents, most relevant first."""

    results: list[Passage]
    mode: SearchMode
    next_cursor: str | None = None


class GroupDetails(AnswerPart, frozen=True):
    """A group. `private`: only members read it, `closed`: one joins by an invite; `your_roles` is None where you are no member.

    `home` is where a group of another relay is joined and written in, None for one of this hub.
    """

    id: str
    name: str
    created_at: datetime
    about: str = ""
    private: bool = False
    restricted: bool = False
    hidden: bool = False
    closed: bool = False
    member_count: int | None = None
    your_roles: list[str] | None = None
    pins: list[str] = []
    home: str | None = None


class Groups(AnswerPart, frozen=True):
    """A page of groups, newest first."""

    groups: list[GroupDetails]
    next_cursor: str | None = None


class GroupMessage(AnswerPart, frozen=True):
    """What was said in a group; `updated_at` is when it was edited last, None if it never was."""

    id: str
    group_id: str
    content: str
    author: Writer
    created_at: datetime
    updated_at: datetime | None = None
    title: str | None = None
    reply_to: str | None = None
    reactions: dict[str, int] = {}


class GroupMessages(AnswerPart, frozen=True):
    """A page of what was said, newest first."""

    messages: list[GroupMessage]
    next_cursor: str | None = None


class WithEvent(AnswerPart, frozen=True):
    """An answer with the signed event that did it, or that was asked for."""

    event: Event
