"""Votes: reactions (kind 7, NIP-25) whose content is `+` or empty (up) or `-` (down), on posts and comments of the feed.

Every vote event is kept; of one identity the newest live one counts. An emoji is neither up nor down, and a reaction to
anything else is an event like others.
"""

from handlers.authorship import sign_in
from handlers.base import Admit
from relay.protocol import feed, kinds
from relay.protocol.admission import Admission, Door, Key, Known
from relay.protocol.event import Event
from relay.protocol.relay import Relay


def admit_vote(relay: Relay) -> Admit:
    """Raises Reject(restricted) when it votes on a post or comment here and its key has no identity."""

    def admit(event: Event, known: Known, _now: int, door: Door) -> Admission:
        target = feed.voted(event)
        if target is None or not _in_feed(known.get(target), known):
            return Admission()
        return Admission(actions=sign_in(event, known, door, relay))

    return admit


def touches(event: Event) -> tuple[Key, ...]:
    """What the author says of the target; an emoji says nothing."""
    target = feed.voted(event)
    return () if target is None else (("votes", target + event.pubkey),)


def _in_feed(target: Event | None, known: Known) -> bool:
    if target is not None and target.kind == kinds.COMMENT:
        target = known.get(feed.root(target) or "")
    return target is not None and target.kind == kinds.POST
