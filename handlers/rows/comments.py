"""`comments`: live public events of kind 1111 (NIP-22) that a key of an identity signed and whose root is a post with a row.

What a comment answers must be a comment under the same root; else it answers the post. So what answers a comment stands
elsewhere when that comment comes or goes. The newest live edit (kind 1010) by the same identity gives the text.
"""

from typing import Final

import msgspec

from handlers.rows.edits import newest_edit
from relay.protocol import feed, kinds
from relay.protocol.event import Event
from relay.protocol.rows import Count, Live, Projection, RowDependency, Sources, Tagged


class CommentFields(msgspec.Struct, frozen=True):
    """A row, its counters left out. `post_seq` and `parent_seq` are the numbers of the rows that the ids name."""

    seq: int
    id: str
    post_id: str
    post_seq: int
    parent_id: str | None
    parent_seq: int | None
    posting_identity_id: str
    pubkey: str
    created_at: int
    updated_at: int | None
    first_seen: int
    expires_at: int | None
    content: str


def _keys(event: Event) -> tuple[str, ...]:
    if event.kind == kinds.COMMENT:
        return (event.id,)
    comment_id = feed.edited(event)
    return () if comment_id is None else (comment_id,)


def _rows(key: str, sources: Sources) -> tuple[CommentFields, ...]:
    live = _plain(sources.event(key))
    root = None if live is None else feed.root(live.event)
    if live is None or root is None:
        return ()
    comment = live.event
    owner, post, above = sources.owner(comment.pubkey), sources.standing(root), _above(comment, root, sources)
    edit = newest_edit(comment, sources)
    if owner is None or post is None or post.table != "posts" or sources.missed:
        return ()
    shown, updated_at = (comment, None) if edit is None else (edit.event, edit.event.created_at)
    return (
        CommentFields(
            live.seq,
            comment.id,
            root,
            post.seq,
            None if above is None else above.event.id,
            None if above is None else above.seq,
            owner.id,
            comment.pubkey,
            comment.created_at,
            updated_at,
            live.received_at,
            live.expires_at,
            shown.content,
        ),
    )


def _above(comment: Event, root: str, sources: Sources) -> Live | None:
    """The comment that it answers, None where it answers the post."""
    parent = feed.parent(comment)
    above = None if parent is None else _plain(sources.event(parent))
    if above is None or feed.root(above.event) != root or sources.owner(above.event.pubkey) is None:
        return None
    return above


def _plain(live: Live | None) -> Live | None:
    """A comment that everyone may read, in a group of this relay or in none."""
    if live is None or live.event.kind != kinds.COMMENT or live.audience is not None:
        return None
    return None if live.group is None and feed.in_group(live.event) else live


def _counts(row: CommentFields) -> tuple[Count, ...]:
    """It is one of the post's comments, and one of the replies to what it answers."""
    of_post = ("posts", row.post_seq, "comment_count")
    return (of_post,) if row.parent_seq is None else (of_post, ("comments", row.parent_seq, "comment_count"))


PROJECTION: Final = Projection(
    "comments",
    CommentFields,
    ("seq",),
    frozenset({kinds.COMMENT, kinds.EDIT}),
    _keys,
    _rows,
    beside=Tagged(kinds.COMMENT, "e"),
    follows=(RowDependency("posts", ("came",), Tagged(kinds.COMMENT, "E")),),
    under=(("posts", "post_seq"),),
    counts=_counts,
)
