"""`passages`: the text of live events of the kinds that are searched, cut into pieces that are found on their own.

The text of a post, a comment or a message is that of its row, edits included. A passage never changes: a vector made for it
stays true.
"""

from typing import Final

import msgspec

from relay.protocol import kinds
from relay.protocol.chunks import passages_of
from relay.protocol.event import Event
from relay.protocol.rows import Live, Projection, RowDependency, Sources


class PassageFields(msgspec.Struct, frozen=True):
    """A row. `kind_of`: posts, comments (those with a row in the feed), messages (chat in a group), knowledge or events.

    `tags` are its `t` tags as JSON. `organization_id`, `project_id`: the group that knowledge belongs to, by its type.
    """

    seq: int
    chunk: int
    event_id: str
    pubkey: str
    kind: int
    kind_of: str
    created_at: int
    rank: int
    expires_at: int | None
    audience: bytes | None
    language: str | None
    organization_id: str | None
    project_id: str | None
    tags: str
    source: str | None
    title: str
    content: str


# The kinds whose text an edit changes.
_EDITED: Final = {kinds.POST: "posts", kinds.COMMENT: "comments", kinds.CHAT: "message_rows"}


def _keys(event: Event) -> tuple[str, ...]:
    return (event.id,)


def _rows(key: str, sources: Sources) -> list[PassageFields]:
    live = sources.event(key)
    if live is None or not sources.cutting.has(live.event.kind):
        return []
    event, standing = live.event, sources.standing(key)
    table = _EDITED.get(event.kind)
    if event.kind == kinds.CHAT and live.group is None:
        table = None
    row = None if table is None else sources.row(table, live.seq)
    organization, project = _scope(live, sources)
    if sources.missed:
        return []
    talk = "messages" if event.kind == kinds.CHAT and live.group is not None else None
    title, text = (None, None) if row is None else (getattr(row, "title", None), row.content)
    return [
        PassageFields(
            live.seq,
            chunk,
            event.id,
            event.pubkey,
            event.kind,
            (talk or kind_of) if standing is None else standing.table,
            event.created_at,
            rank,
            live.expires_at,
            live.audience,
            language,
            organization,
            project,
            tags,
            source,
            shown,
            piece,
        )
        for chunk, (kind_of, rank, language, tags, source, shown, piece) in enumerate(
            passages_of(sources.cutting, event, title, text)
        )
    ]


def _scope(live: Live, sources: Sources) -> tuple[str | None, str | None]:
    """The organization or the project that knowledge belongs to."""
    if live.group is None or live.event.kind not in sources.cutting.knowledge:
        return None, None
    group = sources.group(live.group)
    type_ = None if group is None or group.ended else group.type
    return live.group if type_ == "organization" else None, live.group if type_ == "project" else None


PROJECTION: Final = Projection(
    "passages",
    PassageFields,
    ("seq", "chunk"),
    None,
    _keys,
    _rows,
    follows=(
        RowDependency("posts", ("came", "went", "changed")),
        RowDependency("comments", ("came", "went", "changed")),
        RowDependency("message_rows", ("changed",)),
    ),
    renewed=True,
)
