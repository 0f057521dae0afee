"""`posts`: live public events of kind 11 (NIP-7D) that have a title and were signed by a key of an identity.

They belong to no group, or to one of this relay that is a community: one that everybody reads.

The newest live edit (kind 1010) by the same identity gives the text, and the title if it has one.
"""

from typing import Final

import msgspec

from handlers.rows.edits import newest_edit
from relay.protocol import feed, kinds, urls
from relay.protocol.event import Event, values
from relay.protocol.rows import Projection, Sources


class PostFields(msgspec.Struct, frozen=True):
    """A row, its counters left out; times are unix seconds."""

    seq: int
    id: str
    posting_identity_id: str
    posting_identity_number: int
    pubkey: str
    group_id: str | None
    created_at: int
    updated_at: int | None
    first_seen: int
    expires_at: int | None
    title: str
    url: str | None
    content: str


def _keys(event: Event) -> tuple[str, ...]:
    if event.kind == kinds.POST:
        return (event.id,)
    post_id = feed.edited(event)
    return () if post_id is None else (post_id,)


def _rows(key: str, sources: Sources) -> tuple[PostFields, ...]:
    live = sources.event(key)
    if live is None or live.event.kind != kinds.POST or live.audience is not None:
        return ()
    if live.group is None and feed.in_group(live.event):
        return ()
    post = live.event
    owner, edit = sources.owner(post.pubkey), newest_edit(post, sources)
    if owner is None or sources.missed:
        return ()
    title = (None if edit is None else feed.title(edit.event)) or feed.title(post)
    if title is None:
        return ()
    shown, updated_at = (post, None) if edit is None else (edit.event, edit.event.created_at)
    return (
        PostFields(
            live.seq,
            post.id,
            owner.id,
            owner.number,
            post.pubkey,
            live.group,
            post.created_at,
            updated_at,
            live.received_at,
            live.expires_at,
            title,
            _url(post),
            shown.content,
        ),
    )


def _url(post: Event) -> str | None:
    """Its first link that reads as what it opens."""
    return next((value for value in values(post, "r") if urls.link(value) is not None), None)


PROJECTION: Final = Projection("posts", PostFields, ("seq",), frozenset({kinds.POST, kinds.EDIT}), _keys, _rows)
