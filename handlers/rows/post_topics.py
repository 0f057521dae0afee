"""`post_topics`: what each post of the feed is about, for the pages of a tag and of a host. See relay.protocol.topics."""

from typing import Final

import msgspec

from relay.protocol import kinds, topics
from relay.protocol.event import Event
from relay.protocol.rows import Projection, RowDependency, Sources


class PostTopicFields(msgspec.Struct, frozen=True):
    """A row: `topic` is a tag with its `#`, or a host; `created_at` is the post's."""

    seq: int
    topic: str
    created_at: int


def _keys(event: Event) -> tuple[str, ...]:
    return (event.id,)


def _rows(key: str, sources: Sources) -> list[PostTopicFields]:
    live = sources.event(key)
    post = None if live is None or live.event.kind != kinds.POST else sources.row("posts", live.seq)
    if live is None or post is None:
        return []
    found = topics.of_post(live.event, post.title, post.content, post.url)
    return [PostTopicFields(live.seq, topic, post.created_at) for topic in found]


PROJECTION: Final = Projection(
    "post_topics",
    PostTopicFields,
    ("seq", "topic"),
    frozenset({kinds.POST}),
    _keys,
    _rows,
    follows=(RowDependency("posts", ("came", "changed")),),
    under=(("posts", "seq"),),
)
