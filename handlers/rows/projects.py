"""`projects`: groups of that type, an organization's or a user's own; what NIP-29 has no field for stands in the record."""

from typing import Final

import msgspec

from handlers.rows import records
from relay.protocol.control_plane.records import ProjectRecord, json_of
from relay.protocol.rows import Projection, Sources


class ProjectFields(msgspec.Struct, frozen=True):
    """A row. `user_id` is the user whose project it is, where no organization has it; `default_tools` are JSON."""

    id: str
    name: str
    description: str | None
    user_id: str | None
    organization_id: str | None
    system_prompt: str | None
    default_model: str | None
    default_tools: str | None
    autopilot_spec: str | None
    autopilot_plan: str | None
    autopilot_plan_updated_at: int | None
    created_at: int
    updated_at: int
    is_archived: int


def _rows(key: str, sources: Sources) -> tuple[ProjectFields, ...]:
    group = records.group(key, sources, "project")
    if group is None:
        return ()
    live, user = records.record(key, sources), sources.user(group.creator)
    said = records.content(live, ProjectRecord)
    changed_at, (_, organization) = records.changed_at(group, sources, live), records.above(group, sources)
    return (
        ProjectFields(
            group.id,
            group.name,
            group.about or None,
            user if organization is None else None,
            organization,
            said.system_prompt,
            said.default_model,
            json_of(said.default_tools),
            said.autopilot_spec,
            said.autopilot_plan,
            said.autopilot_plan_updated_at,
            group.created_at,
            changed_at,
            int(said.is_archived),
        ),
    )


PROJECTION: Final = Projection(
    "projects",
    ProjectFields,
    ("id",),
    records.GROUP_KINDS,
    records.keys,
    _rows,
    place=records.place,
    key_of=lambda row: str(row.id),
)
