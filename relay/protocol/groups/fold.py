"""The state of groups as a fold of their moderation events, in the order in which they were stored.

Rule: this holds for events that were accepted when they came, so nothing is refused here and no role is looked at. Whatever
changes a group, its members or its invites says so in a moderation event, also where the relay did it: what follows from a
9007, from requests to join or leave and from the use of a code is said by the relay's own key. So the state is a function of
9000–9010 alone, and `decide` gets its changes from here.

A group begins with the relay's own 9000 with a `type` tag, which it says when it accepts a 9007. No other key can say so, so
moderation events that were stored before, or that belong to a group of another relay, never count.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from relay.protocol import kinds
from relay.protocol.event import Draft, Event
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import metadata
from relay.protocol.groups.belonging import (
    CREATE_INVITE,
    DELETE_GROUP,
    EDIT_METADATA,
    PUT_USER,
    REMOVE_USER,
    UPDATE_PINS,
)
from relay.protocol.groups.metadata import GroupFields, Tags
from relay.protocol.groups.state import (
    OWNER,
    Group,
    GroupChange,
    Invite,
    Member,
    PutGroup,
    PutInvite,
    PutMember,
    invite_key,
    member_key,
)

SELF_REMOVAL: Final = "self-removal"  # a 9001 by the relay's key for somebody who asked to leave
USES: Final = "uses"  # how many may still use an invite: one without the tag
UNLIMITED: Final = "unlimited"  # for USES
REVOKED: Final = "revoked"  # in a 9009: the code is good for nothing from now on


class GroupView:
    """Groups, members and invites as facts have them, with changes that are not carried out yet."""

    __slots__ = ("_facts", "_groups", "_invites", "_members")

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._groups: dict[str, Group] = {}
        self._members: dict[str, Member] = {}
        self._invites: dict[str, Invite] = {}

    @property
    def relay(self) -> str:
        """The relay's own pubkey."""
        return self._facts.relay

    def group(self, group_id: str) -> Group | None:
        """The group, which may have ended."""
        return self._groups.get(group_id) or self._facts.groups[group_id]

    def live_group(self, group_id: str | None) -> Group | None:
        """The group, if it has not ended."""
        group = None if group_id is None else self.group(group_id)
        return None if group is None or group.ended else group

    def member(self, pubkey: str, group_id: str) -> Member | None:
        """How the key stands to the group."""
        key = member_key(pubkey, group_id)
        return self._members.get(key) or self._facts.members[key]

    def invite(self, code_hash: str, group_id: str) -> Invite | None:
        """What the code is good for in the group."""
        key = invite_key(code_hash, group_id)
        return self._invites.get(key) or self._facts.group_invites[key]

    def apply(self, changes: Iterable[GroupChange]) -> None:
        """Count these changes as done."""
        for change in changes:
            match change:
                case PutGroup(group):
                    self._groups[group.id] = group
                case PutMember(group_id, pubkey, member):
                    self._members[member_key(pubkey, group_id)] = member
                case PutInvite(group_id, code_hash, invite):
                    self._invites[invite_key(code_hash, group_id)] = invite


def fold(event: Event, facts: Facts) -> tuple[GroupChange, ...]:
    """What an accepted event changed. Facts hold what `needs_of_fold` names, of the state before it."""
    return changes_of(event.kind, event.pubkey, event.tags, event.created_at, GroupView(facts))


def fold_draft(draft: Draft, view: GroupView) -> tuple[GroupChange, ...]:
    """What the relay's own key changes by saying this."""
    return changes_of(draft.kind, view.relay, draft.tags, draft.created_at, view)


def needs_of_fold(event: Event, facts: Facts) -> Iterator[Need]:
    """What `fold` must know; asked again with what was found until it adds nothing."""
    if event.kind not in _FOLDS:
        return
    group_id = value_of(event.tags, "h")
    if group_id is None:
        return
    yield "groups", group_id
    group = facts.groups.get(group_id)
    if event.kind in (PUT_USER, REMOVE_USER) or group is None:
        return
    if event.kind == CREATE_INVITE:
        for code_hash in code_hashes(event.tags):
            yield "group_invites", invite_key(code_hash, group_id)
    parents = [group.parent] if group.parent is not None else []
    if event.kind == EDIT_METADATA:
        parents += [value_of(event.tags, "parent") or group_id]
    elif event.kind == DELETE_GROUP:
        parents += group.children
    for other in parents:
        yield "groups", other


def changes_of(kind: int, author: str, tags: Tags, created_at: int, view: GroupView) -> tuple[GroupChange, ...]:
    """As `fold`, of an event in parts."""
    change = _FOLDS.get(kind)
    group_id = value_of(tags, "h")
    if change is None or group_id is None:
        return ()
    group = view.group(group_id)
    if group is None:
        return _begin(author, group_id, tags, created_at, view) if kind == PUT_USER else ()
    return () if group.ended else tuple(change(group, author, tags, created_at, view))


def edited(group: Group, fields: GroupFields) -> Group:
    """The group after an edit: all fields are replaced, children keep out of it what is no child and lose none."""
    values = {name: getattr(fields, name) for name in GroupFields.__struct_fields__}
    named = [child for child in fields.children if child in group.children]
    values["children"] = (*named, *(child for child in group.children if child not in named))
    return msgspec.structs.replace(group, **values)


