"""A log with groups in it, for tests of what is made of their events. Who may do what in a group is none of their business."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from handlers import table
from relay.protocol.admission import Admission, Door, Key, Meaning
from relay.protocol.event import Event, first_value, values
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import belonging
from relay.protocol.groups.state import Group, Member, PutGroup, PutMember
from relay.protocol.rows import Projection
from storage.sqlite import backend
from storage.sqlite.writer import SqliteWriter
from tests.factories import keypair

OPERATOR: Final = 4
_KINDS: Final = frozenset((9000, 9001, 9002, 9007, 9008))


class OpenGroups:
    """A meaning in which everybody moderates: the changes of a group as its events say, and who reads as its settings say."""

    def __init__(self, plain: Meaning) -> None:
        self._plain = plain

    def needs(self, event: Event, facts: Facts) -> Iterable[Need]:
        found = list(self._plain.needs(event, facts))
        group_id = first_value(event, "h")
        if group_id is not None:
            return [*found, ("groups", group_id)]
        answered = belonging.answered(event)
        found += [("group_of", one) for one in answered]
        groups = [facts.group_of.get(one) for one in answered]
        return found + [("groups", one) for one in groups if one]

    def admit(self, event: Event, facts: Facts, now: int, door: Door) -> Admission:
        group_id = first_value(event, "h")
        admission = Admission() if event.kind in _KINDS else self._plain.admit(event, facts, now, door)
        if group_id is None:
            group_id = next((one for e in belonging.answered(event) if (one := facts.group_of[e])), None)
        group = None if group_id is None else facts.groups[group_id]
        if event.kind == 9007 and group_id and group is None:
            group = begun(event, group_id)
            return Admission(actions=(PutGroup(group),), group=group_id)
        if group is None:
            return admission
        actions = (*admission.actions, *changes(event, group))
        audience = belonging.audience(event, group)
        return msgspec.structs.replace(admission, actions=actions, group=group.id, audience=audience)

    def passages(self, event: Event) -> int:
        return self._plain.passages(event)

    def touches(self, event: Event) -> tuple[Key, ...]:
        return self._plain.touches(event)

    @property
    def projections(self) -> tuple[Projection, ...]:
        return self._plain.projections


def begun(event: Event, group_id: str) -> Group:
    """The group that a 9007 begins."""
    return Group(
        group_id,
        event.pubkey,
        event.created_at,
        first_value(event, "type") or "thread",  # type: ignore[arg-type]
        name=first_value(event, "name") or "",
        parent=first_value(event, "parent"),
        private=first_value(event, "private") is not None,
    )


def changes(event: Event, group: Group) -> list[PutGroup | PutMember]:
    """What an event changes of a group that is there."""
    if event.kind in (9000, 9001):
        standing: Member = Member(
            "member" if event.kind == 9000 else "removed",
            tuple(next((tag[2:] for tag in event.tags if tag[0] == "p"), [])) if event.kind == 9000 else (),
            event.created_at,
        )
        return [PutMember(group.id, pubkey, standing) for pubkey in values(event, "p")[:1]]
    if event.kind == 9002:
        return [
            PutGroup(
                msgspec.structs.replace(
                    group,
                    name=first_value(event, "name") or "",
                    about=first_value(event, "about") or "",
                    picture=first_value(event, "picture") or "",
                    parent=first_value(event, "parent"),
                    private=first_value(event, "private") is not None,
                )
            )
        ]
    return [PutGroup(msgspec.structs.replace(group, ended=True))] if event.kind == 9008 else []


MEANING: Final = OpenGroups(table.meaning("ws://relay.test"))


def open_log(directory: Path) -> SqliteWriter:
    """A log with one operator."""
    return backend.open_writer(
        directory, MEANING, synchronous="normal", cache_mib=1, operators=[keypair(OPERATOR).pubkey]
    )
