"""What holds for every event, whatever its kind: asked before the handler of its family.

Rule: an event that was removed stays away, in whatever order it and its removal come.
"""

from typing import Final

from relay.errors import Prefix, Reject
from relay.protocol import kinds, outdated
from relay.protocol.admission import GROUP_MODERATOR, OPERATOR, Admission, AllowTime, Removal, RemoveAddress
from relay.protocol.event import Event, address_of, first_value, values
from relay.protocol.facts import Facts, Need, Target
from relay.protocol.groups.belonging import MODERATION

PROOFS: Final = {kinds.CLIENT_AUTH: "NIP-42", kinds.HTTP_AUTH: "NIP-98"}


def can_be_deleted(kind: int) -> bool:
    """Whether a deletion request works on the kind: not on kind 5 (NIP-09), 62 (NIP-62) and group moderation (NIP-29)."""
    return kind not in (kinds.DELETION, kinds.VANISH) and kind not in MODERATION


def may_delete(pubkey: str, event: Target) -> bool:
    """Whether a kind 5 by `pubkey` deletes the event: its author's does, and a gift wrap's recipient's (NIP-09, NIP-59)."""
    if not can_be_deleted(event.kind):
        return False
    return pubkey == event.pubkey or pubkey in event.recipients


def needs(event: Event) -> list[Need]:
    """What `refusal` must know beside `facts.marks_of` of every event. A list: every event is asked, several times."""
    return [("closed", address_of(event) or "")] if kinds.has_address(event.kind) else []


def refusal(event: Event, facts: Facts, now: int) -> Admission | None:
    """None when the event may go on to its handler, or an Admission that refuses it and still removes.

    Raises Reject: `invalid:` for proofs that are not for publishing and for what has expired by `now` (NIP-40),
    `blocked:` for what was deleted (NIP-09) or lies before its author's request to vanish (NIP-62).
    """
    if event.kind in PROOFS:
        proof = PROOFS[event.kind]
        raise Reject(Prefix.INVALID, f"kind {event.kind} proves a key to one server and is never published ({proof})")
    expired = outdated.expired(event, now)
    if expired is not None:
        raise expired
    deleters = facts.deleters[event.id]
    if OPERATOR in deleters:
        raise Reject(Prefix.BLOCKED, "this event was removed by the operator")
    if GROUP_MODERATOR in deleters:
        raise Reject(Prefix.BLOCKED, f"{outdated.REMOVED} of its group")
    vanished = facts.vanished[event.pubkey]
    if vanished is not None and event.created_at <= vanished:
        raise Reject(Prefix.BLOCKED, f"{outdated.VANISHED}, up to {vanished} (NIP-62)")
    if deleters:
        if event.pubkey in deleters and can_be_deleted(event.kind):
            return _deleted_by_author(event, facts)
        if event.kind == kinds.GIFT_WRAP and not deleters.isdisjoint(values(event, "p")):
            raise Reject(Prefix.BLOCKED, outdated.DELETED)
    if kinds.has_address(event.kind):
        _check_address(event, facts)
    return None


def _deleted_by_author(event: Event, facts: Facts) -> Admission:
    """The deletion was here first: only now is the address known whose older versions it takes along, and in a group the time."""
    address, group_id = address_of(event), first_value(event, "h")
    removals: list[Removal] = [] if address is None else [RemoveAddress(address, event.created_at, event.id)]
    if group_id is not None and facts.groups.get(group_id) is not None:
        removals.append(AllowTime(event.pubkey, event.kind, event.created_at, group_id))
    return Admission(refusal=Reject(Prefix.BLOCKED, outdated.DELETED), removals=tuple(removals))


def _check_address(event: Event, facts: Facts) -> None:
    deleted = facts.closed[address_of(event) or ""]
    if deleted is None or event.created_at > deleted.created_at:
        return
    if event.created_at < deleted.created_at or event.id >= deleted.id:  # the lowest id wins, and "" is below all
        raise Reject(Prefix.BLOCKED, outdated.DELETED_VERSION)
