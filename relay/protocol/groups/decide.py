"""Every rule of groups (NIP-29) for the events that change them: pure, without a database and without a clock.

The state of a group is its fields, its members and its invites (`state`). It begins with a 9007, ends for ever with a 9008, and
between them changes by moderation events only. An event is taken through the same steps, whatever its kind:

1. the group must be known and live (a 9007: unknown), and its author must know of it if it is hidden;
2. its time must be within MAX_SKEW of the relay's clock, it may not expire, and what it refers to must be here;
3. its author's role must allow this kind, and its rank the target (`roles`);
4. its tags must say something possible (`members`, `joining`, `editing`).

Then it changes the state as `fold` says, which is also how the state is made again from the log. An accepted event cannot be
played again, since its id is known; and two moderators at once are simply one after the other: the second meets what the first
has left. What this raises is Reject: `duplicate:` for what is so already, `restricted:` for who may not, `invalid:` for what
cannot be.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from relay.errors import Prefix, Reject
from relay.protocol import event as events
from relay.protocol import feed, kinds
from relay.protocol.admission import GROUP_MODERATOR, RemoveAddress, RemoveEdits, RemoveEvent
from relay.protocol.event import Event
from relay.protocol.facts import Facts, Need, Target
from relay.protocol.groups import editing, joining, members, roles, timeline
from relay.protocol.groups.belonging import (
    CREATE_GROUP,
    CREATE_INVITE,
    DELETE_EVENT,
    DELETE_GROUP,
    EDIT_METADATA,
    JOIN_REQUEST,
    LEAVE_REQUEST,
    MODERATION,
    PUT_USER,
    REMOVE_USER,
    UPDATE_PINS,
)
from relay.protocol.groups.case import MAX_TARGETS, Case, GroupDecision, invalid, is_secret, restricted, short
from relay.protocol.groups.fold import fold, hash_of
from relay.protocol.groups.state import OWNER, Group, invite_key, member_key
from relay.protocol.relay import GroupRules

__all__ = ["KINDS", "MAX_SKEW", "GroupDecision", "decide", "fold", "needs"]

MAX_SKEW: Final = 600  # seconds that what changes a group may lie from the relay's clock
KINDS: Final = range(9000, 9023)
_UNDELETABLE: Final = frozenset((kinds.DELETION, kinds.VANISH, *MODERATION))


class _Row(msgspec.Struct, frozen=True):
    """A kind: what it needs to know, and who decides. A 9007 has no group to decide in."""

    needs: Callable[[Event, str, Facts], Iterator[Need]]
    decide: Callable[[Case], GroupDecision]
    refers: bool = True  # whether it comes from within the group and so may refer to what is there


def needs(event: Event, facts: Facts) -> Iterator[Need]:
    """What `decide` must know; asked again with what was found until it adds nothing."""
    group_id = events.first_value(event, "h")
    if group_id is None:
        return
    yield "groups", group_id
    yield "members", member_key(event.pubkey, group_id)
    if event.kind == CREATE_GROUP:
        yield from editing.needs_of_creation(event, group_id, facts)
    row = _ROWS.get(event.kind)
    if row is not None:
        yield from row.needs(event, group_id, facts)
        if row.refers:
            yield from timeline.needs(event, group_id)


def decide(event: Event, facts: Facts, now: int, rules: GroupRules, *, trusted: bool = False) -> GroupDecision:
    """What an event of KINDS does. Raises Reject.

    `trusted`: it comes by the operator's import, so its time and the bounds of this relay do not matter, and the relay answers
    nothing to it: what it said is in the import too.
    """
    group_id = events.first_value(event, "h")
    if group_id is None:
        invalid("missing group (`h`) tag")
    if any(other != group_id for other in events.values(event, "h")):
        invalid("what moderates a group names one group: leave all h tags but one out")
    if events.has_tag(event, "expiration") and event.kind != CREATE_INVITE:
        invalid("what moderates a group is its history and cannot expire")
    if not trusted and abs(now - event.created_at) > MAX_SKEW:
        invalid(f"created_at is more than {MAX_SKEW // 60} minutes from now; check the clock")
    if event.kind == CREATE_GROUP:
        return editing.create(event, group_id, facts, now, rules)
    group = live(group_id, facts)
    if not trusted and is_secret(group, event.pubkey, facts, rules) and not _has_good_code(event, facts, now):
        raise not_here(group_id)
    row = _ROWS.get(event.kind)
    if row is None:
        invalid(f"this relay knows no moderation event of kind {event.kind} (NIP-29)")
    if row.refers and not trusted:
        timeline.check_previous(event, group_id, facts)
    return row.decide(Case(event, group, facts, now, rules, trusted=trusted))


def live(group_id: str, facts: Facts) -> Group:
    """The group of this id. Raises Reject(invalid) where there is none, or no longer."""
    group = facts.groups[group_id]
    if group is None or (group.ended and group.hidden):
        raise not_here(group_id)
    if group.ended:
        invalid(f"the group {short(group_id)} was deleted")
    return group


def not_here(group_id: str) -> Reject:
    """Why nothing comes into a group that is not here, or of which its author is not to know."""
    return Reject(Prefix.INVALID, f"there is no group {short(group_id)} on this relay")


def _has_good_code(event: Event, facts: Facts, now: int) -> bool:
    """Whether it asks to join with a code that opens the group."""
    given = [code for code in joining.codes(event) if code] if event.kind == JOIN_REQUEST else []
    keys = [invite_key(hash_of(code), events.first_value(event, "h") or "") for code in given[:1]]
    return any(joining.fault_of(facts.group_invites[key], now) is None for key in keys)


def _needs_of_deletion(event: Event, _group_id: str, _facts: Facts) -> Iterator[Need]:
    for target_id in _targets(event)[:MAX_TARGETS]:
        if kinds.is_hex(target_id, 64):
            yield "targets", target_id
            yield "group_of", target_id


def _delete(case: Case) -> GroupDecision:
    """9005. What is removed stays away, also what comes again with the author's name on it."""
    case.require_role(DELETE_EVENT)
    named = _targets(case.event)
    if not named:
        invalid("kind 9005 needs an e tag with the id of the event")
    if len(named) > MAX_TARGETS:
        invalid(f"at most {MAX_TARGETS} events are named at once")
    removals: list[RemoveEvent | RemoveAddress | RemoveEdits] = []
    for target_id in named:
        if not kinds.is_hex(target_id, 64):
            invalid(f"an e tag holds the id of an event, and {short(target_id)} is none")
        target = case.facts.targets[target_id]
        if target is None and not case.trusted:
            invalid(f"there is no event {target_id} in this group")
        if target is not None:
            if case.facts.group_of[target_id] != case.group.id:
                invalid(f"the event {target_id} is not one of this group")
            if target.kind in _UNDELETABLE:
                invalid(f"an event of kind {target.kind} cannot be deleted")
            _check_record(case, target)
            if target.address is not None:
                removals.append(RemoveAddress(target.address, target.created_at, target_id))
            if target.kind in feed.EDITED:
                whose = case.group.id if target.kind == kinds.ISSUE else ""
                removals.append(RemoveEdits((target_id,), target.pubkey, whose))
        removals.append(RemoveEvent(target_id, GROUP_MODERATOR))
    return GroupDecision(removals=tuple(removals))