def code_hashes(tags: Tags) -> list[str]:
    """The hashes by which the codes that these tags name are known."""
    return list(dict.fromkeys(hash_of(tag[1]) for tag in tags if tag[0] == "code" and len(tag) > 1))


def hash_of(code: str) -> str:
    """By what an invite's code is known here: its SHA-256, hex."""
    return hashlib.sha256(code.encode()).hexdigest()


def targets(tags: Tags) -> dict[str, tuple[str, ...]]:
    """The keys that `p` tags name, each with the roles behind it, in order and without blank ones."""
    return {
        tag[1]: tuple(dict.fromkeys(role for role in tag[2:] if role))
        for tag in tags
        if tag[0] == "p" and len(tag) > 1 and kinds.is_hex(tag[1], 64)
    }


def value_of(tags: Tags, name: str) -> str | None:
    """As `event.first_value`, of tags alone."""
    for tag in tags:
        if tag[0] == name:
            return tag[1] if len(tag) > 1 else ""
    return None


def number(value: str | None) -> int | None:
    """The number that a tag's value is, None where it is none."""
    return int(value) if value is not None and value.isascii() and value.isdigit() and len(value) <= 16 else None


def _begin(author: str, group_id: str, tags: Tags, created_at: int, view: GroupView) -> tuple[GroupChange, ...]:
    owner = next(iter(targets(tags)), None)
    if not author or author != view.relay or owner is None or value_of(tags, "type") is None:
        return ()
    group = Group(group_id, owner, created_at, metadata.read_type(tags))
    return PutGroup(group), PutMember(group_id, owner, Member("member", (OWNER,), created_at))


def _put_user(group: Group, _author: str, tags: Tags, created_at: int, _view: GroupView) -> Iterator[GroupChange]:
    for pubkey, roles in targets(tags).items():
        yield PutMember(group.id, pubkey, Member("member", roles, created_at))


def _remove_user(group: Group, author: str, tags: Tags, created_at: int, view: GroupView) -> Iterator[GroupChange]:
    """The relay's own word tells by a tag who asked for it, since it also repeats what others have done."""
    is_relay = author == view.relay
    asked = is_relay and value_of(tags, SELF_REMOVAL) is not None
    for pubkey in targets(tags):
        left = asked or (pubkey == author and not is_relay)
        yield PutMember(group.id, pubkey, Member("left" if left else "removed", (), created_at))


def _edit(group: Group, _author: str, tags: Tags, _created_at: int, view: GroupView) -> Iterator[GroupChange]:
    after = edited(group, metadata.read(tags))
    yield PutGroup(after)
    if after.parent != group.parent:
        former, following = view.live_group(group.parent), view.live_group(after.parent)
        if former is not None:
            yield PutGroup(_without_child(former, group.id))
        if following is not None and group.id not in following.children:
            yield PutGroup(msgspec.structs.replace(following, children=(*following.children, group.id)))


def _end(group: Group, _author: str, _tags: Tags, _created_at: int, view: GroupView) -> Iterator[GroupChange]:
    kept = Group(group.id, group.creator, group.created_at, group.type, private=group.private, hidden=group.hidden)
    yield PutGroup(msgspec.structs.replace(kept, ended=True))
    for child_id in group.children:
        child = view.live_group(child_id)
        if child is not None:
            yield PutGroup(msgspec.structs.replace(child, parent=None))
    parent = view.live_group(group.parent)
    if parent is not None:
        yield PutGroup(_without_child(parent, group.id))


def _invite(group: Group, author: str, tags: Tags, _created_at: int, view: GroupView) -> Iterator[GroupChange]:
    """The relay's own names who made the invite, in a `p` tag: it tells of a use."""
    uses = value_of(tags, USES)
    by = (value_of(tags, "p") or author) if author == view.relay else author
    left = None if uses == UNLIMITED else (1 if uses is None else number(uses) or 0)
    invite = Invite(by, number(value_of(tags, "expiration")), left, value_of(tags, REVOKED) is not None)
    for code_hash in code_hashes(tags):
        yield PutInvite(group.id, code_hash, invite)


def _pin(group: Group, _author: str, tags: Tags, _created_at: int, _view: GroupView) -> Iterator[GroupChange]:
    pins = tuple(dict.fromkeys((tag[0], tag[1]) for tag in tags if tag[0] in ("e", "a") and len(tag) > 1))
    yield PutGroup(msgspec.structs.replace(group, pins=pins))


def _without_child(group: Group, child_id: str) -> Group:
    return msgspec.structs.replace(group, children=tuple(child for child in group.children if child != child_id))


_FOLDS: Final[dict[int, Callable[[Group, str, Tags, int, GroupView], Iterator[GroupChange]]]] = {
    PUT_USER: _put_user,
    REMOVE_USER: _remove_user,
    EDIT_METADATA: _edit,
    DELETE_GROUP: _end,
    CREATE_INVITE: _invite,
    UPDATE_PINS: _pin,
}
