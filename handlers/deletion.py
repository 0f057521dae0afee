"""Deletion requests (NIP-09): kind 5 removes events by id (`e`) and all versions of an address up to now (`a`).

Rule: a request only ever removes what its tags name and its author may delete; one that names nothing usable is a valid
event without effect. One that names nothing but the moderation of a group is refused, so that nobody believes it gone. What
is not here yet is marked, and `common.refusal` finds the mark when it comes. What has edits goes with them, which are
its text (`edits.admit_edit` refuses those that come later).
"""

from collections.abc import Iterable, Iterator

from handlers import groups
from handlers.base import Admit
from handlers.common import may_delete
from relay.errors import Prefix, Reject
from relay.protocol import feed, kinds
from relay.protocol.admission import Admission, AllowTime, Door, RemoveAddress, RemoveEdits, RemoveEvent
from relay.protocol.event import Event, has_tag, values
from relay.protocol.facts import Facts, Need, Target
from relay.protocol.groups import joining
from relay.protocol.groups.belonging import MODERATION
from relay.protocol.relay import RelayRules


def needs(event: Event, _facts: Facts) -> Iterable[Need]:
    """What it names."""
    for target_id in _ids(event):
        yield "targets", target_id
    for address in _addresses(event):
        yield "closed", address


def admit_deletion(relay: RelayRules) -> Admit:
    """Raises Reject: `blocked:` for moderation of groups, `restricted:` for invite codes (`code`) that are not its author's."""

    def admit(event: Event, facts: Facts, now: int, _door: Door) -> Admission:
        """Store the request and carry it out; its targets are as many as its tags, which the relay's limits bound."""
        found = (*_by_id(event, facts), *_by_address(event), *_edits(event, facts), *_times(event, facts))
        removals = tuple(dict.fromkeys(found))
        group = groups.home(event, facts) if has_tag(event, "h") and has_tag(event, "code") else None
        if group is not None and not (group.ended or group.home):
            decision = joining.revoke(event, group, facts, now, relay.groups)
            return Admission(removals=removals, actions=decision.changes, emits=decision.emits)
        if not removals and any(_is_moderation(facts.targets[target]) for target in _ids(event)):
            raise Reject(Prefix.BLOCKED, "what moderates a group is its history and cannot be deleted (NIP-29)")
        return Admission(removals=removals)

    return admit


def _by_id(event: Event, facts: Facts) -> Iterator[RemoveEvent | RemoveAddress]:
    """An `e` target that is not here cannot be judged yet: the mark names who asked."""
    for target_id in _ids(event):
        target = facts.targets[target_id]
        if target is not None and not may_delete(event.pubkey, target):
            continue
        yield RemoveEvent(target_id, event.pubkey)
        if target is not None and target.address is not None:
            yield RemoveAddress(target.address, target.created_at, target_id)


def _times(event: Event, facts: Facts) -> Iterator[AllowTime]:
    """In a group of this relay: that its author may publish of these times again."""
    group = groups.home(event, facts)
    for target_id in _ids(event) if group is not None and not group.home else ():
        target = facts.targets[target_id]
        if group is not None and target is not None and may_delete(event.pubkey, target):
            yield AllowTime(event.pubkey, target.kind, target.created_at, group.id)


def _is_moderation(target: Target | None) -> bool:
    return target is not None and target.kind in MODERATION


def _edits(event: Event, facts: Facts) -> Iterator[RemoveEdits]:
    """What is not here may be a post, comment or message all the same, whose edits are."""
    edited = tuple(one for one in dict.fromkeys(_ids(event)) if _may_be_edited_by(event.pubkey, facts.targets[one]))
    if edited:
        yield RemoveEdits(edited, event.pubkey)


def _may_be_edited_by(pubkey: str, target: Target | None) -> bool:
    return target is None or (target.kind in feed.EDITED and target.pubkey == pubkey)


def _by_address(event: Event) -> Iterator[RemoveAddress]:
    """An `a` target covers the versions up to the request's own time, so that a newer one is welcome."""
    for address in _addresses(event):
        yield RemoveAddress(address, event.created_at)


def _ids(event: Event) -> list[str]:
    return [value for value in values(event, "e") if kinds.is_hex(value, 64)]


def _addresses(event: Event) -> Iterator[str]:
    """The addresses it names that are its author's."""
    for value in values(event, "a"):
        parsed = kinds.parse_address(value)
        if parsed is not None and parsed[1] == event.pubkey:
            yield value
