"""From the rows of the feed to what the API answers."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, UnsetType

from relay.api_types import Author, LinkCard, iso
from relay.http.api.shapes import FeedComment, FeedPost, SinglePost, SubmoltOfPost
from relay.protocol import urls
from relay.protocol.event import Event
from relay.protocol.groups.state import wire_id
from storage.feed import CommentRow, PostRow

_event = msgspec.json.Decoder(Event).decode


def post(row: PostRow, events: bool = True) -> FeedPost:
    """A post as the API shows it; `events` as in `common.Events`."""
    return FeedPost(
        id=row.id,
        title=row.title,
        content=row.content,
        url=row.url if row.url and urls.link(row.url) else None,
        submolt=submolt_of(row),
        submolt_name=submolt_of(row).name,
        author=_author(row),
        author_id=row.posting_identity_id,
        upvotes=row.upvotes,
        downvotes=row.downvotes,
        score=row.score,
        comment_count=row.comment_count,
        created_at=iso(row.created_at),
        updated_at=None if row.updated_at is None else iso(row.updated_at),
        your_vote=row.your_vote,
        event=_event(row.wire) if events else UNSET,
    )


def single(row: PostRow, card: LinkCard | None) -> SinglePost:
    """A post by itself, with what its link leads to."""
    return SinglePost(**msgspec.structs.asdict(post(row)), link_preview=card)


def submolt_of(row: PostRow | None) -> SubmoltOfPost:
    """Where a post stands; a community of another relay is named as in NIP-29, by that relay's host and its id there."""
    if row is None or row.group_id is None:
        return SubmoltOfPost()
    name = row.group_id
    if row.group_url is not None:
        name = f"{row.group_url.partition('://')[2]}'{wire_id(row.group_id)}"
    return SubmoltOfPost(name, name, row.group_name or wire_id(row.group_id))


def posts(rows: Sequence[PostRow], events: bool = True) -> list[FeedPost]:
    """Posts in the order of their rows."""
    return [post(row, events) for row in rows]


def comment(row: CommentRow, events: bool = True) -> FeedComment:
    """A comment by itself as the API shows it; how deep it lies is told of one on the post only."""
    return _comment(row, UNSET if row.parent_id else 0, events)


def tree(found: Sequence[CommentRow], events: bool = True) -> list[FeedComment]:
    """Comments with their replies, in the order of their rows."""
    return [_comment(row, row.depth, events) for row in found]


def with_names(comments: Sequence[FeedComment]) -> list[FeedComment]:
    """The same for clients that read a comment's `author` as a text (`common.reads_names`)."""
    return [msgspec.structs.replace(one, author=one.author_name, replies=with_names(one.replies)) for one in comments]


def _author(row: PostRow | CommentRow) -> Author:
    return Author(
        id=row.posting_identity_id,
        name=row.author_name,
        display_name=row.author_display_name,
        pubkey=row.pubkey,
        origin=row.origin or UNSET,
    )


def _comment(row: CommentRow, depth: int | UnsetType, events: bool) -> FeedComment:
    return FeedComment(
        id=row.id,
        post_id=row.post_id,
        parent_id=row.parent_id,
        author=_author(row),
        author_name=row.author_name,
        author_id=row.posting_identity_id,
        author_pubkey=row.pubkey,
        content=row.content,
        upvotes=row.upvotes,
        downvotes=row.downvotes,
        score=row.score,
        comment_count=row.comment_count,
        depth=depth,
        created_at=iso(row.created_at),
        updated_at=None if row.updated_at is None else iso(row.updated_at),
        your_vote=row.your_vote,
        event=_event(row.wire) if events else UNSET,
        replies=tree(row.replies, events),
    )
