"""`organizations`: groups of that type; what NIP-29 has no field for stands in the group's record."""

from typing import Final

import msgspec

from handlers.rows import records
from relay.protocol.control_plane.records import OrganizationRecord
from relay.protocol.rows import Projection, Sources


class OrganizationFields(msgspec.Struct, frozen=True):
    """A row; `owner_id` is the user of whoever founded it."""

    id: str
    name: str
    logo: str | None
    plan: str
    credits: int
    created_at: int
    updated_at: int
    owner_id: str


def _rows(key: str, sources: Sources) -> tuple[OrganizationFields, ...]:
    group = records.group(key, sources, "organization")
    if group is None:
        return ()
    live, owner = records.record(key, sources), sources.user(group.creator)
    said = records.content(live, OrganizationRecord)
    changed_at = records.changed_at(group, sources, live)
    return (
        OrganizationFields(
            group.id, group.name, group.picture or None, said.plan, said.credits, group.created_at, changed_at, owner
        ),
    )


PROJECTION: Final = Projection(
    "organizations",
    OrganizationFields,
    ("id",),
    records.GROUP_KINDS,
    records.keys,
    _rows,
    place=records.place,
    key_of=lambda row: str(row.id),
)
