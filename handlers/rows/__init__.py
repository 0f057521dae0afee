"""The derived tables: one module a table, one row each here. See relay.protocol.rows for the words."""

from typing import Final

from handlers.rows import (
    agents,
    comments,
    issue_threads,
    issues,
    messages,
    organization_members,
    organizations,
    passages,
    post_topics,
    posts,
    profiles,
    project_repos,
    projects,
    repos,
    threads,
    votes,
)
from relay.protocol.admission import Key
from relay.protocol.event import Event
from relay.protocol.rows import Projection

# Each may ask for the rows of those above it.
PROJECTIONS: Final[tuple[Projection, ...]] = (
    profiles.PROJECTION,
    posts.PROJECTION,
    post_topics.PROJECTION,
    comments.PROJECTION,
    votes.PROJECTION,
    organizations.PROJECTION,
    organization_members.PROJECTION,
    projects.PROJECTION,
    threads.PROJECTION,
    repos.PROJECTION,
    project_repos.PROJECTION,
    messages.PROJECTION,
    issues.PROJECTION,
    issue_threads.PROJECTION,
    agents.PROJECTION,
    passages.PROJECTION,
)

_ALL_KINDS: Final = {kind for projection in PROJECTIONS for kind in projection.kinds or ()}
_BY_KIND: Final = {
    kind: tuple(projection for projection in PROJECTIONS if kind in (projection.kinds or ())) for kind in _ALL_KINDS
}
_SEARCHED: Final = tuple(projection for projection in PROJECTIONS if projection.kinds is None)


def keys_of(event: Event, searched: frozenset[int]) -> tuple[Key, ...]:
    """The derived rows that an event may change; `searched` are the kinds whose text is searched."""
    kind = event.kind
    concerned = _BY_KIND.get(kind, ())
    if kind in searched:
        concerned += _SEARCHED
    if not concerned:
        return ()
    return tuple([(projection.table, key) for projection in concerned for key in projection.keys(event)])
