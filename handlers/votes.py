"""Votes: reactions (kind 7, NIP-25) whose content is `+` or empty (up) or `-` (down), on posts and comments of the feed.

Every vote event is kept; of one identity the newest live one counts. An emoji is neither up nor down, and a reaction to
anything else is an event like others.
"""

from collections.abc import Iterable

from handlers import groups
from handlers.authorship import sign_in
from handlers.base import Admit
from relay.protocol import feed, kinds
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event
from relay.protocol.facts import Facts, Need
from relay.protocol.relay import RelayRules


def needs(event: Event, facts: Facts) -> Iterable[Need]:
    """Its target, the post that a target stands under, and whose key wrote it."""
    target_id = feed.voted(event)
    if target_id is None:
        return
    yield "keys", event.pubkey
    yield "events", target_id
    target = facts.events.get(target_id)
    root = feed.root(target) if target is not None and target.kind == kinds.COMMENT else None
    if root is not None:
        yield "events", root


def admit_vote(relay: RelayRules) -> Admit:
    """Raises Reject(restricted) when it votes on a post or comment here and its key has no identity."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        target = feed.voted(event)
        group = groups.home(event, facts)
        if target is None or not _in_feed(facts.events[target], facts) or (group is not None and group.private):
            return Admission()
        return sign_in(event, facts, now, door, relay, is_member=groups.is_member(event, facts, group))

    return admit


def _in_feed(target: Event | None, facts: Facts) -> bool:
    if target is not None and target.kind == kinds.COMMENT:
        root = feed.root(target)
        target = None if root is None else facts.events[root]
    return target is not None and target.kind == kinds.POST
