"""What the relay says in place of a key that asked to vanish (NIP-62), so that its groups stay what they are.

A vanish removes all that the key has signed, moderation events among them, and the state of a group is their fold. So before
they go the relay says, by its own key and in the same transaction, what holds now of everything that they changed: the fields,
the pins, how each key that they named stands to the group, what their codes are good for, that the group has ended. The fold of
what is left then ends in the same state. Of a group that has ended nothing but that matters any more.

The key itself leaves its groups. Where it was the last owner, the admin who has been one for longest becomes owner; a group
without admins stays without owner, and the relay's operators look after it.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from relay.protocol.event import Draft, Event
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import joining
from relay.protocol.groups.belonging import (
    CREATE_INVITE,
    DELETE_GROUP,
    EDIT_METADATA,
    PUT_USER,
    REMOVE_USER,
    UPDATE_PINS,
)
from relay.protocol.groups.case import MAX_TARGETS, GroupDecision, roles_of, said
from relay.protocol.groups.editing import edit_draft
from relay.protocol.groups.fold import GroupView, code_hashes, hash_of, targets
from relay.protocol.groups.roles import is_privileged
from relay.protocol.groups.state import ADMIN, OWNER, Group, Member, invite_key, member_key

# The kinds whose events by the key must be looked at, each with the `h` of the group.
KINDS: Final = (PUT_USER, REMOVE_USER, EDIT_METADATA, DELETE_GROUP, CREATE_INVITE, UPDATE_PINS)


def needs(pubkey: str, group_id: str, authored: Iterable[Event], facts: Facts) -> Iterator[Need]:
    """What `succeed` must know; asked again with what was found until it adds nothing."""
    yield "groups", group_id
    yield "owners", group_id
    yield "members", member_key(pubkey, group_id)
    group = facts.groups.get(group_id)
    if group is not None and group.parent is not None:
        yield "groups", group.parent
    for event in authored:
        for code_hash in code_hashes(event.tags) if event.kind == CREATE_INVITE else ():
            yield "group_invites", invite_key(code_hash, group_id)
        for target in targets(event.tags) if event.kind in (PUT_USER, REMOVE_USER) else ():
            yield "members", member_key(target, group_id)


def succeed(
    event: Event,
    group_id: str,
    authored: Sequence[Event],
    admins: Sequence[tuple[str, Member]],
    facts: Facts,
    *,
    now: int,
) -> GroupDecision:
    """What the relay says in one group for the author of `event`, a request to vanish, before its events go.

    `authored`: the live events of KINDS by that key in the group up to the request's time; `admins`: the members with
    privileges. To be asked for every group where the key has such events or is a member. Nothing for what is no group here.
    """
    view = GroupView(facts)
    group = view.group(group_id)
    if group is None:
        return GroupDecision()
    if group.ended:
        ended = any(one.kind == DELETE_GROUP for one in authored)
        return GroupDecision(emits=(Draft(DELETE_GROUP, [["h", group_id], ["e", event.id]], "", now),) if ended else ())
    drafts = [
        *_fields(group, authored, view, now, event.id),
        *_standings(group, authored, view, now, event.id),
        *_invites(group, authored, view, now, event.id),
        *_farewell(group, event, admins, facts, now),
    ]
    return said(view, *drafts)


def _fields(group: Group, authored: Sequence[Event], view: GroupView, now: int, cause: str) -> Iterator[Draft]:
    """A parent's list is said again too: where the group stands in it may have come by what goes.

    So is what others have changed by roles that the key had given them: in what is left of the log they did not have these yet.
    """
    gave = any(one.kind == PUT_USER and any(map(is_privileged, targets(one.tags).values())) for one in authored)
    if gave or any(one.kind == EDIT_METADATA for one in authored):
        yield edit_draft(group.id, group, now, cause)
        parent = view.live_group(group.parent)
        if parent is not None:
            yield edit_draft(parent.id, parent, now, cause, group.id)  # one for each, so that the last word comes last
    if gave or any(one.kind == UPDATE_PINS for one in authored):
        yield Draft(UPDATE_PINS, [["h", group.id], *map(list, group.pins), ["cause", cause]], "", now)


def _standings(group: Group, authored: Sequence[Event], view: GroupView, now: int, cause: str) -> Iterator[Draft]:
    named = dict.fromkeys(key for one in authored if one.kind in (PUT_USER, REMOVE_USER) for key in targets(one.tags))
    puts: list[list[str]] = []
    gone: dict[str, list[str]] = {"left": [], "removed": []}
    for pubkey in named:
        member = view.member(pubkey, group.id)
        if member is not None and member.is_member:
            puts.append(["p", pubkey, *member.roles])
        elif member is not None:
            gone[member.standing].append(pubkey)
    for start in range(0, len(puts), MAX_TARGETS):
        yield Draft(PUT_USER, [["h", group.id], *puts[start : start + MAX_TARGETS], ["e", cause]], "", now)
    for standing, pubkeys in gone.items():
        for start in range(0, len(pubkeys), MAX_TARGETS):
            part = pubkeys[start : start + MAX_TARGETS]
            yield joining.removal_draft(group.id, part, now, asked=standing == "left", cause=cause)


def _invites(group: Group, authored: Sequence[Event], view: GroupView, now: int, cause: str) -> Iterator[Draft]:
    for code in dict.fromkeys(code for one in authored if one.kind == CREATE_INVITE for code in joining.codes(one)):
        invite = view.invite(hash_of(code), group.id)
        if invite is not None:
            yield joining.invite_draft(group.id, code, invite, now, cause)


def _farewell(
    group: Group, event: Event, admins: Sequence[tuple[str, Member]], facts: Facts, now: int
) -> Iterator[Draft]:
    pubkey, cause = event.pubkey, event.id
    member = facts.members[member_key(pubkey, group.id)]
    if member is None or not member.is_member:
        return
    if OWNER in roles_of(member) and facts.owners[group.id] < 2:
        heirs = [(one.since, key) for key, one in admins if key != pubkey and ADMIN in roles_of(one)]
        if heirs:
            heir = min(heirs)[1]
            roles = roles_of(next(one for key, one in admins if key == heir))
            yield Draft(PUT_USER, [["h", group.id], ["p", heir, OWNER, *roles], ["e", cause]], "", now)
    yield joining.removal_draft(group.id, [pubkey], now, asked=True, cause=cause)
