"""Groups (NIP-29) at the doors: what moderates one (9000 to 9022), and what holds for every event that belongs to one.

The rules of moderation stand in `relay.protocol.groups.decide`; here is what comes from where. The doors of this relay refuse
what names a group that is not here. What a peer brings of its own groups belongs to replicas (`replicas`); what moderates one of
ours it cannot bring, since a group is moderated on its own relay. The operator's import makes groups again that began
here: their first event that counts is signed by the relay's own key.

Rule: who is a member writes. Others do in groups that are not restricted, private ones too, unless they were removed: the four
settings are independent. Whoever deletes something of their own always may. A hidden group is not here for who was never in it.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from handlers import replicas
from handlers.authorship import is_strict
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol import kinds
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event, first_value, has_tag, values
from relay.protocol.facts import Facts, Need
from relay.protocol.groups import belonging, decide, joining, succession, timeline
from relay.protocol.groups.belonging import CREATE_GROUP, CREATE_INVITE
from relay.protocol.groups.case import GroupDecision, is_above, is_secret, short
from relay.protocol.groups.fold import fold, needs_of_fold
from relay.protocol.groups.state import (
    UNKNOWN_HOME,
    Group,
    GroupChange,
    Member,
    PutGroup,
    is_replica,
    member_key,
)
from relay.protocol.relay import GroupRules, RelayRules

KINDS: Final = decide.KINDS
MAX_NAMED: Final = 20  # groups that one event from elsewhere names, looked at
_NO_HOME: Final = ("", UNKNOWN_HOME)
# What is for named readers, is spent at once, or is about the key as a whole, whatever group it names.
_OUTSIDE: Final = frozenset(
    (
        *(kinds.ENCRYPTED_DM, kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP, kinds.VANISH),
        *(kinds.JOIN, kinds.INVITE, kinds.LEAVE, *kinds.RELAY_ONLY, *KINDS),
    )
)


# what moderates


def needs_of_moderation(event: Event, facts: Facts) -> Iterable[Need]:
    """What the rules must know, and what the fold must."""
    yield from decide.needs(event, facts)
    yield from needs_of_fold(event, facts)
    yield from replicas.needs_of_moderation(event, facts)


def admit_moderation(relay: RelayRules) -> Admit:
    """Raises Reject: `duplicate:`, `restricted:` or `invalid:`, as `relay.protocol.groups.decide` says."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        if not is_strict(door):
            group_id = first_value(event, "h")
            group = None if group_id is None else facts.groups[group_id]
            is_ours = bool(facts.relay) and event.pubkey == facts.relay
            if is_ours and door is Door.PEER and group is None:
                raise Reject(Prefix.RESTRICTED, "what this relay's own key says about groups does not come from a peer")
            if door is Door.IMPORT and group is None and event.kind == CREATE_GROUP:
                return Admission(audience=(event.pubkey,))  # until the relay's word that it began
            if door is Door.IMPORT and is_ours and (group is None or event.kind in succession.KINDS):
                # Decided when it was signed; in a log out of which somebody has vanished it may not look possible.
                return _admission(event, GroupDecision(fold(event, facts)), group)
            named = None if group_id is None else replicas.named(group_id, facts)
            if named is not None and named.home:
                return replicas.moderated(event, named, facts, relay.groups)
            if named is None:
                _check_from_elsewhere(group_id, facts)
                return Admission()
            if door is Door.PEER:
                raise Reject(Prefix.RESTRICTED, "this group is moderated on this relay only")
        decision = decide.decide(event, facts, now, relay.groups, trusted=door is Door.IMPORT)
        return _admission(event, decision, facts.groups[first_value(event, "h") or ""])

    return admit


def _check_from_elsewhere(group_id: str | None, facts: Facts) -> None:
    """What another than its home brings does not come into a replica that is found here."""
    served = None if group_id is None else facts.served.get(group_id)
    if served is not None:
        raise Reject(
            Prefix.RESTRICTED, f"the group {short(group_id or '')} is kept here as its home tells it, and not by others"
        )


