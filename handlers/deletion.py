"""Deletion requests (NIP-09): kind 5 removes events by id (`e`) and all versions of an address up to now (`a`).

Rule: a request only ever removes what its tags name and its author may delete; one that names nothing usable is a valid
event without effect. One that names nothing but the moderation of a group is refused, so that nobody believes it gone. What
is not here yet is marked, and `common.refusal` finds the mark when it comes. A post goes with its edits, which are its text
(`posts.admit_edit` refuses those that come later).
"""

from collections.abc import Iterable, Iterator

from handlers.common import MODERATION, may_delete
from relay.errors import Prefix, Reject
from relay.protocol import kinds
from relay.protocol.admission import Admission, Door, RemoveAddress, RemoveEdits, RemoveEvent
from relay.protocol.event import Event, values
from relay.protocol.facts import Facts, Need, Target


def needs(event: Event, _facts: Facts) -> Iterable[Need]:
    """What it names."""
    for target_id in _ids(event):
        yield "targets", target_id
    for address in _addresses(event):
        yield "closed", address


def admit(event: Event, facts: Facts, _now: int, _door: Door) -> Admission:
    """Store the request and carry it out; its targets are as many as its tags, which the relay's limits bound."""
    removals = (*_by_id(event, facts), *_by_address(event), *_edits(event, facts))
    if not removals and any(_is_moderation(facts.targets[target]) for target in _ids(event)):
        raise Reject(Prefix.BLOCKED, "what moderates a group is its history and cannot be deleted (NIP-29)")
    return Admission(removals=tuple(dict.fromkeys(removals)))


def _by_id(event: Event, facts: Facts) -> Iterator[RemoveEvent | RemoveAddress]:
    """An `e` target that is not here cannot be judged yet: the mark names who asked."""
    for target_id in _ids(event):
        target = facts.targets[target_id]
        if target is not None and not may_delete(event.pubkey, target):
            continue
        yield RemoveEvent(target_id, event.pubkey)
        if target is not None and target.address is not None:
            yield RemoveAddress(target.address, target.created_at, target_id)


def _is_moderation(target: Target | None) -> bool:
    return target is not None and target.kind in MODERATION


def _edits(event: Event, facts: Facts) -> Iterator[RemoveEdits]:
    """What is not here may be a post all the same, whose edits are."""
    posts = tuple(one for one in dict.fromkeys(_ids(event)) if _may_be_post_of(event.pubkey, facts.targets[one]))
    if posts:
        yield RemoveEdits(posts, event.pubkey)


def _may_be_post_of(pubkey: str, target: Target | None) -> bool:
    return target is None or (target.kind == kinds.POST and target.pubkey == pubkey)


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