def _check_record(case: Case, target: Target) -> None:
    """Raises Reject(restricted) where it is the group's record, or an organization's agent, which not every moderator writes."""
    if target.kind != kinds.APP_DATA or target.address is None:
        return
    name = target.address.split(":", 2)[2]
    if name == case.group.id:
        case.require_role(EDIT_METADATA)
    elif name.startswith(kinds.AGENT) and case.group.type == "organization" and case.rank < roles.ROLES[OWNER].rank:
        restricted("only owners of an organization define its agents, and delete what others of them defined")


def _targets(event: Event) -> list[str]:
    return list(dict.fromkeys(tag[1] if len(tag) > 1 else "" for tag in event.tags if tag[0] == "e"))


_ROWS: Final = {
    PUT_USER: _Row(members.needs, members.put),
    REMOVE_USER: _Row(members.needs, members.remove),
    EDIT_METADATA: _Row(editing.needs, editing.edit),
    DELETE_EVENT: _Row(_needs_of_deletion, _delete),
    DELETE_GROUP: _Row(editing.needs_of_end, editing.end),
    CREATE_INVITE: _Row(joining.needs, joining.invite),
    UPDATE_PINS: _Row(lambda _event, _group, _facts: iter(()), editing.pin),
    JOIN_REQUEST: _Row(joining.needs, joining.join, refers=False),
    LEAVE_REQUEST: _Row(joining.needs, joining.leave, refers=False),
}