def _admission(event: Event, decision: GroupDecision, before: Group | None) -> Admission:
    """It belongs to the group as it is after it."""
    after = group_after(decision.changes, first_value(event, "h"), before)
    return Admission(
        audience=() if after is None else belonging.audience(event, after),
        removals=decision.removals,
        actions=decision.changes,
        message=decision.message,
        emits=decision.emits,
        group=None if after is None else after.id,
        expires=event.kind != CREATE_INVITE,
    )


def group_after(changes: Iterable[GroupChange], group_id: str | None, before: Group | None) -> Group | None:
    """The group once these changes are made."""
    for change in changes:
        if isinstance(change, PutGroup) and change.group.id == group_id:
            before = change.group
    return before


# what belongs


def needs(event: Event, facts: Facts, rules: GroupRules) -> Iterable[Need]:
    """What `enter` must know; nothing for most events outside of groups."""
    return _needs(event, facts, rules) if _may_belong(event, facts) else ()


def _may_belong(event: Event, facts: Facts) -> bool:
    """Whether it is worth to look: every event is asked, and where there is no group, only who names one need hear of it."""
    answers = event.kind in belonging.ANSWERING and facts.any_groups
    return (answers or has_tag(event, "h")) and event.kind not in _OUTSIDE


def _needs(event: Event, facts: Facts, rules: GroupRules) -> Iterable[Need]:
    if has_tag(event, "h"):
        named = _named(event)
        for group_id in named:
            yield "groups", group_id
            yield from replicas.needs_of(event, group_id, facts)
        if len(named) == 1:
            yield from _needs_of_own(event, named[0], facts, rules)
        return
    for target in belonging.answered(event):
        yield "group_of", target
        if facts.home in facts.private_homes and kinds.is_hex(target, 64):
            yield "events", target
    above = _inherited(event, facts.group_of.get)
    if above is not None:
        yield "replicas" if is_replica(above) else "groups", above
        yield "members", member_key(event.pubkey, above)


def _needs_of_own(event: Event, group_id: str, facts: Facts, rules: GroupRules) -> Iterable[Need]:
    yield "members", member_key(event.pubkey, group_id)
    yield from timeline.needs(event, group_id)
    yield from timeline.needs_of_time(event, group_id, facts.now, rules.late_publication)
    if event.kind == kinds.DELETION and has_tag(event, "code"):
        yield from joining.needs(event, group_id, facts)


def home(event: Event, facts: Facts) -> Group | None:
    """The group that the event belongs to, ended ones and those of other relays among them; None without one."""
    if not _may_belong(event, facts):
        return None
    if has_tag(event, "h"):
        named = _named(event)
        return replicas.named(named[0], facts) if len(named) == 1 else None
    group_id = _inherited(event, facts.group_of.__getitem__)
    if group_id is None:
        return None
    return facts.replicas[group_id] if is_replica(group_id) else facts.groups[group_id]


def is_checked(event: Event, facts: Facts, door: Door) -> bool:
    """Whether it is to be fit for its group: by our doors, and by a peer's, which brings into ours only what a client could."""
    if is_strict(door):
        return True
    group = home(event, facts) if door is Door.PEER else None
    return group is not None and not group.home


def is_member(event: Event, facts: Facts, group: Group | None) -> bool:
    """Whether its author is in the group."""
    member = None if group is None else facts.members[member_key(event.pubkey, group.id)]
    return member is not None and member.is_member


def enter(event: Event, facts: Facts, now: int, door: Door, rules: GroupRules) -> Group | None:
    """The group that the event comes into, None outside of groups.

    Raises Reject: `invalid:` for a group that is not here (from this relay's doors), that has ended, or for what does not fit
    it; `restricted:` for who may not write in it.
    """
    if not _may_belong(event, facts):
        return None
    _check_named(event, facts, is_strict(door))
    group = home(event, facts)
    if group is None:
        _check_outside(event, facts, door)
        return None
    if group.home:
        return _enter_replica(event, group, facts, door)
    deletes_own = event.kind == kinds.DELETION and _names_own(event, facts)
    if not (deletes_own and group.ended):
        decide.live(group.id, facts)
    if door is Door.IMPORT or is_above(event.pubkey, facts, rules):
        return group
    if has_tag(event, "h") and is_strict(door) and is_secret(group, event.pubkey, facts, rules):
        raise decide.not_here(group.id)
    if not deletes_own:
        _check_author(facts.members[member_key(event.pubkey, group.id)], group)
    if has_tag(event, "h"):
        _check_fit(event, group)
        timeline.check_previous(event, group.id, facts)
        if is_strict(door):
            timeline.check_time(event, group.id, facts, now, rules.late_publication)
    return group


