"""What a stream says of an event: a new post, a comment or a vote, in the API's own shapes, encoded once.

An event without a row in the feed (no identity behind it, or gone already) is not told.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from relay.api_types import EventId, IdentityId, Name
from relay.http.api import rows
from relay.http.api.shapes import FeedComment, FeedPost
from relay.http.api.watchers import Pending, WatchedEvent
from relay.http.hub import RunningRelay
from relay.protocol import feed, kinds
from relay.protocol.event import Event
from storage.feed import CommentRow, PostRow

AT_ONCE: Final = 20  # posts or comments read at once: their texts may be large

Row = TypeVar("Row", PostRow, CommentRow)
Seq = Annotated[int, msgspec.Meta(description="its number in the log, as in `Last-Event-ID`", examples=[1042])]


class PostNotice(msgspec.Struct, frozen=True, tag="post"):
    """`event: post`."""

    seq: Seq
    post: FeedPost


class CommentNotice(msgspec.Struct, frozen=True, tag="comment"):
    """`event: comment`."""

    seq: Seq
    comment: FeedComment


class NewVote(msgspec.Struct, frozen=True, tag="vote"):
    """`event: vote`. `comment_id` is set for a vote on a comment; the counts are the target's at this moment."""

    seq: Seq
    post_id: EventId
    comment_id: EventId | None
    voter_id: IdentityId
    voter: Name
    vote: Literal["up", "down"]
    upvotes: int
    downvotes: int
    score: int
    event: Event


async def describe(hub: RunningRelay, batch: Sequence[Pending]) -> list[WatchedEvent]:
    """The entries of those events that are in the feed, in order; of hidden groups none. Raises StorageError."""
    now = int(time.time())
    targets = {event.id: feed.voted(event) if event.kind == kinds.REACTION else event.id for _, event in batch}
    ids = list({target for target in targets.values() if target is not None})
    voters = [event.pubkey for _, event in batch if event.kind == kinds.REACTION]
    new = {event.id for _, event in batch}
    posts = await _rows(hub.feed.posts_by_id, ids, now, new)
    comments = await _rows(hub.feed.comments_by_id, ids, now, new)
    seqs = [*(row.seq for row in posts.values()), *(row.seq for row in comments.values())]
    hidden = await hub.feed.of_hidden(seqs) if seqs else set[int]()
    posts = {row.id: row for row in posts.values() if row.seq not in hidden}
    comments = {row.id: row for row in comments.values() if row.seq not in hidden}
    people = await hub.identities.by_key(voters) if voters else {}
    entries = []
    for seq, event in batch:
        target = targets[event.id]
        post, comment = posts.get(target or ""), comments.get(target or "")
        if event.kind == kinds.REACTION:
            voter, row = people.get(event.pubkey), post or comment
            if voter is None or row is None:
                continue
            post_id = comment.post_id if comment else row.id
            told = NewVote(
                seq,
                post_id,
                comment.id if comment else None,
                voter.id,
                voter.name,
                "down" if event.content == "-" else "up",
                row.upvotes,
                row.downvotes,
                row.score,
                event,
            )
            entries.append(WatchedEvent(seq, voter.id, post_id, _frame(seq, "vote", told)))
        elif post is not None:
            entries.append(
                WatchedEvent(
                    seq, post.posting_identity_id, post.id, _frame(seq, "post", PostNotice(seq, rows.post(post)))
                )
            )
        elif comment is not None:
            told_comment = CommentNotice(seq, rows.comment(comment))
            entry = WatchedEvent(
                seq, comment.posting_identity_id, comment.post_id, _frame(seq, "comment", told_comment)
            )
            entries.append(entry)
    return entries


async def _rows(read: Callable[..., Awaitable[list[Row]]], ids: list[str], now: int, new: set[str]) -> dict[str, Row]:
    """The rows of these ids, few at a time; those of targets, which are not new, without their texts."""
    found: dict[str, Row] = {}
    for start in range(0, len(ids), AT_ONCE):
        for row in await read(ids[start : start + AT_ONCE], now):
            found[row.id] = row if row.id in new else msgspec.structs.replace(row, content="", wire=b"")
    return found


def _frame(seq: int, name: str, told: Any) -> bytes:
    return b"id: %d\nevent: %b\ndata: %b\n\n" % (seq, name.encode(), msgspec.json.encode(told))
