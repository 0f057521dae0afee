"""`repos`: live announcements of git repositories (kind 30617, NIP-34), with the default branch of their state (30618).

A row is found by the announcement's address, so that links to it outlast a newer version.
"""

from typing import Final

import msgspec

from relay.protocol import kinds
from relay.protocol.control_plane import repositories
from relay.protocol.event import Event
from relay.protocol.rows import Place, Projection, Sources

_KINDS: Final = frozenset((kinds.REPOSITORY, kinds.REPOSITORY_STATE))


class RepoFields(msgspec.Struct, frozen=True):
    """A row. `id` is the address, `group_id` the group that it belongs to, `maintainers` are JSON."""

    id: str
    seq: int
    name: str
    provider: str
    owner: str
    default_branch: str | None
    url: str | None
    created_at: int
    group_id: str | None
    maintainers: str


def _keys(event: Event) -> tuple[str, ...]:
    address = repositories.address(event) if event.kind in _KINDS else None
    return () if address is None else (address,)


def _place(key: str, _sources: Sources) -> Place:
    return (key,)


def _rows(key: str, sources: Sources) -> tuple[RepoFields, ...]:
    live = sources.version(key)
    state = sources.version(f"{kinds.REPOSITORY_STATE}{key.removeprefix(str(kinds.REPOSITORY))}")
    if live is None or (live.audience is not None and live.group is None):
        return ()
    said = repositories.read(live.event)
    branch = None if state is None or state.group != live.group else repositories.default_branch(state.event)
    maintainers = msgspec.json.encode(repositories.maintainers(live.event)).decode()
    return (
        RepoFields(
            key,
            live.seq,
            said.name,
            said.provider,
            said.owner,
            branch,
            said.url,
            live.event.created_at,
            live.group,
            maintainers,
        ),
    )


PROJECTION: Final = Projection(
    "repos",
    RepoFields,
    ("id",),
    _KINDS,
    _keys,
    _rows,
    place=_place,
    key_of=lambda row: str(row.id),
)
