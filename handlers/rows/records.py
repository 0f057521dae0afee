"""What several tables of the control plane share: groups by type, their records, and when they changed last."""

from typing import Final, TypeVar

import msgspec

from relay.protocol import kinds
from relay.protocol.control_plane import records, subjects
from relay.protocol.event import Event, first_value, values
from relay.protocol.groups.belonging import CREATE_GROUP, DELETE_GROUP, EDIT_METADATA
from relay.protocol.groups.state import Group, GroupType
from relay.protocol.rows import Live, Place, Sources

GROUP_KINDS: Final = frozenset((CREATE_GROUP, DELETE_GROUP, EDIT_METADATA, kinds.APP_DATA))

R = TypeVar("R", bound=msgspec.Struct)


def keys(event: Event) -> tuple[str, ...]:
    """The group that began, ended or was changed by an event, or whose record it is."""
    group_id = subjects.recorded(event) if event.kind == kinds.APP_DATA else first_value(event, "h")
    return () if not group_id else (group_id,)


def place(key: str, _sources: Sources) -> Place:
    """Rows of a group stand under its id."""
    return (key,)


def group(key: str, sources: Sources, of_type: GroupType) -> Group | None:
    """The group of this type with this id; None when it has ended."""
    found = sources.group(key)
    return found if found is not None and found.type == of_type and not found.ended else None


def record(key: str, sources: Sources) -> Live | None:
    """The newest live record of a group, by whichever of those who may write it."""
    return _newest(kinds.APP_DATA, key, sources)


def content(live: Live | None, of_type: type[R]) -> R:
    """What a record says."""
    return of_type() if live is None else records.read(live.event.content, of_type)


def changed_at(found: Group, sources: Sources, live: Live | None) -> int:
    """When the group or its record changed last, unix seconds."""
    edit = _newest(EDIT_METADATA, found.id, sources)
    return max([found.created_at, *(one.event.created_at for one in (edit, live) if one is not None)])


def above(found: Group, sources: Sources) -> tuple[str | None, str | None]:
    """The project and the organization that a group stands under: its parent, or the parent of a project that is its parent."""
    parent = _group(found.parent, sources)
    if parent is None:
        return None, None
    if parent.type == "organization":
        return None, parent.id
    grandparent = _group(parent.parent, sources) if parent.type == "project" else None
    project = parent.id if parent.type == "project" else None
    return project, grandparent.id if grandparent is not None and grandparent.type == "organization" else None


def _group(group_id: str | None, sources: Sources) -> Group | None:
    found = None if group_id is None else sources.group(group_id)
    return None if found is None or found.ended else found


def links(live: Live, name: str) -> list[str]:
    """What tags of a record point at, each once."""
    return list(dict.fromkeys(values(live.event, name)))


def _newest(kind: int, group_id: str, sources: Sources) -> Live | None:
    about, by = subjects.of_group(group_id)
    return sources.newest(kind, by, about=about, group=group_id)
