"""Votes: reactions (kind 7, NIP-25) whose content is `+` or empty (up) or `-` (down), on posts and comments of the feed.

Every vote event is kept; of one identity the newest live one counts. An emoji is neither up nor down, and a reaction to
anything else is an event like others. One on what is not here yet counts once that is here and its author has an identity: where
one is made for whoever votes, it is made at once if the vote says what kind it is on (`k`), so that the order does not matter.
"""

from collections.abc import Iterable
from typing import Final

from handlers import groups
from handlers.authorship import sign_in
from handlers.base import Admit
from relay.protocol import feed, kinds
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event, first_value
from relay.protocol.facts import Facts, Need
from relay.protocol.relay import RelayRules

_POST: Final = str(kinds.POST)
_OF_FEED: Final = frozenset((_POST, str(kinds.COMMENT)))


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
        as_said = door is Door.PEER or relay.provision
        if target is None or (group is not None and group.private) or not _is_of_feed(event, target, facts, as_said):
            return Admission()
        return sign_in(event, facts, now, door, relay, is_member=groups.is_member(event, facts, group))

    return admit


def _is_of_feed(event: Event, target_id: str, facts: Facts, as_said: bool) -> bool:
    """Whether it is on a post or a comment on one; of what is not here, whether it is by what the tags `k` and `K` say."""
    target = facts.events[target_id]
    if target is None:
        return as_said and first_value(event, "k") in _OF_FEED
    if target.kind != kinds.COMMENT:
        return target.kind == kinds.POST
    root = feed.root(target)
    post = None if root is None else facts.events[root]
    return as_said and first_value(target, "K") == _POST if post is None else post.kind == kinds.POST
