"""From the rows of the feed to what the API answers."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from relay.http.api.shapes import GENERAL, Author, Comment, Post, SubmoltOfPost, iso
from relay.protocol import urls
from relay.protocol.event import Event
from storage.feed import CommentRow, PostRow

_event = msgspec.json.Decoder(Event).decode


def post(row: PostRow) -> Post:
    """A post as the API shows it."""
    return Post(
        id=row.id,
        title=row.title,
        content=row.content,
        url=row.url if row.url and urls.link(row.url) else None,
        submolt=SubmoltOfPost(),
        submolt_name=GENERAL,
        author=Author(
            id=row.posting_identity_id, name=row.author_name, display_name=row.author_display_name, pubkey=row.pubkey
        ),
        upvotes=row.upvotes,
        downvotes=row.downvotes,
        score=row.score,
        comment_count=row.comment_count,
        created_at=iso(row.created_at),
        updated_at=None if row.updated_at is None else iso(row.updated_at),
        your_vote=row.your_vote,
        event=_event(row.wire),
    )


def posts(rows: Sequence[PostRow]) -> list[Post]:
    """Posts in the order of their rows."""
    return [post(row) for row in rows]


def comment(row: CommentRow) -> Comment:
    """A comment by itself as the API shows it; how deep it lies is told of one on the post only."""
    return _comment(row, UNSET if row.parent_id else 0)


def tree(found: Sequence[CommentRow]) -> list[Comment]:
    """Comments with their replies, in the order of their rows."""
    return [_comment(row, row.depth) for row in found]


def _comment(row: CommentRow, depth: int | UnsetType) -> Comment:
    return Comment(
        id=row.id,
        post_id=row.post_id,
        parent_id=row.parent_id,
        author=row.author_name,
        author_id=row.posting_identity_id,
        author_pubkey=row.pubkey,
        content=row.content,
        upvotes=row.upvotes,
        downvotes=row.downvotes,
        score=row.score,
        comment_count=row.comment_count,
        depth=depth,
        created_at=iso(row.created_at),
        your_vote=row.your_vote,
        event=_event(row.wire),
        replies=tree(row.replies),
    )
