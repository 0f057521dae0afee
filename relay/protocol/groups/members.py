"""Putting users into a group and taking them out: 9000 and 9001 (NIP-29). One event may name several keys; all or none.

Rule: a group never loses its last owner this way, whoever asks: make somebody else owner first, or delete the group.
"""

from collections.abc import Iterator
from typing import Final

from relay.protocol import kinds, names
from relay.protocol.event import Event
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import roles
from relay.protocol.groups.belonging import PUT_USER, REMOVE_USER
from relay.protocol.groups.case import (
    MAX_TARGETS,
    Case,
    GroupDecision,
    duplicate,
    invalid,
    restricted,
    roles_of,
    short,
)
from relay.protocol.groups.fold import changes_of, targets
from relay.protocol.groups.metadata import has_control
from relay.protocol.groups.state import OWNER, member_key

MAX_ROLES: Final = 20  # of one member
MAX_ROLE: Final = 64  # characters of a role's name
LAST_OWNER: Final = "make somebody else owner first (kind 9000), or delete the group (kind 9008)"


def needs(event: Event, group_id: str, _facts: Facts) -> Iterator[Need]:
    """Everybody it names, and how many there are."""
    yield "owners", group_id
    yield "member_counts", group_id
    for pubkey in list(targets(event.tags))[:MAX_TARGETS]:
        yield "members", member_key(pubkey, group_id)


def put(case: Case) -> GroupDecision:
    """9000: members are added, or their roles updated.

    Raises Reject: `restricted:` for what the author's rank does not allow and for the last owner's role, `invalid:` for tags.
    """
    case.require_role(PUT_USER)
    wanted = _read_targets(case.event)
    added = owners = 0
    for pubkey, given in wanted.items():
        member = case.view.member(pubkey, case.group.id)
        present = roles_of(member)
        added += member is None or not member.is_member
        owners += (OWNER in given) - (OWNER in present)
        _check_roles(given, given if case.trusted else present)
        _check_rank(case, pubkey, present, given)
    if owners < 0 and case.facts.owners[case.group.id] + owners < 1:
        restricted(f"this is the last owner of the group: {LAST_OWNER}")
    check_room(case, added)
    return _done(case)


def remove(case: Case) -> GroupDecision:
    """9001: members are removed, and come back by an invite or an admin only; whoever names only itself has left.

    Raises Reject: `restricted:` as `put`, `invalid:` for who never was a member, `duplicate:` for who was removed already.
    """
    wanted = _read_targets(case.event)
    if set(wanted) != {case.event.pubkey}:
        case.require_role(REMOVE_USER)
    owners = 0
    for pubkey in wanted:
        member = case.view.member(pubkey, case.group.id)
        if member is None:
            invalid(f"{pubkey} is no member of this group")
        if not member.is_member and (member.standing == "removed" or pubkey == case.event.pubkey):
            duplicate(f"{pubkey} is not a member of this group any more")
        present = roles_of(member)
        owners += OWNER in present
        if pubkey != case.event.pubkey and not roles.may_act_on(case.rank, roles.rank(present)):
            restricted(f"your role in this group does not allow to remove {pubkey}, whose role is {present[0]}")
    if owners and case.facts.owners[case.group.id] - owners < 1:
        restricted(f"the last owner of a group cannot be removed: {LAST_OWNER}")
    return _done(case)


def check_room(case: Case, added: int) -> None:
    """Raises Reject(restricted) where so many more members are too many."""
    most = case.rules.members
    if added and most and not case.trusted and case.facts.member_counts[case.group.id] + added > most:
        restricted(f"this group is full: it has at most {most:,} members")


def _read_targets(event: Event) -> dict[str, tuple[str, ...]]:
    named = [tag[1] if len(tag) > 1 else "" for tag in event.tags if tag[0] == "p"]
    if not named:
        invalid(f"kind {event.kind} needs a p tag with the user's public key")
    wrong = next((value for value in named if not kinds.is_hex(value, 64)), None)
    if wrong is not None:
        invalid(f"a p tag holds a public key as 64 lower-case hex digits, and {short(wrong)} is none")
    if len(set(named)) != len(named):
        invalid("a user is named once")
    if len(named) > MAX_TARGETS:
        invalid(f"at most {MAX_TARGETS} users are named at once")
    return targets(event.tags)


def _check_roles(given: tuple[str, ...], known: tuple[str, ...]) -> None:
    """`known`: those whose names are taken as they are."""
    if len(given) > MAX_ROLES or any(len(role) > MAX_ROLE or has_control(role) for role in given):
        invalid(f"a user has at most {MAX_ROLES} roles, of at most {MAX_ROLE} characters without control characters")
    for role in given:
        hidden = None if role in known else names.hidden_character(role)
        if hidden is not None:
            invalid(f"a role's name has no hidden or directional characters, and {hidden} is one; leave it out")


def _check_rank(case: Case, pubkey: str, present: tuple[str, ...], given: tuple[str, ...]) -> None:
    own, is_self = case.rank, pubkey == case.event.pubkey
    if not is_self and not roles.may_act_on(own, roles.rank(present)):
        restricted(f"your role in this group does not allow to change {pubkey}")
    for role in sorted(set(present) ^ set(given)):
        given_up = is_self and role in present
        if not given_up and not roles.may_act_on(own, roles.rank([role])):
            restricted(f"your role in this group does not allow to give or take the role {role}")


def _done(case: Case) -> GroupDecision:
    event = case.event
    return GroupDecision(changes_of(event.kind, event.pubkey, event.tags, event.created_at, case.view))
