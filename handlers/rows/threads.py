"""`threads`: groups of that type, each a chat; what NIP-29 has no field for stands in the record."""

from typing import Final

import msgspec

from handlers.rows import records
from relay.protocol.control_plane.records import ThreadRecord, json_of
from relay.protocol.rows import Children, Projection, RowDependency, Sources


class ThreadFields(msgspec.Struct, frozen=True):
    """A row. `chat_id` is the group's id, `user_id` the user of whoever began it, `metadata` a JSON object.

    `updated_at`: when what it is changed last; messages do not count.
    """

    chat_id: str
    user_id: str
    organization_id: str | None
    project_id: str | None
    agent_slug: str | None
    metadata: str | None
    is_archived: int
    created_at: int
    updated_at: int
    is_shared: int
    title: str


def _rows(key: str, sources: Sources) -> tuple[ThreadFields, ...]:
    group = records.group(key, sources, "thread")
    if group is None:
        return ()
    live, user = records.record(key, sources), sources.user(group.creator)
    said = records.content(live, ThreadRecord)
    changed_at, (project, organization) = records.changed_at(group, sources, live), records.above(group, sources)
    return (
        ThreadFields(
            group.id,
            user,
            organization,
            project,
            said.agent_slug,
            json_of(said.metadata),
            int(said.is_archived),
            group.created_at,
            changed_at,
            int(said.is_shared),
            group.name,
        ),
    )


PROJECTION: Final = Projection(
    "threads",
    ThreadFields,
    ("chat_id",),
    records.GROUP_KINDS,
    records.keys,
    _rows,
    place=records.place,
    key_of=lambda row: str(row.chat_id),
    follows=(RowDependency("projects", ("came", "went", "changed"), Children()),),
)
