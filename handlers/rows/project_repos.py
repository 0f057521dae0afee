"""`project_repos`: the repositories that a project's record names in `a` tags."""

from typing import Final

import msgspec

from handlers.rows import records
from relay.protocol.control_plane import repositories
from relay.protocol.rows import Projection, Sources

MAX_REPOS: Final = 100  # of one project


class ProjectRepoFields(msgspec.Struct, frozen=True):
    """A row. `repo_id` is the repository's address; `created_at` is that of the record."""

    project_id: str
    repo_id: str
    created_at: int


def _rows(key: str, sources: Sources) -> list[ProjectRepoFields]:
    group, live = records.group(key, sources, "project"), records.record(key, sources)
    if group is None or live is None:
        return []
    named = [address for address in records.links(live, "a") if repositories.is_address(address)]
    return [ProjectRepoFields(key, address, live.event.created_at) for address in named[:MAX_REPOS]]


PROJECTION: Final = Projection(
    "project_repos",
    ProjectRepoFields,
    ("project_id", "repo_id"),
    records.GROUP_KINDS,
    records.keys,
    _rows,
    place=records.place,
    key_of=lambda row: str(row.project_id),
    under=(("projects", "project_id"),),
)
