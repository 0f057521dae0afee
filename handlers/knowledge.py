"""Knowledge (kind 30818, NIP-54): articles that are searched, each an address of its author and its `d` tag.

They are written by posting identities, like the feed, or by members of the group that they name. What they say is found by the
passages that storage makes of them.
"""

import msgspec

from handlers import addressable, groups
from handlers.authorship import check_text, is_strict, sign_in
from handlers.base import Admit
from relay.errors import Prefix, Reject
from relay.protocol.admission import Admission, Door
from relay.protocol.event import Event, first_value
from relay.protocol.facts import Facts
from relay.protocol.names import is_blank
from relay.protocol.relay import RelayRules


def admit_article(relay: RelayRules) -> Admit:
    """Raises Reject: `invalid:` without a `d` tag or text, or for an older version; `restricted:` without an identity."""

    def admit(event: Event, facts: Facts, now: int, door: Door) -> Admission:
        admission = addressable.admit(event, facts, now, door)
        if is_strict(door):
            _check(event)
        if groups.is_member(event, facts, groups.home(event, facts)):
            return admission
        return msgspec.structs.replace(sign_in(event, facts, now, door, relay), replaces=admission.replaces)

    return admit


def _check(event: Event) -> None:
    if not first_value(event, "d"):
        raise Reject(Prefix.INVALID, "an article needs a d tag that names its subject (NIP-54)")
    if is_blank(event.content):
        raise Reject(Prefix.INVALID, "an article needs text")
    check_text(event)