def settle(admission: Admission, event: Event, group: Group | None, facts: Facts, rules: GroupRules) -> Admission:
    """The admission of an event that belongs to the group: its readers are the group's. Raises Reject for one replica too many."""
    if group is None or admission.refusal is not None or admission.audience is not None:
        return admission
    if not group.home:
        return msgspec.structs.replace(admission, audience=belonging.audience(event, group), group=group.id)
    return msgspec.structs.replace(
        admission,
        audience=belonging.audience(event, group),
        actions=(*replicas.begun(group, facts, rules), *admission.actions),
        group=group.id,
        message=belonging.FOR_OPERATOR if group.home == UNKNOWN_HOME else admission.message,
    )


def _enter_replica(event: Event, group: Group, facts: Facts, door: Door) -> Group:
    """What its home brings, and what answers something in it; from this relay's doors nothing but what deletes its author's own."""
    if has_tag(event, "h") and not is_strict(door):
        replicas.check_live(group)
    elif is_strict(door) and not (event.kind == kinds.DELETION and _names_own(event, facts)):
        raise replicas.elsewhere(group)
    return group


def _check_outside(event: Event, facts: Facts, door: Door) -> None:
    """Raises Reject for what names a group that it does not come into."""
    if not has_tag(event, "h"):
        replicas.check_answer(event, facts)
        return
    group_id = _named(event)[0]
    served = facts.served.get(group_id)
    if served is not None and not served.ended and not (served.hidden and is_strict(door)):
        raise replicas.elsewhere(served)
    if is_strict(door):
        decide.live(group_id, facts)


def _check_named(event: Event, facts: Facts, strict: bool) -> None:
    """An event belongs to one group, so that nobody gets into one by the door of another."""
    named = _named(event)
    if len(named) > 1 and (strict or facts.home not in _NO_HOME or any(facts.groups[one] is not None for one in named)):
        raise Reject(Prefix.INVALID, "an event belongs to one group: leave all h tags but one out (NIP-29)")


def _check_author(member: Member | None, group: Group) -> None:
    if member is not None and member.is_member:
        return
    if member is not None and member.standing == "removed":
        raise Reject(Prefix.RESTRICTED, "you were removed from this group")
    if group.restricted:
        raise Reject(Prefix.RESTRICTED, "only members write in this group; ask to join it first (kind 9021)")


def _check_fit(event: Event, group: Group) -> None:
    """What answers something may be there wherever that is."""
    supported = group.supported_kinds
    if supported is None or event.kind in supported or event.kind in belonging.ANSWERING:
        return
    named = ", ".join(map(str, supported[:20])) or "none"
    raise Reject(
        Prefix.INVALID, f"this group takes no events of kind {event.kind}; its supported kinds: {named} (NIP-29)"
    )


def _names_own(event: Event, facts: Facts) -> bool:
    """Whether a deletion names something of its author's that is here."""
    found = (facts.targets.get(target_id) for target_id in values(event, "e"))
    if any(target is not None and target.pubkey == event.pubkey for target in found):
        return True
    named = (address for address in values(event, "a") if facts.versions.get(address) is not None)
    return any((kinds.parse_address(address) or (0, "", ""))[1] == event.pubkey for address in named)


def _named(event: Event) -> list[str]:
    """The groups that its h tags name; "" for one without a value."""
    named = [tag[1] if len(tag) > 1 else "" for tag in event.tags if tag[0] == "h"]
    return named if len(named) < 2 else list(dict.fromkeys(named))[:MAX_NAMED]  # asked several times of every message


def _inherited(event: Event, group_of: Callable[[str], str | None]) -> str | None:
    for target in belonging.answered(event):
        found = group_of(target)
        if found is not None:
            return found
    return None
