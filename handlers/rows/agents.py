"""`agents`: definitions of chat agents (kind 30078, `d` = agent:<slug>), an organization's or, without `h`, the operator's.

Not posting identities. A key is the slug, a space and the organization's id, "" for the operator's.
"""

from typing import Any, Final

import msgspec

from handlers.rows import records
from relay.protocol import kinds
from relay.protocol.control_plane import subjects
from relay.protocol.control_plane.records import AgentRecord
from relay.protocol.event import Event, first_value
from relay.protocol.rows import Live, Place, Projection, Sources, newest_of


class AgentFields(msgspec.Struct, frozen=True):
    """A row. `organization_id` is "" for the operator's; flags are 0, 1 or NULL where the definition says nothing."""

    slug: str
    organization_id: str
    seq: int
    name: str
    description: str
    system_prompt: str
    model_id: str | None
    sort_order: int
    is_default: int
    created_at: int
    updated_at: int
    requires_github: int | None
    requires_repo: int | None
    supports_tools: int | None
    agent_type: str | None


def _keys(event: Event) -> tuple[str, ...]:
    slug = subjects.defined(event)
    return () if slug is None else (_key(slug, first_value(event, "h") or ""),)


def _key(slug: str, group_id: str) -> str:
    return msgspec.json.encode((slug, group_id)).decode()


def _parts(key: str) -> tuple[str, str]:
    return msgspec.json.decode(key, type=tuple[str, str])


def _place(key: str, _sources: Sources) -> Place:
    return _parts(key)


def _rows(key: str, sources: Sources) -> tuple[AgentFields, ...]:
    slug, group_id = _parts(key)
    live = _organizations(slug, group_id, sources) if group_id else _operators(slug, sources)
    if live is None:
        return ()
    event = live.event
    said = records.content(live, AgentRecord)
    created_at = event.created_at if said.created_at is None else said.created_at
    return (
        AgentFields(
            slug,
            group_id,
            live.seq,
            said.name or slug,
            said.description,
            said.system_prompt,
            said.model_id,
            said.sort_order,
            int(said.is_default),
            min(created_at, event.created_at),
            event.created_at,
            _flag(said.requires_github),
            _flag(said.requires_repo),
            _flag(said.supports_tools),
            said.agent_type,
        ),
    )


def _organizations(slug: str, group_id: str, sources: Sources) -> Live | None:
    """The newest of those who may define agents there."""
    about, by = subjects.of_agent(group_id, slug)
    group = records.group(group_id, sources, "organization")
    return None if group is None else sources.newest(kinds.APP_DATA, by, about=about, group=group_id)


def _operators(slug: str, sources: Sources) -> Live | None:
    found = [sources.version(kinds.address(kinds.APP_DATA, one, kinds.AGENT + slug)) for one in sources.operators]
    return newest_of(one for one in found if one is not None and not first_value(one.event, "h"))


def _flag(value: bool | None) -> int | None:
    return None if value is None else int(value)


def _key_of(row: Any) -> str:
    return _key(row.slug, row.organization_id)


PROJECTION: Final = Projection(
    "agents",
    AgentFields,
    ("slug", "organization_id"),
    frozenset({kinds.APP_DATA}),
    _keys,
    _rows,
    place=_place,
    key_of=_key_of,
)
