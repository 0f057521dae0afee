"""Groups of other relays: what their home, a peer, tells of them is kept and served as it says, and never mixed with ours.

A peer says by its own key, the `self` of its NIP-11 that was pinned at the first contact, what its groups are (39000), who is in
them (39002), and the rest of 39000 to 39005. `Facts.home` is that key where the event comes by that peer's own session. Rules:

- What names a group (`h`) and comes from a peer that has groups belongs to the group of that peer, and from nowhere else.
- Until its 39000 is here a group is for nobody but the operator. Its members are those of the newest 39002.
- Who wrote and moderated there was decided there. Here nobody writes in it, and it ends when its home says so (9008).
- An import tells of no home. What it holds of groups that are not this relay's is for the operator only (UNKNOWN_HOME).
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from handlers import addressable
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol import kinds, names
from relay.protocol.admission import GROUP_MODERATOR, Action, Admission, Door, RemoveAddress, RemoveEvent
from relay.protocol.event import Event, first_value, values
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import announce, belonging, metadata
from relay.protocol.groups.case import MAX_TARGETS, short
from relay.protocol.groups.editing import MAX_ID, is_id
from relay.protocol.groups.state import (
    UNKNOWN_HOME,
    Group,
    PutGroup,
    PutListing,
    member_key,
    replica_id,
)
from relay.protocol.relay import GroupRules, RelayRules

KINDS: Final = kinds.GROUPS
MOST_LISTED: Final = 5_000  # members that one 39002 names, taken
_UNDELETABLE: Final = frozenset((kinds.DELETION, kinds.VANISH, *belonging.MODERATION))


def needs_of(event: Event, group_id: str, facts: Facts) -> Iterator[Need]:
    """Which group of its home, or of an unknown one, it belongs to, and whether a replica is found here under this id."""
    if facts.home:
        found = replica_id(facts.home, group_id)
        yield "replicas", found
        yield "members", member_key(event.pubkey, found)
        yield "group_counts", replica_id(facts.home, "")
        yield "served", group_id
    elif group_id in facts.groups and facts.groups[group_id] is None:
        yield "served", group_id


def named(group_id: str, facts: Facts) -> Group | None:
    """The group of this relay, or of the home that the event comes from, that an `h` tag names; None for neither.

    One that is not known yet is a group all the same: see `unknown`.
    """
    own = facts.groups[group_id]
    if not facts.home or (own is not None and facts.home == UNKNOWN_HOME):
        return own
    replica = facts.replicas[replica_id(facts.home, group_id)]
    return replica or own or unknown(group_id, facts)


def unknown(group_id: str, facts: Facts) -> Group:
    """A group of which nothing is known but that there is one: for nobody."""
    url = "" if facts.home == UNKNOWN_HOME else facts.origin or ""
    name = replica_id(facts.home, group_id)
    return Group(name, facts.home, 0, private=True, hidden=True, home=facts.home, home_url=url, apart=True)


def check_live(group: Group) -> None:
    """Raises Reject(invalid) for a group that has ended, or that cannot be."""
    if group.ended:
        raise Reject(Prefix.INVALID, f"the group {short(group.wire_id)} was deleted where it was at home")
    if not is_id(group.wire_id):
        raise Reject(Prefix.INVALID, f"the id of a group has 1 to {MAX_ID} visible characters, without spaces")


def elsewhere(group: Group) -> Reject:
    """Why nobody writes in a replica here."""
    place = f" at {group.home_url}" if group.home_url else " on another relay"
    return Reject(Prefix.RESTRICTED, f"the group {short(group.wire_id)} is at home{place}: write there")


def check_answer(event: Event, facts: Facts) -> None:
    """Raises Reject for what a relay whose private groups are here sends and that answers something unknown: it may be of these."""
    if facts.home not in facts.private_homes or not belonging.answered(event):
        return
    if all(facts.group_of[one] is None and facts.events.get(one) is None for one in belonging.answered(event)):
        raise Reject(Prefix.RESTRICTED, belonging.NOT_HERE_YET)


def begun(group: Group, facts: Facts, rules: GroupRules) -> tuple[Action, ...]:
    """What makes the group one that is kept here, where it is not yet. Raises Reject(restricted) where that is one too many."""
    if not group.home or facts.replicas.get(group.id) is not None:
        return ()
    most = rules.most
    if most and group.home != UNKNOWN_HOME and facts.group_counts[replica_id(group.home, "")] >= most:
        raise Reject(Prefix.RESTRICTED, f"{most:,} groups of that relay are here, and no more are taken (groups.most)")
    return (PutGroup(group),)


# what moderates


def needs_of_moderation(event: Event, facts: Facts) -> Iterator[Need]:
    """Which group it is about and, of a removal of events, what these are."""
    group_id = first_value(event, "h")
    if group_id is None or not facts.home:
        return
    yield from needs_of(event, group_id, facts)
    if event.kind == belonging.DELETE_EVENT:
        for target_id in _targets(event):
            yield "targets", target_id
            yield "group_of", target_id


def moderated(event: Event, group: Group, facts: Facts, rules: GroupRules) -> Admission:
    """What a moderation event of a replica does here: its end, and what was removed there. Raises Reject."""
    check_live(group)
    actions, removals = list(begun(group, facts, rules)), tuple[RemoveEvent | RemoveAddress, ...]()
    if group.home == UNKNOWN_HOME:
        message = belonging.FOR_OPERATOR
        return Admission(audience=(), actions=tuple(actions), group=group.id, expires=False, message=message)
    if event.kind == belonging.DELETE_GROUP:
        group = msgspec.structs.replace(group, ended=True)
        actions = [PutGroup(group), PutListing(group.id, (), event.created_at)]
    elif event.kind == belonging.DELETE_EVENT:
        removals = tuple(_removed(event, group, facts))
    elif event.kind == belonging.REMOVE_USER and facts.relay in values(event, "p"):
        actions.append(PutListing(group.id, (), event.created_at))  # from now on nobody tells us who is in it
    return Admission(
        audience=belonging.audience(event, group),
        removals=removals,
        actions=tuple(actions),
        group=group.id,
        expires=False,
    )


def _removed(event: Event, group: Group, facts: Facts) -> Iterator[RemoveEvent | RemoveAddress]:
    """Of what it names, what is here and of this group; a mark for anything else could keep away what is none of its business."""
    for target_id in _targets(event):
        target = facts.targets[target_id]
        if target is None or facts.group_of[target_id] != group.id or target.kind in _UNDELETABLE:
            continue
        if target.address is not None:
            yield RemoveAddress(target.address, target.created_at, target_id)
        yield RemoveEvent(target_id, GROUP_MODERATOR)


def _targets(event: Event) -> list[str]:
    return [one for one in dict.fromkeys(values(event, "e")) if kinds.is_hex(one, 64)][:MAX_TARGETS]


# what the home tells of it


def needs_of_telling(event: Event, facts: Facts) -> Iterable[Need]:
    """The group that its `d` names."""
    group_id = first_value(event, "d") or ""
    return [("groups", group_id), *needs_of(event, group_id, facts)] if facts.home else ()


def admit_telling(rules: RelayRules) -> Admit:
    """Raises Reject: `restricted:` for another relay's word, `invalid:` for what it cannot be, or where a newer one is here."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        if door is not Door.PEER:
            return addressable.admit(event, facts, now, door)
        if not facts.home or event.pubkey != facts.home:
            raise Reject(Prefix.RESTRICTED, "what a relay tells of its groups comes from that relay itself")
        replaces = addressable.admit(event, facts, now, door).replaces
        group_id = first_value(event, "d") or ""
        group = facts.replicas[replica_id(facts.home, group_id)] or unknown(group_id, facts)
        check_live(group)
        actions = list(begun(group, facts, rules.groups))
        if event.kind == announce.METADATA:
            group = _described(event, group, facts)
            actions = [PutGroup(group)]
        elif event.kind == announce.MEMBERS:
            listed = [one for one in dict.fromkeys(values(event, "p")) if kinds.is_hex(one, 64)][:MOST_LISTED]
            actions.append(PutListing(group.id, tuple(listed), event.created_at))
        return Admission(
            audience=belonging.told(event.kind, group),
            replaces=replaces,
            actions=tuple(actions),
            group=group.id,
            expires=False,
        )

    return admit


def _described(event: Event, group: Group, facts: Facts) -> Group:
    """The group as its 39000 says, its texts without what is hidden. What stands around it there is not around it here.

    Of groups that events call the same one is found here: this relay's, else the first that its home told of.
    """
    if not group.created_at:
        name = group.wire_id
        group = msgspec.structs.replace(group, apart=(facts.groups[name] or facts.served[name]) is not None)
    fields = metadata.read(event.tags)
    values_ = {name: getattr(fields, name) for name in metadata.GroupFields.__struct_fields__}
    values_ |= {name: names.shown(values_[name], metadata.TEXTS[name]) for name in ("name", "about")}
    return msgspec.structs.replace(
        group,
        **(values_ | {"parent": None, "children": (), "extra": ()}),
        created_at=event.created_at,
        home_url=facts.origin or group.home_url,
    )
